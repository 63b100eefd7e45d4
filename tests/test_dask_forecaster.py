"""DaskRNNForecaster: the bits of one process, and nothing gathered but what is asked for."""

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")

import inspect
import pickle

import dask
import dask.bag
import numpy as np
from dask import delayed
from dask_cases import assert_forgotten, assert_same, from_pandas, two_workers

import fastrnn
from fastrnn import RNNForecaster
from fastrnn.dask import DaskRNNForecaster
from fastrnn.dask.series import Rows
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.next_values import GivenSeries
from fastrnn.estimators.partitions import InTurn, Partition
from fastrnn.inputs.long_frames import LongColumns

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")
PLAIN = {"hidden_layer_sizes": 5, "max_iter": 2, "batch_size": 16, "random_state": 0}
AHEAD = 4  # steps of which covariates are known after the end of a series


@pytest.fixture(scope="module")
def client():
    """A client of two workers."""
    with two_workers() as client:
        yield client


def load(k, what="y"):
    """Load a partition of series, or what belongs to it."""
    rng = np.random.default_rng(k)
    y = [100 * np.exp(np.cumsum(0.1 * rng.normal(size=n))) for n in rng.integers(12, 40, 3 + k)]
    if what == "future":
        return [np.arange(len(one) + AHEAD) % 7.0 for one in y]
    if what == "static":
        return rng.integers(0, 2, (len(y), 1)).astype(float)
    return {"y": y, "weight": np.arange(len(y)) + 1.0, "after": [one[:AHEAD] for one in y]}[what]


def given(n, what="y"):
    """What partitions have, delayed."""
    return [delayed(load)(k, what) for k in range(n)]


def in_turn(parts, scored=None, start=None, **params):
    """Fit in this process on `GivenSeries`, with weights, one after the other."""
    crews = [
        InTurn([Partition(k, series, first, weight) for k, (series, weight) in enumerate(some)])
        for some, first in ((parts, None), (scored or [], start))
    ]
    return fit_jointly(RNNForecaster(**PLAIN | params), crews[0], crews[1] if scored else None)


def arrays(k, *, covariates=True):
    known = [load(k, what) if covariates else None for what in ("future", "static")]
    return GivenSeries(load(k), known[0], static=known[1])


COVARIATES = {
    "future_covariates": given(3, "future"),
    "static_covariates": given(3, "static"),
}


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_the_bits_of_one_process(client, strategy):
    params = {"strategy": strategy, "categorical_features": [1], "dropout": 0.3}
    params |= {"early_stopping": True, "n_iter_no_change": 1, "max_iter": 4}
    parts = [(arrays(k), load(k, "weight")) for k in range(3)]
    reference = in_turn(parts, [(arrays(3), load(3, "weight"))], -5, **params)
    validation = {"start": -5, "y": given(4)[3:], "sample_weight": given(4, "weight")[3:]}
    for name in ("future", "static"):
        validation[f"{name}_covariates"] = given(4, name)[3:]
    fitted = DaskRNNForecaster(**PLAIN | params).fit(
        given(3), **COVARIATES, sample_weight=given(3, "weight"), validation_data=validation
    )
    assert_same(fitted, reference)
    assert type(fitted.to_local()) is RNNForecaster
    assert_same(fitted.to_local(), reference)
    assert_forgotten(client)

    forecasts = fitted.predict(3)
    assert isinstance(forecasts, dask.bag.Bag) and forecasts.npartitions == 3
    expected = [
        one
        for k in range(3)
        for one in reference.predict(
            3, load(k), future_covariates=load(k, "future"), static_covariates=load(k, "static")
        )
    ]
    forecasts = forecasts.compute()
    assert len(forecasts) == len(expected) == 12 and all(map(np.array_equal, forecasts, expected))
    other = fitted.predict(
        3, given(4)[3:], future_covariates=given(4, "future")[3:],
        static_covariates=given(4, "static")[3:],
    ).compute()  # fmt: skip
    assert len(other) == 6


def test_one_partition_gives_the_model_of_one_machine(client):
    twin = RNNForecaster(**PLAIN).fit(load(0), sample_weight=load(0, "weight"))
    fitted = DaskRNNForecaster(**PLAIN).fit(given(1), sample_weight=given(1, "weight"))
    assert_same(fitted, twin)


def test_bags_futures_and_tables(client):
    reference = in_turn([(arrays(k, covariates=False), None) for k in range(3)])
    bag = dask.bag.from_delayed(given(3))
    futures = [client.submit(load, k) for k in range(3)]
    for y in (bag, futures):
        fitted = DaskRNNForecaster(**PLAIN).fit(y)
        assert_same(fitted, reference)
        assert len(fitted.predict(5).compute()) == 12
    table = dask.array.from_array(np.array([one[:12] for one in load(3)]), chunks=(2, 12))
    fitted = DaskRNNForecaster(**PLAIN, horizon=2).fit(table)
    assert len(fitted.predict(2).compute()) == 6


def test_scores_are_those_of_one_machine(client):
    fitted = DaskRNNForecaster(**PLAIN).fit(given(3))
    twin = RNNForecaster(**PLAIN).fit([one for k in range(3) for one in load(k)])
    twin.network_.theta[...] = fitted.network_.theta
    expected = twin.score([one for k in range(3) for one in load(k, "after")])
    assert fitted.score(given(3, "after")) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="y has 2 partitions, the series of fit have 3"):
        fitted.score(given(2, "after"))
    assert_forgotten(client)


@pytest.fixture(scope="module")
def frames():
    """Rows of series in no order: what is known, and what followed."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    series = [one for k in range(4) for one in load(k)]
    whole = [
        pandas.DataFrame(
            {
                "id": f"s{i}",
                "time": pandas.date_range("2024-01-01", periods=len(one), freq="D"),
                "value": one,
                "price": np.arange(len(one)) % 7.0,
                "region": "north" if i % 2 else "south",
                "weight": 1.0 + i,
            }
        )
        for i, one in enumerate(series)
    ]
    known, later = (
        [one.iloc[part] for one in whole] for part in (slice(-AHEAD), slice(-AHEAD, None))
    )
    return [pandas.concat(some).sample(frac=1, random_state=0) for some in (known, later)]


NAMES = {"future_covariates": ["price"], "static_covariates": ["region"]}
PARAMS = {"categorical_features": ["region"], "horizon": AHEAD}


class TestLongFrames:
    """Rows of a series in several partitions, in any order."""

    def in_order(self, frame):
        return frame.sort_values(["id", "time"], ignore_index=True)

    def test_the_bits_of_one_process(self, client, frames):
        known, later = (from_pandas(part, n) for part, n in zip(frames, (4, 2), strict=True))
        fitted = DaskRNNForecaster(**PLAIN | PARAMS)
        fitted.fit(known, **NAMES, sample_weight="weight", validation_data=known)
        columns = LongColumns("id", "time", "value", ("price",), static=("region",))
        rows, seen = Rows(columns, "weight"), Rows(columns, tells_covariates=False)
        parts = [part for part in dask.compute(*rows.gather(known)) if len(part)]
        assert len(parts) > 1
        reference = in_turn(
            [rows(part)[::2] for part in parts], [seen(part)[::2] for part in parts], **PARAMS
        )
        assert_same(fitted, reference)
        assert_forgotten(client)

        in_memory = [self.in_order(part) for part in frames]
        lazy = fitted.predict(AHEAD, future_covariates=later)
        found = self.in_order(lazy.compute())
        expected = fitted.to_local().predict(
            AHEAD, in_memory[0], future_covariates=in_memory[1].drop(columns="value")
        )
        assert found["id"].tolist() == expected["id"].tolist()
        assert found["time"].tolist() == expected["time"].tolist()
        np.testing.assert_array_equal(found["value"], expected["value"])
        assert lazy.dtypes.to_dict() == found.dtypes.to_dict()
        twin = RNNForecaster(**PLAIN | PARAMS).fit(in_memory[0], **NAMES)
        twin.network_.theta[...] = fitted.network_.theta
        twin.reader_.covariates.mean[...] = fitted.covariate_mean_
        twin.reader_.covariates.deviation[...] = fitted.covariate_scale_
        assert fitted.score(later) == pytest.approx(twin.score(in_memory[1]), rel=1e-12)

    def test_rows_without_a_distance(self, client, frames):
        fitted = DaskRNNForecaster(**PLAIN, freq="rows").fit(from_pandas(frames[0], 3))
        lazy = fitted.predict(2)
        found = lazy.compute()
        assert [*found] == [*lazy.columns] == ["id", "step", "value"]
        assert len(found) == 2 * frames[0]["id"].nunique()

    def test_what_is_wrong_is_named(self, client, frames):
        known = from_pandas(frames[0], 2)

        def fit(y=known, **given):
            DaskRNNForecaster(**PLAIN).fit(y, **given)

        with pytest.raises(ValueError, match="y has 0 columns 'cost', expected one"):
            fit(future_covariates=["cost"])
        with pytest.raises(TypeError, match="sample_weight must name a column of y"):
            fit(sample_weight=known["weight"])
        with pytest.raises(TypeError, match="past_covariates must be a list of names"):
            fit(past_covariates="price")
        with pytest.raises(ValueError, match=r"id 's\d+' has several values in col"):
            fit(sample_weight="price")
        twice = from_pandas(frames[0].assign(time=frames[0]["time"].min()), 2)
        with pytest.raises(ValueError, match=r"^partition \d: series 's\d+' has the time stamp"):
            fit(twice)
        fitted = DaskRNNForecaster(**PLAIN, **PARAMS).fit(known, **NAMES)
        with pytest.raises(TypeError, match="future_covariates must be a Dask data frame"):
            fitted.predict(2, future_covariates=given(3, "future"))
        with pytest.raises(TypeError, match="covariates beside a data frame"):
            fitted.predict(2, known, past_covariates=given(3, "future"))


def test_what_is_wrong_is_named(client):
    pandas = pytest.importorskip("pandas")
    model = DaskRNNForecaster(**PLAIN)
    with pytest.raises(TypeError, match="y must be a list of delayed objects or futures"):
        model.fit(load(0))
    with pytest.raises(ValueError, match="y has 3 partitions, future_covariates has 2"):
        model.fit(given(3), future_covariates=given(2, "future"))
    with pytest.raises(ValueError, match="calibrate='cv' holds out series"):
        DaskRNNForecaster(**PLAIN, calibrate="cv").fit(given(3))
    with pytest.raises(ValueError, match="needs validation_data"):
        DaskRNNForecaster(**PLAIN, early_stopping=True).fit(given(3))
    with pytest.raises(ValueError, match="no partition of y has any series"):
        model.fit([delayed(list)()])
    frame = delayed(pandas.DataFrame)({"id": [0, 0], "time": [0, 1], "value": [1.0, 2.0]})
    with pytest.raises(TypeError, match=r"^y is a data frame, .*dask\.dataframe\.from_delayed"):
        model.fit([frame])
    gap = [np.array([1.0, np.nan, 3.0, 4.0])]
    with pytest.raises(ValueError, match=r"^partition 1: series 0 has no value"):
        model.fit([given(1)[0], delayed(gap)])
    assert not model.is_fitted
    assert_forgotten(client)


def test_it_is_an_estimator(client, tmp_path):
    signature = inspect.signature(DaskRNNForecaster).parameters
    own = {
        "client",
        "id_column",
        "time_column",
        "value_column",
        "partitions_at_once",
        "local_steps",
    }
    assert signature.keys() - own == inspect.signature(RNNForecaster).parameters.keys()
    assert all(f"\n{name} : " in inspect.cleandoc(DaskRNNForecaster.__doc__) for name in signature)
    fitted = DaskRNNForecaster(**PLAIN, client=client).fit(given(2))
    with pytest.raises(ValueError, match="past_covariates need series"):
        fitted.predict(2, past_covariates=given(2, "future"))
    copied = pickle.loads(pickle.dumps(fitted))
    copied.client = client
    with pytest.raises(ValueError, match="does not know where the series of its fit are"):
        copied.predict(2)
    assert len(copied.predict(2, given(2)).compute()) == 7
    fitted.save(tmp_path / "model")
    loaded = fastrnn.load(tmp_path / "model")
    assert type(loaded) is RNNForecaster
    with pytest.raises(ValueError, match="give the series to go on from"):
        loaded.predict(2)
    expected = fitted.to_local().predict(2, load(0))
    assert all(map(np.array_equal, loaded.predict(2, load(0)), expected))
