"""States are reset, copied and set; what a state or a pickle hands to the kernel is bounded."""

import copy
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from contract import plain_forecaster
from test_streams import (
    STEPS,
    N,
    assert_close,
    assert_same_state,
    classifier,
    draw,
    fitted,
    series_of,
    shake,
)

import fastrnn
from fastrnn.estimators import RNNLanguageModel, RNNRegressor
from fastrnn.kernels.stream import MAX_STEPS
from fastrnn.network import Network
from fastrnn.streams import Stream
from fastrnn.streams.snapshot import Levels

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize(
    ("which", "rows"),
    [
        (None, [0, 1, 2, 3, 4]),
        (2, [2]),
        (-1, [4]),
        ([0, 3], [0, 3]),
        (np.array([False, True, True, False, False]), [1, 2]),
        (slice(3, None), [3, 4]),
        ([], []),
    ],
)
def test_reset(which, rows, pooling):
    model, X = classifier(pooling=pooling, cell="carry_lstm"), draw()
    stream = model.stream(N)
    for t in range(4):
        stream.step(X[:, t])
    before = stream.state
    stream.reset(which)
    others = np.setdiff1d(np.arange(N), rows)
    assert_same_state(
        {k: v[others] for k, v in stream.state.items()}, {k: v[others] for k, v in before.items()}
    )
    for t in range(4, 7):
        begin = np.where(np.isin(np.arange(N), rows), 4, 0)
        expected = model.predict_proba([x[b : t + 1] for x, b in zip(X, begin, strict=True)])
        assert_close(stream.step(X[:, t]), expected)


def test_reset_goes_to_the_beginning_of_texts_and_series():
    texts = RNNLanguageModel(4, batch_size=2, max_iter=1, random_state=0).fit(["to be", "or not"])
    walk = series_of({})[1]
    forecaster = plain_forecaster(4, max_iter=1, random_state=0).fit(walk)
    for stream, x in ((shake(texts).stream(), "o"), (shake(forecaster).stream(), 51.0)):
        begin = stream.state
        first = stream.step(x)
        assert np.abs(stream.step(x) - first).max() > 0
        stream.reset()
        assert_same_state(stream.state, begin)
        np.testing.assert_array_equal(stream.step(x), first)
    assert begin["n_steps"] == len(walk)


def test_reset_of_streams_that_are_not_there():
    stream = classifier().stream(N)
    for which in (N, [0, N], np.ones(N + 1, bool)):
        with pytest.raises(IndexError):
            stream.reset(which)
    for which in (True, 1.0, "all", [None]):
        with pytest.raises(TypeError, match="which must have numbers of streams"):
            stream.reset(which)


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_state_is_a_copy_that_can_be_set(cell, pooling):
    model, X = classifier((6, 5), cell=cell, pooling=pooling, conv=None), draw()
    stream, other = model.stream(N), model.stream(N)
    for t in range(3):
        stream.step(X[:, t])
    state = stream.state
    for name, array in state.items():
        assert len(array) == N, name
    np.testing.assert_array_equal(state["n_steps"], np.full(N, 3))
    assert_close(state["h_1"], [h[-1] for h in model.hidden_states(X[:, :3])])
    ahead = [stream.step(X[:, t]) for t in range(3, 6)]
    np.testing.assert_array_equal(state["n_steps"], np.full(N, 3))
    for again in (stream, other):
        again.state = state
        for t in range(3, 6):
            np.testing.assert_array_equal(again.step(X[:, t]), ahead[t - 3])
    # Some rows of some streams go on in another.
    few = model.stream(2)
    few.state = {name: array[[4, 1]] for name, array in state.items()}
    np.testing.assert_allclose(few.step(X[[4, 1], 3]), ahead[0][[4, 1]], rtol=1e-6)


def test_states_that_do_not_suit():
    stream = classifier(cell="lstm", pooling="mean", conv=None).stream(N)
    good = stream.state
    for change, error, message in [
        ({"h_0": np.zeros((N, 5))}, ValueError, r"h_0 of state has shape \(5, 5\), expected"),
        ({"h_0": np.full((N, 6), np.nan)}, ValueError, "h_0 of state has numbers that no step"),
        ({"n_steps": np.full(N, -1)}, ValueError, "n_steps of state has numbers that no step"),
        ({"n_steps": np.zeros(N)}, TypeError, "n_steps of state has dtype float64, expected int64"),
        ({"c_0": np.full((N, 6), "a")}, TypeError, "c_0 of state has dtype <U1"),
        ({"c_1": np.zeros((N, 6))}, ValueError, r"state has \['c_0', 'c_1', .*\], expected \["),
    ]:
        with pytest.raises(error, match=message):
            stream.state = {
                "h_0": np.ones((N, 6)),
                **{k: v for k, v in good.items() if k != "h_0"},
                **change,
            }
        assert_same_state(stream.state, good)
    with pytest.raises(ValueError, match="expected"):
        stream.state = {"h_0": good["h_0"]}


def _both(stream, x):
    """The next answer, and the state after it."""
    return stream.step(x), stream.state


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda stream: pickle.loads(pickle.dumps(stream))]
)
def test_copies_and_pickles_go_on_from_there(kind, duplicate):
    model, x = STEPS[kind]()
    stream = model.stream(N)
    stream.step(x)
    twin = duplicate(stream)
    assert type(twin) is Stream and twin.n_streams == N
    state = twin.state
    answer, after = _both(stream, x)
    assert_same_state(twin.state, state)  # it has a life of its own
    twin_answer, twin_after = _both(twin, x)
    np.testing.assert_array_equal(twin_answer, answer)
    assert_same_state(twin_after, after)
    stream.reset()
    twin.reset()
    assert_same_state(twin.state, stream.state)


@pytest.mark.parametrize("kind", STEPS)
def test_weights_are_those_of_the_beginning(kind):
    model, x = STEPS[kind]()
    stream, other = model.stream(N), copy.deepcopy(model).stream(N)
    model.network_.theta[...] = 0
    for _ in range(2):
        np.testing.assert_array_equal(stream.step(x), other.step(x))


def test_copies_share_the_weights():
    stream = classifier().stream()
    for twin in (copy.copy(stream), copy.deepcopy(stream)):
        assert twin._snapshot is stream._snapshot


def test_the_model_may_change():
    model, X = classifier(), draw()
    stream, same = model.stream(N), copy.deepcopy(model).stream(N)
    same_after = copy.copy(same)
    np.testing.assert_array_equal(stream.step(X[:, 0]), same.step(X[:, 0]))
    model.network_.theta[...] = 0
    model.partial_fit(draw(8, 4), np.arange(8) % 3)
    model.set_params(hidden_layer_sizes=9).fit(draw(8, 4), np.arange(8) % 3)
    np.testing.assert_array_equal(stream.step(X[:, 1]), same.step(X[:, 1]))
    stream.reset()
    np.testing.assert_array_equal(stream.step(X[:, 0]), same_after.step(X[:, 0]))


@pytest.mark.parametrize("kind", STEPS)
def test_loaded_models_have_streams(kind, tmp_path):
    model, x = STEPS[kind]()
    model.save(tmp_path / "model.fastrnn")
    stream, loaded = model.stream(N), fastrnn.load(tmp_path / "model.fastrnn").stream(N)
    for _ in range(2):
        np.testing.assert_array_equal(loaded.step(x), stream.step(x))


def test_the_model_is_not_written_to():
    model = classifier()
    before = pickle.dumps(model)
    stream = model.stream()
    stream.step(draw()[0, 0])
    stream.reset()
    assert pickle.dumps(model) == before


M = 12


def forecaster(**params):
    """Return a forecaster of two series with a season of M steps, one far from the others."""
    t = np.arange(60.0)
    values = [10 + np.sin(t) + 9 * (t % M == 3), 10 + np.cos(t) + 9 * (t % M == 7)]
    return plain_forecaster(4, seasonality=M, window=24, max_iter=1, random_state=0, **params).fit(
        values
    )


NO_COUNTS = {
    "-1": np.array([-1]),
    "least int8": np.array([-128], np.int8),
    "least int64": np.array([-(2**63)]),
    "one too many": np.array([MAX_STEPS + 1]),
    "greatest int64": np.array([2**63 - 1]),
    "two below": np.array([2**63 - 3]),
    "uint64, one too many": np.array([MAX_STEPS + 1], np.uint64),
    "2**63": np.array([2**63], np.uint64),
    "2**63 + 5": np.array([2**63 + 5], np.uint64),
    "greatest uint64": np.array([2**64 - 1], np.uint64),
    "other bytes": np.array([2**63 + 5], ">u8"),
}


@pytest.mark.parametrize("how", ["set", "setstate", "pickle"])
@pytest.mark.parametrize("name", NO_COUNTS)
@pytest.mark.parametrize("kind", STEPS)
def test_counts_of_steps_that_are_refused(kind, name, how):
    model, x = fitted(kind)
    stream = model.stream(N)
    stream.step(x)
    before = stream.state
    wrong = stream.state["n_steps"].astype(NO_COUNTS[name].dtype)
    wrong[-1:] = NO_COUNTS[name]
    state = {**before, "n_steps": wrong}
    with pytest.raises(ValueError, match="n_steps of state has numbers that no step leaves"):
        if how == "set":
            stream.state = state
        elif how == "setstate":
            stream.__setstate__(state)
        else:
            pickle.loads(pickle.dumps(_Altered(stream, state)))
    assert_same_state(stream.state, before)


class _Altered:
    """Pickled as the stream would be, but with another state, or made of something else."""

    def __init__(self, stream, state=None, **changes):
        self.stream, self.state, self.changes = stream, state, changes

    def __reduce__(self):
        cls, (snapshot, n), state = self.stream.__reduce__()
        if self.changes:
            make, arguments = snapshot.__reduce__()
            names = ("network", "reading", "scale", "shift")
            names += ("is_flat", "levels", "forecast", "start", "labels", "weights")
            snapshot = make(**(dict(zip(names, arguments, strict=True)) | self.changes))
        return cls, (snapshot, n), state if self.state is None else self.state


@pytest.mark.parametrize("kind", STEPS)
def test_the_greatest_count_of_steps(kind):
    model, x = fitted(kind)
    stream, other = model.stream(N), model.stream(N)
    for own in (stream, other):
        own.step(x)
    steps = stream.state["n_steps"]
    steps[-1] = MAX_STEPS - 1
    stream.state = {**stream.state, "n_steps": steps.astype("uint64")}
    assert np.isfinite(stream.step(x)).all()
    assert stream.state["n_steps"][-1] == MAX_STEPS
    copied = pickle.loads(pickle.dumps(stream))
    assert_same_state(copied.state, stream.state)
    before = stream.state
    for own in (stream, copied):
        with pytest.raises(ValueError, match=f"stream {N - 1} has counted {MAX_STEPS} steps"):
            own.step(x)
        assert_same_state(own.state, before)
    stream.reset([N - 1])
    assert np.isfinite(stream.step(x)).all()


@pytest.mark.parametrize("params", [{}, {"strategy": "direct", "horizon": 2 * M + 1}])
def test_the_season_of_every_count(params):
    model = forecaster(**params)
    for count in (0, 7, 59, 2**53 + 1, MAX_STEPS - 1):
        answers = []
        for steps in (count, count % M):
            stream = model.stream()
            state = stream.state
            stream.state = {**state, "n_steps": np.full(2, steps)}
            answers.append([stream.step([9.0, 11.0])])
        np.testing.assert_array_equal(*answers)


def _layouts(array):
    """The same array in every layout that numpy has."""
    packed = np.zeros(len(array), [("byte", "i1"), ("part", array.dtype, array.shape[1:])])
    packed["part"] = array
    read_only = array.copy()
    read_only.flags.writeable = False
    yield packed["part"]
    yield np.asfortranarray(array)
    yield np.repeat(array, 2, axis=0)[::2]
    yield array[::-1].copy()[::-1]
    yield array.astype(array.dtype.newbyteorder())
    yield read_only
    yield array.tolist()


@pytest.mark.parametrize("kind", STEPS)
def test_layouts_of_a_state(kind):
    model, x = fitted(kind)
    stream = model.stream(N)
    stream.step(x)
    state = stream.state
    expected = stream.step(x)
    for arrays in zip(*map(_layouts, state.values()), strict=True):
        stream.reset()
        stream.state = dict(zip(state, arrays, strict=True))
        assert_same_state(stream.state, state)
        np.testing.assert_array_equal(stream.step(x), expected)
    same = {name: np.broadcast_to(array[:1], array.shape) for name, array in state.items()}
    stream.state = same
    assert_same_state(stream.state, same)


@pytest.mark.parametrize("kind", STEPS)
def test_parts_of_a_state_that_are_refused(kind):
    model, x = fitted(kind)
    stream = model.stream(N)
    stream.step(x)
    state = stream.state
    for name, own in state.items():
        wrong = {
            "shape": [own[:-1], own[0], own[..., np.newaxis], own.tolist()[:-1], [[1], [2, 3]], 1],
            "dtype": [own.astype(object), own.astype(str), own.astype(complex), ["a"] * N],
            "number": [],
        }
        if own.dtype.kind == "f":
            numbers = [np.nan, np.inf, -np.inf] + [1e300, -1e39] * (own.dtype == np.float32)
            wrong["number"] = [np.where(np.arange(own.size).reshape(own.shape), 0.0, v)
                               for v in numbers]  # fmt: skip
        else:
            wrong["dtype"].append(own.astype(float))
        for values in wrong.values():
            for value in values:
                with pytest.raises((TypeError, ValueError), match=f"^{name} of state "):
                    stream.state = {**state, name: value}
                assert_same_state(stream.state, state)


@pytest.mark.parametrize("state", [None, 3, ["n_steps"], [("n_steps", 1)], "n_steps"])
def test_no_dict_is_no_state(state):
    stream = classifier().stream()
    with pytest.raises(TypeError, match=r"state is of type .*, expected a dict"):
        stream.state = state
    with pytest.raises(ValueError, match=r"state has .*, expected"):
        stream.state = {**stream.state, 7: 1}


def _changed(array, value):
    array = array.copy()
    array[-1] = value
    return array


ALTERED_FORECASTS = {
    "above, too large": lambda f: {"above": _changed(f.above, f.n_learned)},
    "above, huge": lambda f: {"above": f.above.astype(np.uint64) + 2**62},
    "above, zero": lambda f: {"above": _changed(f.above, 0)},
    "above, negative": lambda f: {"above": _changed(f.above, -1)},
    "above, of two axes": lambda f: {"above": f.above[:, np.newaxis]},
    "above, not one for each": lambda f: {"above": f.above[:-1]},
    "share": lambda f: {"share": f.share[:-1]},
    "no median": lambda f: {"is_median": True},
    "n_ahead": lambda f: {"n_ahead": f.n_ahead + 1},
    "n_ahead below 1": lambda f: {"n_ahead": -f.n_ahead, "n_learned": -f.n_learned},
    "n_learned": lambda f: {"n_learned": f.n_learned + 1},
    "factor": lambda f: {"factor": f.factor[:-1]},
    "shift": lambda f: {"shift": f.shift[:1]},
    "season": lambda f: {"season": f.season[:1]},
    "season of no steps": lambda f: {"season": f.season[:, :0]},
    "mask": lambda f: {"mask": True},
    "no series": lambda f: {
        "factor": f.factor[:0], "shift": f.shift[:0], "season": f.season[:0]
    },
    "fewer series": lambda f: {
        "factor": f.factor[:1], "shift": f.shift[:1], "season": f.season[:1]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED_FORECASTS)
def test_forecasts_that_do_not_fit(name):
    model = forecaster(strategy="direct", horizon=3, quantiles=(0.1, 0.5, 0.9))
    stream = model.stream(levels=(0.2, 0.5, 0.8))
    _, (snapshot, _), _ = stream.__reduce__()
    forecast = replace(snapshot.forecast, **ALTERED_FORECASTS[name](snapshot.forecast))
    with pytest.raises(ValueError, match=r"of a stream's model do not fit|but there are . series"):
        pickle.loads(pickle.dumps(_Altered(stream, forecast=forecast)))


def numbers_from_ids():
    """Return a regressor of two outputs from two numbers, and ids between them."""
    X = draw(20, 4, 3)
    X[:, :, 1] = np.arange(80).reshape(20, 4) % 5
    model = RNNRegressor(6, categorical_features=[1], max_iter=1, random_state=0)
    return model.fit(X, draw(20, 2, 1)[:, :, 0])


ALTERED_READINGS = {
    "sources beyond": lambda r: {"sources": r.sources + 1},
    "sources, negative": lambda r: {"sources": r.sources - 1},
    "sources, huge": lambda r: {"sources": r.sources.astype(np.uint64) + 2**63},
    "sources, fewer": lambda r: {"sources": r.sources[:-1]},
    "ids beyond": lambda r: {"id_sources": (3,)},
    "ids, negative": lambda r: {"id_sources": (-1,)},
    "ids, more": lambda r: {"id_sources": (1, 1)},
    "more ids than rows": lambda r: {"n_ids": (r.n_ids[0] + 1,)},
    "huge numbers of ids": lambda r: {"n_ids": (2**70,)},
    "ids below none": lambda r: {"n_ids": (-1,)},
    "limits": lambda r: {"n_ids": ()},
    "width": lambda r: {"width": 2},
    "no width": lambda r: {"width": 0},
    "center": lambda r: {"center": np.zeros(2), "deviation": np.ones(3)},
    "center of another length": lambda r: {"center": np.zeros(3), "deviation": np.ones(3)},
}


@pytest.mark.parametrize("name", ALTERED_READINGS)
def test_readings_that_do_not_fit(name):
    stream = numbers_from_ids().stream(2)
    _, (snapshot, _), _ = stream.__reduce__()
    reading = replace(snapshot.reading, **ALTERED_READINGS[name](snapshot.reading))
    with pytest.raises(ValueError, match="of a stream's model do not fit"):
        pickle.loads(pickle.dumps(_Altered(stream, reading=reading)))


def _of_pooling(kind):
    architecture = replace(numbers_from_ids().network_.architecture)
    object.__setattr__(architecture, "pooling", kind)
    return Network(architecture)


ALTERED_MODELS = {
    "scale of another length": lambda: {"scale": np.ones(3)},
    "scale without shift": lambda: {"shift": None},
    "pooling that is none": lambda: {"network": _of_pooling("max+max+max+max+max")},
    "several outputs as one": lambda: {"is_flat": True},
    "levels of other outputs": lambda: {"levels": Levels(3, np.ones(1, int), np.ones(1))},
    "levels beyond": lambda: {"levels": Levels(2, np.full(1, 2), np.ones(1))},
    "levels of nothing": lambda: {"levels": Levels(0, np.zeros(1, int), np.ones(1))},
    "no level": lambda: {"levels": Levels(1, np.zeros(0, int), np.ones(0))},
    "levels of no numbers": lambda: {
        "levels": Levels(2, np.ones(1, int), np.ones(1)),
        "scale": None,
        "shift": None,
    },
    "network of other features": lambda: {"network": classifier().network_},
    "huge count": lambda: {"start": {"n_steps": np.array([2**63 - 1])}},
    "count below 0": lambda: {"start": {"n_steps": np.array([-1, 0])}},
    "counts of others": lambda: {"start": {"n_steps": np.array([1, 2, 3])}},
    "state that is no number": lambda: {"start": {"h_0": np.full((1, 6), np.nan)}},
}


@pytest.mark.parametrize("name", ALTERED_MODELS)
def test_models_that_do_not_fit(name):
    stream = numbers_from_ids().stream(2)
    message = "of a stream's model do not fit|of state has|broadcast|of the model has"
    with pytest.raises(ValueError, match=message):
        pickle.loads(pickle.dumps(_Altered(stream, **ALTERED_MODELS[name]())))


def test_other_numbers_of_streams_than_of_series():
    cls, (snapshot, n), _ = forecaster().stream().__reduce__()
    for wrong in (1, n + 1, 10_000):
        with pytest.raises(ValueError, match=f"n_streams is {wrong}, but there are 2 series"):
            cls(snapshot, wrong)


def test_arrays_of_other_machines():
    # Pickles of a machine whose bytes, or whole numbers, are others.
    model = forecaster(strategy="direct", horizon=3, quantiles=(0.1, 0.5, 0.9))
    stream = model.stream(levels=(0.2, 0.5, 0.8))
    _, (snapshot, _), _ = stream.__reduce__()
    f, r = snapshot.forecast, snapshot.reading
    x = [9.0, 11.0]
    expected = stream.step(x)
    for above, other in (("i4", ">f8"), (">i8", "f8")):
        forecast = replace(
            f,
            above=f.above.astype(above),
            **{name: np.asfortranarray(getattr(f, name).astype(other))
               for name in ("share", "factor", "shift", "season")},
        )  # fmt: skip
        reading = replace(
            r,
            sources=r.sources.astype(above),
            center=r.center.astype(other),
            deviation=r.deviation.astype(other),
        )
        fresh = _Altered(model.stream(levels=(0.2, 0.5, 0.8)), forecast=forecast, reading=reading)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(fresh)).step(x), expected)


def test_what_the_kernel_reads_cannot_be_changed():
    model = forecaster(strategy="direct", horizon=3, quantiles=(0.1, 0.5, 0.9))
    _, (snapshot, _), _ = model.stream(levels=(0.2, 0.8)).__reduce__()
    for name in ("above", "share", "factor", "shift", "season"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(snapshot.forecast, name)[...] = 0
    with pytest.raises(ValueError, match="read-only"):
        snapshot.sources[...] = 0


def test_the_kernel_bounds_what_it_counts(monkeypatch):
    # Whatever has written there: a step does not use it.
    stream = forecaster().stream()
    cls, (snapshot, n), _ = stream.__reduce__()
    state = snapshot.new_state(n)
    monkeypatch.setattr(type(snapshot), "new_state", lambda self, n_streams: state)
    stream = cls(snapshot, n)
    for count in (-1, -(2**63), MAX_STEPS, 2**63 - 1):
        state["n_steps"][1] = count
        with pytest.raises(ValueError, match=r"stream 1 has counted .* steps"):
            stream.step([9.0, 11.0])


@pytest.mark.parametrize("season", [None, 4])
def test_no_warning_comes_with_a_refusal(season):
    values = series_of({})[1]
    model = plain_forecaster(3, seasonality=season, max_iter=1, random_state=0).fit(values)
    stream = model.stream()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="h_0 of state"):
            stream.state = {**stream.state, "h_0": np.full((1, 3), 1e300)}
