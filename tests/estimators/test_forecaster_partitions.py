"""A forecaster on partitions of series: one is the twin to the bit, several learn the same."""

import numpy as np
import pytest
from forecaster_cases import drifting
from partition_cases import assert_same, few_epochs_do_not_converge  # noqa: F401, a fixture

import fastrnn
from fastrnn import RNNForecaster
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.next_values import GivenSeries
from fastrnn.estimators.partitions import InTurn, Partition
from fastrnn.inputs.long_frames import LongColumns

COUNTS = {"likelihood": "negative_binomial", "scaling": "level"}


def small(**params):
    plain = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 1, "batch_size": 16}
    return RNNForecaster(**{**plain, "dropout": 0.0, **params})


def crew_of(*given, start=None):
    """Partitions of series; with weights where a pair is given."""
    pairs = [one if isinstance(one, tuple) else (one, None) for one in given]
    return InTurn([Partition(k, series, start, weight) for k, (series, weight) in enumerate(pairs)])


def make_series(n=6, low=12, high=40, seed=0):
    rng = np.random.default_rng(seed)
    return drifting(seed, rng.integers(low, high, n).tolist())


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"strategy": "recursive", "log": False, "window": 9},
        {"scaling": "standard", "seasonality": 4, "horizon": 3, "dropout": 0.3, "lags": "auto"},
        {"likelihood": "student_t", "quantiles": "auto"},
        {"solver": "lbfgs", "dtype": "float64", "scale_feature": False},
        {"origin_step": None, "quantiles": None, "window": None},
    ],
    ids=str,
)
def test_one_partition_is_the_twin(params):
    series, weight = make_series(), np.array([1.0, 0.0, 2.0, 0.5, 1.0, 1.0])
    for given in (None, weight):
        twin = small(**params).fit(series, sample_weight=given)
        joint = fit_jointly(small(**params), crew_of((GivenSeries(series), given)))
        assert_same(joint, twin)
        assert joint.reader_.plan.n_ahead == twin.reader_.plan.n_ahead
        forecasts = joint.predict(4, series)
        for one, other in zip(forecasts, twin.predict(4), strict=True):
            np.testing.assert_array_equal(one, other)


def test_several_learn_what_the_twin_learns():
    series = make_series(9)
    for params in ({"seasonality": 4}, {"strategy": "recursive"}, {"scaling": "level"}):
        params = params | {"dtype": "float64"}
        twin = small(**params).fit(series)
        parts = [GivenSeries(series[a:b]) for a, b in ((0, 2), (2, 3), (3, 9))]
        joint = fit_jointly(small(**params), crew_of(*parts))
        assert vars(joint.reader_.plan) == vars(twin.reader_.plan)
        assert joint.reader_.cuts == twin.reader_.cuts
        np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=0, atol=1e-9)
        assert joint.loss_curve_ == pytest.approx(twin.loss_curve_, rel=1e-9)


def test_what_is_auto_depends_on_all():
    """The longest decides on the horizon, and one value below 0 on the logarithm."""
    long, short = make_series(1, 600, 601), make_series(3, 6, 8)
    below = [one - 1.2 * one.max() for one in make_series(2)]
    for parts in ([short, long], [long, short], [short, below, long]):
        twin = small().fit([one for part in parts for one in part])
        joint = fit_jointly(small(), crew_of(*map(GivenSeries, parts)))
        assert vars(joint.reader_.plan) == vars(twin.reader_.plan)
        assert joint.reader_.cuts == twin.reader_.cuts


def test_counts_and_gaps():
    rng = np.random.default_rng(0)
    counts = [rng.poisson(3.0, n).astype(float) for n in (20, 30, 25, 40)]
    for one in counts:
        one[::7] = np.nan
    params = COUNTS | {"missing": "mask", "dtype": "float64"}
    twin = small(**params).fit(counts)
    joint = fit_jointly(small(**params), crew_of(GivenSeries(counts[:3]), GivenSeries(counts[3:])))
    np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=0, atol=1e-9)


class TestCovariates:
    """They are scaled, and their ids counted, over all partitions."""

    def cases(self, n=6):
        rng = np.random.default_rng(1)
        series = make_series(n)
        future = [rng.normal(5.0, k + 1.0, (len(one) + 12, 2)) for k, one in enumerate(series)]
        for k, one in enumerate(future):
            one[:, 1] = rng.integers(0, k + 2, len(one))
        past = [rng.normal(k, 1.0, len(one)) for k, one in enumerate(series)]
        return series, future, past, rng.normal(size=(n, 2))

    @pytest.mark.parametrize("direct", [True, False])
    def test_arrays(self, direct):
        series, future, past, static = self.cases()
        params = {"categorical_features": [1], "dtype": "float64", "horizon": 3}
        params["strategy"] = "direct" if direct else "recursive"
        given = {"future_covariates": future, "static_covariates": static}
        given |= {"past_covariates": past} if direct else {}
        twin = small(**params).fit(series, **given)

        def part(a, b):
            return GivenSeries(
                series[a:b], future[a:b], past[a:b] if direct else None, static=static[a:b]
            )

        one = fit_jointly(small(**params), crew_of(part(0, 6)))
        assert_same(one, twin)
        joint = fit_jointly(small(**params), crew_of(part(0, 2), part(2, 5), part(5, 6)))
        for name in ("covariate_mean_", "covariate_scale_"):
            np.testing.assert_allclose(getattr(joint, name), getattr(twin, name), rtol=1e-12)
        assert joint.n_categories_ == twin.n_categories_
        np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=0, atol=1e-9)
        forecasts = joint.predict(3, series, **given)
        for here, there in zip(forecasts, twin.predict(3), strict=True):
            np.testing.assert_allclose(here, there, rtol=1e-7)

    def frame(self):
        pandas = pytest.importorskip("pandas")
        series, future, _, _ = self.cases()
        frames = [
            pandas.DataFrame(
                {
                    "id": f"s{k}",
                    "time": pandas.date_range("2024-01-01", periods=len(one), freq="D"),
                    "value": one,
                    "price": known[: len(one), 0],
                    "kind": [f"k{j:g}" for j in known[: len(one), 1]],
                    "region": "north" if k % 2 else "south",
                }
            )
            for k, (one, known) in enumerate(zip(series, future, strict=True))
        ]
        return pandas, frames

    def test_frames(self):
        pandas, frames = self.frame()
        params = {
            "categorical_features": ["kind", "region"], "dtype": "float64", "horizon": 2,
            "calendar_features": ("weekday",), "holidays": ["2024-01-06"],
        }  # fmt: skip
        given = {"future_covariates": ["price", "kind"], "static_covariates": ["region"]}
        twin = small(**params).fit(pandas.concat(frames), **given)
        columns = LongColumns("id", "time", "value")
        parts = [
            GivenSeries(pandas.concat(some), ["price", "kind"], None, columns, ["region"])
            for some in (frames[:1], frames[1:4], frames[4:])
        ]
        joint = fit_jointly(small(**params), crew_of(*parts))
        fitted = twin.reader_.series.without_series()
        assert joint.reader_.series.covariates == fitted.covariates
        assert joint.reader_.series.columns == fitted.columns
        assert joint.reader_.series.calendar.spacings == fitted.calendar.spacings
        np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=0, atol=1e-9)
        later = pandas.concat(frames).groupby("id", sort=False).tail(2)
        known = pandas.concat(frames).drop(later.index)
        known, later = (
            pandas.concat([one.iloc[:-2] for one in frames]),
            pandas.concat([one.iloc[-2:] for one in frames]).drop(columns="value"),
        )
        here = joint.predict(2, known, future_covariates=later)
        there = twin.predict(2, known, future_covariates=later)
        np.testing.assert_allclose(here["value"], there["value"], rtol=1e-7)
        assert here.drop(columns="value").equals(there.drop(columns="value"))

    def test_what_differs_is_named(self):
        series, future, _, _ = self.cases()
        crew = crew_of(GivenSeries(series[:2], future[:2]), GivenSeries(series[2:]))
        with pytest.raises(ValueError, match=r"^partition 1 has numbers of future and past covari"):
            fit_jointly(small(), crew)
        _, frames = self.frame()
        other = frames[1].assign(time=frames[1]["time"].dt.tz_localize("UTC"))
        crew = crew_of(*(GivenSeries(one.iloc[:, :3]) for one in (frames[0], other)))
        with pytest.raises(ValueError, match=r"^partition 1 has time stamps of type"):
            fit_jointly(small(), crew)


def test_a_partition_of_short_series_helps_with_nothing():
    series = make_series(4)
    short = [np.array([1.0, 2.0])]
    twin = small(dtype="float64").fit([*series, *short])
    parts = map(GivenSeries, (series[:2], short, series[2:]))
    joint = fit_jointly(small(dtype="float64"), crew_of(*parts))
    np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=0, atol=1e-9)
    with pytest.raises(ValueError, match="no series is long enough"):
        fit_jointly(small(), crew_of(GivenSeries(short), GivenSeries(short)))


def test_scores_and_early_stopping():
    series, more = make_series(6), make_series(6, seed=7)
    params = {"dtype": "float64", "max_iter": 5, "early_stopping": True, "n_iter_no_change": 2}
    for start in (0, -5):
        validation = {"y": more, "start": start, "sample_weight": np.arange(6.0)}
        twin = small(**params).fit(series, validation_data=validation)
        scored = crew_of(
            (GivenSeries(more[:4]), np.arange(4.0)), (GivenSeries(more[4:]), np.array([4.0, 5.0])),
            start=start,
        )  # fmt: skip
        parts = map(GivenSeries, (series[:1], series[1:]))
        joint = fit_jointly(small(**params), crew_of(*parts), scored)
        assert joint.validation_scores_ == pytest.approx(twin.validation_scores_, rel=1e-6)
    with pytest.raises(ValueError, match="needs validation_data"):
        fit_jointly(small(early_stopping=True), crew_of(GivenSeries(series)))


def test_training_goes_on():
    series, more = make_series(6), make_series(5, seed=3)
    params = {"dtype": "float64", "warm_start": True, "horizon": 4}
    twin = small(**params).fit(series).fit(more)
    joint = fit_jointly(small(**params), crew_of(GivenSeries(series)))
    joint = fit_jointly(joint, crew_of(GivenSeries(more)))
    assert_same(joint, twin)
    joint = fit_jointly(small(**params), crew_of(*map(GivenSeries, (series[:2], series[2:]))))
    joint = fit_jointly(joint, crew_of(*map(GivenSeries, (more[:3], more[3:]))))
    np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=0, atol=1e-8)
    joint.set_params(scaling="standard")
    with pytest.raises(ValueError, match="which has scaling='difference'"):
        fit_jointly(joint, crew_of(GivenSeries(more)))


class TestWithoutSeries:
    """The model has none of the series of `fit`, and says so; with others it is as any."""

    def test_what_needs_them(self):
        series = make_series(4)
        model = fit_jointly(small(), crew_of(*map(GivenSeries, (series[:2], series[2:]))))
        assert len(model.reader_.series) == 0
        for call in (
            lambda: model.predict(3),
            lambda: model.predict_quantiles(3),
            lambda: model.score([1.0]),
            lambda: model.stream(),
        ):
            with pytest.raises(ValueError, match="has none of them: give the series to go on from"):
                call()
        assert len(model.predict(3, series)) == 4
        assert len(model.backtest(series, 2, 5)["mae"])
        assert model.stream(series=series).step([one[-1] for one in series]).shape[0] == 4

    def test_files(self, tmp_path):
        pandas = pytest.importorskip("pandas")
        frames = TestCovariates().frame()[1]
        frames[1] = frames[1].assign(
            time=pandas.date_range("2024-01-01", periods=len(frames[1]), freq="2D")
        )
        given = {"future": ["price"], "static": ["region"]}
        cases = [map(GivenSeries, (make_series(2), make_series(2, seed=1)))]
        for freq in (None, "rows"):
            cases.append([GivenSeries(one, **given) for one in frames])
            params = {"categorical_features": ["region"], "freq": freq, "horizon": 2}
            model = fit_jointly(small(**params), crew_of(*cases[-1]))
            model.save(tmp_path / "model")
            loaded = fastrnn.load(tmp_path / "model")
            assert loaded.reader_.series.calendar.spacings == model.reader_.series.calendar.spacings
            known = pandas.concat([one.iloc[:-2] for one in frames])
            later = pandas.concat([one.iloc[-2:] for one in frames])
            here, there = (
                one.predict(2, known, future_covariates=later.drop(columns="value"))
                for one in (model, loaded)
            )
            assert here.equals(there)
        model = fit_jointly(small(), crew_of(*cases[0]))
        model.save(tmp_path / "model")
        loaded = fastrnn.load(tmp_path / "model")
        series = make_series(3, seed=5)
        for one, other in zip(loaded.predict(3, series), model.predict(3, series), strict=True):
            np.testing.assert_array_equal(one, other)
