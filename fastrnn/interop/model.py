"""What exchange needs to know of a fitted estimator, in words of its own."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.estimators import fitting
from fastrnn.estimators.base import RNNBase
from fastrnn.inputs.column_scaling import NO_SCALING, Scaling
from fastrnn.inputs.columns import Columns
from fastrnn.inputs.missing import NO_GAPS, Gaps
from fastrnn.network.network import Network
from fastrnn.network.pooling import parts_of

LINKS = ("identity", "softmax", "sigmoid", "rate", "softplus")
"""What may become of the outputs of a linear map, as far as other programs are told how."""

PARTS = ("last", "mean", "max", "attention")
"""What heads may see of a whole sequence, as far as other programs are told how."""


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
    answers : {"classes", "labels", "numbers", "tokens", "forecasts", "label sequences"}
        What the outputs are about.
    meanings : sequence
        Of "classes" and "tokens" the one that each output is about; of "label sequences" the label
        of each but the last, which is the blank.
    tokens : list of str or None
        Of models that read texts: the token of each id.
    end : int or None
        The id that begins and ends a text, if texts have one.
    scale, mean : ndarray of shape (M,) or None
        Of "numbers": ``output * scale + mean`` is in the units of `y`.
    levels : tuple of float or None
        Of "numbers": which quantiles the outputs for each of them are, side by side.
    is_flat : bool
        Of "numbers": whether `predict` returns one for each sequence, not a row.
    plan, covariates : Plan and CovariateScale, or None
        Of "forecasts": how series are read and scaled.
    gaps : Gaps
        Otherwise: what is read of missing values and times.
    scaling : Scaling
        How numbers are scaled before.
    """

    kind: str
    network: Network
    columns: Columns
    names: tuple[str, ...] | None
    answers: str
    meanings: Any = ()
    tokens: list[str] | None = None
    end: int | None = None
    scale: np.ndarray | None = None
    mean: np.ndarray | None = None
    levels: tuple[float, ...] | None = None
    is_flat: bool = False
    plan: Any = None
    covariates: Any = None
    gaps: Gaps = NO_GAPS
    scaling: Scaling = NO_SCALING

    @property
    def architecture(self):
        """What the network is."""
        return self.network.architecture

    @property
    def head(self):
        """The linear map to the outputs: "W" (F, K) and "b" (K,).

        Of the parameters of distributions those that tell the point that is expected.
        """
        params = self.network.head.point_params()
        return {"W": self.network.embeddings[0].T, **params} if self.architecture.tied else params

    @property
    def link(self):
        """What becomes of its outputs, one of `LINKS`."""
        return self.network.head.point_link


def is_estimator(thing):
    """Whether something is an estimator of fastrnn, fitted or not."""
    return isinstance(thing, RNNBase)


def adopt(est, weights, meaning):
    """Make an estimator a fitted one with weights from elsewhere, which mean this."""
    fitting.adopt(est, weights, meaning)


def read_model(est):
    """What exchange needs to know of an estimator of fastrnn, which must be fitted."""
    est.check_fitted()
    network, reader, task = est.network_, est.reader_, est.task_
    kind = next((cls for cls in type(est).__mro__ if vars(cls).get("kind")), None)
    if kind is None or task.kind not in _ABOUT:
        told = _WHAT_IS_NOT.get(task.kind, "")
        raise TypeError(f"there is no export of what {type(est).__name__} answers{told}")
    _check(network)
    about = _ABOUT[task.kind](reader, task)
    of_numbers = {"gaps": reader.gaps, "scaling": reader.scaling}
    return Model(kind.__name__, network, reader.columns, reader.step_names, **of_numbers, **about)


def _classes(reader, task):
    return {"answers": "classes", "meanings": task.classes}


def _labels(reader, task):
    return {"answers": "labels", "meanings": np.arange(task.n_outputs)}


def _numbers(reader, task):
    numbers = {name: getattr(task, name) for name in ("scale", "mean", "levels", "is_flat")}
    return {"answers": "numbers", **numbers}


def _tokens(reader, task):
    tokens, end = reader.vocabulary.tokens, reader.vocabulary.end
    return {"answers": "tokens", "meanings": tokens, "tokens": tokens, "end": end}


def _label_sequences(reader, task):
    tokens = reader.vocabulary and reader.vocabulary.tokens
    return {"answers": "label sequences", "meanings": task.classes, "tokens": tokens}


def _forecasts(reader, task):
    return {"answers": "forecasts", "plan": reader.plan, "covariates": reader.covariates}


_ABOUT = {
    "classes": _classes,
    "label_sets": _labels,
    "step_classes": _classes,
    "numbers": _numbers,
    "next_tokens": _tokens,
    "next_values": _forecasts,
    "label_sequences": _label_sequences,
}
"""What outputs are about, by the kind of the task; other tasks have answers of no word here."""

_WHAT_IS_NOT = {
    "told_labels": " with alignment='attention', whose decoder tells one label after the other: "
    "only of what it answers with alignment='ctc'",
}
"""Why there is no export of some of these, and what there is instead."""


def _check(network):
    """Refuse what other programs would be told wrong: what this module does not know."""
    head = network.head
    if head.point_link not in LINKS:
        raise ValueError(
            f"there is no export of the head {head.kind!r}, only of those that are a linear map "
            f"and one of {list(LINKS)}"
        )
    if unknown := head.params.keys() - {"W", "b"}:
        raise ValueError(f"there is no export of a head with the parameters {sorted(unknown)}")
    if unknown := set(parts_of(network.architecture.pooling)) - set(PARTS):
        raise ValueError(f"there is no export of pooling={min(unknown)!r}, only of {list(PARTS)}")
