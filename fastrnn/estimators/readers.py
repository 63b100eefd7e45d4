"""Readers: how what users give becomes the sequences that a network reads.

A reader is learned in `fit` and never changed; `predict`, streams, files, exchange and the command
read with the same one. That of sequences is here, that of time series in `next_values`, that of
texts in `next_tokens`. All of them have the same members:

- ``learn(X, parameters, weigh)`` and, where training goes on, ``read_more(X, parameters, what)``
  give a reader and the sequences to train on, whose steps have the weights ``weigh(sequences)``;
  ``read(X, dtype)`` and, for validation data, ``read_to_score(X, dtype)`` give sequences.
- ``look(X, parameters, weigh)`` is what ``join(looks, parameters)`` needs to know of X, one of
  several partitions, to make the reader of all, and something with the ``lengths`` of what is
  there; ``go_on(parameters, what, lengths)`` is the reader with which training goes on instead.
  ``read_part(X, parameters)`` gives the sequences to train on, None where none can be.
  ``without_data()`` is the reader without what it has of X, and ``keeps_data`` says whether it has
  some. Only a reader whose task is ``in_partitions`` has these.
- ``n_features``, ``tables(parameters)`` and ``id_tables`` are what the network reads, and
  ``is_tied(parameters)`` says whether its head shares a table.
- ``feature_names`` are those of the columns that `fit` was given, ``step_names`` those of the
  columns of a step; None without.
- ``is_scaled`` says whether each series is brought to a scale of its own.
- ``steps()`` says how a stream reads.
- ``split_validation_data(given)`` takes apart what `fit` is given so: X, y and sample weights.
- ``attributes()`` are set on the estimator.
- ``kind`` is its word in files, and ``fields`` the `Record` of what stands there;
  ``from_record(fields, fitted_by)`` makes one of them, for a class of estimators of this name.
- ``others`` are readers that ``learn`` may choose instead.
- ``width`` says how many columns a step has that the network reads, ids among them, and ``n_ids``
  how many ids each table has vectors of: what is in a file is held to these.
- ``seen(sequences, targets, weight)`` names the arrays that a checkpoint compares.
- ``gaps`` says what is read where a value is missing, and of times, ``scaling`` how numbers are
  scaled before.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fastrnn.estimators.parameters import embedding_sizes
from fastrnn.files.codec import Added, Optional, Record, Text, Whole
from fastrnn.inputs.column_scaling import NO_SCALING, SCALING, Scaling
from fastrnn.inputs.columns import (
    COLUMNS,
    Columns,
    check_names,
    choose,
    column_number,
    join_columns,
)
from fastrnn.inputs.errors import PartitionsDiffer
from fastrnn.inputs.missing import GAPS, NO_GAPS, Gaps
from fastrnn.inputs.padding import PADDINGS
from fastrnn.inputs.sequences import as_sequences
from fastrnn.streams.snapshot import Reading


def _check_columns(fields):
    columns, n_columns = fields["columns"], fields["n_columns"]
    check_names(columns, n_columns or columns.width)
    if columns.width < 1:
        raise ValueError("columns must be one or more")
    if n_columns is not None and columns.width != 1:
        raise ValueError("n_columns must be null for several columns")
    gaps, scaling = fields["gaps"], fields["scaling"]
    if gaps.time is not None and (gaps.time >= columns.width or gaps.time in columns.ids):
        raise ValueError("gaps.time must be a column of numbers")
    n_numbers = columns.width - len(columns.ids) - (gaps.time is not None)
    if gaps.allows and len(gaps.mean) != n_numbers:
        raise ValueError("gaps.mean must have an entry for each number")
    if scaling.method is not None and len(scaling.center) != n_numbers:
        raise ValueError("scaling.center must have an entry for each number")


@dataclass(frozen=True, eq=False)
class SequenceReader:
    """Reads arrays and data frames with the columns that `fit` has seen.

    `n_columns` is the number of columns of a table whose rows were univariate sequences, else None;
    `padding` says what stands at the ends of sequences that is none of them. Numbers are scaled
    first; then what is missing gets its place.
    """

    columns: Columns
    n_columns: int | None
    gaps: Gaps = NO_GAPS
    padding: str | None = None
    scaling: Scaling = NO_SCALING

    kind = "sequences"
    fields = Record(
        {
            "columns": COLUMNS,
            "n_columns": Optional(Whole(1)),
            "gaps": GAPS,
            "padding": Optional(Text(PADDINGS)),
            "scaling": Added(SCALING, NO_SCALING),
        },
        check=_check_columns,
    )
    id_tables = None
    is_scaled = False
    keeps_data = False
    vocabulary = None  # of texts, which it does not read
    meanings: ClassVar[tuple] = ()  # arguments of adopt that say what is read
    others: ClassVar[tuple[type, ...]] = ()

    @classmethod
    def learn(cls, X, parameters, weigh):
        """Learn what the columns are, the scale of numbers, and what to make of gaps."""
        sequences = as_sequences(
            X,
            dtype=parameters.dtype,
            scaling=Scaling(parameters.scaling),
            weigh=weigh,
            **_said_of_columns(parameters),
        )
        columns = replace(sequences.columns, fitted_by=type(parameters).__name__)
        gaps = Gaps.learn(sequences, parameters.missing, parameters.bidirectional)
        padding, scaling = parameters.padding, sequences.scaling
        reader = cls(columns, sequences.n_columns, gaps, padding, scaling)
        return reader, gaps.fill(sequences)

    @classmethod
    def look(cls, X, parameters, weigh):
        """What `join` needs to know of X, one of several partitions; its sequences, unscaled."""
        sequences = as_sequences(X, dtype="float64", **_said_of_columns(parameters))
        spreads = []
        if parameters.scaling is not None:
            spreads = Scaling.look(sequences.values.T, weigh(sequences))
        columns = replace(sequences.columns, fitted_by=type(parameters).__name__)
        gaps = Gaps.look(sequences, parameters.missing)
        return (columns, sequences.n_columns, spreads, gaps), sequences

    @classmethod
    def join(cls, looks, parameters):
        """Make the reader of all partitions of which this is known."""
        of_each, n_columns, spreads, gaps = zip(*looks, strict=True)
        columns = join_columns(of_each)
        for k, n in enumerate(n_columns):
            if n != n_columns[0]:
                names = ["no table" if n is None else f"a table of {n} columns" for n in n_columns]
                raise PartitionsDiffer(k, "", f" is {names[k]}, ", f" {names[0]}")
        scaling = NO_SCALING
        if parameters.scaling is not None:
            scaling = Scaling.join(parameters.scaling, spreads)
        of_gaps = Gaps.join(gaps, parameters.missing, scaling, parameters.bidirectional)
        return cls(columns, n_columns[0], of_gaps, parameters.padding, scaling)

    def read_more(self, X, parameters, what):
        """Read sequences to go on with in training; columns must be what they were."""
        reader = self.go_on(parameters, what)
        return reader, reader.read(X, parameters.dtype)

    def go_on(self, parameters, what, lengths=None):
        """The reader with which training goes on."""
        check_same_ids(self.columns, parameters, what)
        self._check_same_reading(parameters, what)
        return replace(self, padding=parameters.padding)

    def read_part(self, X, parameters):
        """Read the sequences of one of several partitions, to train on."""
        return self.read(X, parameters.dtype)

    def without_data(self):
        """The same: it has none of the sequences of `fit`."""
        return self

    def read(self, X, dtype):
        """Read sequences like those of `fit`."""
        sequences = as_sequences(
            X,
            dtype=dtype,
            columns=self.columns,
            n_columns=self.n_columns,
            allow_nan=self.gaps.allows,
            time_feature=self.gaps.time,
            padding=self.padding,
            scaling=self.scaling,
        )
        return self.gaps.fill(sequences)

    def _check_same_reading(self, parameters, what):
        wanted, columns = parameters.time_feature, self.columns
        if wanted is not None:
            wanted = column_number(wanted, columns.width, columns.names, what="time_feature")
        for name, fitted, asked in (
            ("missing", self.gaps.missing, parameters.missing),
            ("time_feature", self.gaps.time, wanted),
            ("scaling", self.scaling.method, parameters.scaling),
        ):
            if fitted != asked:
                raise ValueError(
                    f"{what} goes on from the fitted model, which has {name}={fitted!r}, not "
                    f"{asked!r}"
                )

    read_to_score = read

    @staticmethod
    def split_validation_data(validation_data: Any) -> tuple[Any, Any, Any]:
        """Take validation data of `fit` apart: sequences, targets and weights."""
        if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
            kind = type(validation_data).__name__
            got = f"{len(validation_data)} entries" if isinstance(validation_data, tuple) else kind
            raise TypeError(
                f"validation_data must be a tuple (X, y) or (X, y, sample_weight), got {got}"
            )
        X, y, *weight = validation_data
        return X, y, weight[0] if weight else None

    @property
    def feature_names(self):
        """Names of the columns of data frames; None without."""
        return self.columns.names

    @property
    def step_names(self):
        """Names of the columns of a step; those of a table name steps instead."""
        return None if self.n_columns is not None else self.columns.names

    @property
    def n_numbers(self):
        """Numbers of each step, of which the network reads more; its time is none of them."""
        return self.columns.width - len(self.columns.ids) - (self.gaps.time is not None)

    @property
    def n_features(self):
        """Numbers that are read of each step."""
        return self.gaps.width(self.columns.width - len(self.columns.ids))

    @property
    def width(self):
        """Columns that are read of each step."""
        return self.n_features + len(self.columns.ids)

    @property
    def n_ids(self):
        """How many ids each column of them has, and one that stands for a missing one."""
        return tuple(n + self.gaps.allows for n in self.columns.n_categories)

    def tables(self, parameters):
        """Size of the table of each column of ids."""
        sizes = embedding_sizes(parameters.embedding_dim, self.columns.n_categories)
        return tuple((n, width) for n, (_, width) in zip(self.n_ids, sizes, strict=True))

    def is_tied(self, parameters):
        """Whether the head has the table of the only column of ids as its weights."""
        return False

    def steps(self):
        """How a stream reads."""
        scale = {}
        if self.scaling.method is not None:
            beside = np.zeros(self.n_features - len(self.scaling.center))
            scale["center"] = np.concatenate([self.scaling.center, beside])
            scale["deviation"] = np.concatenate([self.scaling.factor, beside + 1])
        return Reading.of_columns(self.columns, gaps=self.gaps, **scale)

    def attributes(self):
        """Fitted attributes of the estimator."""
        return {
            "n_features_in_": self.n_columns or self.columns.width,
            "n_categories_": self.columns.n_categories,
        }

    def seen(self, sequences, targets, weight):
        """What training sees, by argument of `fit`."""
        ids = [] if sequences.ids is None else [sequences.ids]
        X = [sequences.values, sequences.offsets, *ids]
        return {"X": X, "y": targets, "sample_weight": [weight]}

    @classmethod
    def from_record(cls, fields, fitted_by):
        """Make a reader of what is in a file."""
        columns = replace(fields["columns"], fitted_by=fitted_by)
        return cls(**{**fields, "columns": columns})

    @classmethod
    def adopt(cls, weights, parameters):
        """Make a reader of the columns that weights from elsewhere are for."""
        if parameters.missing != "error" or parameters.time_feature is not None:
            raise ValueError(
                f"missing={parameters.missing!r} and time_feature={parameters.time_feature!r} are "
                "not for weights from elsewhere, whose network reads numbers as they are"
            )
        n_ids = tuple(len(table) for table in weights.tables)
        width = weights.n_features + len(n_ids)
        ids = choose(chosen_columns(parameters), width, of="a time step")
        if len(ids) != len(n_ids):
            raise ValueError(
                f"categorical_features={parameters.categorical_features!r} chooses {len(ids)} of "
                f"{width} columns, but the weights have tables for {len(n_ids)} columns of ids"
            )
        fitted_by = type(parameters).__name__
        columns = Columns(width, None, ids, n_ids, (None,) * len(ids), fitted_by)
        return cls(columns, None, padding=parameters.padding)


def _said_of_columns(parameters):
    """What parameters say of X, as arguments of `as_sequences`."""
    return {
        "categorical_features": chosen_columns(parameters),
        "allow_nan": parameters.missing != "error",
        "time_feature": parameters.time_feature,
        "padding": parameters.padding,
    }


def chosen_columns(parameters):
    """Which columns an estimator wants to be ids, from its parameters."""
    chosen = parameters.categorical_features
    return "all" if chosen is None and parameters.embedding_dim is not None else chosen


def check_same_ids(columns, parameters, what):
    """Check that the columns of ids that are wanted are those of the fitted model."""
    wanted = chosen_columns(parameters)
    categories = zip(columns.ids, columns.categories, strict=True)
    categorical = [j for j, values in categories if values is not None]
    if choose(wanted, columns.width, columns.names, categorical) != columns.ids:
        raise ValueError(
            f"{what} goes on from the fitted model, whose ids are in columns "
            f"{list(columns.ids)}, not categorical_features={wanted!r}"
        )
