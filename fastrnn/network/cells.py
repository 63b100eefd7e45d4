"""The four recurrent layers: each names its gates and options and calls its kernels.

The equations stand in the docstrings of `fastrnn.kernels.rnn`, `lstm`, `gru` and `carry_lstm`.
"""

from fastrnn.kernels import carry_lstm, gru, lstm, rnn
from fastrnn.network.padded import PaddedLayer

__all__ = ["GRU", "LSTM", "RNN", "CarryLSTM"]


def _one_of(name, value, choices):
    """An option that is one of a few words."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
    return value


class RNN(PaddedLayer):
    """Plain recurrent layer: ``h_t = φ(x_t W + h_{t-1} U + b)``.

    Parameters
    ----------
    input_size : int
        D, features of each step.
    hidden_size : int
        H, hidden units of each direction.
    bidirectional : bool, default=False
        Whether a second set of units reads the sequences from their ends.
    dtype : {"float32", "float64"}, default="float32"
        Type of parameters and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.
    activation : {"tanh", "relu"}, default="tanh"
        φ.

    Attributes
    ----------
    params, grads : dict of str to ndarray
        "W" (D, H), "U" (H, H) and "b" (H,) and their gradients.
        The keys of a second direction end in "_reverse". Writing into ``params`` changes the
        layer.

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

    def __init__(
        self,
        input_size,
        hidden_size,
        *,
        bidirectional=False,
        dtype="float32",
        random_state=None,
        activation="tanh",
    ):
        self.relu = _one_of("activation", activation, ("tanh", "relu")) == "relu"
        super().__init__(input_size, hidden_size, bidirectional, dtype, random_state)

    def _cell_forward(self, params, weights, tape, work, keep, outputs, team):
        team.call(
            rnn.rnn_forward,
            tape.x, params["b"], tape.alive, tape.mask, tape.h,
            work.take("gates", (self._chunk_room(tape), self.hidden_size)),
            self._scratch(tape, work, team), *weights,
            self.chunk_rows, self.relu, outputs,
        )  # fmt: skip
        return ()

    def _cell_backward(self, weights, grads, tape, dy, dh, dc, dx, work, team):
        room = self._chunk_room(tape)
        team.call(
            rnn.rnn_backward,
            tape.x, tape.alive, tape.mask, tape.h,
            dy, dh, dx, grads["W"], grads["U"], grads["b"],
            work.take("gates", (room, self.hidden_size)),
            self._scratch(tape, work, team),
            *weights, *self._packed_chunk(tape, work),
            self.chunk_rows, self.relu,
        )  # fmt: skip


class LSTM(PaddedLayer):
    """Long short-term memory; gate blocks i, f, g, o.

    Parameters
    ----------
    input_size : int
        D, features of each step.
    hidden_size : int
        H, hidden units of each direction.
    bidirectional : bool, default=False
        Whether a second set of units reads the sequences from their ends.
    dtype : {"float32", "float64"}, default="float32"
        Type of parameters and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.
    forget_bias_init : float, default=1.0
        Start of the forget gate's bias, so that the cell begins by remembering.

    Attributes
    ----------
    params, grads : dict of str to ndarray
        "W" (D, 4H), "U" (H, 4H) and "b" (4H,) and their gradients.
        The keys of a second direction end in "_reverse". Writing into ``params`` changes the
        layer.

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

    n_gates = 4
    has_cell_state = True

    def __init__(
        self,
        input_size,
        hidden_size,
        *,
        bidirectional=False,
        dtype="float32",
        random_state=None,
        forget_bias_init=1.0,
    ):
        super().__init__(input_size, hidden_size, bidirectional, dtype, random_state)
        self._start_bias(1, forget_bias_init)

    def _cell_forward(self, params, weights, tape, work, keep, outputs, team):
        gates = work.take("gates", (self._gate_rows(tape, keep), self._gates_size))
        team.call(
            lstm.lstm_forward,
            tape.x, params["b"], tape.alive, tape.mask, tape.h, tape.c,
            gates, self._scratch(tape, work, team),
            *weights, self.chunk_rows, keep, outputs,
        )  # fmt: skip
        return (gates,)

    def _cell_backward(self, weights, grads, tape, dy, dh, dc, dx, work, team):
        (gates,) = tape.saved
        team.call(
            lstm.lstm_backward,
            tape.x, tape.alive, tape.mask, tape.h, tape.c, gates,
            dy, dh, dc, dx, grads["W"], grads["U"], grads["b"],
            self._scratch(tape, work, team),
            *weights, *self._packed_chunk(tape, work), self.chunk_rows,
        )  # fmt: skip


class GRU(PaddedLayer):
    """Gated recurrent unit; gate blocks r, z, n.

    The n block of ``params["b"]`` is the input bias of the candidate; its recurrent bias is
    ``params["b_n"]`` of shape (H,). With ``reset_after=False`` the two are simply added, as in
    ONNX.

    Parameters
    ----------
    input_size : int
        D, features of each step.
    hidden_size : int
        H, hidden units of each direction.
    bidirectional : bool, default=False
        Whether a second set of units reads the sequences from their ends.
    dtype : {"float32", "float64"}, default="float32"
        Type of parameters and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.
    reset_after : bool, default=True
        Whether the reset gate acts after the recurrent product (PyTorch, cuDNN) or on the state
        before it (Cho et al. 2014).

    Attributes
    ----------
    params, grads : dict of str to ndarray
        "W" (D, 3H), "U" (H, 3H), "b" (3H,) and "b_n" (H,) and their gradients.
        The keys of a second direction end in "_reverse". Writing into ``params`` changes the
        layer.

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

    n_gates = 3

    def __init__(
        self,
        input_size,
        hidden_size,
        *,
        bidirectional=False,
        dtype="float32",
        random_state=None,
        reset_after=True,
    ):
        self.reset_after = bool(reset_after)
        super().__init__(input_size, hidden_size, bidirectional, dtype, random_state)

    @classmethod
    def shapes(cls, input_size, hidden_size):
        return {**super().shapes(input_size, hidden_size), "b_n": (hidden_size,)}

    def _forward_factors(self, params):
        H, W, U = self.hidden_size, params["W"], params["U"]
        if self.reset_after:
            return [(W, 0, 3 * H), (U, 0, 3 * H), (U, 0, 0)]
        return [(W, 0, 3 * H), (U, 0, 2 * H), (U, 2 * H, H)]

    def _backward_factors(self, params):
        H, W, U = self.hidden_size, params["W"], params["U"]
        return [(W, 0, 3 * H), (U, 0, 2 * H), (U, 2 * H, H)]

    def _cell_forward(self, params, weights, tape, work, keep, outputs, team):
        rows = self._gate_rows(tape, keep)
        gates = work.take("gates", (rows, self._gates_size))
        q = work.take("q", (rows, self.hidden_size))
        team.call(
            gru.gru_forward,
            tape.x, params["b"], params["b_n"], tape.alive, tape.mask,
            tape.h, gates, q, work.take("h_U", (tape.n_sequences, self._gates_size)),
            self._scratch(tape, work, team),
            *weights,
            self.chunk_rows, keep, outputs, self.reset_after,
        )  # fmt: skip
        return gates, q

    def _cell_backward(self, weights, grads, tape, dy, dh, dc, dx, work, team):
        gates, q = tape.saved
        team.call(
            gru.gru_backward,
            tape.x, tape.alive, tape.mask, tape.h, gates, q,
            dy, dh, dx, grads["W"], grads["U"], grads["b"], grads["b_n"],
            *weights, *self._packed_chunk(tape, work),
            work.take("dreset", (tape.n_sequences, self.hidden_size)),
            self._scratch(tape, work, team),
            self.chunk_rows, self.reset_after,
        )  # fmt: skip


class CarryLSTM(PaddedLayer):
    """LSTM with a carry gate that passes the previous state on; gate blocks i, f, γ, o, β.

    ``h_t = o_t tanh(c_t) + β_t h_{t-1}``, so that a state can cross many steps unchanged. Its
    states are bounded only while β stays below 1.

    Parameters
    ----------
    input_size : int
        D, features of each step.
    hidden_size : int
        H, hidden units of each direction.
    bidirectional : bool, default=False
        Whether a second set of units reads the sequences from their ends.
    dtype : {"float32", "float64"}, default="float32"
        Type of parameters and arithmetic.
    random_state : None, int or numpy.random.Generator, default=None
        Source of the initial weights.
    candidate_activation : {"sigmoid", "tanh"}, default="sigmoid"
        Activation of the candidate γ.
    forget_bias_init : float, default=1.0
        Start of the forget gate's bias.
    carry_bias_init : float, default=2.0
        Start of the carry gate's bias. With 0 the cell loses its first steps and may not learn.

    Attributes
    ----------
    params, grads : dict of str to ndarray
        "W" (D, 5H), "U" (H, 5H) and "b" (5H,) and their gradients.
        The keys of a second direction end in "_reverse". Writing into ``params`` changes the
        layer.

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

    n_gates = 5
    has_cell_state = True

    def __init__(
        self,
        input_size,
        hidden_size,
        *,
        bidirectional=False,
        dtype="float32",
        random_state=None,
        candidate_activation="sigmoid",
        forget_bias_init=1.0,
        carry_bias_init=2.0,
    ):
        activation = _one_of("candidate_activation", candidate_activation, ("sigmoid", "tanh"))
        self.candidate_tanh = activation == "tanh"
        super().__init__(input_size, hidden_size, bidirectional, dtype, random_state)
        self._start_bias(1, forget_bias_init)
        self._start_bias(4, carry_bias_init)

    def _cell_forward(self, params, weights, tape, work, keep, outputs, team):
        gates = work.take("gates", (self._gate_rows(tape, keep), self._gates_size))
        team.call(
            carry_lstm.carry_lstm_forward,
            tape.x, params["b"], tape.alive, tape.mask, tape.h, tape.c,
            gates, self._scratch(tape, work, team),
            *weights, self.chunk_rows, keep, outputs, self.candidate_tanh,
        )  # fmt: skip
        return (gates,)

    def _cell_backward(self, weights, grads, tape, dy, dh, dc, dx, work, team):
        (gates,) = tape.saved
        team.call(
            carry_lstm.carry_lstm_backward,
            tape.x, tape.alive, tape.mask, tape.h, tape.c, gates,
            dy, dh, dc, dx, grads["W"], grads["U"], grads["b"],
            self._scratch(tape, work, team),
            *weights, *self._packed_chunk(tape, work), self.chunk_rows, self.candidate_tanh,
        )  # fmt: skip
