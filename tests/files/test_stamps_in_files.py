"""Time stamps and spacings of series in files: all kinds come back, damaged ones are refused."""

from pathlib import Path

import numpy as np
import pytest
from fuzz_files import put_together, take_apart

import fastrnn
from fastrnn import RNNForecaster
from fastrnn.files import ModelFileError

pandas = pytest.importorskip("pandas")

OLD = Path(__file__).parents[1] / "data" / "0.1.0" / "forecaster_frame.fastrnn"
VALUES = 10 + np.random.default_rng(0).normal(size=20).cumsum()
SMALL = {"max_iter": 1, "learning_rate": "cosine", "random_state": 0}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the file of a model of daily and of monthly series, taken apart."""
    days = pandas.date_range("2024-01-01", periods=20, tz="Europe/Berlin")
    months = pandas.date_range("2024-01-31", periods=20, freq="ME", tz="Europe/Berlin")
    frame = pandas.concat(
        pandas.DataFrame({"id": key, "time": stamps, "value": VALUES})
        for key, stamps in (("day", days), ("month", months))
    )
    path = tmp_path_factory.mktemp("models") / "model"
    RNNForecaster(2, **SMALL).fit(frame).save(path)
    return take_apart(path.read_bytes())


def load(saved, tmp_path, change):
    """Load the file with another record of the series."""
    header, record, body = saved
    series = record["reader"]["series"]
    record = {**record, "reader": {**record["reader"], "series": series | change(series)}}
    path = tmp_path / "changed"
    path.write_bytes(put_together(header, record, body))
    return fastrnn.load(path)


def test_spacings_come_back(saved, tmp_path):
    forecasts = load(saved, tmp_path, lambda series: {}).predict(2)
    assert [str(stamp) for stamp in forecasts["time"]] == [
        "2024-01-21 00:00:00+01:00",
        "2024-01-22 00:00:00+01:00",
        "2025-09-30 00:00:00+02:00",
        "2025-10-31 00:00:00+01:00",
    ]


def spacing(**change):
    return lambda series: {"spacings": [series["spacings"][0] | change, series["spacings"][1]]}


def kind(**change):
    return lambda series: {"stamp_type": series["stamp_type"] | change}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (spacing(step=0), "step must be a whole number above 0"),
        (spacing(step=1.5), "step must be a whole number above 0"),
        (spacing(step="x"), "step is 'x', expected a number"),
        (spacing(unit="eon"), "unit is 'eon', expected one of"),
        (spacing(unit="month"), "day must be that of the month"),
        (spacing(day=32), "day is 32"),
        (spacing(weekmask="0000000"), "weekmask must be seven of 0 and 1"),
        (spacing(unit="number", step=1), "spacings are not those of such time stamps"),
        (lambda s: {"spacing_of": None}, "spacing_of must be given for each series"),
        (lambda s: {"spacing_of": [0]}, "spacing_of must be one for each series"),
        (lambda s: {"spacing_of": [0, 2]}, "spacing_of must be numbers of spacings"),
        (lambda s: {"last_times": s["last_times"][:1]}, "last_times must be one for each series"),
        (lambda s: {"last_times": [1, 2]}, "last_times has 1, expected moments"),
        (lambda s: {"last_times": None}, "must be those of a frame"),
        (lambda s: {"stamp_type": None}, "spacings must be those of time stamps"),
        (kind(zone="Atlantis/Poseidonis"), "the zone 'Atlantis/Poseidonis' of time stamps is not"),
        (kind(kind="numbers"), "form must be one of int64, float64"),
        (kind(form="weeks"), "form must be one of date, s, ms, us, ns"),
        (kind(kind="numbers", form="int64"), "zone must be one of dates"),
        (lambda s: {"library": "os"}, "library is 'os', expected one of"),
        (lambda s: {"columns": s["columns"] | {"layout": "tall"}}, "layout is 'tall', expected"),
        (lambda s: {"ids": None}, "ids and columns must be those of a frame"),
    ],
)
def test_damage(saved, tmp_path, change, words):
    with pytest.raises(ModelFileError, match=words):
        load(saved, tmp_path, change)


def test_a_model_of_0_1_0_knows_no_spacing(tmp_path):
    model = fastrnn.load(OLD)
    days = pandas.date_range("2024-01-01", periods=12)
    frame = pandas.DataFrame(
        {"shop": "north", "day": days, "sold": 50 + VALUES[:12], "weekday": days.day_name()}
    )
    later = frame[9:].drop(columns="sold")
    forecasts = model.predict(2, frame[:9], future_covariates=later)
    assert type(forecasts) is list and forecasts[0].shape == (2,)
    with_gap = model.predict(2, frame[:9].drop(index=4), future_covariates=later)
    assert with_gap[0].shape == (2,)  # as before
    model.save(tmp_path / "again")
    again = fastrnn.load(tmp_path / "again").predict(2, frame[:9], future_covariates=later)
    np.testing.assert_array_equal(again, forecasts)
    assert type(model.backtest(frame.drop(index=4), 1)) is dict
