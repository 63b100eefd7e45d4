"""RNNForecaster with a likelihood: points, quantiles and samples of a distribution."""

import warnings

import numpy as np
import pytest
from contract import plain_forecaster
from fuzz_files import put_together, take_apart
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import fastrnn
from fastrnn.estimators.distributions import DISTRIBUTIONS

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

SMALL = {"hidden_layer_sizes": 4, "cell": "gru", "max_iter": 2, "random_state": 0}
DIRECT = {"strategy": "direct", "horizon": 3}
RNG = np.random.default_rng(0)
COUNTS = [RNG.poisson(size, n).astype(float) for size, n in ((3, 30), (40, 22), (0.2, 26))]
NUMBERS = [10 + RNG.standard_t(4, n).cumsum() for n in (30, 22, 26)]
CASES = {
    "t": {"likelihood": "student_t"},
    "t of logarithms": {"likelihood": "student_t", "log": "log1p", "scaling": "standard"},
    "poisson": {"likelihood": "poisson", "scaling": "level"},
    "unscaled": {"likelihood": "poisson", "scaling": None},
    "negative binomial": {"likelihood": "negative_binomial", "scaling": "level", "seasonality": 4},
}
CASE = pytest.mark.parametrize("case", CASES)
LEVELS = [0.05, 0.5, 0.8]


def data_of(case):
    return NUMBERS if CASES[case]["likelihood"] == "student_t" else COUNTS


def make(case, **params):
    """A fitted model with weights in no order."""
    model = plain_forecaster(**SMALL | CASES[case] | params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(data_of(case))
    theta = model.network_.theta
    theta[...] = 0.5 * np.random.default_rng(5).normal(size=len(theta))
    return model


MODELS = {}


def fitted(case, strategy):
    """Such a model, made once."""
    key = case, strategy
    if key not in MODELS:
        MODELS[key] = make(case, **DIRECT if strategy == "direct" else {})
    return MODELS[key]


def laws(model, series):
    """The distribution of the next steps, in the units of a series."""
    reading = model.reader_.plan.read(model.reader_.read_series([series]), 0, NO_COVARIATES)
    said = model.network_.predict(model.reader_.read([series], "float32"))[-1]
    said = said.reshape(model.reader_.plan.n_ahead, -1).astype(float)
    scale = reading.scale
    if model.likelihood == "student_t":
        location, width, df = said.T
        return stats.t(df, (reading.base[-1] + location) * scale.factor + scale.shift,
                       width * scale.factor)  # fmt: skip
    mean = said[:, 0] * scale.factor
    if model.likelihood == "poisson":
        return stats.poisson(mean)
    n = np.sqrt(scale.factor) / said[:, 1]
    return stats.nbinom(n, n / (n + mean))


NO_COVARIATES = make("t").reader_.covariates


@CASE
def test_quantiles_are_those_of_the_distribution(case):
    model = fitted(case, "direct")
    y = data_of(case)[1][:15]
    quantiles = model.predict_quantiles(3, y, LEVELS)
    assert (np.diff(quantiles, axis=1) >= 0).all()
    if model.log:
        assert_allclose(quantiles[:, 1], model.predict(3, y), rtol=1e-6)
        return
    law = laws(model, y)
    expected = np.stack([law.ppf(level) for level in LEVELS], axis=1)
    assert_allclose(quantiles, expected, rtol=1e-5)
    middle = law.median() if model.likelihood == "student_t" else law.mean()
    assert_allclose(model.predict(3, y), middle, rtol=1e-6)


@CASE
def test_samples_have_these_quantiles(case):
    model, y = fitted(case, "direct"), data_of(case)[1]
    samples = model.predict_samples(3, y, 4000, random_state=0)
    assert samples.shape == (3, 4000)
    quantiles = model.predict_quantiles(3, y, LEVELS)
    for row, of_row in zip(samples, quantiles, strict=True):
        for level, quantile in zip(LEVELS, of_row, strict=True):
            assert (row < quantile - 1e-9).mean() < level + 0.03
            assert (row <= quantile + 1e-9).mean() > level - 0.03
    assert_array_equal(samples, model.predict_samples(3, y, 4000, random_state=0))
    assert (samples != model.predict_samples(3, y, 4000, random_state=1)).any()
    if model.likelihood != "student_t":
        assert_array_equal(samples, np.rint(samples))
        assert (samples >= 0).all()


@CASE
def test_paths_go_on_from_what_was_drawn(case):
    # A path of two steps is a sample of one, read as if it had been observed, and another one.
    model, y = fitted(case, "recursive"), data_of(case)[0]
    paths = model.predict_samples(2, [y], 3, random_state=3)[0]
    first = model.predict_samples(1, [y], 3, random_state=3)[0]
    assert_array_equal(paths[:1], first)
    many = model.predict_samples(2, y, 3000, random_state=4)
    quantiles = model.predict_quantiles(2, y, LEVELS, n_samples=3000, random_state=4)
    assert_allclose(quantiles[0], np.quantile(many, LEVELS, axis=1).T[0], atol=1 + 1e-9)
    assert (np.diff(quantiles, axis=1) >= 0).all()


def test_a_path_is_a_chain():
    # With next to no spread every path is the forecast that is fed back.
    model = fitted("t", "recursive")
    b, before = model.network_.head.params["b"], model.network_.head.params["b"].copy()
    W, W_before = model.network_.head.params["W"], model.network_.head.params["W"].copy()
    W[:, 1:], b[1:] = 0, [-50, 50]
    try:
        paths = model.predict_samples(4, NUMBERS, 2, random_state=0)
        for path, expected in zip(paths, model.predict(4, NUMBERS), strict=True):
            assert_allclose(path, np.repeat(expected[:, np.newaxis], 2, axis=1), rtol=1e-4)
    finally:
        b[...], W[...] = before, W_before


@CASE
@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_streams_files_and_frames(case, strategy, tmp_path):
    model, series = fitted(case, strategy), data_of(case)
    n = 3 if strategy == "direct" else 1
    model.save(tmp_path / "model")
    loaded = fastrnn.load(tmp_path / "model")
    stream = loaded.stream(series=[y[:-1] for y in series])
    said = stream.step([y[-1] for y in series])
    for i, y in enumerate(series):
        assert_array_equal(loaded.predict(n, y), model.predict(n, y))
        if model.scaling is None:  # what the series is divided by does not change
            assert_allclose(said[i], model.predict(n, y), rtol=1e-6)
    with pytest.raises(ValueError, match="forecasts what predict does: levels must be None"):
        model.stream(levels=[0.5])


def test_streams_of_negative_binomials():
    model = make("negative binomial", scaling=None, **DIRECT)
    stream = model.stream(series=[COUNTS[0][:-2]])
    stream.step(COUNTS[0][-2])
    assert_allclose(stream.step(COUNTS[0][-1]), model.predict(3, COUNTS[0]), rtol=1e-6)


def test_series_that_are_all_zero():
    model = fitted("negative binomial", "direct")
    assert (model.predict(3, np.zeros(9)) > 0).all()
    assert np.isfinite(model.predict_samples(3, np.zeros(9), 5)).all()


@pytest.mark.parametrize("likelihood", ["poisson", "negative_binomial"])
@pytest.mark.parametrize(
    ("value", "where"), [(-1.0, 4), (0.5, 6), (np.nan, None)], ids=["negative", "half", "missing"]
)
def test_what_is_no_count(likelihood, value, where):
    series = [COUNTS[0], COUNTS[1].copy()]
    series[1][3 if where is None else where] = value
    params = SMALL | {"likelihood": likelihood, "scaling": "level", "missing": "mask"}
    if where is None:
        assert np.isfinite(plain_forecaster(**params).fit(series).predict(2)[1]).all()
        return
    message = rf"series 1 is {value} at step {where}, but likelihood='{likelihood}' needs counts"
    with pytest.raises(ValueError, match=message):
        plain_forecaster(**params).fit(series)
    with pytest.raises(ValueError, match=message):
        plain_forecaster(**params).fit(COUNTS).predict(2, series)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"likelihood": "poisson"}, "it needs scaling='level' or None, got 'difference'"),
        ({"likelihood": "poisson", "scaling": "standard"}, "got 'standard'"),
        ({"likelihood": "poisson", "scaling": "level", "log": True}, "log=False, got True"),
        ({"likelihood": "student_t", "quantiles": (0.5,)}, "are given, expected one: a likelihood"),
        ({"likelihood": "gamma"}, "likelihood must be one of"),
    ],
    ids=str,
)
def test_what_does_not_go_together(params, message):
    with pytest.raises(ValueError, match=message):
        plain_forecaster(**SMALL | params).fit(COUNTS)


def test_bad_questions():
    model = fitted("poisson", "direct")
    with pytest.raises(ValueError, match=r"levels has 1\.0, expected numbers in \(0, 1\)"):
        model.predict_quantiles(2, levels=[0.5, 1.0])
    with pytest.raises(ValueError, match="n_samples must be at least 1, got 0"):
        model.predict_samples(2, n_samples=0)
    with pytest.raises(TypeError, match="random_state must be"):
        model.predict_samples(2, random_state="seed")
    plain = plain_forecaster(**SMALL).fit(NUMBERS)
    with pytest.raises(ValueError, match="likelihood=None: it has learned no distribution"):
        plain.predict_samples(2)


@CASE
def test_early_stopping_scores_minus_the_loss(case):
    series = data_of(case)
    params = SMALL | CASES[case] | DIRECT | {"alpha": 0.0, "dtype": "float64"}
    model = plain_forecaster(**params).fit(series, validation_data=series)
    lessons = model.reader_.read(series, "float64")
    target = model.task_.encode(0, lessons, None)
    loss = model.network_.mean_loss(lessons, target.values, target.weight)
    assert_allclose(model.validation_scores_[-1], -loss, rtol=1e-12)
    stopped = plain_forecaster(**params, early_stopping=True).fit(series)
    assert stopped.best_validation_score_ == max(stopped.validation_scores_)


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    days = pandas.date_range("2024-01-01", periods=30)
    frame = pandas.DataFrame({"time": days, "value": COUNTS[0]})
    model = plain_forecaster(**SMALL | CASES["poisson"] | DIRECT).fit(frame)
    samples = model.predict_samples(2, n_samples=2, random_state=0)
    assert list(samples.columns) == ["time", "sample_1", "sample_2"]
    assert list(model.predict_quantiles(2).columns) == ["time", "q0.1", "q0.5", "q0.9"]
    expected = model.predict_samples(2, COUNTS[0], 2, random_state=0)
    assert_array_equal(samples[["sample_1", "sample_2"]], expected)


def test_covariates_are_read_along_the_paths():
    known = [np.arange(len(y) + 4.0)[:, np.newaxis] % 3 for y in COUNTS]
    now = [k[: len(y)] for k, y in zip(known, COUNTS, strict=True)]
    model = plain_forecaster(**SMALL | CASES["poisson"]).fit(COUNTS, future_covariates=now)
    samples = model.predict_samples(4, n_samples=3, random_state=0, future_covariates=known)
    assert [each.shape for each in samples] == [(4, 3)] * 3
    # Other covariates of a step change what is drawn of the next one, not before.
    other = [k.copy() for k in known]
    for k in other:
        k[-1] += 50
    changed = model.predict_samples(4, n_samples=3, random_state=0, future_covariates=other)
    for a, b in zip(samples, changed, strict=True):
        assert_array_equal(a[:3], b[:3])


def test_files_of_before_there_were_likelihoods(tmp_path):
    model = plain_forecaster(**SMALL).fit(NUMBERS)
    model.save(tmp_path / "model")
    header, record, body = take_apart((tmp_path / "model").read_bytes())
    del record["parameters"]["likelihood"], record["reader"]["plan"]["likelihood"]
    (tmp_path / "model").write_bytes(put_together(header, record, body))
    loaded = fastrnn.load(tmp_path / "model")
    assert_array_equal(loaded.predict(2)[0], model.predict(2)[0])
    record["reader"]["plan"]["likelihood"] = "poisson"
    (tmp_path / "model").write_bytes(put_together(header, record, body))
    with pytest.raises(ValueError, match="it needs scaling='level' or None"):
        fastrnn.load(tmp_path / "model")


@pytest.mark.parametrize("mean", [1e-9, 0.3, 7.0, 1e4, 1e9])
@pytest.mark.parametrize("alpha", [1e-8, 0.1, 30.0])
def test_quantiles_of_counts(mean, alpha):
    levels, one = np.array([1e-3, 0.3, 0.5, 0.99]), np.ones(1)
    law = DISTRIBUTIONS["negative_binomial"]
    found = law.quantiles(np.array([[mean, alpha]]), levels, one)[0]
    n = 1 / alpha
    exact = stats.nbinom(n, n / (n + mean)) if alpha > 1e-6 else stats.poisson(mean)
    assert_allclose(found, exact.ppf(levels), rtol=1e-6 if mean < 1e8 else 0.02)
    found = DISTRIBUTIONS["poisson"].quantiles(np.array([[mean]]), levels, one)[0]
    assert_allclose(found, stats.poisson(mean).ppf(levels), rtol=1e-12)
