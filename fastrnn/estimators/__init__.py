"""Estimators: recurrent networks with scikit-learn's `fit` and `predict`."""

import fastrnn
from fastrnn.estimators.classifier import RNNClassifier as RNNClassifier
from fastrnn.estimators.forecaster import RNNForecaster as RNNForecaster
from fastrnn.estimators.language_model import RNNLanguageModel as RNNLanguageModel
from fastrnn.estimators.loading import load as load
from fastrnn.estimators.regressor import RNNRegressor as RNNRegressor
from fastrnn.estimators.seq2seq import RNNSeq2Seq as RNNSeq2Seq
from fastrnn.estimators.tagger import RNNTagger as RNNTagger

__all__ = [name for name in fastrnn.__all__ if name != "show_versions"]
