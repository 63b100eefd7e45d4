"""Names of types, for annotations: what estimators, layers and kernels take, and what they give.

A program that is checked may use them, too: ``def train(X: SequencesLike) -> RNNClassifier``.
"""

import os
from collections.abc import Collection
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Activation",
    "AnyArray",
    "ArrayLike",
    "Auto",
    "CellName",
    "Covariates",
    "DType",
    "Doubles",
    "Floats",
    "Ints",
    "ObjectArray",
    "PathLike",
    "Precision",
    "RandomState",
    "SampleWeight",
    "Schedule",
    "SequencesLike",
    "Solver",
    "TargetsLike",
    "WeightType",
]

SequencesLike: TypeAlias = Collection[Any]
"""Sequences, series or texts: an array, a data frame, or a list of arrays, frames, tokens, texts.
The guide's page "What is read" has all of it."""

TargetsLike: TypeAlias = Collection[Any]
"""What is to be learned of them: an array, or a list of labels, numbers, arrays, lists or texts."""

Covariates: TypeAlias = Collection[Any] | None
"""What is known beside series, for each of them; or names of columns."""

SampleWeight: TypeAlias = Collection[Any] | None
"""A number for each sequence, or for each step of each."""

Floats: TypeAlias = NDArray[np.floating[Any]]
"""float32 or float64, as the model's `dtype` is; in a call of a kernel all of them the same."""

Doubles: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

ObjectArray: TypeAlias = NDArray[np.object_]
"""An array or a text for each sequence."""

AnyArray: TypeAlias = NDArray[Any]
"""Such as labels, which may be numbers or strings."""

PathLike: TypeAlias = str | os.PathLike[str]

RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None

Activation: TypeAlias = Literal["tanh", "relu"]
Auto: TypeAlias = Literal["auto"]
CellName: TypeAlias = Literal["rnn", "lstm", "gru", "carry_lstm", "peephole_lstm", "layernorm_lstm"]
DType: TypeAlias = Literal["float32", "float64"]
Precision: TypeAlias = Literal["full", "bfloat16", "auto"]
Schedule: TypeAlias = Literal["constant", "invscaling", "adaptive", "cosine"]
Solver: TypeAlias = Literal["adam", "adamw", "sgd", "rmsprop", "lbfgs"]

WeightType: TypeAlias = Literal["int8", "bfloat16"] | None
"""What a stream rounds weights to."""
