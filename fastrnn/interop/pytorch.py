"""Weights of PyTorch's modules, by the names of their state dict. PyTorch itself is not needed.

A layer of `torch.nn` has for each direction ``weight_ih_l0`` (G·H, D), ``weight_hh_l0`` (G·H, H),
``bias_ih_l0`` and ``bias_hh_l0`` (G·H,). Its gates stand as the records of the cells say, as here.
The two biases are added, but for those of the candidate of a GRU, between which the reset
gate stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from fastrnn.interop.weights import (
    Weights,
    as_weight,
    cells_of,
    check_estimator,
    check_shape,
    head_width,
    in_order,
    in_order_here,
    weights_of,
    what_is_read,
)
from fastrnn.network.cells import CELLS
from fastrnn.typing import AnyArray

_RECURRENT = re.compile(
    r"(?:(?P<module>.+)\.)?(?P<kind>(?:weight|bias)_(?:ih|hh|hr))_l(?P<layer>\d+)(?P<way>_reverse)?"
)
_LAST_NUMBER = re.compile(r"\d+(?!.*\d)")
_DIRECTIONS = {1: "one direction", 2: "both directions"}


def from_torch(
    module: Any,
    estimator: Any = None,
    *,
    recurrent: str | Sequence[str] | None = None,
    embedding: str | Sequence[str] | None = None,
    head: str | None = None,
    activation: Literal["tanh", "relu"] | None = None,
    classes: Collection[Any] | None = None,
    multilabel: bool | None = None,
    tokens: Sequence[str] | None = None,
) -> Any:
    """Take the weights of a module of PyTorch.

    Of ``nn.LSTM``, ``nn.GRU`` or ``nn.RNN`` alone come layers. Of a module that has one, and
    perhaps an ``nn.Embedding`` below and an ``nn.Linear`` on top, comes a fitted estimator. Of what
    its ``forward`` does with them only the weights are known: compare outputs once.

    Parameters
    ----------
    module : torch.nn.Module, or dict of str to array-like
        The module, or its ``state_dict()``.
    estimator : estimator, default=None
        Says what becomes of it: an `RNNClassifier`, `RNNRegressor`, `RNNTagger` or
        `RNNLanguageModel`. What the weights tell (`hidden_layer_sizes`, `cell`, `bidirectional`,
        `embedding_dim`) may be at its default; all else, such as `pooling`, is as it says. None
        makes layers.
    recurrent : str or list of str, default=None
        Name of the recurrent module inside, such as "encoder.lstm", or of several that are stacked,
        from the input up. None finds it; several are found where their names differ in a number
        only. If it is given without an estimator, all other weights are left aside.
    embedding : str or list of str, default=None
        Name of the ``nn.Embedding``, or of one for each column of ids. None finds one by its shape.
    head : str, default=None
        Name of the ``nn.Linear`` on top. None finds it by its shape.
    activation : {"tanh", "relu"}, default=None
        What ``nn.RNN`` has as ``nonlinearity``. None asks the module. A state dict does not know:
        then it is that of the estimator, or for layers "tanh".
    classes : array-like of shape (n_classes,), default=None
        For a classifier or tagger, the label of each output; None for 0, 1, … A single output is
        the log-odds of the second of two classes.
    multilabel : bool, default=None
        For a classifier, whether each output is the log-odds of a label of its own.
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
        If `module` or `estimator` is no such thing, or a tensor is no array of floating-point
        numbers.
    ValueError
        If a tensor is missing, has the wrong shape or has no place here; if it is not clear what
        is what; if the estimator says something else than the weights; or if there is no equal
        of the module, as with ``proj_size``.

    See Also
    --------
    to_torch_state_dict : The way back.

    Notes
    -----
    Matrices are the same, bit for bit. So is the sum of ``bias_ih`` and ``bias_hh``, where a layer
    here has one bias: the two themselves cannot be had back. Missing biases (``bias=False``) are
    zeros. The head's outputs are put into the order of sorted classes. The outputs of a regressor
    are taken as they are. ``batch_first`` and ``dropout`` have no effect.

    Of a language model, each token counts as met once in training.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNClassifier
    >>> from fastrnn.interop import from_torch
    >>> rng = np.random.default_rng(0)
    >>> shapes = {"lstm.weight_ih_l0": (32, 3), "lstm.weight_hh_l0": (32, 8),
    ...           "lstm.bias_ih_l0": (32,), "lstm.bias_hh_l0": (32,),
    ...           "fc.weight": (2, 8), "fc.bias": (2,)}
    >>> state_dict = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    >>> clf = from_torch(state_dict, RNNClassifier(pooling="last"), classes=["down", "up"])
    >>> clf.hidden_layer_sizes, clf.classes_
    (8, array(['down', 'up'], dtype='<U4'))
    >>> clf.predict_proba([rng.normal(size=(5, 3)), rng.normal(size=(2, 3))]).shape
    (2, 2)
    """
    if estimator is not None:
        check_estimator(estimator)
    tensors = _state_dict(module)
    names = _by_module(tensors)
    stack = _find_recurrent(names, recurrent)
    cell, layers = _read_recurrent(tensors, {name: names[name] for name in stack})
    options = _options(cell, [_submodule(module, name) for name in stack], activation)
    used = {name for part in stack for name in names[part].values()}
    rest = [name for name in tensors if name not in used]
    if estimator is None:
        if rest and recurrent is None:
            raise ValueError(
                f"beside recurrent layers there are {', '.join(rest)}: give an estimator for all, "
                f"or recurrent={(stack[0] if len(stack) == 1 else stack)!r} for these layers alone"
            )
        return Weights(cell, options, layers).to_layers()
    weights = Weights(cell, options, layers)
    first = _joined(stack[0], "weight_ih_l0")
    tables, head_weights = _read_ends(
        module, tensors, rest, embedding, head, weights, first, estimator
    )
    weights = replace(weights, tables=tables, head=head_weights)
    meaning = {"classes": classes, "multilabel": multilabel, "tokens": tokens}
    return weights.to_estimator(estimator, meaning)


def to_torch_state_dict(
    model: Any, *, recurrent: str = "recurrent", embedding: str = "embedding", head: str = "head"
) -> dict[str, AnyArray]:
    """Give weights the names and shapes that PyTorch's modules have.

    Parameters
    ----------
    model : fitted estimator, layer, or list of layers
        Whose weights. The forecaster's scaling of series is not among them.
    recurrent, embedding, head : str, default="recurrent", "embedding", "head"
        Names of the modules in that which the weights are for. Not used for layers.

    Returns
    -------
    dict of str to ndarray
        For a module with ``nn.Embedding`` (where there are ids), ``nn.LSTM``, ``nn.GRU`` or
        ``nn.RNN``, and ``nn.Linear`` under these names; for layers those of the recurrent module
        itself. If the sizes of layers differ, they are an ``nn.ModuleList`` of recurrent modules of
        one layer each; tables of several columns of ids are an ``nn.ModuleList``, too.
        ``bias_ih`` has the biases and ``bias_hh`` is zero, but for the recurrent bias of the
        candidate of a GRU. The head of a regressor gives the units of `y`, and `scaling` becomes
        part of the weights of the first layer. Arrays are copies.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If `model` is no such thing.
    ValueError
        If PyTorch has no such cell, such as ``cell="carry_lstm"``, or ``cell="gru"`` with
        ``reset_after=False``; or if `scaling` would be lost by rounding, as that of numbers whose
        mean is many thousand times their deviation.

    See Also
    --------
    from_torch : The way here.

    Examples
    --------
    >>> from fastrnn.interop import to_torch_state_dict
    >>> from fastrnn.layers import GRU
    >>> {name: array.shape for name, array in to_torch_state_dict(GRU(3, 5)).items()}
    {'weight_ih_l0': (15, 3), 'weight_hh_l0': (15, 5), 'bias_ih_l0': (15,), 'bias_hh_l0': (15,)}
    """
    weights = weights_of(model, "PyTorch")
    cell = CELLS[weights.cell].cell
    order = cell.blocks_of(cell.torch)
    state_dict = {}
    for k, table in enumerate(weights.tables):
        part = embedding if len(weights.tables) == 1 else f"{embedding}.{k}"
        state_dict[f"{part}.weight"] = table.copy()
    is_one_module = len(set(weights.hidden_layer_sizes)) == 1
    top = "" if weights.head is None else recurrent
    for k, params in enumerate(weights.layers):
        part, number = (top, k) if is_one_module else (_joined(top, str(k)), 0)
        for way in ("", "_reverse") if weights.bidirectional else ("",):
            of_way = {name: params[name + way] for name in cell.shapes(1, 1)}
            arrays = {
                "weight_ih": np.ascontiguousarray(in_order(of_way["W"], order).T),
                "weight_hh": np.ascontiguousarray(in_order(of_way["U"], order).T),
                "bias_ih": in_order(of_way["b"], order),
                "bias_hh": in_order(cell.recurrent_bias(of_way), order),
            }
            for kind, array in arrays.items():
                state_dict[_joined(part, f"{kind}_l{number}{way}")] = array
    if weights.head is not None:
        state_dict[f"{head}.weight"] = np.ascontiguousarray(weights.head["W"].T)
        state_dict[f"{head}.bias"] = weights.head["b"].copy()
    return state_dict


def _state_dict(module):
    """The tensors of a module, or of a mapping, by their names."""
    tensors = module.state_dict() if hasattr(module, "state_dict") else module
    if not isinstance(tensors, Mapping) or not all(isinstance(name, str) for name in tensors):
        raise TypeError(
            "module must be a module of PyTorch or its state dict, a dict of names and tensors, "
            f"got {type(module).__name__}"
        )
    return tensors


def _submodule(module, name):
    """The module of that name inside, as far as there is one; a state dict has none."""
    for part in name.split(".") if name else ():
        module = getattr(module, part, None)
    return module


def _joined(module, name):
    return f"{module}.{name}" if module else name


def _by_module(tensors):
    """The names of recurrent weights: by module, then by kind, layer and direction."""
    names = {}
    for name in tensors:
        match = _RECURRENT.fullmatch(name)
        if match is None:
            continue
        kind, layer, way = match["kind"], int(match["layer"]), match["way"] or ""
        if kind.endswith("hr"):
            raise ValueError(
                f"{name}: there is no equal of proj_size, the outputs of a layer are its states"
            )
        names.setdefault(match["module"] or "", {})[kind, layer, way] = name
    return names


def _find_recurrent(names, wanted):
    """The names of the stacked recurrent modules, from the input up."""
    if not names:
        raise ValueError(
            "there is no recurrent layer: no tensor has a name that ends in weight_ih_l0, as those "
            "of nn.LSTM, nn.GRU and nn.RNN do"
        )
    if wanted is not None:
        wanted = [wanted] if isinstance(wanted, str) else list(wanted)
        for name in wanted:
            if name not in names:
                raise ValueError(f"there is no recurrent module {name!r}, only {_quoted(names)}")
        if len(set(wanted)) < len(wanted) or not wanted:
            raise ValueError(f"recurrent must name modules, each of them once, got {wanted!r}")
        return wanted
    in_order = _in_order(names)
    if in_order is not None:
        return in_order
    raise ValueError(
        f"there are several recurrent modules, {_quoted(names)}: name with recurrent the one, or "
        "all that are stacked, from the input up"
    )


def _quoted(names):
    return ", ".join(repr(name) for name in names)


def _in_order(names):
    """Modules whose names differ in their last number only, by that number; else None."""
    if len({_LAST_NUMBER.sub("#", name) for name in names}) > 1:
        return None
    return sorted(names, key=lambda name: [int(n) for n in _LAST_NUMBER.findall(name)])


def _read_recurrent(tensors, stack):
    """The cell, and the parameters of all layers of a stack of modules."""
    layers, cells, width = [], {}, "D"
    for part, names in stack.items():
        kinds = ["weight_ih", "weight_hh"]
        if any(kind.startswith("bias") for kind, _, _ in names):
            kinds += ["bias_ih", "bias_hh"]
        ways = ("", "_reverse") if any(way for _, _, way in names) else ("",)
        for k in range(1 + max(layer for _, layer, _ in names)):
            params = {}
            for way in ways:
                wanted = {kind: _joined(part, f"{kind}_l{k}{way}") for kind in kinds}
                for name in wanted.values():
                    if name not in tensors:
                        raise ValueError(f"{name} is missing, beside {', '.join(names.values())}")
                arrays = {name: as_weight(name, tensors[name]) for name in wanted.values()}
                if way:
                    width = len(params["W"])
                    check_shape(
                        wanted["weight_hh"], arrays[wanted["weight_hh"]], params["U"].T.shape
                    )
                cell, of_way = _read_direction(arrays, width)
                params |= {name + way: array for name, array in of_way.items()}
            if layers and ("W_reverse" in layers[-1]) != ("W_reverse" in params):
                raise ValueError(
                    f"{part!r} reads in {_DIRECTIONS[len(ways)]}, but the layers below do not: all "
                    "layers here are alike"
                )
            cells[cell] = part
            layers.append(params)
            width = len(ways) * len(params["U"])
    if len(cells) > 1:
        shown = " and ".join(f"{cell} in {part!r}" for cell, part in cells.items())
        raise ValueError(f"there are different cells, {shown}: a network here has one kind")
    return cell, layers


def _read_direction(arrays, width):
    """The cell and the parameters of one direction; arrays are weights, and perhaps biases."""
    (ih, W), (hh, U), *biases = arrays.items()
    check_shape(hh, U, ("G·H", "H"))
    n_rows, H = U.shape
    cells = cells_of("torch")
    cell = cells.get(n_rows / H)
    if cell is None:
        names = ", ".join(cells[n].torch.name for n in sorted(cells))
        check_shape(hh, U, *((n * H, H) for n in sorted(cells)), what=f"for {names}")
    check_shape(ih, W, (n_rows, width))
    for name, array in biases:
        check_shape(name, array, (n_rows,))
    b, b_recurrent = (array for _, array in biases) if biases else np.zeros((2, n_rows), W.dtype)
    order = cell.blocks_of(cell.torch)
    biases = (in_order_here(array, order) for array in (b, b_recurrent))
    params = {"W": in_order_here(W.T, order), "U": in_order_here(U.T, order)}
    return cell.name, params | cell.split_bias(*biases)


def _options(cell, modules, activation):
    """What is known of the options of the cell."""
    record = CELLS[cell].cell
    choices = record.torch.attributes
    if record.chooser != "activation":
        if activation is not None:
            raise ValueError(
                f"activation={activation!r} is for nn.RNN, but the weights are of {cell}"
            )
        return {} if record.chooser is None else {record.chooser: next(iter(choices))}
    known = {getattr(module, "nonlinearity", None) for module in modules} - {None}
    if activation is not None:
        known.add(activation)
    if len(known) > 1:
        raise ValueError(f"activation must be one for all layers, got {_quoted(sorted(known))}")
    return {"activation": known.pop()} if known else {}


def _read_ends(module, tensors, rest, embedding, head, weights, first, estimator):
    """The tables below recurrent layers and the head on top."""
    groups = {}
    for name in rest:
        part, _, leaf = name.rpartition(".")
        groups.setdefault(part, {})[leaf] = name
    for part, names in groups.items():
        if "weight" not in names or names.keys() - {"weight", "bias"}:
            raise ValueError(
                f"there is no equal of {part!r} with {', '.join(names.values())}: beside recurrent "
                "layers there may be nn.Embedding and one nn.Linear"
            )
    arrays = {
        part: {leaf: as_weight(name, tensors[name]) for leaf, name in names.items()}
        for part, names in groups.items()
    }
    n_inputs = len(weights.layers[0]["W"])
    n_read = head_width(estimator, len(weights.layers[-1]["U"]) * (1 + weights.bidirectional))

    def may_be_table(part):
        shape = arrays[part]["weight"].shape
        return shape[1:] == (n_inputs,) and not hasattr(_submodule(module, part), "in_features")

    def may_be_head(part):
        shape = arrays[part]["weight"].shape
        return shape[1:] == (n_read,) and not hasattr(_submodule(module, part), "num_embeddings")

    embedding, head = _find_ends(arrays, embedding, head, may_be_table, may_be_head)
    tables = []
    for part in embedding:
        if "bias" in arrays[part] or hasattr(_submodule(module, part), "in_features"):
            raise ValueError(f"there is no equal of {part!r}: it is no embedding, and not the head")
        if getattr(_submodule(module, part), "max_norm", None) is not None:
            raise ValueError(f"{part!r} has max_norm, of which there is no equal")
        tables.append(arrays[part]["weight"])
        check_shape(f"{part}.weight", tables[-1], ("V", "E"), what="ids and their vectors")
    width = sum(table.shape[1] for table in tables)
    mixed = estimator.categorical_features is not None
    if tables and (width > n_inputs or (width < n_inputs and not mixed)):
        advice = "; categorical_features must say which columns are ids" * (width < n_inputs)
        names = " and ".join(f"{part}.weight" for part in embedding)
        raise ValueError(
            f"{names} gives a step {width} features, but {first} has {n_inputs} columns{advice}"
        )
    W = arrays[head]["weight"]
    name = _joined(head, "weight")
    check_shape(name, W, ("K", n_read), what=f"outputs and {what_is_read(estimator)}")
    b = arrays[head].get("bias", np.zeros(len(W), W.dtype))
    check_shape(_joined(head, "bias"), b, (len(W),))
    return tables, {"W": W.T, "b": b}


def _find_ends(arrays, embedding, head, may_be_table, may_be_head):
    """The names of the tables and of the head; one with a bias is no table."""
    tables = [embedding] if isinstance(embedding, str) else list(embedding or [])
    for part in tables if head is None else [*tables, head]:
        if part not in arrays:
            raise ValueError(f"there is no {part}.weight, only {_quoted(arrays)} have a weight")
    rest = [part for part in arrays if part not in tables and part != head]
    if head is None:
        heads = [part for part in rest if "bias" in arrays[part]] or rest
        if len(heads) == 2 and embedding is None:
            orders = (heads, heads[::-1])
            fitting = [k for t, k in orders if may_be_table(t) and may_be_head(k)]
            is_tied = np.array_equal(*(arrays[part]["weight"] for part in heads))
            heads = fitting[:1] if is_tied else fitting or heads
        if len(heads) != 1:
            raise ValueError(
                "beside recurrent layers there must be one nn.Linear, the head, and there may be "
                f"nn.Embedding: of {_quoted(rest) or 'nothing'} name the head with head"
            )
        head = heads[0]
        rest.remove(head)
    if embedding is None and _in_order(rest) is not None:
        tables, rest = _in_order(rest), []
    if rest:
        raise ValueError(
            f"there is no place for {_quoted(rest)}: the head is {head!r}, and embedding names the "
            "tables of ids"
        )
    return tables, head
