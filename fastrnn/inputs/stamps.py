"""Time stamps of any library become plain arrays, and go back into the form that they had.

Inside, dates are datetime64[us], or [ns] where they are so fine; those with a zone are the moments
of UTC. Periods are the moments at which they begin, durations whole microseconds, or nanoseconds.
"""

import operator
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from importlib import import_module
from numbers import Integral, Real
from zoneinfo import ZoneInfo, available_timezones

import numpy as np

from fastrnn.files.codec import Optional, Record, Text
from fastrnn.inputs.arrays import is_missing

DATES, NUMBERS, PERIODS, DURATIONS, TEXT = "dates", "numbers", "periods", "durations", "text"

_ZONED = re.compile(r".*\[\w+, (?:tz=)?(?P<a>[^]]+)\]|Datetime\(.*time_zone='(?P<b>[^']+)'\)")
_PERIOD = re.compile(r"period\[(.+)\]")
_OFFSET = re.compile(r"(?:UTC)?([+-])(\d\d):?(\d\d)")
_ISO = re.compile(
    r"\d{4}-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?)?", re.ASCII
)
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class StampType:
    """What time stamps are: `kind`, `zone` of dates that have one, and their `form`.

    The form is what they come back in: a unit of numpy, "int64", "float64", "date" for days without
    a time, or the frequency of periods.
    """

    kind: str
    form: str
    zone: str | None = None

    @property
    def words(self):
        """What messages call such stamps."""
        if self.kind != DATES:
            return self.kind
        return f"dates in the zone {self.zone}" if self.zone else "dates without zone"


_FORMS = {
    DATES: ("date", "s", "ms", "us", "ns"),
    NUMBERS: ("int64", "float64"),
    DURATIONS: ("us", "ns"),
}


def _check_type(fields):
    kind, form, zone = fields["kind"], fields["form"], fields["zone"]
    if kind in _FORMS and form not in _FORMS[kind]:
        raise ValueError(f"form must be one of {', '.join(_FORMS[kind])}")
    if zone is not None:
        if kind != DATES:
            raise ValueError("zone must be one of dates")
        zone_of(zone)


STAMP_TYPE = Record(
    {
        "kind": Text((DATES, NUMBERS, PERIODS, DURATIONS)),
        "form": Text(),
        "zone": Optional(Text()),
    },
    StampType,
    _check_type,
)
"""`StampType` in files."""


def read_stamps(column, name, dtype=None):
    """Read a column of time stamps: their `StampType`, and an array of them.

    ``name(row)`` is what messages call the series of a row; `dtype` is what a library calls the
    type of the column, which None asks the column itself.
    """
    dtype = dtype or str(column.dtype)
    period = _PERIOD.fullmatch(dtype)
    if period:
        _check_all_there(np.asarray(column.isna()), name)
        starts = _canonical(np.asarray(column.dt.start_time))
        return StampType(PERIODS, period[1]), starts
    zoned = _ZONED.fullmatch(dtype)
    if zoned and not dtype.endswith("[pyarrow]"):
        array = np.asarray(column)
        if array.dtype.kind != "M":  # pandas: objects, unless it is told
            array = np.asarray(column, dtype="datetime64[ns]" if "[ns" in dtype else "M8[us]")
        _check_all_there(np.isnat(array), name)
        return StampType(DATES, _unit(array), zoned["a"] or zoned["b"]), _canonical(array)
    array = np.asarray(column)
    if array.dtype.kind in "OUST":
        return _read_objects(array.tolist(), name)
    return _read_array(array, name)


def _read_array(array, name):
    kind = array.dtype.kind
    if kind in "Mm":
        _check_all_there(np.isnat(array), name)
    if kind == "M":
        form = "date" if np.datetime_data(array.dtype)[0] == "D" else _unit(array)
        return StampType(DATES, form), _canonical(array)
    if kind == "m":
        stamps = _canonical(array)
        return StampType(DURATIONS, np.datetime_data(stamps.dtype)[0]), stamps.view(np.int64)
    if kind in "iu":
        if kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{name(int(array.argmax()))} has the time stamp {array.max()}")
        return StampType(NUMBERS, "int64"), array.astype(np.int64)
    if kind != "f":
        raise TypeError(
            f"{name(0)} has the time stamp {array[0]!r}, expected a number, a date or a period"
        )
    _check_all_there(np.isnan(array), name)
    if np.isinf(array).any():
        row = int(np.flatnonzero(np.isinf(array))[0])
        raise ValueError(f"{name(row)} has the time stamp {array[row]}, expected finite numbers")
    return StampType(NUMBERS, "float64"), array.astype(np.float64)


def _read_objects(values, name):
    """Read Python objects, of which all must be of one kind."""
    _check_all_there(list(map(is_missing, values)), name)
    # One of each type tells, but for dates: each has a zone or not.
    types = {type(value) for value in values}
    kinds = {kind: _kind_of(kind) for kind in types}
    first = {}
    for row, value in enumerate(values):
        kind = kinds[type(value)]
        if kind == DATES and isinstance(value, datetime) and value.tzinfo is not None:
            kind = "dates with a zone"
        first.setdefault(kind, row)
        if kind is None or len(first) > 1:
            break
    if None in first:
        row = first[None]
        raise TypeError(
            f"{name(row)} has the time stamp {values[row]!r} of type {type(values[row]).__name__}, "
            "expected numbers, dates or periods"
        )
    if len(first) > 1:
        (kind, before), (other, row) = first.items()
        raise TypeError(
            f"{name(row)} has time stamps of two kinds: {values[before]!r} ({kind}) and "
            f"{values[row]!r} ({other})"
        )
    (kind,) = first
    if kind == TEXT:
        return _read_text(values, name)
    if kind == PERIODS:
        (freq,) = sorted({value.freqstr for value in values})[:1]
        stamps = np.array([value.start_time.to_datetime64() for value in values])
        return StampType(PERIODS, freq), _canonical(stamps)
    if kind == NUMBERS:
        array = np.array(
            [value if isinstance(value, Integral) else float(value) for value in values]
        )
        return _read_array(array, name)
    stamps = as_moments(values)
    zone = None
    if kind == DURATIONS:
        return _read_array(stamps, name)
    if kind != DATES:
        zone = zone_of_all(value.tzinfo for value in values)
    form = "ns" if types - {date, datetime} and zone is None else "us"
    if types == {date}:
        form = "date"
    return StampType(DATES, form, zone), _canonical(stamps)


def _as_numpy(moment):
    """A moment or duration of Python or pandas as numpy's, that of UTC if it has a zone."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        try:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        except OverflowError:
            raise ValueError(f"{moment} is in no year of UTC from 1 to 9999") from None
    kind = type(moment).__name__
    if kind == "Timestamp":  # of pandas, which numpy would cut
        return moment.to_datetime64()
    if kind == "Timedelta":
        return moment.to_timedelta64()
    is_duration = isinstance(moment, timedelta | np.timedelta64)
    return np.timedelta64(moment) if is_duration else np.datetime64(moment)


def as_moments(values):
    """Moments, or durations, of Python as an array: in microseconds, or nanoseconds if needed."""
    values = [_as_numpy(value) for value in values]
    kind = values[0].dtype.kind
    coarse = np.array([value.astype(f"{kind}8[us]") for value in values])
    if all(map(operator.eq, values, coarse)):
        return coarse
    most = np.iinfo(np.int64).max // 1000 - 1  # microseconds
    wrong = np.flatnonzero(np.abs(coarse.astype(np.int64)) > most)
    if wrong.size:
        raise ValueError(
            f"time stamps have nanoseconds, for which {coarse[wrong[0]]} is too far from 1970"
        )
    return np.array([value.astype(f"{kind}8[ns]") for value in values])


def _read_text(values, name):
    """Read dates written as in ISO 8601: years and months, days, or moments, all alike."""
    for row, value in enumerate(values):
        if not _ISO.fullmatch(value.strip()):
            raise TypeError(
                f"{name(row)} has the time stamp {value!r}, which is text, expected a number, or a "
                "date such as 2024-05-31 or 2024-05-31T12:00"
            )
    texts = [value.strip().replace(" ", "T").replace(",", ".") for value in values]
    zoned = [len(text) > 10 and bool(re.search(r"Z$|[+-]\d\d:?\d\d$", text)) for text in texts]
    for row in np.flatnonzero(zoned):
        if re.search(r"\.\d{7}", texts[row]):  # Python would cut them
            raise ValueError(
                f"{name(row)} has the time stamp {values[row]!r}, expected at most six digits of "
                "a second, since it has a zone"
            )
    try:
        if any(zoned):
            return _read_objects(list(map(_moment_of, texts)), name)
        return _read_array(np.array(texts, "M8[us]"), name)
    except ValueError:
        for row, text in enumerate(texts):
            try:
                _moment_of(text)
            except ValueError:
                raise ValueError(
                    f"{name(row)} has the time stamp {values[row]!r}, which is in no calendar"
                ) from None
        raise


def _moment_of(text):
    return datetime.fromisoformat(text + "-01" * (len(text) == len("2024-05")))


def _kind_of(kind):
    if issubclass(kind, str | bytes):
        return TEXT if issubclass(kind, str) else None
    if issubclass(kind, date | np.datetime64):
        return DATES
    if issubclass(kind, timedelta | np.timedelta64):
        return DURATIONS
    if kind.__name__ == "Period":
        return PERIODS
    if issubclass(kind, Real) and not issubclass(kind, bool | np.bool_):
        return NUMBERS
    return None


def _check_all_there(missing, name):
    wrong = np.flatnonzero(missing)
    if wrong.size:
        raise ValueError(f"{name(int(wrong[0]))} has no time stamp")


def _unit(array):
    unit = np.datetime_data(array.dtype)[0]
    return unit if unit in _UNITS else "us"


def _canonical(array):
    """Moments or durations in microseconds, or nanoseconds where they have some."""
    if np.datetime_data(array.dtype) != ("ns", 1):
        return array.astype(f"{array.dtype.kind}8[us]")
    coarse = array.astype(f"{array.dtype.kind}8[us]")
    return coarse if (coarse == array).all() else np.ascontiguousarray(array)


# Zones.


def zone_of(name: str) -> tzinfo:
    """The zone of a name; a ValueError if this machine knows none."""
    offset = _OFFSET.fullmatch(name)
    if name == "UTC":
        return UTC
    try:
        if offset:
            minutes = 60 * int(offset[2]) + int(offset[3])
            return timezone(timedelta(minutes=-minutes if offset[1] == "-" else minutes))
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        advice = "" if available_timezones() else ", nor any other: pip install tzdata"
        raise ValueError(f"the zone {name!r} of time stamps is not known here{advice}") from None


def zone_of_all(zones):
    """Name the zone of moments, by what Python has for theirs: UTC where they have several."""
    names = {
        # Python's offsets may be called as they like, such as CET.
        str(timezone(zone.utcoffset(None)) if isinstance(zone, timezone) else zone)
        for zone in set(zones)
    }
    name = names.pop() if len(names) == 1 else "UTC"
    return name if _is_zone(name) else "UTC"


def _is_zone(name):
    try:
        return zone_of(name) is not None
    except ValueError:
        return False


def to_wall(stamps, zone):
    """What the clocks of a zone show at moments of UTC."""
    if zone is None or zone == "UTC":
        return stamps
    moments, places = np.unique(stamps.astype("M8[s]"), return_inverse=True)
    where = zone_of(zone)
    offsets = [where.utcoffset(_moment(second, where)) for second in moments.astype(np.int64)]
    seconds = np.array([offset.total_seconds() for offset in offsets], np.int64)
    return stamps + seconds.astype("m8[s]")[places.reshape(stamps.shape)]


def _moment(second, where):
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(second))).astimezone(where)


def from_wall(wall, zone, fold=0):
    """The moments of UTC at which the clocks of a zone show a time.

    Of two, the first; where clocks skip it, as if they had not been moved yet. With ``fold=1`` the
    second, or as if they had been moved.
    """
    if zone is None or zone == "UTC":
        return wall
    times, places = np.unique(wall.astype("M8[s]"), return_inverse=True)
    where = zone_of(zone)
    offsets = [where.utcoffset(time.replace(tzinfo=where, fold=fold)) for time in times.tolist()]
    seconds = np.array([offset.total_seconds() for offset in offsets], np.int64)
    return wall - seconds.astype("m8[s]")[places.reshape(wall.shape)]


def check_comparable(given, expected, what, whose="of the series"):
    """Check that time stamps can be compared with those of series, by type and zone."""
    if given.kind != expected.kind:
        raise TypeError(
            f"the time stamps of {what} are {given.words}, but those {whose} are {expected.words}"
        )
    if (given.zone is None) != (expected.zone is None):
        raise ValueError(
            f"the time stamps of {what} are {given.words}, but those {whose} are "
            f"{expected.words}: give both the zone, or neither"
        )


def show(stamp, stamp_type):
    """Write a time stamp, for messages and files of answers."""
    if stamp_type.kind in (DATES, PERIODS):
        (wall,) = to_wall(np.array([stamp]), stamp_type.zone)
        if stamp_type.zone is None and wall == wall.astype("M8[D]"):
            return str(wall.astype("M8[D]"))
        day, _, time = str(wall).partition("T")
        time, _, rest = time.partition(".")
        time = time.removesuffix(":00") if not rest.strip("0") else f"{time}.{rest.rstrip('0')}"
        if stamp_type.zone is None:
            return f"{day}T{time}"
        minutes = int((wall - stamp) / np.timedelta64(1, "m"))
        hours, minutes = divmod(abs(minutes), 60)
        return f"{day}T{time}{'-' if wall < stamp else '+'}{hours:02}:{minutes:02}"
    if stamp_type.kind == DURATIONS:
        return str(timedelta(microseconds=float(stamp) * _UNITS[stamp_type.form] / 1000))
    return f"{stamp:.15g}" if isinstance(stamp, float | np.floating) else str(stamp)


def as_given(stamps, stamp_type, library):
    """Give time stamps the form that they had in a column of a library, "" being numpy."""
    kind, form = stamp_type.kind, stamp_type.form
    if kind == NUMBERS:
        return stamps if stamps.dtype == form else stamps.astype(np.float64)
    if kind == DURATIONS:
        return stamps.astype(f"m8[{form}]")
    if kind == PERIODS and library == "pandas":
        pandas = import_module("pandas")
        return pandas.PeriodIndex(pandas.DatetimeIndex(stamps), freq=form)
    if kind == PERIODS:
        return stamps
    if library == "polars":
        return _in_polars(stamps, stamp_type)
    if library == "pyarrow":
        return _in_arrow(stamps, stamp_type)
    if form == "date":
        return stamps.astype("M8[D]").astype(object) if library else stamps.astype("M8[D]")
    fine = stamps.dtype if np.datetime_data(stamps.dtype)[0] == "ns" else f"M8[{form}]"
    stamps = stamps.astype(fine)
    if stamp_type.zone is None:
        return stamps
    if library == "pandas":
        pandas = import_module("pandas")
        return pandas.DatetimeIndex(stamps).tz_localize("UTC").tz_convert(stamp_type.zone)
    where, fine = zone_of(stamp_type.zone), stamps != stamps.astype("M8[us]")
    if fine.any():
        raise ValueError(
            f"the time stamp {show(stamps[fine][0], stamp_type)} has nanoseconds, which Python's "
            "moments with a zone have not: give a data frame of pandas, polars or pyarrow"
        )
    aware = [
        value.replace(tzinfo=UTC).astimezone(where) for value in stamps.astype("M8[us]").tolist()
    ]
    array = np.empty(len(aware), object)
    array[:] = aware
    return array


def _in_arrow(stamps, stamp_type):
    pyarrow = import_module("pyarrow")
    if stamp_type.form == "date":
        return pyarrow.array(stamps.astype("M8[D]"))
    unit = "ns" if np.datetime_data(stamps.dtype)[0] == "ns" else stamp_type.form
    kind = pyarrow.timestamp(unit, stamp_type.zone)
    return pyarrow.array(stamps.astype(f"M8[{unit}]"), kind)


def _in_polars(stamps, stamp_type):
    polars = import_module("polars")
    series = polars.Series("", stamps)
    if stamp_type.form == "date":
        return series.cast(polars.Date)
    unit = stamp_type.form if stamp_type.form in ("ms", "us", "ns") else "us"
    series = series.cast(polars.Datetime(unit))
    if stamp_type.zone is None:
        return series
    return series.dt.replace_time_zone("UTC").dt.convert_time_zone(stamp_type.zone)
