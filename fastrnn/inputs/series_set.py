"""Time series with what is known beside them, in one container."""

from dataclasses import dataclass, replace

import numpy as np

from fastrnn.inputs.calendar_features import CalendarFeatures
from fastrnn.inputs.calendars import Calendar
from fastrnn.inputs.columns import Columns, join_columns
from fastrnn.inputs.covariates import FUTURE, PAST, check_ids, learn_columns
from fastrnn.inputs.errors import PartitionsDiffer
from fastrnn.inputs.long_frames import LongColumns
from fastrnn.inputs.series_arrays import series_name


@dataclass(frozen=True, eq=False)
class SeriesSet:
    """Time series of unequal length, with what is known beside them.

    Attributes
    ----------
    values : list of ndarray of shape (T_i,), float64
        The series; NaN where a value is missing.
    future : list of ndarray of shape (>= T_i, F), float64
        Covariates that are known beforehand, from the first step of each series on; features of
        dates behind all others, and before them those that do not change within a series.
    past : list of ndarray of shape (T_i, P), float64
        Covariates that are known up to the end of each series; those that do not change may be the
        last of these instead.
    covariates : Columns
        Which covariates of both kinds, those known beforehand first, are ids.
    ids : list or None
        What a data frame calls the series; None if it does not, or they came as arrays.
    calendar : Calendar or None
        The time stamps of series in a data frame, or with an index; None if there are none.
    columns : LongColumns or None
        The columns of that data frame.
    is_single : bool
        Whether what was given is one series rather than a list of them.
    library : str
        Whose data frame, or series with an index, that was: "pandas", "polars" or "".
    features : CalendarFeatures or None
        Which features of dates are among the covariates.
    n_static : int
        Number of covariates that do not change within a series.
    has_static_past : bool
        Whether these are among those known for the past.
    """

    values: list
    future: list
    past: list
    covariates: Columns
    ids: list | None = None
    calendar: Calendar | None = None
    columns: LongColumns | None = None
    is_single: bool = False
    library: str = ""
    features: CalendarFeatures | None = None
    n_static: int = 0
    has_static_past: bool = False

    def __len__(self):
        """Number of series."""
        return len(self.values)

    @property
    def n_covariates(self):
        """Number of covariates: known beforehand, and known for the past."""
        return self.future[0].shape[1], self.past[0].shape[1]

    @property
    def names_of_dates(self):
        """Names of the features of dates."""
        return () if self.features is None else self.features.names

    @property
    def of_dates(self):
        """Numbers of the covariates that are features of dates."""
        n, _ = self.n_covariates
        return range(n - len(self.names_of_dates), n)

    @property
    def takes_future(self):
        """Whether covariates known beforehand were given, and are to be."""
        return self.of_dates.start > (0 if self.has_static_past else self.n_static)

    @property
    def of_static(self):
        """Numbers of the covariates that do not change within a series."""
        end = self.covariates.width if self.has_static_past else self.of_dates.start
        return range(end - self.n_static, end)

    def static_row(self, i):
        """What does not change within series i, (S,)."""
        where, parts = self.of_static, self.past if self.has_static_past else self.future
        begin = where.start - (self.n_covariates[0] if self.has_static_past else 0)
        return parts[i][0, begin : begin + self.n_static]

    def without_static(self):
        """The series without what does not change, where it is with what is known beforehand."""
        n = 0 if self.has_static_past else self.n_static
        if not n:
            return self
        return replace(self, future=[known[:, :-n] for known in self.future], n_static=0)

    def with_static(self, rows, ahead, is_past):
        """The series with `rows` (n, S) that do not change, for so many steps after them, too."""
        if not rows.shape[1]:
            return self
        name, parts = ("past", self.past) if is_past else ("future", self.future)
        joined = []
        for known, values, row in zip(parts, self.values, rows, strict=True):
            n = len(known)
            if not is_past and not known.shape[1]:
                n = max(n, len(values) + ahead)
            kept = known if known.shape[1] else np.empty((n, 0))
            joined.append(np.hstack([kept, np.tile(row, (n, 1))]))
        return replace(self, **{name: joined}, n_static=rows.shape[1], has_static_past=is_past)

    def without_series(self):
        """What is known of all these series, and none of them: others are read by it."""
        calendar = self.calendar and self.calendar.without_series()
        return replace(
            self,
            values=[],
            future=[self.future[0][:0].copy()],  # which say how many columns there are
            past=[self.past[0][:0].copy()],
            ids=None if self.ids is None else [],
            calendar=calendar,
            is_single=False,
        )

    def as_given(self):
        """The series without features of dates."""
        of_dates = self.of_dates
        return replace(
            self,
            future=[known[:, : of_dates.start] for known in self.future],
            covariates=self.covariates.without(of_dates),
            features=None,
        )

    def with_dates(self, features, ahead):
        """The series as given, with features of the dates of their steps and so many after them.

        Where other covariates are known beforehand, of the steps of which these are known.
        """
        if features is None:
            return self
        features.check(self.calendar, self.name)
        n_given, future = self.n_covariates[0], []
        for i, known in enumerate(self.future):
            n = len(self.values[i])
            n_rows = len(known) if n_given else max(len(known), n + ahead)
            stamps = self.calendar.stamps(i, np.arange(1 - n, n_rows + 1 - n))
            columns = features.columns(stamps, self.calendar.type.zone)
            future.append(np.hstack([known if n_given else np.empty((n_rows, 0)), columns]))
        covariates = self.covariates.with_names(n_given, features.names)
        return replace(self, future=future, covariates=covariates, features=features)

    def name(self, i):
        """What messages call series i."""
        return series_name(i, self.ids)

    def until(self, which, lengths):
        """Take the first steps of some series, so many of each.

        What is known beforehand stays known.
        """
        pairs = list(zip(which, lengths, strict=True))
        calendar = self.calendar
        if calendar is not None:
            calendar = calendar.until(which, [len(self.values[i]) - n for i, n in pairs])
        return replace(
            self,
            values=[self.values[i][:n] for i, n in pairs],
            future=[self.future[i] for i, _ in pairs],
            past=[self.past[i][:n] for i, n in pairs],
            ids=None if self.ids is None else [self.ids[i] for i, _ in pairs],
            calendar=calendar,
        )

    def with_columns(self, wanted, fitted, names, categories):
        """The series with what is learned of their covariates, or what `fitted` ones have."""
        if fitted is not None and self.n_static != fitted.n_static:
            raise ValueError(
                f"static_covariates have {self.n_static} columns, but the model was fitted with "
                f"{fitted.n_static} of them"
            )
        n_covariates = replace(self, covariates=Columns(sum(self.n_covariates)))
        columns = columns_of(
            self.future, self.past, wanted, fitted, self.name, names, categories,
            n_covariates.of_static,
        )  # fmt: skip
        return replace(self, covariates=columns)

    def copy(self):
        """Copy what the caller may own, for a model that keeps it."""
        return replace(
            self,
            values=[item.copy() for item in self.values],
            future=[item.copy() for item in self.future],
            past=[item.copy() for item in self.past],
        )


def join_series(sets):
    """What is known of the series of several places, of each of which it is known already."""
    first = sets[0]
    for k, own in enumerate(sets):
        for what, told in _WHAT_AGREES.items():
            here, there = told(own), told(first)
            if here != there:
                raise PartitionsDiffer(k, "", f" has {what} {here}, ", f" {there}")
    calendar = first.calendar
    if calendar is not None:
        spacings = [spacing for own in sets for spacing in own.calendar.spacings]
        calendar = replace(calendar, spacings=spacings).without_series()
    covariates = join_columns([own.covariates for own in sets])
    return replace(first, covariates=covariates, calendar=calendar)


_WHAT_AGREES = {
    "numbers of future and past covariates": lambda series: series.n_covariates,
    "static covariates": lambda series: series.n_static,
    "time stamps of type": lambda series: series.calendar and series.calendar.type,
    "columns": lambda series: series.columns,
}


def columns_of(future, past, wanted, fitted, name, names=None, categories=None, static=range(0)):
    """Learn which covariates are ids, or check that they are such as those of fit."""
    if fitted is None:
        return learn_columns(future, past, wanted, name, names, categories, static)
    columns = fitted.covariates
    for kind, covariates, n in zip(
        (FUTURE, PAST), (future, past), fitted.n_covariates, strict=True
    ):
        check_number(kind, covariates, n)
        check_ids(covariates, kind, columns, name, static)
    return columns


def check_number(kind, covariates, expected):
    """Check that there are so many covariates of a kind."""
    n = covariates[0].shape[1]
    if n != expected:
        raise ValueError(
            f"{kind} have {n} columns, but the model was fitted with {expected} of them"
        )
