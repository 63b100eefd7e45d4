"""Time series in partitions on a cluster, in all forms in which they may be given."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastrnn.dask.data import Data, Partitions, as_whole, beside, is_long
from fastrnn.dask.long_frames import check_columns
from fastrnn.estimators.next_values import GivenSeries
from fastrnn.inputs.covariates import FUTURE, PAST, STATIC
from fastrnn.inputs.frames import is_frame
from fastrnn.inputs.long_frames import LongColumns
from fastrnn.inputs.series import names_of_covariates

_FIELDS = {FUTURE: "future", PAST: "past", STATIC: "static"}


@dataclass(frozen=True)
class Arrays:
    """Reads what a partition has of these arguments: series, covariates and weights."""

    names: tuple[str, ...]
    start: int | None = None  # the first step to score

    def __call__(self, *data: Any) -> tuple[GivenSeries, int | None, Any]:
        """Series and covariates, the first step to score, and weights."""
        parts = dict(zip(self.names, map(as_whole, data), strict=True))
        y, weight = parts.pop("y"), parts.pop("sample_weight", None)
        if is_frame(y):
            raise TypeError(
                "y is a data frame, expected series as arrays: dask.dataframe.from_delayed makes "
                "one data frame of many, in which rows of a series may be anywhere"
            )
        covariates = {_FIELDS[name]: part for name, part in parts.items()}
        return GivenSeries(y, **covariates), self.start, weight


@dataclass(frozen=True)
class Rows:
    """Reads a partition of rows of a data frame in long form, which it sorts.

    Covariates are told where a model does not know them yet.
    """

    columns: LongColumns
    sample_weight: str | None = None
    start: int | None = None
    tells_covariates: bool = True

    def __call__(self, frame: Any) -> tuple[GivenSeries, int | None, Any]:
        """Series and covariates, the first step to score, and weights."""
        columns = self.columns
        frame = self.sort(frame)
        covariates = {}
        if self.tells_covariates:
            covariates = {name: getattr(columns, name) or None for name in _FIELDS.values()}
        usual = replace(columns, future=(), past=(), static=())
        weight = None if self.sample_weight is None else self._weights(frame)
        return GivenSeries(frame, columns=usual, **covariates), self.start, weight

    def sort(self, frame: Any) -> Any:
        """The rows of each series, one after the other, by time."""
        order = [self.columns.id, self.columns.time]
        return frame.sort_values(order, kind="stable", ignore_index=True)

    def _weights(self, frame):
        """The weight of each series, in the order in which they begin."""
        of_series = frame.groupby(self.columns.id, sort=False)[self.sample_weight]
        first, several = of_series.first(), of_series.nunique(dropna=False) > 1
        if several.any():
            raise ValueError(
                f"id {several.idxmax()!r} has several values in column {self.sample_weight!r}, "
                "expected the same in all of its rows"
            )
        return first.to_numpy()

    def gather(
        self,
        frame: Any,
        what: str = "y",
        names: Iterable[str] | None = None,
        like: Any = None,
    ) -> list[Any]:
        """Bring all rows of an id into one partition: delayed frames.

        Those of another frame that are to be `like` the partitions of one have the same ids.
        """
        columns = self.columns
        if names is None:
            weight = [] if self.sample_weight is None else [self.sample_weight]
            names = [columns.value, *columns.future, *columns.past, *columns.static, *weight]
        names = list(dict.fromkeys([columns.id, columns.time, *names]))
        check_columns(frame, names, what)
        frame, n = frame[names], None
        if like is not None:
            frame, n = frame.astype({columns.id: like.dtypes[columns.id]}), like.npartitions
        return frame.shuffle(on=columns.id, npartitions=n).to_delayed()


def as_series(
    y: Partitions,
    covariates: Sequence[Partitions | None],
    columns: LongColumns,
    sample_weight: Partitions | None = None,
    start: int | None = None,
    is_known: bool = False,
) -> Data:
    """Data of time series, as users give them; of a data frame with these `columns`.

    ``covariates`` are in the order of `GivenSeries`. Where a model `is_known`, it knows those of a
    data frame.
    """
    named = dict(zip(_FIELDS, covariates, strict=True))
    if is_long(y):
        if is_known and any(given is not None for given in named.values()):
            raise TypeError("covariates beside a data frame: the model finds them in the frame")
        if sample_weight is not None and not isinstance(sample_weight, str):
            raise TypeError(
                "sample_weight must name a column of y, a data frame, got "
                f"{type(sample_weight).__name__}"
            )
        if not is_known:
            own = {of: names_of_covariates(named[name], name) for name, of in _FIELDS.items()}
            columns = replace(columns, **own)
        rows = Rows(columns, sample_weight, start, not is_known)
        return Data(rows, [[part] for part in rows.gather(y)])
    names, partitions = beside(y=y, **named, sample_weight=sample_weight)
    return Data(Arrays(names, start), partitions)
