"""What exchange needs to know of a fitted estimator, in words of its own."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.estimators import fitting
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

LINKS = ("identity", "softmax", "sigmoid")
"""What may become of the outputs of a linear map, as far as other programs are told how."""

POOLINGS = ("last", "mean", "max", "steps")
"""What heads see of the top layer, as far as other programs are told how."""


@dataclass(frozen=True, eq=False)
class Model:
    """A fitted estimator: its network, how that reads, and what it answers.

    Attributes
    ----------
    kind : str
        Name of the class; that of fastrnn where it is derived.
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

    @property
    def architecture(self):
        """What the network is."""
        return self.network.architecture

    @property
    def head(self):
        """The linear map to the outputs: "W" (F, K) and "b" (K,)."""
        params = dict(self.network.head.params)
        return {"W": self.network.embeddings[0].T, **params} if self.architecture.tied else params

    @property
    def link(self):
        """What becomes of its outputs, one of `LINKS`."""
        return self.network.head.link


def is_estimator(thing):
    """Whether something is an estimator of fastrnn, fitted or not."""
    return isinstance(thing, RNNBase)


def adopt(est, weights, meaning):
    """Make an estimator a fitted one with weights from elsewhere, which mean this."""
    fitting.adopt(est, weights, meaning)


def read_model(est):
    """What exchange needs to know of an estimator of fastrnn, which must be fitted."""
    est.check_fitted()
    kind = next((kind for kind in KINDS if isinstance(est, kind)), None)
    if kind is None:
        raise TypeError(f"there is no export of what {type(est).__name__} answers")
    network, reader, task = est.network_, est.reader_, est.task_
    _check(network)
    columns, names = reader.columns, reader.feature_names
    if kind not in (RNNForecaster, RNNLanguageModel) and reader.n_columns is not None:
        names = None  # of a table they name steps
    about = {"answers": "classes"}
    if kind is RNNForecaster:
        about = {"answers": "forecasts", "plan": reader.plan, "covariates": reader.covariates}
    elif kind is RNNRegressor:
        about = {"answers": "numbers", "scale": task.scale, "mean": task.mean}
        about["is_flat"] = task.is_flat
    elif kind is RNNLanguageModel:
        about = {"answers": "tokens", "meanings": est.tokens_, "end": reader.vocabulary.end}
    elif task.kind == "label_sets":
        about = {"answers": "labels", "meanings": est.classes_}
    else:
        about["meanings"] = est.classes_
    return Model(kind.__name__, network, columns, names, **about)


def _check(network):
    """Refuse what other programs would be told wrong: what this module does not know."""
    head, pooling = network.head, network.architecture.pooling
    if head.link not in LINKS:
        raise ValueError(
            f"there is no export of the head {head.kind!r}, only of those that are a linear map and "
            f"one of {list(LINKS)}"
        )
    if unknown := head.params.keys() - {"W", "b"}:
        raise ValueError(f"there is no export of a head with the parameters {sorted(unknown)}")
    if pooling not in POOLINGS:
        raise ValueError(f"there is no export of pooling={pooling!r}, only of {list(POOLINGS)}")
