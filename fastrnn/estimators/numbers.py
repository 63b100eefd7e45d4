"""The task of a regressor: one or several numbers for each sequence."""

import warnings
from dataclasses import dataclass

import numpy as np

from fastrnn.estimators.precision import narrow, narrow_weight
from fastrnn.estimators.targets import (
    as_numbers,
    as_sample_weight,
    check_same_length,
    find_targets,
    target_names,
)
from fastrnn.estimators.tasks import NAMES, Target, Task, check_target_names
from fastrnn.files.codec import Array, Flag, Record


@dataclass(frozen=True, eq=False)
class NumberTask(Task):
    """K numbers for each sequence, each scaled to mean 0 and deviation 1; a flat `y` has one.

    `names` are those of the columns of `y`, if it was a data frame with some.
    """

    mean: np.ndarray
    scale: np.ndarray
    is_flat: bool
    names: tuple[str, ...] | None = None

    kind = "numbers"
    fields = Record(
        {
            "is_flat": Flag(),
            "names": NAMES,
            "mean": Array("float64", lambda fields: (None,)),
            "scale": Array("float64", lambda fields: fields["mean"].shape, above=0),
        }
    )
    head = "squared_error"

    @classmethod
    def learn(cls, y, sequences, sample_weight, parameters):
        """Learn mean and deviation of each column."""
        names, y = target_names(y), as_numbers(y)
        check_same_length(sequences, "y", y)
        weight = as_sample_weight(sample_weight, sequences)
        columns = y.reshape(len(y), -1)
        shares = _at_most_one(weight)
        mean = np.average(columns, axis=0, weights=shares)
        scale = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=shares))
        scale[scale <= 1e-12 * np.abs(mean)] = 1.0  # an output that does not vary
        task = cls(mean, scale, y.ndim == 1, names)
        return task, task.encode(y, sequences, sample_weight)

    @classmethod
    def smallest(cls):
        """A task with one output, of which nothing is known, to count memory with."""
        return cls(np.zeros(1), np.ones(1), is_flat=True)

    @property
    def n_outputs(self):
        """Number of outputs."""
        return len(self.mean)

    def encode(self, y, sequences, sample_weight, parameters=None, partial=False):
        """Scale the numbers."""
        columns = self._columns(y, sequences)
        weight = as_sample_weight(sample_weight, sequences)
        with np.errstate(over="ignore"):
            scaled = (columns - self.mean) / self.scale
        dtype, place = sequences.values.dtype, "sequence {}".format
        return Target(
            values=narrow(scaled, dtype, "the scaled y", place, counts=weight > 0),
            weight=narrow_weight(weight, dtype),
            score_weight=weight,
            groups=np.zeros(len(columns), dtype=np.int64),
        )

    def decode(self, outputs):
        """Numbers in the units of `y`, of shape (n, K), or (n,) where `y` was flat."""
        values = self._in_units(outputs)
        return values[:, 0] if self.is_flat else values

    def score(self, outputs, values, weight):
        """R²."""
        return _r2(values, outputs, weight)

    def score_answers(self, outputs, y, sequences, sample_weight):
        """R² in the units of `y`."""
        columns = self._columns(y, sequences)
        weight = as_sample_weight(sample_weight, sequences)
        return _r2(columns, self._in_units(outputs), weight)

    def unit(self, output):
        """What one in an output of the network is in what is predicted."""
        return self.scale[output]

    def answer(self):
        """How a stream answers."""
        scale, mean = (np.array(given, np.float64) for given in (self.scale, self.mean))
        return {"scale": scale, "shift": mean, "is_flat": self.is_flat}

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {"y_mean_": self.mean, "y_scale_": self.scale}

    @classmethod
    def from_record(cls, fields, reader):
        """Make a task of what is in a file."""
        if fields["is_flat"] and len(fields["mean"]) > 1:
            raise ValueError("several outputs, expected one where y is flat")
        check_target_names(fields["names"], len(fields["mean"]))
        return cls(**fields)

    @classmethod
    def adopt(cls, head):
        """Make a task of a head whose outputs have the units of `y`."""
        n = len(head["b"])
        return cls(np.zeros(n), np.ones(n), n == 1), head

    def _columns(self, y, sequences):
        y = as_numbers(find_targets(y, self.names))
        check_same_length(sequences, "y", y)
        y = y.reshape(len(y), -1)
        if y.shape[1] != self.n_outputs:
            raise ValueError(f"y has {y.shape[1]} outputs, but the model predicts {self.n_outputs}")
        return y

    def _in_units(self, outputs):
        return outputs * self.scale + self.mean


def _at_most_one(weight):
    """Divide weights by a power of two, which changes no bits of their means: nothing overflows."""
    return np.ldexp(weight, -np.frexp(weight.max())[1])


def _r2(y, prediction, weight):
    """R² of (n, K) predictions, the mean over K."""
    if len(y) < 2:
        warnings.warn("R² is not defined for fewer than two sequences", UserWarning, stacklevel=4)
        return np.nan
    weight = _at_most_one(np.asarray(weight, dtype=np.float64))[:, np.newaxis]
    y = y.astype(np.float64)
    error = (weight * (y - prediction) ** 2).sum(axis=0)
    spread = (weight * (y - np.average(y, axis=0, weights=weight[:, 0])) ** 2).sum(axis=0)
    varies = spread > 0
    score = np.where(error == 0, 1.0, 0.0)  # what is left to say of an output that does not vary
    score[varies] = 1.0 - error[varies] / spread[varies]
    return float(score.mean())
