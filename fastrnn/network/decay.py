"""What stands before the first layer of a network with decays: kernels/decay.pyx has the formulas.

The numbers of a step are read as `fastrnn.inputs.missing` makes them: F values, perhaps a time, F
marks; behind these, which the first layer reads, the times since each value was last seen, and for
a second direction those until it is seen next. Values decay in the same way for both directions.
Only the first layer's state h decays: layers above read states, none of which is missing.
"""

import numpy as np

from fastrnn.kernels import decay

RATE = 0.1
"""Where the decay of a value begins, in 1 / mean step, and that of all states on the average."""


def shapes(n_values, size, n_directions):
    """Name the parameters, with their shapes."""
    named: dict[str, tuple[int, ...]] = {"w_x": (n_values,), "b_x": (n_values,)}
    for suffix in ("", "_reverse")[:n_directions]:
        named[f"W_h{suffix}"], named[f"b_h{suffix}"] = (n_values, size), (size,)
    return named


class Decay:
    """The decays of a network of this architecture, whose parameters are `views` by name."""

    def __init__(self, architecture, views):
        self._mean = np.array(architecture.means, architecture.dtype)
        self._n_read, self._n_values = architecture.n_features, len(self._mean)
        self._suffixes = ("", "_reverse")[: architecture.n_directions]
        self._params = views

    @property
    def arrays(self):
        """What it has learned, and the means, by name."""
        return {"mean": self._mean, **self._params}

    def start(self, rng):
        """Draw the first weights: of states all is left where no value is missing, on average."""
        params = self._params
        params["w_x"][...] = RATE
        for suffix in self._suffixes:
            W = params[f"W_h{suffix}"]
            W[...] = rng.uniform(0, 2 * RATE / self._n_values, size=W.shape)
            params[f"b_h{suffix}"][...] = -RATE

    def _inputs(self, values, rows):
        marks, times = self._n_read - self._n_values, self._n_read
        return values, marks, times, rows, self._mean, self._params["w_x"], self._params["b_x"]

    def _times(self, batch, d, work):
        """Of a direction: the first column of its times, and the rows in its order of time."""
        rows = batch.rows
        if d == 1:
            rows = work.take("reversed rows", rows.shape, np.int64)
            work.call(np.take, batch.rows, batch.reverse, 0, rows)
        return self._n_read + d * self._n_values, rows

    def _of_states(self, d):
        return [self._params[f"{name}{self._suffixes[d]}"] for name in ("W_h", "b_h")]

    def forward(self, values, batch, x, size, work):
        """Fill in what is left of values; give the factors (N, H) of the states, by direction."""
        work.call(decay.decay_inputs, *self._inputs(values, batch.rows), x)
        factors = []
        for d in range(len(self._suffixes)):
            times, rows = self._times(batch, d, work)
            factors.append(work.part(d).take("factors", (len(rows), size)))
            work.call(decay.decay_factors, values, times, rows, *self._of_states(d), factors[-1])
        return factors

    def backward(self, values, batch, dx, tapes, grads, work, gradient=None):
        """Add the gradient of the parameters to `grads`; dx becomes that of the values.

        Where `gradient` is given, it is filled in the rows of the batch: with that of all columns
        of the values.
        """
        n_times = self._n_values * len(self._suffixes)
        dtimes = np.zeros((0 if gradient is None else len(batch.rows), n_times), dx.dtype)
        of_inputs = np.ascontiguousarray(dtimes[:, : self._n_values])
        work.call(
            decay.decay_inputs_backward, *self._inputs(values, batch.rows), dx, grads["w_x"],
            grads["b_x"], of_inputs,
        )  # fmt: skip
        dtimes[:, : self._n_values] = of_inputs
        for d, tape in enumerate(tapes):
            times, rows = self._times(batch, d, work)
            of_direction = np.zeros((len(dtimes), self._n_values), dx.dtype)
            suffix = self._suffixes[d]
            work.call(
                decay.decay_factors_backward, values, times, rows, *self._of_states(d),
                tape.factors, tape.dfactors, grads[f"W_h{suffix}"], grads[f"b_h{suffix}"],
                of_direction,
            )  # fmt: skip
            if gradient is not None:
                order = slice(None) if d == 0 else batch.reverse
                first = d * self._n_values
                dtimes[order, first : first + self._n_values] += of_direction
        if gradient is not None:
            gradient[batch.rows, : self._n_read] = dx[:, : self._n_read]
            gradient[batch.rows, self._n_read :] = dtimes
