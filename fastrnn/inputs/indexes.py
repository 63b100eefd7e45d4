"""Series of pandas are read by their index: time stamps, unless it counts rows from 0 on."""

import numpy as np

from fastrnn.inputs.calendars import check_rising
from fastrnn.inputs.frames import library_of
from fastrnn.inputs.frequencies import is_frequency
from fastrnn.inputs.stamps import NUMBERS, StampType, check_comparable, read_stamps

AS_ARRAY = "; to_numpy() gives values that are read by their position"


def read_index(item, name):
    """The type and the time stamps of an index that means something; None if there is none."""
    if library_of(item) != "pandas" or _is_plain(item.index):
        return None
    return _read(item.index, name)


def read_indexes(items, name):
    """Read the indexes of series: stamps (N,), offsets, their type, and a frequency or None.

    The type is None if there are no time stamps.
    """
    are_pandas = [library_of(item) == "pandas" for item in items]
    if not any(are_pandas) or all(
        _is_plain(item.index)
        for item, is_pandas in zip(items, are_pandas, strict=True)
        if is_pandas
    ):
        return None, None, None, None
    for i, is_pandas in enumerate(are_pandas):
        if not is_pandas:
            raise TypeError(
                f"{name(i)} has no index, but other series have one of time stamps: give one to "
                "all of them, or to none"
            )
    read = [_read(item.index, name(i)) for i, item in enumerate(items)]
    first = read[0][0]
    for i, (stamp_type, _) in enumerate(read):
        check_comparable(stamp_type, first, name(i), f"of {name(0)}")
    stamps = np.concatenate([stamps for _, stamps in read])
    offsets = np.cumsum([0, *(len(stamps) for _, stamps in read)])
    if first.kind == NUMBERS:
        first = StampType(NUMBERS, str(stamps.dtype))
    return stamps, offsets, first, _frequency(items)


def align(array, index, calendar, i, length, name, known=None):
    """Put covariates with an index beside the steps of series i, from its first one on.

    Those that begin later go on from what is `known`.
    """
    stamp_type, stamps = index
    check_rising(stamps, np.array([0, len(stamps)]), stamp_type, lambda _: name)
    if calendar is None:  # the steps of the series are numbers from 0 on
        if stamp_type.kind != NUMBERS:
            raise TypeError(f"{name} have an index of {stamp_type.words}, but the series has none")
        places = stamps.astype(np.int64)
    elif calendar.spacings[i] is None:
        return array
    else:
        places = calendar.places(i, stamps, stamp_type, name) + length - 1

    def stamp(place):
        return str(place) if calendar is None else calendar.show(i, place - length + 1)

    array, places = array[places >= 0], places[places >= 0]
    begin = 0 if known is None or not len(places) else min(len(known), int(places[0]))
    expected = begin + np.arange(len(places))
    wrong = np.flatnonzero(places != expected)
    if wrong.size:
        first = expected[wrong[0]]
        raise ValueError(
            f"{name} have no row with the time stamp {stamp(first)}; the next one has "
            f"{stamp(places[wrong[0]])}"
        )
    return array if known is None else np.concatenate([known[:begin], array])


def _is_plain(index):
    """Whether an index only counts rows from 0 on."""
    return type(index).__name__ == "RangeIndex" and (index.start, index.step) == (0, 1)


def _read(index, name):
    if index.nlevels > 1:
        raise TypeError(
            f"{name} has an index of {index.nlevels} levels, expected one of time stamps: "
            "reset_index() makes a data frame in long form, of which columns are ids and times"
        )
    try:
        return read_stamps(index.to_series(), lambda row: f"{name} (step {row})")
    except TypeError as error:
        raise TypeError(f"{error}{AS_ARRAY}") from None


def _frequency(items):
    """The frequency that all indexes of dates say they have."""
    said = {
        None if type(item.index).__name__ != "DatetimeIndex" else item.index.freqstr
        for item in items
    }
    freq = said.pop() if len(said) == 1 else None
    return freq if is_frequency(freq) else None
