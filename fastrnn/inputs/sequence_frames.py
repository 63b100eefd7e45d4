"""The data frames among sequences: their columns are found by name, their categories numbered."""

import sys
import warnings
from dataclasses import dataclass, field

import numpy as np

from fastrnn.inputs.columns import Columns, check_shape, choose, column_number, name_place
from fastrnn.inputs.frames import (
    categorical_columns,
    column_names,
    column_times,
    encode,
    is_blank,
    is_frame,
    learn_categories,
    names_of,
    places_of,
    select,
    shape_of,
    value_at,
)


def check_names(place, names, columns, is_ordered=True):
    """Check that the columns of `place`, such as "sequence 2", have the names that they had in fit.

    It is a warning if only either have names, None without any.
    """
    expected = columns.names
    if names == expected:
        return
    if names is None or expected is None:
        what = "does not have valid" if names is None else "has"
        how = "with" if names is None else "without"
        warnings.warn(
            f"{place} {what} feature names, but {columns.fitted_by} was fitted {how} feature names",
            UserWarning,
            stacklevel=_level_outside(),
        )
        return
    message = f"{place}: The feature names should match those that were passed during fit.\n"
    unseen, missing = sorted(set(names) - set(expected)), sorted(set(expected) - set(names))
    if unseen:
        message += f"Feature names unseen at fit time:\n{_list(unseen)}"
    if missing:
        message += f"Feature names seen at fit time, yet now missing:\n{_list(missing)}"
    if not unseen and not missing:
        if not is_ordered and len(set(names)) == len(names) == len(expected):
            return
        message += "Feature names must be in the same order as they were in fit.\n"
    raise ValueError(message)


@dataclass
class Frames:
    """The data frames among `X`: one table, one for each sequence, or none.

    `numbers` has for each categorical column the number of each of its values; in a table all
    columns share those of column 0. `time` is the column of times, which `has_dates` or numbers.
    """

    frames: list
    is_table: bool = False
    names: tuple[str, ...] | None = None
    numbers: dict[int, dict] = field(default_factory=dict)
    time: int | None = None
    has_dates: bool = False

    @classmethod
    def of_table(cls, frame, columns, wants_ids, was_table=False):
        """Read a table. Its columns are time steps: categorical all of them or none.

        `was_table` says whether the columns are those of a table, too.
        """
        self = cls([frame], True, column_names(frame))
        if hasattr(frame, "iloc") and frame.index.nlevels > 1:
            level = frame.index.names[0] or 0
            raise ValueError(
                f"X is a data frame with an index of {frame.index.nlevels} levels, expected a row "
                "for each univariate sequence; for a list of sequences pass "
                f"[part for _, part in X.groupby(level={level!r}, sort=False)]"
            )
        if columns is not None and columns.names is not None and not was_table:
            raise ValueError(
                "X is one data frame, but the model was fitted on a list of them, one for each "
                "sequence: pass [X] if it is one sequence"
            )
        if columns is not None:
            check_names("X", self.names, columns)
        if wants_ids:
            each = range(shape_of(frame)[1])
            mask = [all(categorical_columns(frame))]
            self._number(mask, columns, lambda _: learn_categories([frame], each))
        return self

    @classmethod
    def of_list(cls, X, columns, n_features, time_feature=None):
        """Read the frames of a list, where there are any."""
        is_numeric = isinstance(X, np.ndarray) and X.dtype != object
        # One item of each type tells, for there may be very many.
        if is_numeric or not any(map(is_frame, {type(item): item for item in X}.values())):
            self = cls([])
            if columns is not None:
                check_names("X", None, columns)
                self._number([False] * columns.width, columns, None)
            return self
        for i, item in enumerate(X):
            if not is_frame(item):
                raise TypeError(
                    f"sequence {i} is of type {type(item).__name__}, expected a data frame as "
                    "other sequences are"
                )
        items = list(X)
        self = cls(items, False, column_names(items[0]))
        if columns is not None:
            check_names("sequence 0", self.names, columns, is_ordered=False)
            if self.names is not None and columns.names is not None:
                self.names = columns.names
        first = shape_of(items[0])
        for i, item in enumerate(items):
            names = column_names(item)
            if names != self.names and not _has_same(names, self.names):
                raise ValueError(
                    f"sequence {i} has columns {names_of(item)}, expected "
                    f"{names_of(items[0])} as in sequence 0{_difference(names, self.names)}"
                )
            check_shape(i, shape_of(item), n_features, first=first)
            items[i] = select(item, places_of(item, self.names))
        each = range(shape_of(items[0])[1])
        if time_feature is not None:
            self.time = column_number(time_feature, len(each), self.names, what="time_feature")
            self.has_dates = column_times(items[0], self.time) is not None
        masks = list(map(categorical_columns, items))
        any_mask = [any(mask[j] for mask in masks) for j in each]
        self._number(any_mask, columns, lambda j: learn_categories(items, [j]))
        for i, mask in enumerate(masks):
            for j in self.numbers:
                if not mask[j] and not is_blank(items[i], j):
                    raise TypeError(
                        f"{self.place(i, j)} holds no categories, expected them "
                        "as in other sequences"
                    )
        return self

    def _number(self, mask, columns, learn):
        """Number the values of categorical columns: as in fit, or by their order."""
        fitted = {} if columns is None else dict(zip(columns.ids, columns.categories, strict=True))
        for j, is_ in enumerate(mask):
            categories = fitted.get(j)
            if columns is None and is_:
                categories = learn(j)
            elif columns is not None and is_ != (categories is not None) and not self._is_blank(j):
                kinds = ("numbers", "categories") if is_ else ("categories", "numbers")
                raise TypeError(
                    f"{self.place(j)} of X holds {kinds[1]}, expected {kinds[0]} as in fit"
                )
            if categories is not None:
                self.numbers[j] = {value: k for k, value in enumerate(categories)}

    def encode(self):
        """Return the frames with numbers for the values of categorical columns."""
        if self.is_table:
            (frame,) = self.frames
            each = range(shape_of(frame)[1]) if self.numbers else ()
            return encode(frame, dict.fromkeys(each, self.numbers.get(0)))
        return [encode(frame, self.numbers, self._dates(frame)) for frame in self.frames]

    def _is_blank(self, j):
        """Whether there are frames, and none has a value in a column."""
        return bool(self.frames) and all(is_blank(frame, j) for frame in self.frames)

    def _dates(self, frame):
        """The column of dates, in seconds from the first on; none without."""
        if not self.has_dates:
            return {}
        seconds = column_times(frame, self.time)
        if seconds is None:
            raise TypeError(f"{self.place(self.time)} holds no dates, expected them as elsewhere")
        return {self.time: seconds - seconds[:1]}

    def choose(self, wanted, width):
        """Return which of the columns of a time step are ids."""
        names = None if self.is_table else self.names
        chosen = choose(wanted, width, names, self.numbers)
        for j in self.numbers:
            if j not in chosen:
                raise TypeError(
                    f"{self.place(0, j)} holds categories, expected numbers: name it in "
                    "categorical_features to have them read as ids"
                )
        return chosen

    def choose_time(self, wanted, width, chosen):
        """Return which of the columns of a time step has its time; those chosen are ids."""
        time = column_number(
            wanted, width, None if self.is_table else self.names, what="time_feature"
        )
        if time in chosen:
            raise ValueError(
                f"time_feature is {wanted!r}, a column that categorical_features makes one of ids"
            )
        return time

    def learned(self, width, chosen, ids):
        """Return what a later X has to agree with; an id is -1 where it is missing."""
        categories = tuple(tuple(self.numbers[j]) if j in self.numbers else None for j in chosen)
        n_categories = tuple(
            len(values) if values is not None else int(ids[:, k].max()) + 1
            for k, values in enumerate(categories)
        )
        if 0 in n_categories:
            place = self.place(chosen[n_categories.index(0)])
            raise ValueError(f"{place} of X has no value at all, expected ids or categories")
        return Columns(width, self.names, chosen, n_categories, categories)

    def place(self, *place):
        """Name a place, which ends with a feature."""
        *rest, j = place
        named = "" if self.is_table or self.names is None else f" ({self.names[j]!r})"
        return name_place(*rest, feature=j) + named

    def name(self, i, *place):
        """Name sequence i, a step of it or, with a name if there is one, a feature of a step."""
        return self.place(i, *place) if len(place) == 2 else name_place(i, *place)

    def value_at(self, i, step, j):
        """Say what stands at a place whose value has no number."""
        if self.is_table:
            return value_at(self.frames[0], i, step)
        return value_at(self.frames[i], step, j)


def _has_same(names, expected):
    """Tell whether the names are the same, each of them once, in whatever order."""
    if names is None or expected is None:
        return False
    return len({*names}) == len(names) and sorted(names) == sorted(expected)


def _difference(names, expected):
    """Say which names are missing and which are not expected."""
    lacks = {*(expected or ())}.difference(names or ())
    more = {*(names or ())}.difference(expected or ())
    parts = [f"it lacks {sorted(lacks)}"] if lacks else []
    parts += [f"has {sorted(more)} besides"] if more else []
    return f": {' and '.join(parts)}" if parts else ""


def _level_outside():
    """Return the stacklevel, for the function that calls this, of the line that called fastrnn."""
    level, frame = 2, sys._getframe(2)
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("fastrnn."):
        level, frame = level + 1, frame.f_back
    return level


def _list(names):
    # As many as scikit-learn shows.
    shown = [f"- {name}\n" for name in names[:5]]
    return "".join(shown) + ("- ...\n" if len(names) > 5 else "")
