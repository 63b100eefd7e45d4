"""The story of a prediction: read, see that memory will do, ask the network."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from fastrnn.estimators.needs import refuse_to_predict
from fastrnn.inputs.sequences import Sequences
from fastrnn.typing import Floats, Ints, ObjectArray, SequencesLike


def read(
    estimator: Any,
    X: SequencesLike,
    *,
    per_step: int = 0,
    refuse: Callable[..., None] = refuse_to_predict,
) -> Sequences:
    """Sequences for the network, if there is memory; `per_step` is that of results by step."""
    estimator.check_fitted()
    sequences = estimator.reader_.read(X, estimator.network_.architecture.dtype)
    refuse(estimator, sequences, per_step)
    return sequences


def outputs(estimator: Any, sequences: Sequences) -> Floats:
    """What the network says of sequences that were read, such as probabilities."""
    said: Floats = estimator.network_.predict(sequences, n_jobs=estimator.n_jobs)
    return said


def best_outputs(estimator: Any, sequences: Sequences) -> Ints:
    """The number of the best output for each sequence that was read, or for each step."""
    best: Ints = estimator.network_.best_outputs(sequences, n_jobs=estimator.n_jobs)
    return best


def gradients_of(estimator: Any, gradients: Floats, sequences: Sequences) -> list[Floats]:
    """Gradients of what the network has read of each sequence, in the units of X."""
    reader = estimator.reader_
    gradients = reader.gaps.undo(reader.scaling.undo(gradients), sequences)
    return np.split(gradients, sequences.offsets[1:-1])


def read_numbers(estimator: Any, X: SequencesLike, **options: Any) -> Sequences:
    """`read`, if there are numbers among what is read."""
    sequences = read(estimator, X, **options)
    if not sequences.n_features:
        raise ValueError("all columns of X are ids, which have no gradient")
    return sequences


def names_of_states(estimator: Any, input_features: Collection[str] | None) -> ObjectArray:
    """A name for each final state; the features must be those of `fit`, if they are given."""
    estimator.check_fitted()
    if input_features is not None:
        names = estimator.reader_.feature_names
        if names is not None and names != tuple(input_features):
            raise ValueError("input_features is not equal to feature_names_in_")
        # A column of a table has sequences of several features in its cells.
        is_column = names is None and estimator.reader_.columns.width == estimator.n_features_in_
        if len(input_features) != estimator.n_features_in_ and (
            not is_column or len(input_features) != 1
        ):
            raise ValueError(
                "input_features should have length equal to number of features "
                f"({estimator.n_features_in_}), got {len(input_features)}"
            )
    prefix = type(estimator).__name__.lower()
    n_hidden = estimator.network_.architecture.width
    return np.array([f"{prefix}{j}" for j in range(n_hidden)], dtype=object)
