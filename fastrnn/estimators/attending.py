"""What estimators with attention say of the weights that it gives to steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastrnn.estimators.predicting import read
from fastrnn.network.pooling import parts_of
from fastrnn.typing import Floats, SequencesLike


class Attending:
    """Estimators that say one thing of a sequence, whose `pooling` may be attention."""

    def attention_weights(self: Any, X: SequencesLike) -> list[Floats]:
        """Return the weight that attention gives to every time step.

        It is for models whose `pooling` is "attention", or has it among its parts.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences, as in `fit`.

        Returns
        -------
        list of ndarray of shape (T_i,)
            One array for each sequence, in the order of `X`, whose sum is 1; with `stride` or
            `conv` for the steps that the layers read.

        Raises
        ------
        ValueError
            If the model was fitted with another `pooling`, or `X` is not acceptable.
        """
        self.check_fitted()
        kind = self.network_.architecture.pooling
        if "attention" not in parts_of(kind):
            raise ValueError(
                "attention_weights needs a model fitted with pooling='attention', or with that "
                f"among others, got pooling={kind!r}"
            )
        sequences = read(self, X, per_step=self.network_.dtype.itemsize)
        weights = self.network_.attention_weights(sequences, n_jobs=self.n_jobs)
        return np.split(weights, self.network_.offsets_read(sequences)[1:-1])
