"""The columns of a time step: which are ids, what they are called, what fit learned about them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastrnn.files.codec import ListOf, Optional, Record, Text, Value, Whole
from fastrnn.inputs.errors import PartitionsDiffer


@dataclass(frozen=True)
class Columns:
    """What `as_sequences` learned about the columns of ``X``, and holds later ones to.

    Attributes
    ----------
    width : int
        Number of columns of each time step, numbers and ids.
    names : tuple of str or None
        Names of these columns, or of the columns of a table; None if ``X`` was no data frame.
    ids : tuple of int
        Which columns of a time step are ids.
    n_categories : tuple of int
        For each of them the number of ids: they go from 0 to ``n_categories - 1``.
    categories : tuple of (tuple or None)
        For each of them the sorted values that the ids stand for; None if they were given as ids.
    fitted_by : str
        Name of the class whose `fit` learned it, for warnings.
    """

    width: int
    names: tuple[str, ...] | None = None
    ids: tuple[int, ...] = ()
    n_categories: tuple[int, ...] = ()
    categories: tuple[tuple | None, ...] = ()
    fitted_by: str = "the model"

    def with_names(self, place, names):
        """These columns, with columns of numbers of such names from one place on."""
        n, all_names = len(names), self.names
        if all_names is not None:
            all_names = (*all_names[:place], *names, *all_names[place:])
        return replace(
            self,
            width=self.width + n,
            names=all_names,
            ids=tuple(j + n * (j >= place) for j in self.ids),
        )

    def without(self, numbers):
        """These columns without a range of them, which are numbers."""
        left = self.names
        if left is not None:
            left = (*left[: numbers.start], *left[numbers.stop :])
        return replace(
            self,
            width=self.width - len(numbers),
            names=left,
            ids=tuple(j - len(numbers) * (j >= numbers.stop) for j in self.ids),
        )


def join_columns(columns):
    """The columns of several places that have some: their names agree, their categories are all."""
    first = columns[0]
    for k, own in enumerate(columns):
        for what in ("width", "names", "ids"):
            here, there = getattr(own, what), getattr(first, what)
            if here != there:
                raise PartitionsDiffer(k, "", f" has columns of {what} {here}, ", f" {there}")
    categories: list = []
    for k, values in enumerate(zip(*(own.categories for own in columns), strict=True)):
        known = {value for own in values if own is not None for value in own}
        if known and None in values:
            raise ValueError(
                f"column {first.ids[k]} has categories in some partitions, ids in others"
            )
        categories.append(tuple(sorted(known)) if known else None)
    counts = zip(*(own.n_categories for own in columns), strict=True)
    n_categories = tuple(
        max(n) if values is None else len(values)
        for n, values in zip(counts, categories, strict=True)
    )
    return replace(first, n_categories=n_categories, categories=tuple(categories))


def _check_columns(fields):
    ids, counts = fields["ids"], fields["n_categories"]
    if list(ids) != sorted(set(ids)) or (ids and ids[-1] >= fields["width"]):
        raise ValueError("ids must be rising numbers of columns")
    if len(counts) != len(ids):
        raise ValueError("n_categories must be a number for each column of ids")
    categories = fields["categories"]
    if len(categories) != len(ids) or not all(
        values is None or len(values) == n == len(set(values))
        for values, n in zip(categories, counts, strict=True)
    ):
        raise ValueError("categories must be the values of each column of ids, or null")


COLUMNS = Record(
    {
        "width": Whole(),
        "names": Optional(ListOf(Text(), tuple)),
        "ids": ListOf(Whole(), tuple),
        "n_categories": ListOf(Whole(1), tuple),
        "categories": ListOf(Optional(ListOf(Value(), tuple)), tuple),
    },
    Columns,
    _check_columns,
)
"""`Columns` in files."""


def check_names(columns, n_columns):
    """Check that there are no names, or so many."""
    if columns.names is not None and len(columns.names) != n_columns:
        raise ValueError("names must be one for each column")


def choose(wanted, width, names=None, categorical=(), of="X"):
    """Return the numbers of the columns that `categorical_features` chooses, in order.

    That is "all", "from_dtype" (those in `categorical`), numbers or names, a mask, or None for
    none; `of` is what messages call what has these columns.
    """
    if wanted is None:
        return ()
    if isinstance(wanted, str) and wanted == "all":
        return tuple(range(width))
    if isinstance(wanted, str) and wanted == "from_dtype":
        return tuple(categorical)
    chosen = np.asarray(wanted)
    if chosen.size == 0:
        return ()
    if chosen.ndim != 1 or isinstance(wanted, str) or chosen.dtype.kind not in "biuUO":
        raise ValueError(
            f"categorical_features is {wanted!r}, expected 'all', 'from_dtype', a list of column "
            "numbers or names, or a mask"
        )
    if chosen.dtype.kind == "b":
        if len(chosen) != width:
            raise ValueError(
                f"categorical_features is a mask of {len(chosen)} entries, expected one for each "
                f"of {width} columns"
            )
        return tuple(np.flatnonzero(chosen).tolist())
    numbers = [column_number(entry, width, names, of) for entry in chosen.tolist()]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"categorical_features chooses a column twice: {wanted!r}")
    return tuple(sorted(numbers))


def check_shape(i, shape, n_features, first=None):
    """Check that sequence i has time steps, and as many columns as wanted, or as the first."""
    length, width = shape
    if length == 0:
        raise ValueError(f"sequence {i} is empty, expected at least one time step")
    if width == 0:
        raise ValueError(f"sequence {i} has 0 features, expected at least 1")
    expected = n_features if n_features is not None or first is None else first[1]
    if expected is not None and width != expected:
        origin = " as in sequence 0" if n_features is None else ""
        raise ValueError(f"sequence {i} has {count_features(width)}, expected {expected}{origin}")


def name_place(*place: int | np.integer[Any], feature: int | None = None) -> str:
    """Name a place in ``X``, such as "sequence 2, time step 0, feature 1".

    Fewer numbers name a larger place, none ``X`` itself; `feature` leaves out what is between.
    """
    levels = [*zip(("sequence", "time step", "feature"), place, strict=False)]
    if feature is not None:
        levels.append(("feature", feature))
    return ", ".join(f"{level} {index}" for level, index in levels) or "X"


def count_features(n):
    """Say how many features, such as "1 feature"."""
    return f"{n} feature" if n == 1 else f"{n} features"


def column_number(entry, width, names, of="X", what="categorical_features"):
    """Return the number of a column that is given by number or name in the argument `what`."""
    if isinstance(entry, str):
        if names is None:
            raise ValueError(
                f"{what} has the name {entry!r}, but {of} is no data frame, or list of data "
                "frames, whose columns have names"
            )
        if names.count(entry) != 1:
            raise ValueError(
                f"{what} has the name {entry!r}, which {names.count(entry)} columns of {of} have, "
                f"expected one of {list(names)}"
            )
        return names.index(entry)
    if isinstance(entry, bool) or not isinstance(entry, int):
        raise ValueError(f"{what} has the entry {entry!r}, expected numbers or names")
    if not 0 <= entry < width:
        raise ValueError(f"{what} has the column {entry}, but {of} has columns 0 to {width - 1}")
    return entry
