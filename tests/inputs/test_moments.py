"""Moments as objects of Python and of pandas: their zones and nanoseconds stay."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from fastrnn.inputs.frames import column_times
from fastrnn.inputs.sequences import as_sequences
from fastrnn.inputs.stamps import StampType, as_given, read_stamps, zone_of, zone_of_all

FINE = np.array(["2024-01-01T00:00:00.123456789", "2024-01-01T00:00:00.12345679"], "M8[ns]")


def objects(values):
    """An array of these objects."""
    return np.array([*values, None], object)[:-1]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_nanoseconds_of_pandas_as_objects(zone):
    pandas = pytest.importorskip("pandas")
    stamps = [pandas.Timestamp(stamp) for stamp in FINE]
    if zone is not None:
        stamps = [stamp.tz_localize("UTC").tz_convert(zone) for stamp in stamps]
    stamp_type, found = read_stamps(objects(stamps), str)
    assert stamp_type.zone == zone
    np.testing.assert_array_equal(found, FINE)
    if zone is not None:
        with pytest.raises(ValueError, match=r"123456789\+0\d:00 has nanoseconds"):
            as_given(found, stamp_type, "")
    assert list(pandas.Index(as_given(found, stamp_type, "pandas"))) == stamps
    seconds = column_times({"t": objects([stamps[0], None])}, 0)
    assert seconds[0] == pytest.approx(1704067200.123456789, abs=1e-6) and np.isnan(seconds[1])


def test_durations_of_pandas_as_objects():
    pandas = pytest.importorskip("pandas")
    stamp_type, found = read_stamps(objects([pandas.Timedelta(1), pandas.Timedelta(1001)]), str)
    assert stamp_type == StampType("durations", "ns") and found.tolist() == [1, 1001]


def test_nanoseconds_far_from_1970():
    pandas = pytest.importorskip("pandas")
    early = pandas.Timestamp("1500-01-01").as_unit("s")
    with pytest.raises(ValueError, match=r"for which 1500-01-01T00:00:00\.000000 is too far"):
        read_stamps(objects([early, pandas.Timestamp(FINE[0])]), str)
    _, found = read_stamps(objects([early, datetime(1500, 1, 2)]), str)
    assert found.tolist() == [datetime(1500, 1, 1), datetime(1500, 1, 2)]


@pytest.mark.parametrize(
    ("zones", "name"),
    [
        ([UTC, timezone.utc], "UTC"),  # noqa: UP017
        ([ZoneInfo("Europe/Berlin")] * 2, "Europe/Berlin"),
        ([ZoneInfo("Europe/Berlin"), UTC], "UTC"),
        ([timezone(timedelta(hours=-5), "EST")], "UTC-05:00"),
        ([timezone(timedelta(hours=1), "Europe/London")], "UTC+01:00"),
        ([timezone(timedelta(seconds=30))], "UTC"),
    ],
)
def test_names_of_zones(zones, name):
    assert zone_of_all(zones) == name


def test_offsets_are_zones():
    moment = datetime(2024, 1, 1)
    for name in ("+02:00", "UTC+02:00", "+0200"):  # as Arrow and as Python write them
        assert zone_of(name).utcoffset(moment) == timedelta(hours=2)


@pytest.mark.parametrize("name", ["", "Europe", "Europe/Berln", "/etc/passwd", "x\0", "+24:00"])
def test_zones_that_are_not_known(monkeypatch, name):
    with pytest.raises(ValueError, match=r"of time stamps is not known here$"):
        zone_of(name)
    monkeypatch.setattr("fastrnn.inputs.stamps.available_timezones", set)  # as without tzdata
    with pytest.raises(ValueError, match=r"is not known here, nor any other: pip install tzdata$"):
        zone_of(name)


def test_times_of_sequences_have_a_zone_or_none():
    noon = datetime(2024, 1, 1, 12)
    hour = timedelta(hours=1)
    mixed = objects([noon.replace(tzinfo=UTC), noon + hour])
    with pytest.raises(ValueError, match="'t' has times with a zone and others without, such as"):
        as_sequences([{"t": mixed, "x": np.zeros(2)}], time_feature="t")
    zoned = objects([noon.replace(tzinfo=UTC), (noon + hour).astimezone(ZoneInfo("Asia/Tokyo"))])
    X = as_sequences([{"t": zoned, "x": np.zeros(2)}], time_feature="t")
    assert X.times.numbers.tolist() == [0, 3600]
    with pytest.raises(TypeError):  # a number is no time in µs
        as_sequences([{"t": objects([noon, 5]), "x": np.zeros(2)}], time_feature="t")
