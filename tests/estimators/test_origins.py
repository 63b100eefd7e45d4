"""Lessons of a forecaster that reads series as they were known at origins, and their spread."""

import numpy as np
import pytest
from forecaster_cases import drifting, seasonal, small
from numpy.testing import assert_allclose, assert_array_equal

from fastrnn.estimators.lessons import Cuts
from fastrnn.estimators.next_values import GivenSeries, NextValueTask, SeriesReader
from fastrnn.estimators.surveys import cuts_of
from fastrnn.inputs.scaling import learn_scale

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

WAYS = {
    "origins": {"origin_step": 3},
    "windows": {"origin_step": 4, "window": 6},
    "short windows": {"origin_step": 5, "window": 3},
    "seasonal": {"origin_step": 4, "seasonality": 4, "log": True, "scale_feature": True},
    "level": {"origin_step": 1, "scaling": "level", "log": "log1p", "scale_feature": True},
    "gaps": {"origin_step": 3, "window": 7, "missing": "mask", "scale_feature": True, "lags": 3},
    "lags": {"origin_step": 2, "window": 4, "lags": 6},
}


def lessons_of(series, **params):
    """Return what a model with these parameters would be trained on."""
    model = small(strategy="direct", horizon=3, dtype="float64", **params)
    return SeriesReader.learn(GivenSeries(series), model)[1]


@pytest.mark.parametrize("name", WAYS)
def test_lessons_are_what_was_known(name):
    params, series = WAYS[name], drifting()
    if name == "gaps":
        series[0][[3, 4, 11, 29]] = np.nan
    lessons = lessons_of(series, **params)
    step, window = params["origin_step"], params.get("window") or 99
    number = 0
    for i, values in enumerate(series):
        for known in range(len(values) - 1, 2 * (params.get("seasonality") or 2) - 1, -step):
            rows = slice(lessons.offsets[number], lessons.offsets[number + 1])
            alone = lessons_of([values[:known]], **{**params, "origin_step": None, "window": None})
            read = min(known, window)
            assert lessons.number[number] == i
            assert_array_equal(lessons.place[rows], np.arange(known - read, known))
            assert_allclose(lessons.values[rows], alone.values[known - read :], rtol=1e-12)
            learned = np.arange(known - read, known) >= known - step
            assert not lessons.weight[rows][~learned].any()
            scale = learn_scale(
                values[:known], params.get("scaling", "difference"), params.get("log", False),
                params.get("seasonality"), "",
            )  # fmt: skip
            z = np.append(scale.apply(values), np.full(3, np.nan))
            carried = z[:known].copy()
            for t in range(1, known):
                carried[t] = carried[t - 1] if np.isnan(carried[t]) else carried[t]
            for t, target in zip(lessons.place[rows], lessons.target[rows], strict=True):
                base = 0 if params.get("scaling") == "level" else carried[t]
                assert_allclose(target, z[t + 1 : t + 4] - base, rtol=1e-9, atol=1e-12)
            number += 1
    assert number == len(lessons) == len(lessons.number)


@pytest.mark.parametrize("name", WAYS)
def test_a_sketch_has_the_same_sizes(name):
    series, model = drifting(), small(strategy="direct", horizon=3, **WAYS[name])
    reader, sketch = SeriesReader.sketch(GivenSeries(series), model)
    lessons = reader.lessons("", reader.series, "float64", reader.cuts)
    assert_array_equal(sketch.offsets, lessons.offsets)
    assert sketch.nbytes == lessons.nbytes
    assert sketch.values.shape == lessons.values.shape


def test_what_did_not_vary_yet_teaches_nothing():
    values = np.append(np.ones(9), [2.0, 3.0, 5.0])
    lessons = lessons_of([values], origin_step=1)
    # By number of known steps, from the last origin down.
    known = lessons.place[lessons.offsets[1:] - 1] + 1
    weight = np.add.reduceat(lessons.weight, lessons.offsets[:-1])
    assert_array_equal(weight > 0, known > 9)


def test_weights_are_those_of_the_series():
    series, weight = drifting(), [1.0, 0.0, 3.0]
    model = small(origin_step=4, window=6)
    reader, lessons = SeriesReader.learn(GivenSeries(series), model)
    target = NextValueTask(reader.plan).encode(None, lessons, weight)
    of_lessons = np.maximum.reduceat(target.weight, target.offsets[:-1])
    assert_array_equal(of_lessons, np.array(weight)[lessons.number])


def test_the_spread_is_read_at_every_step():
    series = drifting()
    plain, read = (lessons_of(series, scale_feature=wanted) for wanted in (False, True))
    assert_array_equal(read.values[:, :-1], plain.values)
    spread = [np.abs(np.diff(values)).mean() / values.mean() for values in series]
    assert_allclose(read.values[:, -1], np.repeat(np.log(np.array(spread) / 0.05), read.lengths))
    logs = lessons_of(series, scale_feature=True, log=True)
    spread = [np.abs(np.diff(np.log(values))).mean() for values in series]
    assert_allclose(logs.values[:, -1], np.repeat(np.log(np.array(spread) / 0.05), read.lengths))
    still = lessons_of([np.ones(9)], scale_feature=True)
    assert_allclose(still.values[:, -1], np.log(1e-4 / 0.05))


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("scaling", ["difference", "standard"])
def test_values_before_are_read_at_every_step(scaling, gaps):
    params = {"scaling": scaling, "missing": "mask" if gaps else "error", "scale_feature": True}
    values, n = drifting()[0], 4
    if gaps:
        values[[0, 1, 6]] = np.nan
    plain, read = (lessons_of([values], lags=lags, **params) for lags in (1, n + 1))
    behind = plain.values.shape[1] - 1
    assert_array_equal(np.delete(read.values, np.s_[behind : behind + n], axis=1), plain.values)
    z = learn_scale(values, scaling, False, None, "").apply(values)
    first = np.flatnonzero(~np.isnan(z))[0]
    known = [z[first : t + 1][~np.isnan(z[first : t + 1])] for t in range(len(z))]
    for t, row in enumerate(read.values[:, behind:-1]):
        for k, seen in enumerate(row, start=1):
            if t < first:
                expected = 0
            else:
                before = known[t - k][-1] if t - k >= first else z[first]
                drift = (before - known[t][-1]) / np.sqrt(k)
                expected = drift if scaling == "difference" else before
            assert_allclose(seen, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seasonality", [None, 4])
def test_as_many_lags_as_a_season_has_steps(seasonality):
    auto, given = (
        lessons_of(drifting(), seasonality=seasonality, lags=lags)
        for lags in ("auto", seasonality or 1)
    )
    assert_array_equal(auto.values, given.values)


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_it_learns_scores_and_goes_on(strategy):
    series = [seasonal(60, seed) for seed in range(4)]
    params = {"strategy": strategy, "horizon": 4, "seasonality": 12, "origin_step": 12}
    model = small(**params, early_stopping=True, scale_feature=True, max_iter=3, window=24)
    model.fit(series)
    assert len(model.validation_scores_) == 3
    forecasts = model.predict(4)
    more = [np.append(item, 1.0) for item in series]
    model.set_params(early_stopping=False).fit(series, validation_data={"y": more, "start": -1})
    assert np.isfinite(model.validation_scores_).all()
    model.partial_fit(more)
    assert not np.allclose(model.predict(4), forecasts)


def test_series_that_are_too_short():
    with pytest.raises(ValueError, match=r"no series is long enough.*origin_step=None learns from"):
        small(origin_step=2).fit([[1.0, 2.0], [3.0, 1.0]])
    small(origin_step=2).fit([[1.0, 2.0], [3.0, 1.0, 2.0]])
    with pytest.raises(ValueError, match=r"series 0 is 0.0 at step 4, but log=True needs"):
        small(origin_step=2, log=True).fit([[1.0, 2.0, 1.0, 2.0, 0.0]])


def test_auto_depends_on_the_season():
    auto = {"window": "auto", "origin_step": "auto"}
    short, long = [255, 255], [600, 600]
    assert cuts_of(small(**auto), short) == Cuts(48, 4)
    assert cuts_of(small(**auto, seasonality=24), short) == Cuts(96, 24)
    assert cuts_of(small(seasonality=24), short) == Cuts(None, None)
    assert cuts_of(small(**auto, seasonality=24), long) == Cuts(96, 4)  # 1200 steps, 256 origins
    assert cuts_of(small(**auto, seasonality=3), long) == Cuts(48, 4)
    series = [seasonal(70)]
    forecasts = [
        small(**cuts, seasonality=12).fit(series).predict(2)
        for cuts in (auto, {"window": 48, "origin_step": 12})
    ]
    assert_array_equal(*forecasts)


def test_cuts_by_hand():
    values = np.arange(11.0)
    cuts = [(cut.begin, cut.first, cut.end, cut.known) for cut in Cuts(4, 3).of(values, 2)]
    assert cuts == [(6, 7, 10, 10), (3, 4, 7, 7), (0, 1, 4, 4)]
    assert [cut.known for cut in Cuts(None, 5).of(values, 1)] == [10, 5]
    assert [cut.known for cut in Cuts(None, 1).of(values, 6)] == [10]  # two seasons are not known
    gap = np.array([1.0, np.nan, np.nan, np.nan, np.nan, 2.0, 3.0])
    assert [cut.known for cut in Cuts(None, 1).of(gap, 1)] == [6]
