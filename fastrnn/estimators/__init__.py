"""Estimators: recurrent networks with scikit-learn's `fit` and `predict`."""

from fastrnn.estimators.classifier import RNNClassifier
from fastrnn.estimators.regressor import RNNRegressor

__all__ = ["RNNClassifier", "RNNRegressor"]
