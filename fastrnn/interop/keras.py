"""Weights of Keras' layers, in the order of their `get_weights`. Keras itself is not needed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np

from fastrnn.interop.keras_arrays import Misfit, read_list
from fastrnn.interop.keras_layers import read_layers
from fastrnn.interop.model import read_model
from fastrnn.interop.weights import check_estimator, in_order, weights_of
from fastrnn.network.cells import CELLS
from fastrnn.typing import AnyArray

__all__ = ["from_keras", "to_keras_weights"]


def from_keras(
    weights: Any,
    estimator: Any = None,
    *,
    bidirectional: bool | None = None,
    reset_after: bool | None = None,
    activation: Literal["tanh", "relu"] | None = None,
    classes: Collection[Any] | None = None,
    multilabel: bool | None = None,
    tokens: Sequence[str] | None = None,
) -> Any:
    """Take the weights of a layer or model of Keras.

    Of LSTM, GRU or SimpleRNN alone, also inside Bidirectional, come layers. Of a model that has
    them, and perhaps an Embedding below and a Dense layer on top, comes a fitted estimator.

    Parameters
    ----------
    weights : list of array-like, or Keras model or layer
        What `get_weights` gives. Arrays are told apart by their shapes. A model or layer tells
        more: options of its layers are checked, and pooling and the head's activation are known.
    estimator : estimator, default=None
        Says what becomes of it: an `RNNClassifier`, `RNNRegressor`, `RNNTagger` or
        `RNNLanguageModel`. What the weights tell (`hidden_layer_sizes`, `cell`, `bidirectional`,
        `embedding_dim`, of a model also `pooling`) may be at its default; all else is as it says.
        None makes layers.
    bidirectional : bool, default=None
        Whether the layers are Bidirectional, merged by "concat". None finds out; it is needed where
        a list could be either one such layer or two that are stacked.
    reset_after : bool, default=None
        Which convention GRUs without bias follow. Otherwise the shape of the bias tells.
    activation : {"tanh", "relu"}, default=None
        That of SimpleRNN. A list of arrays does not tell it: None is then that of the estimator, or
        for layers "tanh".
    classes : array-like of shape (n_classes,), default=None
        For a classifier or tagger, the label of each output; None for 0, 1, … A single output is
        the log-odds of the second of two classes.
    multilabel : bool, default=None
        For a classifier, whether each output is the log-odds of a label of its own, by "sigmoid".
        A model tells.
    tokens : list of str, default=None
        For a language model, what each id stands for; the first is "<unk>", which stands for all
        tokens that are not known. None makes a model of ids.

    Returns
    -------
    list of layers of `fastrnn.layers`, or estimator
        Layers from the input up; or a fitted copy of the estimator, whose parameters say what it
        is. It is float64 if the weights or the estimator are.

    Raises
    ------
    TypeError
        If `weights` or `estimator` is no such thing, or an array does not hold floating-point
        numbers.
    ValueError
        If an array is missing, has the wrong shape or is too many; if it is not clear what is what;
        if the estimator says something else than the weights; or if there is no equal of a layer,
        or of one of its options.

    See Also
    --------
    to_keras_weights : The way back.

    Notes
    -----
    Kernels are the same, bit for bit. So is the bias, where Keras has one row; of two rows the sum
    is, where a layer here has one. Missing biases are zeros. The head's outputs are put into the
    order of sorted classes. The outputs of a regressor are taken as they are. Masks and dropout
    have no effect: sequences are given without padding. A model must be a chain of its layers.

    Of a language model, each token counts as met once in training.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNClassifier
    >>> from fastrnn.interop import from_keras
    >>> rng = np.random.default_rng(0)
    >>> shapes = [(3, 32), (8, 32), (32,), (8, 2), (2,)]  # LSTM(8), Dense(2)
    >>> arrays = [rng.normal(size=shape) for shape in shapes]
    >>> clf = from_keras(arrays, RNNClassifier(pooling="last"))
    >>> clf.cell, clf.hidden_layer_sizes, clf.classes_
    ('lstm', 8, array([0, 1]))
    >>> clf.predict_proba([rng.normal(size=(5, 3)), rng.normal(size=(2, 3))]).shape
    (2, 2)
    """
    if estimator is not None:
        check_estimator(estimator)
    said = {"bidirectional": bidirectional, "reset_after": reset_after, "activation": activation}
    head_activation = None
    try:
        if not hasattr(weights, "get_weights"):
            read = read_list(weights, estimator, **said)
        else:
            for name, value in said.items():
                if value is not None:
                    raise ValueError(f"{name} is for a list of arrays: a model of Keras tells it")
            read, head_activation = read_layers(weights, estimator is not None)
    except Misfit as misfit:
        raise ValueError(str(misfit)) from None
    if estimator is None:
        return read.to_layers()
    n_outputs = len(read.head["b"])
    if head_activation == "sigmoid" and n_outputs > 1 and multilabel is None:
        multilabel = True
    meaning = {"classes": classes, "multilabel": multilabel, "tokens": tokens}
    fitted = read.to_estimator(estimator, meaning)
    _check_head_activation(head_activation, n_outputs, fitted)
    return fitted


def to_keras_weights(model: Any) -> list[AnyArray]:
    """Give weights the order and shapes that Keras' layers have.

    Parameters
    ----------
    model : fitted estimator, layer, or list of layers
        Whose weights. The forecaster's scaling of series is not among them.

    Returns
    -------
    list of ndarray
        For ``set_weights`` of a model of Embedding (where there are ids), LSTM, GRU or SimpleRNN,
        and Dense; for layers, of these alone. For each column of ids its table; for each layer and
        direction kernel, recurrent kernel and bias; kernel and bias of the head. The bias of a GRU
        with ``reset_after=True`` has two rows; the second is zero but for the candidate. The head
        of a regressor gives the units of `y`, and `scaling` becomes part of the weights of the
        first layer. Arrays are copies.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If `model` is no such thing.
    ValueError
        If Keras has no such cell, as ``cell="carry_lstm"`` is; or if `scaling` would be lost by
        rounding, as that of numbers whose mean is many thousand times their deviation.

    See Also
    --------
    from_keras : The way here.

    Examples
    --------
    >>> from fastrnn.interop import to_keras_weights
    >>> from fastrnn.layers import GRU
    >>> [array.shape for array in to_keras_weights(GRU(3, 5))]
    [(3, 15), (5, 15), (2, 15)]
    """
    weights = weights_of(model, "Keras")
    cell = CELLS[weights.cell].cell
    order = cell.blocks_of(cell.keras)
    operator: Any = cell.keras
    has_two_rows = operator.attributes[cell.choice(weights.options)].get("reset_after", False)
    arrays = [table.copy() for table in weights.tables]
    for params in weights.layers:
        for way in ("", "_reverse") if weights.bidirectional else ("",):
            of_way = {name: params[name + way] for name in cell.shapes(1, 1)}
            W, U, b, b_recurrent = (
                in_order(array, order)
                for array in (of_way["W"], of_way["U"], of_way["b"], cell.recurrent_bias(of_way))
            )
            both = np.stack([b, b_recurrent])
            arrays += [W, U, both if has_two_rows else both.sum(axis=0)]
    if weights.head is not None:
        arrays += [np.ascontiguousarray(weights.head["W"]).copy(), weights.head["b"].copy()]
    return arrays


def _check_head_activation(activation, n_outputs, fitted):
    """Check that the activation of a head is what an estimator does with its outputs."""
    link = read_model(fitted).link
    activations = {"identity": (), "rate": ("exponential",)}
    allowed = ("linear", *activations.get(link, (link,)))
    if n_outputs == 1 and "softmax" in allowed:
        allowed = ("linear", "sigmoid")
    if activation is not None and activation not in allowed:
        raise ValueError(
            f"the head has activation {activation!r}, but with {n_outputs} outputs "
            f"{type(fitted).__name__} has {allowed[-1]!r}"
        )
