"""The cells: each is a layer class with its record, and nothing else in the package names one.

The equations, and their gradients, stand in the headers of fastrnn/kernels/cells; here they are
once more as ``step``, for those who have no kernels. `CELLS` is the registry. What the docstrings
say of parameters and attributes comes from the records.
"""

from fastrnn.network.cell import ZONEOUT, Cell, Operator, Option, Parameter
from fastrnn.network.padded import PaddedLayer

__all__ = ["GRU", "LSTM", "RNN", "CarryLSTM", "LayerNormLSTM", "PeepholeLSTM"]

FORGET_BIAS = Option(
    "forget_bias_init",
    1.0,
    help="Start of the forget gate's bias, so that the cell begins by remembering.",
)

_ACTIVATIONS = {name: {"activation": name} for name in ("tanh", "relu")}
_NONLINEARITIES = {name: {"nonlinearity": name} for name in ("tanh", "relu")}


def _rnn_step(m, xW, states, p, options):
    (h,) = states
    a = xW + p["b"] + h @ p["U"]
    return [m.relu(a) if options["activation"] == "relu" else m.tanh(a)]


class RNN(PaddedLayer):
    """Plain recurrent layer: ``h_t = φ(x_t W + h_{t-1} U + b)``.

    References
    ----------
    J. L. Elman (1990), Finding structure in time, Cognitive Science 14(2) 179-211.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.layers import RNN
    >>> layer = RNN(3, 5, activation="relu", random_state=0)
    >>> y, (h,) = layer.forward(np.ones((7, 2, 3)))    # 7 steps of 2 sequences
    >>> y.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    """

    cell = Cell(
        name="rnn",
        title="a plain recurrent layer",
        gates=("h",),
        chooser="activation",
        options=(Option("activation", "tanh", ("tanh", "relu"), help="φ."), ZONEOUT),
        kernels={"tanh": ("rnn", 0), "relu": ("rnn", 1)},
        step=_rnn_step,
        onnx=Operator(
            "RNN",
            ("h",),
            attributes={"tanh": {"activations": ["Tanh"]}, "relu": {"activations": ["Relu"]}},
        ),
        keras=Operator("SimpleRNN", ("h",), attributes=_ACTIVATIONS),
        torch=Operator("RNN", ("h",), attributes=_NONLINEARITIES),
    )


def _lstm_step(m, xW, states, p, options):
    h, c = states
    i, f, g, o = m.split(xW + p["b"] + h @ p["U"], 4)
    c = m.sigmoid(f) * c + m.sigmoid(i) * m.tanh(g)
    return [m.sigmoid(o) * m.tanh(c), c]


class LSTM(PaddedLayer):
    """Long short-term memory; gate blocks i, f, g, o.

    References
    ----------
    S. Hochreiter and J. Schmidhuber (1997), Long short-term memory, Neural Computation 9(8).

    F. A. Gers, J. Schmidhuber and F. Cummins (2000), Learning to forget, Neural Computation 12(10).

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.layers import LSTM
    >>> layer = LSTM(3, 5, bidirectional=True, random_state=0)
    >>> y, (h, c) = layer.forward(np.ones((7, 2, 3)), lengths=[7, 4], training=True)
    >>> y.shape, h.shape, c.shape
    ((7, 2, 10), (2, 2, 5), (2, 2, 5))
    >>> dx, (dh, dc) = layer.backward(np.ones_like(y))
    >>> dx.shape, sorted(layer.grads)
    ((7, 2, 3), ['U', 'U_reverse', 'W', 'W_reverse', 'b', 'b_reverse'])
    """

    cell = Cell(
        name="lstm",
        title="a long short-term memory",
        gates=("i", "f", "g", "o"),
        states=("h", "c"),
        options=(FORGET_BIAS, ZONEOUT),
        biases={"f": "forget_bias_init"},
        kernels={None: ("lstm", 0)},
        step=_lstm_step,
        onnx=Operator("LSTM", ("i", "o", "f", "g")),
        keras=Operator("LSTM", ("i", "f", "g", "o")),
        torch=Operator("LSTM", ("i", "f", "g", "o")),
    )


def _gru_step(m, xW, states, p, options):
    (h,) = states
    x_r, x_z, x_n = m.split(xW + p["b"], 3)
    U_r, U_z, U_n = m.split(p["U"], 3)
    r, z = m.sigmoid(x_r + h @ U_r), m.sigmoid(x_z + h @ U_z)
    if options["reset_after"]:
        n = m.tanh(x_n + r * (h @ U_n + p["b_n"]))
    else:
        n = m.tanh(x_n + (r * h) @ U_n + p["b_n"])
    return [n + z * (h - n)]


class GRU(PaddedLayer):
    """Gated recurrent unit; gate blocks r, z, n.

    The n block of ``params["b"]`` is the input bias of the candidate; its recurrent bias is
    ``params["b_n"]`` of shape (H,). With ``reset_after=False`` the two are simply added, as in
    ONNX.

    References
    ----------
    K. Cho et al. (2014), Learning phrase representations using RNN encoder-decoder for statistical
    machine translation, arXiv 1406.1078.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.layers import GRU
    >>> layer = GRU(3, 5, reset_after=False, random_state=0)
    >>> y, (h,) = layer.forward(np.ones((7, 2, 3)))
    >>> y.shape, h.shape
    ((7, 2, 5), (1, 2, 5))
    >>> {name: array.shape for name, array in layer.params.items()}
    {'W': (3, 15), 'U': (5, 15), 'b': (15,), 'b_n': (5,)}
    """

    cell = Cell(
        name="gru",
        title="a gated recurrent unit",
        gates=("r", "z", "n"),
        chooser="reset_after",
        options=(
            Option(
                "reset_after",
                True,
                (True, False),
                help="Whether the reset gate acts after the recurrent product (PyTorch, cuDNN) or "
                "on the state before it (Cho et al. 2014).",
            ),
            ZONEOUT,
        ),
        parameters=(Parameter("b_n", bias_of="n", help="recurrent bias of the candidate"),),
        kernels={True: ("gru", 0), False: ("gru_before", 0)},
        step=_gru_step,
        onnx=Operator(
            "GRU",
            ("z", "r", "n"),
            takes={"b_n": (0,)},
            attributes={True: {"linear_before_reset": 1}, False: {"linear_before_reset": 0}},
        ),
        keras=Operator(
            "GRU",
            ("z", "r", "n"),
            takes={"b_n": (0,)},
            attributes={True: {"reset_after": True}, False: {"reset_after": False}},
        ),
        torch=Operator("GRU", ("r", "z", "n"), takes={"b_n": (0,)}, attributes={True: {}}),
    )


def _carry_lstm_step(m, xW, states, p, options):
    h, c = states
    candidate = m.tanh if options["candidate_activation"] == "tanh" else m.sigmoid
    i, f, g, o, v = m.split(xW + p["b"] + h @ p["U"], 5)
    c = m.sigmoid(f) * c + m.sigmoid(i) * candidate(g)
    return [m.sigmoid(o) * m.tanh(c) + m.sigmoid(v) * h, c]


class CarryLSTM(PaddedLayer):
    """LSTM with a carry gate that passes the previous state on; gate blocks i, f, γ, o, β.

    ``h_t = o_t tanh(c_t) + β_t h_{t-1}``, so that a state can cross many steps unchanged. Its
    states are bounded only while β stays below 1.

    References
    ----------
    The carry is a relative of the residual connection of FastRNN: A. Kusupati et al. (2018),
    FastGRNN, arXiv 1901.02358.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.layers import CarryLSTM
    >>> layer = CarryLSTM(3, 5, candidate_activation="tanh", random_state=0)
    >>> y, (h, c) = layer.forward(np.ones((7, 2, 3)))
    >>> y.shape, h.shape, c.shape
    ((7, 2, 5), (1, 2, 5), (1, 2, 5))
    >>> layer.params["b"].reshape(5, 5)[:, 0]    # i, f, γ, o, β: forget bias 1, carry bias 2
    array([0., 1., 0., 0., 2.], dtype=float32)
    """

    cell = Cell(
        name="carry_lstm",
        title="an LSTM with a fifth gate that carries the state itself past the time step",
        gates=("i", "f", "γ", "o", "β"),
        states=("h", "c"),
        chooser="candidate_activation",
        options=(
            Option(
                "candidate_activation",
                "sigmoid",
                ("sigmoid", "tanh"),
                help="Activation of the candidate γ.",
            ),
            FORGET_BIAS,
            Option(
                "carry_bias_init",
                2.0,
                help="Start of the carry gate's bias. With 0 the cell loses its first steps and "
                "may not learn.",
            ),
            ZONEOUT,
        ),
        biases={"f": "forget_bias_init", "β": "carry_bias_init"},
        kernels={"sigmoid": ("carry_lstm", 0), "tanh": ("carry_lstm", 1)},
        step=_carry_lstm_step,
    )


def _peephole_lstm_step(m, xW, states, p, options):
    h, c = states
    i, f, g, o = m.split(xW + h @ p["U"] + p["b"], 4)
    p_i, p_f, p_o = m.split(p["p"], 3)
    c = m.sigmoid(f + p_f * c) * c + m.sigmoid(i + p_i * c) * m.tanh(g)
    return [m.sigmoid(o + p_o * c) * m.tanh(c), c]


class PeepholeLSTM(PaddedLayer):
    """LSTM with peepholes, whose gates see the memory cell; gate blocks i, f, g, o.

    Input and forget gate see the cell of the step before, the output gate that of the step itself.
    It can learn to time and to count where an LSTM, with its output gate closed, cannot see what it
    remembers. All peepholes start at zero: the layer begins as an `LSTM`.

    References
    ----------
    F. A. Gers and J. Schmidhuber (2000), Recurrent nets that time and count, IJCNN 2000, vol. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.layers import PeepholeLSTM
    >>> layer = PeepholeLSTM(3, 5, random_state=0)
    >>> y, (h, c) = layer.forward(np.ones((7, 2, 3)))
    >>> y.shape, {name: array.shape for name, array in layer.params.items()}
    ((7, 2, 5), {'W': (3, 20), 'U': (5, 20), 'b': (20,), 'p': (15,)})
    """

    cell = Cell(
        name="peephole_lstm",
        title="an LSTM whose gates see its memory",
        gates=("i", "f", "g", "o"),
        states=("h", "c"),
        options=(FORGET_BIAS, ZONEOUT),
        biases={"f": "forget_bias_init"},
        parameters=(
            Parameter("p", n_blocks=3, decayed=True, help="peepholes of the gates i, f, o"),
        ),
        kernels={None: ("peephole_lstm", 0)},
        step=_peephole_lstm_step,
        onnx=Operator("LSTM", ("i", "o", "f", "g"), takes={"p": (0, 2, 1)}),
    )


def _layernorm_lstm_step(m, xW, states, p, options):
    h, c = states
    a = m.normalize(xW, p["g_x"]) + m.normalize(h @ p["U"], p["g_h"]) + p["b"]
    i, f, g, o = m.split(a, 4)
    c = m.sigmoid(f) * c + m.sigmoid(i) * m.tanh(g)
    return [m.sigmoid(o) * m.tanh(m.normalize(c, p["g_c"]) + p["b_c"]), c]


class LayerNormLSTM(PaddedLayer):
    """LSTM with layer normalization; gate blocks i, f, g, o.

    What inputs and state send to the gates is brought to mean 0 and variance 1 over all gates, each
    by itself, and the memory cell over all units before it is read. One thread computes a direction
    of a batch, since units depend on each other within a step.

    The biases of gate g start normally distributed with standard deviation 0.5. With zeros there
    would be nothing to bring to variance 1 in a sequence of zeros, and normalization would multiply
    its gradient by 1 / sqrt(1e-5) twice a step.

    References
    ----------
    J. L. Ba, J. R. Kiros and G. E. Hinton (2016), Layer normalization, arXiv 1607.06450.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.layers import LayerNormLSTM
    >>> layer = LayerNormLSTM(3, 5, random_state=0)
    >>> y, (h, c) = layer.forward(np.ones((7, 2, 3)))
    >>> y.shape, layer.params["g_c"]
    ((7, 2, 5), array([1., 1., 1., 1., 1.], dtype=float32))
    """

    cell = Cell(
        name="layernorm_lstm",
        title="an LSTM with layer normalization",
        gates=("i", "f", "g", "o"),
        states=("h", "c"),
        options=(FORGET_BIAS, ZONEOUT),
        biases={"f": "forget_bias_init"},
        spread={"g": 0.5},
        parameters=(
            Parameter("g_x", n_blocks=4, start=1.0, help="gains of the input"),
            Parameter("g_h", n_blocks=4, start=1.0, help="gains of the state"),
            Parameter("g_c", start=1.0, help="gains of the memory cell"),
            Parameter("b_c", help="its bias"),
        ),
        kernels={None: ("layernorm_lstm", 0)},
        step=_layernorm_lstm_step,
    )


CELLS: dict[str, type[PaddedLayer]] = {
    layer.cell.name: layer for layer in (LSTM, GRU, RNN, CarryLSTM, PeepholeLSTM, LayerNormLSTM)
}
"""The layer of every cell, by the cell's name."""
