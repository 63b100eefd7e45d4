"""Models and layers of Keras: what they say of their weights, and of what they compute."""

from dataclasses import replace

from fastrnn.interop.keras_arrays import Arrays, join, read_head, read_layer
from fastrnn.interop.weights import as_weight, cells_of

_CELLS = tuple(cell.keras.name for cell in cells_of("keras").values())
_POOLING = {"GlobalAveragePooling1D": "mean", "GlobalMaxPooling1D": "max"}

_WITHOUT_EFFECT = {
    "InputLayer",
    "Masking",
    "Dropout",
    "SpatialDropout1D",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
}


def read_layers(model, whole):
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
    tables = [_read_table(layer) for layer in embeddings]
    read = replace(_read_recurrent(recurrent, tables[0].shape[1] if tables else "D"), tables=tables)
    if not whole:
        return read, None
    arrays = _arrays_of(dense[0])
    head = read_head(arrays, len(read.layers[-1]["U"]) * (1 + read.bidirectional))
    arrays.end()
    every_step = _directions(recurrent[-1])[0].get_config()["return_sequences"]
    read_by_head = _POOLING[_kind(pooling[0])] if pooling else "steps" if every_step else "last"
    return replace(read, head=head, pooling=read_by_head), _head_activation(dense[0], last)


def _read_table(layer):
    """The vectors of ids of an Embedding."""
    arrays = _arrays_of(layer)
    table = arrays.take("the vectors of ids", ("V", "E"))
    arrays.end()
    return table


def _read_recurrent(recurrent, width):
    """The weights of recurrent layers, the lowest of which reads so many numbers a step."""
    layers, activations = [], set()
    for layer in recurrent:
        directions = _directions(layer)
        activations |= {_check_cell(layer, part, part is not directions[0]) for part in directions}
        arrays = _arrays_of(layer)
        convention = directions[0].get_config().get("reset_after")
        layers.append(read_layer(arrays, width, len(directions), convention))
        arrays.end()
        width = len(directions) * len(layers[-1][-1]["U"])
    if len(activations) > 1:
        raise ValueError(f"the layers have different activations, {sorted(map(str, activations))}")
    return join(layers, activations.pop())


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
    return Arrays(arrays, repr(_name(layer)))


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
