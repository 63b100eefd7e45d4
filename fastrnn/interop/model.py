"""What exchange needs to know of a fitted estimator, in words of its own."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.estimators.base import RNNBase
from fastrnn.estimators.classifier import RNNClassifier
from fastrnn.estimators.forecaster import RNNForecaster
from fastrnn.estimators.language_model import RNNLanguageModel
from fastrnn.estimators.regressor import RNNRegressor
from fastrnn.estimators.tagger import RNNTagger
from fastrnn.inputs.columns import Columns
from fastrnn.network.network import Network

KINDS = (RNNClassifier, RNNRegressor, RNNTagger, RNNForecaster, RNNLanguageModel)
"""Estimators whose answers this module can put into words."""


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted estimator: its network, how that reads, and what it answers.

    Attributes
    ----------
    kind : str
        Name of the class, of fastrnn's own if it is one that derives from it.
    network : Network
        Its network.
    columns : Columns
        What the network reads at each step.
    names : tuple of str or None
        Names of the columns that `fit` was given.
    answers : {"classes", "labels", "numbers", "tokens", "forecasts"}
        What the outputs are about.
    meanings : sequence
        Of "classes" and "tokens" the one that each output is about.
    end : int or None
        The id that begins and ends a text, if texts have one.
    scale, mean : ndarray of shape (K,) or None
        Of "numbers": ``output * scale + mean`` is in the units of `y`.
    is_flat : bool
        Of "numbers": whether `predict` returns one for each sequence, not a row.
    plan, covariates : Plan and CovariateScale, or None
        Of "forecasts": how series are read and scaled.
    """

    kind: str
    network: Network
    columns: Columns
    names: tuple[str, ...] | None
    answers: str
    meanings: Any = ()
    end: int | None = None
    scale: np.ndarray | None = None
    mean: np.ndarray | None = None
    is_flat: bool = False
    plan: Any = None
    covariates: Any = None


def is_estimator(thing):
    """Whether something is an estimator of fastrnn, fitted or not."""
    return isinstance(thing, RNNBase)


def read_model(est):
    """What exchange needs to know of an estimator of fastrnn, which must be fitted."""
    est._check_fitted()
    kind = next((kind for kind in KINDS if isinstance(est, kind)), None)
    if kind is None:
        raise TypeError(f"there is no export of what {type(est).__name__} answers")
    network, columns = est.network_, est._columns
    # Steps of one number are no columns with names.
    names = columns.names if est._n_columns is None else None
    about = {"answers": "classes"}
    if kind is RNNForecaster:
        columns, _ = est._plan.columns(est._covariates)
        names = est._columns.names
        about = {"answers": "forecasts", "plan": est._plan, "covariates": est._covariates}
    elif kind is RNNRegressor:
        about = {"answers": "numbers", "scale": est.y_scale_, "mean": est.y_mean_}
        about["is_flat"] = est._y_ndim == 1
    elif kind is RNNLanguageModel:
        about = {"answers": "tokens", "meanings": est.tokens_, "end": est._vocabulary.end}
    elif network.head.kind == "binary_log_loss":
        about = {"answers": "labels", "meanings": est.classes_}
    else:
        about["meanings"] = est.classes_
    return Model(kind.__name__, network, columns, names, **about)
