"""What a model is scored on while it is trained: arguments of `fit` become sequences to score."""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from fastrnn.estimators.tasks import Scored
from fastrnn.inputs.errors import NothingCounts, in_argument

_ROWS = 2**14
"""Steps, at most, whose numbers are compared with those of training."""


@dataclass(frozen=True, eq=False)
class ValidationData:
    """What `fit` is given to score the model on, as its `validation_data` would be."""

    given: Any
    of_X: str = "validation_data"  # the arguments in which it is given
    of_y: str = "validation_data"

    @classmethod
    def of(cls, validation_data: Any, X_val: Any = None, **others: Any) -> Self | None:
        """Choose among the arguments of `fit`; None without any.

        `others` are those that belong to X_val, y_val first if the estimator learns a `y`.
        """
        given = [name for name, value in others.items() if value is not None]
        given = given if X_val is None else ["X_val", *given]
        if validation_data is not None:
            if given:
                raise ValueError(f"validation_data and {given[0]} are given, expected one of them")
            return cls(validation_data)
        if not given:
            return None
        wanted = ["X_val", *list(others)[:1]]
        for name in wanted:
            if name not in given:
                raise ValueError(f"{given[0]} is given without {name}")
        return cls((X_val, *others.values()) if others else X_val, "X_val", ", ".join(given[1:]))

    def read(self, reader, task, dtype, trained_on=None):
        """Read it as a fitted model would; numbers are compared with those it was trained on."""
        given = reader.split_validation_data(self.given)
        return self.read_parts(*given, reader, task, dtype, trained_on)

    def read_parts(self, X, y, sample_weight, reader, task, dtype, trained_on=None):
        """Read it, taken apart already."""
        with in_argument(self.of_X):
            sequences = reader.read_to_score(X, dtype)
        with in_argument(self.of_y):
            target = task.encode_to_score(y, sequences, sample_weight)
            if not target.score_weight.any():
                raise NothingCounts("there is nothing to score")
        if trained_on is not None and not reader.is_scaled:
            self._compare_scales(sequences, trained_on, reader.scaling)
        return Scored(sequences, target.values, target.score_weight)

    def _compare_scales(self, sequences, trained_on, scaling):
        """Warn of numbers far from those of training, as where a pipeline has scaled these only."""
        for j in range(sequences.n_features):
            mean, spread = _mean_and_spread(trained_on, j)
            other_mean, other_spread = _mean_and_spread(sequences, j)
            if spread > 0 and max(abs(other_mean - mean), other_spread) > 10 * spread:
                center, factor = scaling.of(j)
                warnings.warn(
                    f"{self.of_X}: feature {j} has mean {other_mean * factor + center:.3g} and "
                    f"standard deviation {other_spread * factor:.3g}, but in X "
                    f"{mean * factor + center:.3g} and {spread * factor:.3g}. If steps of a "
                    "pipeline before this one change X, only X_val goes through them, with "
                    "transform_input=['X_val']",
                    UserWarning,
                    stacklevel=6,  # the line that called fit
                )
                return


def _mean_and_spread(sequences, j):
    """Mean and standard deviation of a feature, over some steps from everywhere."""
    values = sequences.values[:: len(sequences.values) // _ROWS + 1, j].astype(np.float64)
    values = values[np.isfinite(values)]
    return (values.mean(), values.std()) if values.size else (0.0, 0.0)
