"""Every cell, with each of its choices, for the suites that run over all; and what each computes.

`STEPS` has a NumPy version of every cell: one step of one sequence, or of several, from the
parameters ``p``, the state before and the input ``x`` of shape (D,) or (B, D) to the state after.
`take_step` adds zoneout.
"""

import numpy as np

from fastrnn.network.cells import CELLS


def options_of(choice):
    """The options of the layer."""
    return {name: value for name, value in choice.items() if name != "cell"}


CHOICES = {
    name if choice == layer.cell.choice(layer.cell.check_options({})) else f"{name}-{choice}": {
        "cell": name,
        **({} if layer.cell.chooser is None else {layer.cell.chooser: choice}),
    }
    for name, layer in CELLS.items()
    for choice in layer.cell.kernels
}
"""Parameters of estimators, by a label."""

ZONED = {f"{label}-zoneout": {**options, "zoneout": 0.3} for label, options in CHOICES.items()}
"""The same with zoneout."""

NORMALIZED = {
    label
    for label, parameters in CHOICES.items()
    if CELLS[parameters["cell"]](1, 1, **options_of(parameters)).kernel.whole_rows
}
"""Those whose units depend on each other within a step: they have no teams, and what comes from one
input or one unit alone has, but for rounding, no size, and so a gradient of nearly zero."""


def logistic(v):
    return 1.0 / (1.0 + np.exp(-v))


def rnn_step(p, state, x, activation="tanh"):
    (h,) = state
    a = x @ p["W"] + h @ p["U"] + p["b"]
    return (np.tanh(a) if activation == "tanh" else np.maximum(a, 0.0),)


def gru_step(p, state, x, reset_after=True):
    (h,) = state
    W_r, W_z, W_n = np.split(p["W"], 3, axis=1)
    U_r, U_z, U_n = np.split(p["U"], 3, axis=1)
    b_r, b_z, b_n = np.split(p["b"], 3)
    r = logistic(x @ W_r + h @ U_r + b_r)
    z = logistic(x @ W_z + h @ U_z + b_z)
    recurrent = r * (h @ U_n + p["b_n"]) if reset_after else (r * h) @ U_n + p["b_n"]
    n = np.tanh(x @ W_n + b_n + recurrent)
    return ((1.0 - z) * n + z * h,)


def lstm_step(p, state, x):
    h, c = state
    i, f, g, o = np.split(x @ p["W"] + h @ p["U"] + p["b"], 4, axis=-1)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def carry_lstm_step(p, state, x, candidate_activation="sigmoid"):
    h, c = state
    i, f, gamma, o, beta = np.split(x @ p["W"] + h @ p["U"] + p["b"], 5, axis=-1)
    candidate = np.tanh if candidate_activation == "tanh" else logistic
    c = logistic(f) * c + logistic(i) * candidate(gamma)
    return logistic(o) * np.tanh(c) + logistic(beta) * h, c


def peephole_lstm_step(p, state, x):
    h, c = state
    i, f, g, o = np.split(x @ p["W"] + h @ p["U"] + p["b"], 4, axis=-1)
    p_i, p_f, p_o = np.split(p["p"], 3)
    c = logistic(f + p_f * c) * c + logistic(i + p_i * c) * np.tanh(g)
    return logistic(o + p_o * c) * np.tanh(c), c


def normalized(v):
    mean, variance = v.mean(axis=-1, keepdims=True), v.var(axis=-1, keepdims=True)
    return (v - mean) / np.sqrt(variance + 1e-5)


def layernorm_lstm_step(p, state, x):
    h, c = state
    a = p["g_x"] * normalized(x @ p["W"]) + p["g_h"] * normalized(h @ p["U"]) + p["b"]
    i, f, g, o = np.split(a, 4, axis=-1)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(p["g_c"] * normalized(c) + p["b_c"]), c


STEPS = {
    "rnn": rnn_step,
    "gru": gru_step,
    "lstm": lstm_step,
    "carry_lstm": carry_lstm_step,
    "peephole_lstm": peephole_lstm_step,
    "layernorm_lstm": layernorm_lstm_step,
}


def take_step(cell, p, state, x, zoneout=0.0, **options):
    """One step, of which each unit keeps so much of the state before."""
    new = STEPS[cell](p, state, x, **options)
    pairs = zip(state, new, strict=True)
    return tuple(zoneout * before + (1 - zoneout) * after for before, after in pairs)
