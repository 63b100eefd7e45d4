"""Estimators: recurrent networks with scikit-learn's `fit` and `predict`."""

from fastrnn.estimators.classifier import RNNClassifier
from fastrnn.estimators.forecaster import RNNForecaster
from fastrnn.estimators.language_model import RNNLanguageModel
from fastrnn.estimators.loading import load
from fastrnn.estimators.regressor import RNNRegressor
from fastrnn.estimators.tagger import RNNTagger

__all__ = [
    "RNNClassifier",
    "RNNForecaster",
    "RNNLanguageModel",
    "RNNRegressor",
    "RNNTagger",
    "load",
]
