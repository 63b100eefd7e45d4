"""The weights of a network by themselves: what is read of other libraries, and written for them."""

import copy
import dataclasses
import itertools
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

import numpy as np

from fastrnn.estimators.parameters import parameters_of
from fastrnn.inputs.column_scaling import NO_SCALING
from fastrnn.interop.model import adopt, is_estimator, read_model
from fastrnn.network import pooling
from fastrnn.network.cell import ZONEOUT
from fastrnn.network.cells import CELLS
from fastrnn.network.recurrent import ZEROS, RecurrentLayer


def cells_of(library):
    """The cells that a library has, "torch" or "keras", by their number of gates.

    It may have no two of one number that take the same parameters: shapes tell them apart.
    """
    cells = [layer.cell for layer in CELLS.values() if getattr(layer.cell, library) is not None]
    return {len(cell.gates): cell for cell in cells}


def in_order(array, order):
    """Put blocks of the last axis into another order."""
    parts = np.split(array, len(order), axis=-1)
    return np.concatenate([parts[k] for k in order], axis=-1)


def in_order_here(array, order):
    """Give blocks the order they had before `in_order`."""
    return in_order(array, [order.index(k) for k in range(len(order))])


ATTRIBUTES = {"PyTorch": "torch", "Keras": "keras"}
"""Of the record of a cell: what it is in that library."""


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights in fastrnn's own layout, and what they say of the network.

    Attributes
    ----------
    cell : str
        The recurrent layers.
    options : dict
        What is known of the arguments of their class: "activation" or "reset_after".
    layers : list of dict of str to ndarray
        From the input up, as `params` of a layer; float32 or float64.
    tables : list of ndarray of shape (V, E)
        Vectors of ids; the first layer reads the numbers of a step, then these.
    head : dict of str to ndarray, or None
        "W" (F, K) and "b" (K,).
    pooling : str or None
        What the head reads, if that is known: "last", "mean", "max" or "steps".
    """

    cell: str
    options: dict[str, Any]
    layers: list[dict[str, np.ndarray]]
    tables: list[np.ndarray] = field(default_factory=list)
    head: dict[str, np.ndarray] | None = None
    pooling: str | None = None

    @property
    def bidirectional(self):
        """Whether the layers read in both directions."""
        return "W_reverse" in self.layers[0]

    @property
    def hidden_layer_sizes(self):
        """How many units each layer and direction has."""
        return tuple(len(params["U"]) for params in self.layers)

    @property
    def n_features(self):
        """How many numbers a step has, beside the vectors of ids."""
        return len(self.layers[0]["W"]) - sum(table.shape[1] for table in self.tables)

    @property
    def dtype(self):
        """The wider one of their types."""
        return np.result_type(*self.named().values(), *(self.head or {}).values()).name

    def named(self):
        """The arrays of layers and tables, as `Network.named_views` names them."""
        arrays = {
            f"layers.{k}.{name}": array
            for k, params in enumerate(self.layers)
            for name, array in params.items()
        }
        arrays.update((f"embeddings.{k}", table) for k, table in enumerate(self.tables))
        return arrays

    def to_layers(self):
        """Make layers with these weights, from the input up."""
        layers = []
        for params in self.layers:
            layer = CELLS[self.cell](
                len(params["W"]),
                len(params["U"]),
                bidirectional=self.bidirectional,
                dtype=self.dtype,
                random_state=ZEROS,
                **self.options,
            )
            for name, values in params.items():
                layer.params[name][...] = values
            layers.append(layer)
        return layers

    def to_estimator(self, estimator, meaning):
        """Make a fitted copy of an estimator with these weights; `meaning` is what outputs mean.

        Parameters that the weights tell may be at their defaults, or agree.
        """
        fitted = type(estimator)(**copy.deepcopy(estimator.get_params(deep=False)))
        fitted.set_params(**self._parameters(fitted))
        given = {name: value for name, value in meaning.items() if value is not None}
        adopt(fitted, self, given)
        return fitted

    def _parameters(self, estimator):
        """What the weights tell of an estimator's parameters, which must not say anything else."""
        defaults = {field.name: field.default for field in dataclasses.fields(estimator)}
        told = {
            "hidden_layer_sizes": _one_or_all(self.hidden_layer_sizes),
            "embedding_dim": _one_or_all(tuple(table.shape[1] for table in self.tables)),
            "cell": self.cell,
            "bidirectional": self.bidirectional,
            ZONEOUT.name: ZONEOUT.default,
            **self.options,
        }
        if "scaling" in defaults:
            told["scaling"] = None
        if "pooling" in defaults and self.pooling is not None:
            told["pooling"] = self.pooling
        for name, value in told.items():
            given = getattr(estimator, name)
            if given != defaults[name] and _plain(given) != _plain(value):
                raise ValueError(
                    f"{name}={given!r} of the estimator does not agree with the weights, which "
                    f"have {value!r}"
                )
        kind = type(estimator).__name__
        if "pooling" in defaults and self.pooling == "steps":
            raise ValueError(
                f"the head reads every step, but {kind} predicts something for a whole sequence"
            )
        if "pooling" not in defaults and self.pooling not in (None, "steps"):
            raise ValueError(
                f"the head reads a whole sequence (pooling={self.pooling!r}), but {kind} predicts "
                "something for every step"
            )
        if self.dtype == "float64":
            told["dtype"] = "float64"
        return told


def _one_or_all(sizes):
    """A tuple as the estimators' parameters have it: None, a number, or a tuple of several."""
    if len(sizes) > 1:
        return sizes
    return sizes[0] if sizes else None


def _plain(value):
    """A size, or several, in the one form that can be compared; anything else as it is."""
    if isinstance(value, Integral):
        return value
    return _one_or_all(tuple(value)) if isinstance(value, tuple | list) else value


def check_estimator(estimator):
    """Refuse what is no estimator with a TypeError."""
    if not is_estimator(estimator):
        shown = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        what = "the class" if isinstance(estimator, type) else "an object of type"
        raise TypeError(f"estimator must be one such as RNNClassifier(), got {what} {shown}")


def head_width(estimator, n_states):
    """How many numbers the head of an estimator reads, where the top layer has so many."""
    kind = pooling.EVERY_STEP
    if known := parameters_of(type(estimator)).get("pooling"):
        kind = estimator.pooling
        known.check(kind)
    if own := pooling.shapes(kind, n_states):
        raise ValueError(
            f"pooling={kind!r} has weights of its own, {sorted(own)}, which are not among these"
        )
    return n_states * max(1, len(pooling.parts_of(kind)))


def what_is_read(estimator):
    """What the head of an estimator reads of the top layer, in words."""
    if "pooling" not in parameters_of(type(estimator)):
        return "states of the top layer"
    return f"states of the top layer, as pooling={estimator.pooling!r} gives them"


def as_weight(name, value):
    """Read an array, or a tensor of PyTorch, as finite floats of the type that loses nothing."""
    for method in ("detach", "cpu"):
        if hasattr(value, method):
            value = getattr(value, method)()
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} is no array that numpy knows, such as float32: {error}") from error
    if array.dtype.kind != "f":
        raise TypeError(f"{name} has dtype {array.dtype}, expected floating-point numbers")
    array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has a weight that is NaN or infinite")
    return array


def check_shape(name, array, *expected, what=""):
    """Check that an array has one of the expected shapes.

    A letter in a shape stands for any size but 0; `what` says what it is, for the message.
    """
    for shape in expected:
        sizes = zip(array.shape, shape, strict=False)
        if array.ndim == len(shape) and all(
            n > 0 if isinstance(s, str) else n == s for n, s in sizes
        ):
            return
    wanted = " or ".join(f"({', '.join(map(str, s))}{',' * (len(s) == 1)})" for s in expected)
    raise ValueError(f"{name} has shape {array.shape}, expected {wanted}{what and f', {what}'}")


def weights_of(model, library):
    """Take the weights of a fitted estimator, or of layers, for "PyTorch" or "Keras".

    Those of a regressor's head are scaled so that its outputs have the units of `y`. They are views
    where nothing had to be computed.
    """
    if is_estimator(model):
        exchanged = read_model(model)
        if exchanged.answers == "label sequences":
            raise TypeError(
                f"there is no export of what {exchanged.kind} answers to {library}: export the "
                "model to ONNX or C, or give its network_.layers"
            )
        if not exchanged.gaps.is_plain:
            raise ValueError(
                f"what the network reads of missing values and times is no part of {library}: "
                "export the model to ONNX or C, or give its network_.layers"
            )
        if exchanged.network.front:
            raise ValueError(
                "the patches and convolutions of stride and conv are not translated to "
                f"{library}: export the model to ONNX or C, or give its network_.layers"
            )
        if exchanged.network.pooling.params:
            raise ValueError(
                f"pooling={exchanged.architecture.pooling!r} has weights that are no part of "
                f"{library}: export the model to ONNX or C, or give its network_.layers"
            )
        layers, tables = exchanged.network.layers, exchanged.network.embeddings
        head, scaling = exchanged.head, exchanged.scaling
        if exchanged.answers == "numbers":
            head = _in_units(head, exchanged)
    else:
        layers = list(model) if isinstance(model, list | tuple) else [model]
        tables, head, scaling = [], None, NO_SCALING
    if not layers or not all(isinstance(layer, RecurrentLayer) for layer in layers):
        raise TypeError(f"expected a fitted estimator, or layers of fastrnn.layers, got {model!r}")
    for layer in layers:
        if layer.operator(ATTRIBUTES[library]) is None:
            raise ValueError(f"{_name(layer)} has no equal in {library}")
    kinds = {_kind(layer) for layer in layers}
    if len(kinds) > 1:
        raise ValueError(
            f"the layers are of different kinds: {sorted(map(str, kinds))}, expected one"
        )
    cell, options = _kind(layers[0])
    for below, above in itertools.pairwise(layers):
        if above.input_size != below.output_size:
            raise ValueError(
                f"a layer has {above.input_size} inputs, but the one below {below.output_size} "
                "outputs"
            )
    params = [layer.params for layer in layers]
    if scaling.center:
        params[0] = _with_scaling(params[0], scaling)
    return Weights(cell, dict(options), params, tables, head)


def _with_scaling(params, scaling):
    """Parameters of a first layer that scale its numbers: W / factor, and b - center W / factor."""
    (center, factor), dtype = scaling.rows, params["W"].dtype
    if (np.abs(center) > 1e-3 / np.finfo(dtype).eps * factor).any():
        j = int((np.abs(center) / factor).argmax())
        raise ValueError(
            f"scaling={scaling.method!r} cannot become part of the weights: number {j} has the "
            f"center {center[j]:.6g} and the factor {factor[j]:.6g}, whose differences are lost in "
            f"products of {dtype}. Scale numbers before, by reader_.scaling, and give "
            "network_.layers"
        )
    scaled = dict(params)
    for way in ("", "_reverse") if "W_reverse" in params else ("",):
        W, b = (params[name + way].astype(np.float64) for name in ("W", "b"))
        W[: len(factor)] /= factor[:, np.newaxis]
        b -= center @ W[: len(factor)]
        with np.errstate(over="ignore"):
            scaled["W" + way], scaled["b" + way] = W.astype(dtype), b.astype(dtype)
    if not all(np.isfinite(array).all() for array in scaled.values()):
        raise ValueError(
            f"scaling={scaling.method!r} cannot become part of the weights: they would not fit "
            f"into {dtype}"
        )
    return scaled


def _in_units(head, model):
    """A head whose outputs need not be scaled any more; the same bits if they need not anyhow."""
    n_each = len(model.levels or (0.5,))
    mean, scale = np.repeat(model.mean, n_each), np.repeat(model.scale, n_each)
    if (scale == 1).all() and not mean.any():
        return head
    if model.link == "rate":  # outputs are logarithms
        scaled = {"W": head["W"], "b": head["b"] + np.log(scale)}
    else:
        scaled = {"W": head["W"] * scale, "b": head["b"] * scale + mean}
    return {name: array.astype(head["b"].dtype) for name, array in scaled.items()}


def _name(layer):
    """A layer's cell, and what was chosen of it, for messages."""
    cell, beside = layer.cell, [p.name for p in layer.cell.parameters if p.bias_of is None]
    if layer.has_unknown_parameters:
        return f"{type(layer).__name__} with the parameters {list(layer.params)}"
    if layer.zoneout:
        return f"{cell.name} with zoneout={layer.zoneout}"
    if beside:
        return f"{cell.name} with the parameters {beside}"
    if cell.chooser is None or not (cell.torch or cell.keras):
        return cell.name
    return f"{cell.name} with {cell.chooser}={cell.choice(layer.options)!r}"


def _kind(layer):
    """The cell of a layer, and its options as pairs."""
    cell = layer.cell
    return cell.name, () if cell.chooser is None else ((cell.chooser, cell.choice(layer.options)),)
