"""Models of Keras, and what they give: writes data/keras.npz, for which nobody needs Keras.

    KERAS_BACKEND=torch python tests/interop/keras_reference.py

For each case the file has the weights "<name>/weights/<k>" in the order of `get_weights`, what the
model reads "<name>/x" (batch, time, feature), or ids (batch, time), of the lengths `LENGTHS`,
padded with zeros, and its "<name>/outputs" for each, padded likewise if there is one for every
step. Each sequence went through the model by itself, without padding.
"""

from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[1] / "data" / "keras.npz"

LENGTHS = (4, 1, 6, 2, 6)
N_IDS = 7
N_FEATURES = 3

CELLS = {
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
    "gru-before": ("GRU", {"reset_after": False}),
    "rnn": ("SimpleRNN", {}),
    "rnn-relu": ("SimpleRNN", {"activation": "relu"}),
}
# Whether it reads ids, cell, both directions, dtype, pooling, outputs and activation of the head.
STACKS = {
    f"{cell}-{ways}-{dtype}": (False, cell, ways == "both", dtype, "steps", None, None)
    for cell in CELLS
    for ways in ("forward", "both")
    for dtype in ("float32", "float64")
}
MODELS = {
    "classify": (False, "lstm", False, "float32", "last", 3, "softmax"),
    "classify-ids": (True, "gru", True, "float32", "last", 3, "softmax"),
    "classify-two": (False, "rnn", True, "float32", "mean", 1, "sigmoid"),
    "labels": (False, "gru-before", False, "float32", "max", 3, "sigmoid"),
    "regress": (False, "lstm", True, "float64", "mean", 2, "linear"),
    "tag": (False, "gru", True, "float32", "steps", 3, "softmax"),
    "tag-ids": (True, "gru-before", False, "float64", "steps", 3, "softmax"),
    "language": (True, "lstm", False, "float32", "steps", N_IDS, "softmax"),
}
CASES = STACKS | MODELS


def build(name):
    """A Keras model with two recurrent layers of 3 and 2 units, and what else a case has."""
    import keras
    from keras import layers

    of_ids, cell, both, dtype, pooling, n_outputs, activation = CASES[name]

    def recurrent(units, returns):
        kind, options = CELLS[cell]
        layer = getattr(layers, kind)(units, return_sequences=returns, dtype=dtype, **options)
        return layers.Bidirectional(layer, dtype=dtype) if both else layer

    if of_ids:
        parts = [keras.Input((None,)), layers.Embedding(N_IDS, 4, dtype=dtype)]
    else:
        parts = [keras.Input((None, N_FEATURES), dtype=dtype), layers.Dropout(0.5, dtype=dtype)]
    parts += [recurrent(3, True), recurrent(2, pooling != "last")]
    if pooling == "mean":
        parts.append(layers.GlobalAveragePooling1D(dtype=dtype))
    if pooling == "max":
        parts.append(layers.GlobalMaxPooling1D(dtype=dtype))
    if n_outputs:
        head = layers.Dense(n_outputs, activation=activation, dtype=dtype)
        parts.append(layers.TimeDistributed(head, dtype=dtype) if name == "tag" else head)
    return keras.Sequential(parts)


def draw(model, rng):
    """Give a Keras model random weights, biases too."""
    model.set_weights([rng.normal(0, 0.4, w.shape).astype(w.dtype) for w in model.get_weights()])


def inputs(name, rng):
    """Padded sequences, of numbers or ids."""
    of_ids, _, _, dtype, *_ = CASES[name]
    x = rng.integers(1, N_IDS, (len(LENGTHS), max(LENGTHS)))
    if not of_ids:
        x = rng.normal(size=(*x.shape, N_FEATURES)).astype(dtype)
    for row, length in zip(x, LENGTHS, strict=True):
        row[length:] = 0
    return x


def outputs(model, x):
    """What a Keras model gives for each sequence by itself; padded if it is for every step."""
    from keras import ops

    # Not `predict`, which makes float32 of what it is given.
    parts = [
        ops.convert_to_numpy(model(ops.convert_to_tensor(row[np.newaxis, :length])))[0]
        for row, length in zip(x, LENGTHS, strict=True)
    ]
    if parts[0].ndim == 1:
        return np.stack(parts)
    padded = np.zeros((len(parts), max(LENGTHS), parts[0].shape[1]), parts[0].dtype)
    for row, part in zip(padded, parts, strict=True):
        row[: len(part)] = part
    return padded


def main():
    """Write the file."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name in CASES:
        model, x = build(name), inputs(name, rng)
        draw(model, rng)
        arrays |= {f"{name}/weights/{k}": w for k, w in enumerate(model.get_weights())}
        arrays |= {f"{name}/x": x, f"{name}/outputs": outputs(model, x)}
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
