"""The task of a regressor: one or several numbers for each sequence."""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastrnn.estimators import quantiles
from fastrnn.estimators.labels import check_alike
from fastrnn.estimators.parameters import in_effect, parameters_of
from fastrnn.estimators.precision import narrow, narrow_weight
from fastrnn.estimators.targets import (
    as_numbers,
    as_sample_weight,
    check_same_length,
    find_targets,
    target_names,
)
from fastrnn.estimators.task_parameters import RegressorParameters
from fastrnn.estimators.tasks import NAMES, Target, Task, check_target_names
from fastrnn.files.codec import Added, Array, Flag, ListOf, Number, Optional, Record, Text
from fastrnn.inputs.sequences import Sequences
from fastrnn.streams.snapshot import Levels
from fastrnn.typing import SampleWeight, TargetsLike

_HEADS = {"squared_error": "squared_error", "quantile": "quantiles", "poisson": "poisson"}


@dataclass(frozen=True, eq=False)
class NumberTask(Task):
    """M numbers for each sequence, each scaled to mean 0 and deviation 1; a flat `y` has one.

    Of quantiles there are some `levels` of each. The Poisson loss has numbers scaled to mean 1.
    `names` are those of the columns of `y`, if it was a data frame with some.
    """

    mean: np.ndarray
    scale: np.ndarray
    is_flat: bool
    names: tuple[str, ...] | None = None
    loss: str = "squared_error"
    levels: tuple[float, ...] | None = None

    kind = "numbers"
    in_partitions = True
    fields = Record(
        {
            "is_flat": Flag(),
            "names": NAMES,
            "loss": Added(Text(tuple(_HEADS)), "squared_error"),
            "levels": Added(Optional(ListOf(Number(), tuple)), None),
            "mean": Array("float64", lambda fields: (None,)),
            "scale": Array("float64", lambda fields: fields["mean"].shape, above=0),
        }
    )

    @classmethod
    def learn(
        cls, y: TargetsLike, sequences: Sequences, sample_weight: SampleWeight, parameters: Any
    ) -> tuple[Self, Target]:
        """Learn mean and deviation of each column."""
        kind, _, mean, deviation = cls.look(y, sequences, sample_weight, parameters)
        task = cls._of(kind, mean, deviation, parameters)
        return task, task.encode(y, sequences, sample_weight)

    @classmethod
    def look(cls, y, sequences, sample_weight, parameters):
        """Whether `y` is flat, names of its columns, weight, mean and deviation of each."""
        names, y = target_names(y), as_numbers(y)
        check_same_length(sequences, "y", y)
        weight = as_sample_weight(sample_weight, sequences)
        columns = y.reshape(len(y), -1)
        if parameters.loss == "poisson":
            _check_amounts(columns)
        shares = _at_most_one(weight)
        mean = np.average(columns, axis=0, weights=shares)
        deviation = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=shares))
        return (y.ndim == 1, names), float(weight.sum()), mean, deviation

    @classmethod
    def join(cls, looks, parameters, reader):
        """Make the task of all partitions; classes it has none."""
        kinds, weights, means, deviations = zip(*looks, strict=True)
        check_alike(kinds, "whether y is flat, and names of its columns, in")
        check_alike([len(mean) for mean in means], "columns of y in")
        share = np.array(weights) / sum(weights)
        mean = share @ np.array(means)
        variance = np.square(deviations) + np.square(np.array(means) - mean)
        return cls._of(kinds[0], mean, np.sqrt(share @ variance), parameters), None

    @classmethod
    def _of(cls, kind, mean, deviation, parameters):
        """Make a task of mean and deviation of each column."""
        if parameters.loss == "poisson":
            mean, scale = np.zeros_like(mean), np.where(mean > 0, mean, 1.0)
        else:  # 1 for an output that does not vary
            scale = np.where(deviation <= 1e-12 * np.abs(mean), 1.0, deviation)
        return cls(mean, scale, *kind, **_loss_of(parameters))

    @classmethod
    def smallest(cls, parameters):
        """A task with one output, of which nothing is known, to count memory with."""
        return cls(np.zeros(1), np.ones(1), is_flat=True)

    @property
    def head(self):
        """What goes with the loss."""
        return _HEADS[self.loss]

    @property
    def head_options(self):
        """The levels of quantiles."""
        return {} if self.levels is None else {"levels": self.levels}

    @property
    def scores_loss(self):
        """Whether R² would not tell how good what is learned is."""
        return self.loss != "squared_error"

    @property
    def n_targets(self):
        """How many numbers are predicted."""
        return len(self.mean)

    @property
    def n_outputs(self):
        """Number of outputs of the network."""
        return self.n_targets * len(self.levels or (0.5,))

    def encode(self, y, sequences, sample_weight, parameters=None, partial=False):
        """Scale the numbers."""
        if parameters is not None:
            self._check_goes_on(parameters, "partial_fit" if partial else "warm_start=True")
        columns = self._columns(y, sequences)
        if self.loss == "poisson":
            _check_amounts(columns)
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
        """Numbers in the units of `y`, of shape (n, M), or (n,) where `y` was flat."""
        values = self._in_units(outputs)
        return values[:, 0] if self.is_flat else values

    def quantiles(self, outputs, levels):
        """Quantiles in the units of `y`, of shape (n, M, L), or (n, L) where `y` was flat."""
        values = self._at(outputs, levels) * self.scale[:, np.newaxis] + self.mean[:, np.newaxis]
        return values[:, 0] if self.is_flat else values

    def check_levels(self, levels):
        """The levels of quantiles that are wanted; None are those that were learned."""
        if self.levels is None:
            raise ValueError(
                f"the model was fitted with loss={self.loss!r}: fit it with loss='quantile' to "
                "predict quantiles"
            )
        return quantiles.check_levels(self.levels, levels)

    def score(self, outputs, values, weight):
        """R²."""
        return _r2(values, outputs, weight)

    def tally(self, network, scored, parameters):
        """What `join_scores` needs to know: of R² the sums that it is made of."""
        if self.scores_loss:
            return super().tally(network, scored, parameters)
        outputs = network.predict(scored.sequences, n_jobs=parameters.n_jobs)
        return _sums(scored.values, outputs, scored.weight)

    def join_scores(self, tallies):
        """What `validate` would give for all partitions."""
        return super().join_scores(tallies) if self.scores_loss else self.join_answers(tallies)

    def tally_answers(self, outputs, y, sequences, sample_weight):
        """The sums that R² is made of, in the units of `y`."""
        weight = as_sample_weight(sample_weight, sequences)
        return _sums(self._columns(y, sequences), self._in_units(outputs), weight)

    def join_answers(self, tallies):
        """R² of all partitions."""
        n, weight, means, errors, spreads = map(np.array, zip(*tallies, strict=True))
        mean = weight @ means / weight.sum()
        spread = (spreads + weight[:, np.newaxis] * np.square(means - mean)).sum(axis=0)
        return _r2_of(n.sum(), errors.sum(axis=0), spread)

    def score_answers(self, outputs, y, sequences, sample_weight):
        """R² in the units of `y`."""
        columns = self._columns(y, sequences)
        weight = as_sample_weight(sample_weight, sequences)
        return _r2(columns, self._in_units(outputs), weight)

    def unit(self, output):
        """What one in an output of the network is in what is predicted."""
        return self.scale[output // len(self.levels or (0.5,))]

    def answer(self):
        """How a stream answers."""
        scale, mean = (np.array(given, np.float64) for given in (self.scale, self.mean))
        answer = {"scale": scale, "shift": mean, "is_flat": self.is_flat}
        if self.n_outputs > self.n_targets:
            above, share = quantiles.between(self.levels, self._point)
            answer["levels"] = Levels(len(self.levels), above, share)
        return answer

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {"y_mean_": self.mean, "y_scale_": self.scale}

    @classmethod
    def from_record(cls, fields, reader):
        """Make a task of what is in a file."""
        if fields["is_flat"] and len(fields["mean"]) > 1:
            raise ValueError("several outputs, expected one where y is flat")
        check_target_names(fields["names"], len(fields["mean"]))
        levels = fields["levels"]
        if (levels is None) == (fields["loss"] == "quantile"):
            raise ValueError("levels must be those of loss='quantile'")
        if levels is not None:
            quantile = levels[0] if len(levels) == 1 else levels
            parameters_of(RegressorParameters)["quantile"].check(quantile)
        if fields["loss"] == "poisson" and fields["mean"].any():
            raise ValueError("mean must be 0 with loss='poisson'")
        return cls(**fields)

    @classmethod
    def adopt(cls, head, parameters):
        """Make a task of a head whose outputs have the units of `y`."""
        loss = _loss_of(parameters)
        n, rest = divmod(len(head["b"]), len(loss["levels"] or (0.5,)))
        if rest:
            raise ValueError(
                f"the head has {len(head['b'])} outputs, expected some for each level of "
                f"quantile={parameters.quantile!r}"
            )
        return cls(np.zeros(n), np.ones(n), n == 1, **loss), head

    def _check_goes_on(self, parameters, what):
        """Check that the loss is still the same."""
        wanted = _loss_of(parameters)
        for name, words in (("loss", "loss"), ("levels", "the levels of quantile")):
            own = getattr(self, name)
            if own != wanted[name]:
                raise ValueError(
                    f"{what} goes on from the fitted model, which has {words}={own!r}, not "
                    f"{wanted[name]!r}"
                )

    def _columns(self, y, sequences):
        y = as_numbers(find_targets(y, self.names))
        check_same_length(sequences, "y", y)
        y = y.reshape(len(y), -1)
        if y.shape[1] != self.n_targets:
            raise ValueError(f"y has {y.shape[1]} outputs, but the model predicts {self.n_targets}")
        return y

    @property
    def _point(self):
        """The level that `predict` gives."""
        return self.levels if len(self.levels) == 1 else (0.5,)

    def _at(self, outputs, levels):
        """Scaled quantiles of some levels, (n, M, L)."""
        outputs = outputs.astype(np.float64).reshape(len(outputs), self.n_targets, -1)
        return quantiles.at_levels(outputs, self.levels, levels)

    def _in_units(self, outputs):
        if self.levels is not None:
            outputs = self._at(outputs, self._point)[:, :, 0]
        return outputs * self.scale + self.mean


def _loss_of(parameters):
    """The loss that parameters ask for, and the levels of its quantiles."""
    quantile, levels = in_effect(parameters, "quantile"), None
    if parameters.loss == "quantile":
        levels = tuple(map(float, [quantile] if np.ndim(quantile) == 0 else quantile))
    return {"loss": parameters.loss, "levels": levels}


def _check_amounts(columns):
    """Check that numbers are what the Poisson loss takes."""
    wrong = np.argwhere(columns < 0)
    if wrong.size:
        n, k = wrong[0]
        raise ValueError(f"loss='poisson' needs y >= 0, but sequence {n} has {columns[n, k]:.15g}")


def _at_most_one(weight):
    """Divide weights by a power of two, which changes no bits of their means: nothing overflows."""
    return np.ldexp(weight, -np.frexp(weight.max())[1])


def _r2(y, prediction, weight):
    """R² of (n, K) predictions, the mean over K."""
    n, _, _, error, spread = _sums(y, prediction, _at_most_one(np.asarray(weight, np.float64)))
    return _r2_of(n, error, spread)


def _sums(y, prediction, weight):
    """What R² is made of: n, the weight, and by column mean, squared error and squared spread."""
    weight, y = np.asarray(weight, dtype=np.float64), y.astype(np.float64)
    error = (weight[:, np.newaxis] * (y - prediction) ** 2).sum(axis=0)
    mean = np.average(y, axis=0, weights=weight)
    spread = (weight[:, np.newaxis] * (y - mean) ** 2).sum(axis=0)
    return len(y), weight.sum(), mean, error, spread


def _r2_of(n, error, spread):
    if n < 2:
        warnings.warn("R² is not defined for fewer than two sequences", UserWarning, stacklevel=5)
        return np.nan
    varies = spread > 0
    score = np.where(error == 0, 1.0, 0.0)  # what is left to say of an output that does not vary
    score[varies] = 1.0 - error[varies] / spread[varies]
    return float(score.mean())
