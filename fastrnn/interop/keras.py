"""Weights of Keras' layers, in the order of their `get_weights`. Keras itself is not needed.

A recurrent layer has for each direction a kernel (D, G·H), a recurrent kernel (H, G·H) and a bias.
The gates of an LSTM stand in the order i, f, c, o, which is i, f, g, o here; those of a GRU in the
order z, r, h, which is r, z, n here. A GRU with ``reset_after=True`` has two rows of biases,
(2, 3H), which are added, but for those of the candidate, between which the reset gate stands.
"""

import itertools
import math
from dataclasses import replace

import numpy as np

from fastrnn.interop.weights import (
    Weights,
    as_weight,
    cells_of,
    check_estimator,
    check_shape,
    in_order,
    in_order_here,
    weights_of,
)
from fastrnn.network.cells import CELLS

_CELLS = tuple(cell.keras.name for cell in cells_of("keras").values())
_POOLING = {"GlobalAveragePooling1D": "mean", "GlobalMaxPooling1D": "max"}
_ACTIVATIONS = {
    "log_loss": ("linear", "softmax"),
    "binary_log_loss": ("linear", "sigmoid"),
    "squared_error": ("linear",),
}
"""What a head may have as activation, by the loss of the network that it becomes a part of."""

_WITHOUT_EFFECT = {
    "InputLayer",
    "Masking",
    "Dropout",
    "SpatialDropout1D",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
}


def from_keras(
    weights,
    estimator=None,
    *,
    bidirectional=None,
    reset_after=None,
    activation=None,
    classes=None,
    multilabel=None,
    tokens=None,
):
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
    >>> clf = from_keras([rng.normal(size=shape) for shape in shapes], RNNClassifier())
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
            read = _read_list(weights, estimator, **said)
        else:
            for name, value in said.items():
                if value is not None:
                    raise ValueError(f"{name} is for a list of arrays: a model of Keras tells it")
            read, head_activation = _read_model(weights, estimator is not None)
    except _Misfit as misfit:
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


def to_keras_weights(model):
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
        of a regressor gives the units of `y`. Arrays are copies.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If `model` is no such thing.
    ValueError
        If Keras has no such cell, as ``cell="carry_lstm"`` is.

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
    has_two_rows = cell.keras.attributes[cell.choice(weights.options)].get("reset_after", False)
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


def _or(words):
    return ", ".join(words[:-1]) + " or " + words[-1]


class _Misfit(ValueError):
    """Arrays cannot be read in a certain way."""

    def __init__(self, place, message):
        super().__init__(message)
        self.place = place


class _Arrays:
    """A list of arrays that is read from its beginning to its end.

    Parameters
    ----------
    arrays : list of ndarray
        The arrays.
    source : str
        What messages call the list.
    """

    def __init__(self, arrays, source):
        self.arrays, self.source, self.place = arrays, source, 0

    def __len__(self):
        """How many are left."""
        return len(self.arrays) - self.place

    def peek(self, k=0):
        """Shape of the next array but k; () at the end."""
        rest = self.arrays[self.place + k :]
        return rest[0].shape if rest else ()

    def take(self, what, *shapes):
        """Take the next array, which must have one of these shapes."""
        place = self.place
        if not len(self):
            raise _Misfit(place, f"{self.source} ends after {place} arrays: {what} is missing")
        array = self.arrays[place]
        try:
            check_shape(f"array {place} of {self.source}", array, *shapes, what=what)
        except ValueError as error:
            raise _Misfit(place, str(error)) from None
        self.place += 1
        return array

    def end(self):
        """Check that there is nothing left."""
        if len(self):
            shapes = ", ".join(str(array.shape) for array in self.arrays[self.place :])
            raise _Misfit(
                self.place, f"{self.source} goes on, where it should end, with shapes {shapes}"
            )


def _read_direction(arrays, width, reset_after):
    """Read the cell, its convention, and the parameters of one direction of a layer."""
    kernel, recurrent = arrays.peek(), arrays.peek(1)
    n_columns = kernel[1] if len(kernel) == 2 else "G·H"
    W = arrays.take("the kernel of a recurrent layer", (width, n_columns))
    H = recurrent[0] if len(recurrent) == 2 and recurrent[0] else "H"
    U = arrays.take("the recurrent kernel of a layer", (H, n_columns))
    cells = cells_of("keras")
    cell = cells.get(n_columns / H)
    if cell is None:
        columns = [str(n * H) for n in sorted(cells)]
        names = [cells[n].keras.name for n in sorted(cells)]
        raise _Misfit(
            arrays.place - 1,
            f"array {arrays.place - 1} of {arrays.source} has shape {U.shape}, a recurrent kernel: "
            f"expected {_or(columns)} columns for {H} units of {_or(names)}",
        )
    one, two = (n_columns,), (2, n_columns)
    shapes = [one]
    if cell.chooser == "reset_after":
        shapes = {None: [two, one], True: [two], False: [one]}[reset_after]
    b = np.zeros(n_columns, W.dtype)
    following = arrays.peek()
    # Two rows that are not wanted are refused, but above two units they may be the next kernel.
    is_other_bias = cell.chooser == "reset_after" and following == two and H != 2
    if len(following) == 1 or following in shapes or is_other_bias:
        b = arrays.take("the bias of a layer", *shapes)
        reset_after = b.ndim == 2
    order = cell.blocks_of(cell.keras)
    W, U, b = (in_order_here(array, order) for array in (W, U, b))
    biases = cell.split_bias(*(b if b.ndim == 2 else (b, np.zeros_like(b))))
    convention = reset_after if cell.chooser == "reset_after" else None
    return cell.name, convention, {"W": W, "U": U, **biases}


def _read_layer(arrays, width, n_directions, reset_after):
    """Read the cell, its convention and the parameters of a layer."""
    begin = arrays.place
    cell, convention, params = _read_direction(arrays, width, reset_after)
    if n_directions == 2:
        forward = arrays.arrays[begin : arrays.place]
        begin = arrays.place
        for array in forward:
            arrays.take("the same of the backward direction", array.shape)
        arrays.place = begin
        _, _, backward = _read_direction(arrays, width, convention)
        params |= {f"{name}_reverse": array for name, array in backward.items()}
    return cell, convention, params


def _read_head(arrays, width):
    """Read the head."""
    W = arrays.take("the kernel of the head", (width, "K"))
    b = np.zeros(W.shape[1], W.dtype)
    if len(arrays):
        b = arrays.take("the bias of the head", (W.shape[1],))
    return {"W": W, "b": b}


def _join(layers, activation):
    """Weights of layers that were read one by one, which must be of one kind."""
    cells = sorted({cell for cell, _, _ in layers})
    conventions = {convention for _, convention, _ in layers}
    if len({"W_reverse" in params for _, _, params in layers}) > 1:
        raise _Misfit(
            math.inf, "some layers are Bidirectional and some not: a network here has one kind"
        )
    if len(cells) > 1:
        raise _Misfit(
            math.inf, f"the layers are of different cells, {cells}: a network here has one kind"
        )
    if len(conventions) > 1:
        raise _Misfit(
            math.inf, "some GRUs have reset_after=True and some not: a network here has one kind"
        )
    if activation is not None and CELLS[cells[0]].cell.chooser != "activation":
        raise _Misfit(
            math.inf,
            f"activation={activation!r} is for SimpleRNN, but the weights are of {cells[0]}",
        )
    options = {"reset_after": conventions.pop(), "activation": activation}
    options = {name: value for name, value in options.items() if value is not None}
    return Weights(cells[0], options, [params for _, _, params in layers])


def _read_list(weights, estimator, *, bidirectional, reset_after, activation):
    """Read a list of arrays by their shapes."""
    if not isinstance(weights, list | tuple):
        raise TypeError(
            "weights must be a list of arrays, as get_weights gives it, or a model or layer of "
            f"Keras, got {type(weights).__name__}"
        )
    arrays = [as_weight(f"array {place} of the list", w) for place, w in enumerate(weights)]
    n_tables, n_directions = [0], [1, 2]
    if estimator is not None:
        bidirectional = estimator.bidirectional or bidirectional
        n_tables = [0, 1] if estimator.categorical_features is None else range(len(arrays))
    if bidirectional is not None:
        n_directions = [1 + bool(bidirectional)]
    readings, misfits = [], []
    for k, directions in itertools.product(n_tables, n_directions):
        try:
            readings.append(_read_as(arrays, k, directions, reset_after, activation, estimator))
        except _Misfit as misfit:
            misfits.append(misfit)
    if not readings:
        furthest = max(misfit.place for misfit in misfits)
        messages = [str(misfit) for misfit in misfits if misfit.place == furthest]
        raise ValueError("; or ".join(dict.fromkeys(messages)))
    if len(readings) > 1:
        raise ValueError(
            "the arrays may be those of layers that read in both directions, or of twice as many "
            "that read in one: say which with bidirectional"
        )
    return readings[0]


def _read_as(arrays, n_tables, n_directions, reset_after, activation, estimator):
    """Read arrays as so many tables, layers of so many directions and, for an estimator, a head."""
    arrays = _Arrays(arrays, "the list")
    tables = [arrays.take("the vectors of ids", ("V", "E")) for _ in range(n_tables)]
    width = sum(table.shape[1] for table in tables) if tables else "D"
    kernel = arrays.peek()
    if tables and estimator.categorical_features is not None and len(kernel) == 2:
        width = max(width, kernel[0])  # numbers come before the vectors
    layers = []
    # What is left may be a head: one matrix, or a matrix and a bias.
    while not layers or len(arrays) > 2 or len(arrays.peek(1)) == 2:
        layers.append(_read_layer(arrays, width, n_directions, reset_after))
        width = n_directions * len(layers[-1][-1]["U"])
    head = None if estimator is None else _read_head(arrays, width)
    arrays.end()
    return replace(_join(layers, activation), tables=tables, head=head)


def _read_model(model, whole):
    """Read the weights of a model or layer, and the activation of its head."""
    steps = [layer for layer in _flat(model) if _kind(layer) not in _WITHOUT_EFFECT]
    embeddings = _take(steps, ("Embedding",), most=1)
    recurrent = _take(steps, (*_CELLS, "Bidirectional"))
    pooling = _take(steps, _POOLING, most=1)
    dense = _take(steps, ("Dense", "TimeDistributed"), most=1)
    last = _take(steps, ("Activation", "Softmax"), most=1) if dense else []
    if steps or not recurrent:
        at = (
            f"{_kind(steps[0])} at {_name(steps[0])!r}"
            if steps
            else "a model without recurrent layers"
        )
        raise ValueError(
            f"there is no equal of {at}: what there is, in this order, is Embedding, recurrent "
            "layers, pooling over time, and Dense. If these compute the same without it, give a "
            "list of their weights"
        )
    if whole != bool(dense):
        raise ValueError(
            "the model has no Dense layer, which an estimator needs"
            if whole
            else "the model has a Dense layer: give an estimator for all, or the recurrent layers"
        )
    if not whole and (embeddings or pooling):
        raise ValueError(
            f"there is no layer for {_kind((embeddings + pooling)[0])}: give an estimator"
        )
    tables, width = [], "D"
    for layer in embeddings:
        arrays = _arrays_of(layer)
        tables.append(arrays.take("the vectors of ids", ("V", "E")))
        arrays.end()
        width = tables[0].shape[1]
    layers, activations = [], set()
    for layer in recurrent:
        directions = _directions(layer)
        activations |= {_check_cell(layer, part, part is not directions[0]) for part in directions}
        arrays = _arrays_of(layer)
        convention = directions[0].get_config().get("reset_after")
        layers.append(_read_layer(arrays, width, len(directions), convention))
        arrays.end()
        width = len(directions) * len(layers[-1][-1]["U"])
    if len(activations) > 1:
        raise ValueError(f"the layers have different activations, {sorted(map(str, activations))}")
    read = replace(_join(layers, activations.pop()), tables=tables)
    if not whole:
        return read, None
    arrays = _arrays_of(dense[0])
    head, every_step = _read_head(arrays, width), directions[0].get_config()["return_sequences"]
    arrays.end()
    read_by_head = _POOLING[_kind(pooling[0])] if pooling else "steps" if every_step else "last"
    return replace(read, head=head, pooling=read_by_head), _head_activation(dense[0], last)


def _flat(model):
    """The layers of a model, with those of models inside it, or the one layer itself."""
    if not hasattr(model, "layers"):
        return [model]
    return [layer for part in model.layers for layer in _flat(part)]


def _kind(layer):
    return type(layer).__name__


def _name(layer):
    return getattr(layer, "name", _kind(layer))


def _take(steps, kinds, most=None):
    """Take layers of these kinds from the front of a list."""
    taken = []
    while steps and _kind(steps[0]) in kinds and len(taken) != most:
        taken.append(steps.pop(0))
    return taken


def _arrays_of(layer):
    """The weights of a layer."""
    arrays = [
        as_weight(f"array {place} of {_name(layer)!r}", array)
        for place, array in enumerate(layer.get_weights())
    ]
    if not arrays:
        raise ValueError(f"{_name(layer)!r} has no weights yet: build the model, or call it once")
    return _Arrays(arrays, repr(_name(layer)))


def _directions(layer):
    """The recurrent layers of each direction of a layer."""
    if _kind(layer) != "Bidirectional":
        return [layer]
    merge_mode = layer.get_config()["merge_mode"]
    if merge_mode != "concat":
        raise ValueError(
            f"{_name(layer)!r} has merge_mode={merge_mode!r}, of which there is no equal: the "
            "directions stand side by side here (merge_mode='concat')"
        )
    return [layer.forward_layer, layer.backward_layer]


def _check_cell(layer, part, backward):
    """Check the options of a layer, or of one direction of it; the activation of SimpleRNN."""
    kind, options = _kind(part), part.get_config()
    if kind not in _CELLS:
        raise ValueError(f"{_name(layer)!r} has layers of type {kind}, expected one of {_CELLS}")
    allowed = {"stateful": [False], "go_backwards": [backward], "activation": ["tanh"]}
    if kind == "SimpleRNN":
        allowed["activation"] = ["tanh", "relu"]
    else:
        allowed["recurrent_activation"] = ["sigmoid"]
    for name, values in allowed.items():
        if options.get(name, values[0]) not in values:
            wanted = " or ".join(map(repr, values))
            raise ValueError(
                f"{_name(layer)!r} has {name}={options[name]!r}, of which there is no equal, "
                f"expected {wanted}"
            )
    return options["activation"] if kind == "SimpleRNN" else None


def _head_activation(dense, last):
    """The activation of the head, whether it is its own or a layer by itself."""
    if _kind(dense) == "TimeDistributed":
        if _kind(dense.layer) != "Dense":
            raise ValueError(
                f"{_name(dense)!r} is TimeDistributed of {_kind(dense.layer)}, of which there is "
                "no equal, expected Dense"
            )
        dense = dense.layer
    activation = dense.get_config()["activation"]
    for layer in last:
        if activation != "linear":
            raise ValueError(f"{_name(layer)!r} is a second activation, of which there is no equal")
        activation = layer.get_config().get("activation", "softmax")
    return activation


def _check_head_activation(activation, n_outputs, fitted):
    """Check that the activation of a head is what an estimator does with its outputs."""
    allowed = _ACTIVATIONS[fitted.network_.head.kind]
    if n_outputs == 1 and "softmax" in allowed:
        allowed = ("linear", "sigmoid")
    if activation is not None and activation not in allowed:
        raise ValueError(
            f"the head has activation {activation!r}, but with {n_outputs} outputs "
            f"{type(fitted).__name__} has {allowed[-1]!r}"
        )
