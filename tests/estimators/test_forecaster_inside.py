"""Looking into a forecaster: states and gradients, with covariates of every kind."""

import numpy as np
import pytest
from contract import plain_forecaster
from numpy.testing import assert_allclose, assert_array_equal

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

LENGTHS = (12, 17, 9)
KINDS = ["none", "future", "past", "both", "ids"]
WEIGHT = [1.0, 0.0, 2.0]


def make(kind, strategy="direct", ahead=0):
    """Return an estimator, series, and their covariates of this kind."""
    rng = np.random.default_rng(0)
    series = [np.cumsum(rng.standard_normal(n)) for n in LENGTHS]
    future = [rng.standard_normal((n + ahead, 2)) for n in LENGTHS]
    past = [rng.standard_normal((n, 1)) for n in LENGTHS]
    params = {"horizon": 2} if strategy == "direct" else {}
    if kind == "ids":
        for table in future:
            table[:, 0] = rng.integers(4, size=len(table))
            table[:4, 0] = range(4)
        params["categorical_features"] = [0]
    covariates = {"future_covariates": future, "past_covariates": past}
    wanted = {"none": [], "future": ["future"], "past": ["past"], "both": ["future", "past"]}
    names = [f"{name}_covariates" for name in wanted.get(kind, ["future"])]
    model = plain_forecaster(
        4, strategy=strategy, max_iter=2, dtype="float64", random_state=0, **params
    )
    return model, series, {name: covariates[name] for name in names}


CASES = pytest.mark.parametrize(
    ("kind", "strategy"),
    [(kind, "direct") for kind in KINDS]
    + [(kind, "recursive") for kind in KINDS if kind not in ("past", "both")],
)


@CASES
def test_states(kind, strategy):
    model, series, covariates = make(kind, strategy)
    final = model.fit_transform(series, **covariates)
    states = model.hidden_states(series, **covariates)
    assert [part.shape for part in states] == [(n, 4) for n in LENGTHS]
    assert_array_equal(final, [part[-1] for part in states])
    assert_array_equal(model.transform(series, **covariates), final)
    one = {name: [parts[1]] for name, parts in covariates.items()}
    assert_allclose(model.transform([series[1]], **one), final[1:2], rtol=1e-12)
    single = {name: parts[1] for name, parts in covariates.items()}
    assert_allclose(model.transform(series[1], **single), final[1:2], rtol=1e-12)


@CASES
def test_they_depend_on_the_covariates(kind, strategy):
    model, series, covariates = make(kind, strategy)
    before = model.fit(series, **covariates).hidden_states(series, **covariates)
    for name in covariates:
        changed = {key: [part.copy() for part in parts] for key, parts in covariates.items()}
        changed[name][1][5:] += 1 - 4 * (changed[name][1][5:] == 3)
        after = model.hidden_states(series, **changed)
        first = 5 if name == "past_covariates" else 5 - (2 if strategy == "direct" else 1)
        assert_array_equal(after[1][:first], before[1][:first])
        assert (after[1][first] != before[1][first]).any()
        assert_array_equal(after[0], before[0])


@CASES
def test_gradient_flow(kind, strategy):
    model, series, covariates = make(kind, strategy)
    model.fit(series, **covariates)
    flow = model.gradient_flow(series, sample_weight=WEIGHT, **covariates)
    assert [norms.shape for norms in flow.norms] == [(1, n) for n in LENGTHS]
    assert (flow.norms[0][:, :-2] > 0).all()
    assert flow.weight[1] == 0 < flow.weight[0] < flow.weight[2] * 2
    one = {name: parts[2] for name, parts in covariates.items()}
    assert_allclose(model.gradient_flow(series[2], **one).norms[0], flow.norms[2], rtol=1e-9)


@CASES
def test_input_gradients_by_differences(kind, strategy):
    model, series, covariates = make(kind, strategy)
    model.set_params(scaling=None).fit(series, **covariates)  # values are read as they are
    output = 1 if strategy == "direct" else 0
    gradients = model.input_gradients(series, output=output, **covariates)
    n_ahead = 2 if strategy == "direct" else 1
    n_past = 1 if "past_covariates" in covariates else 0
    n_future = 2 if "future_covariates" in covariates else 0
    n_numbers = n_future - (kind == "ids")
    assert [part.shape for part in gradients] == [
        (n, 1 + n_past + n_ahead * n_numbers) for n in LENGTHS
    ]

    def total(series, covariates):
        """The sum over all steps of what is forecast so far ahead from each."""
        value = 0.0
        for t in range(1, len(series)):
            given = {"series": [series[: t + 1]]}
            for name, (part,) in covariates.items():
                given[name] = [part[: t + 1 + (n_ahead if name == "future_covariates" else 0)]]
            value += model.predict(output + 1, **given)[0][output]
        return value

    # Change one value, beyond the first two, which a series of two has.
    longer = {
        name: [np.vstack([parts[0], np.ones((n_ahead, parts[0].shape[1]))])]
        if name == "future_covariates"
        else parts[:1]
        for name, parts in covariates.items()
    }
    at = model.input_gradients(series[:1], output=output, **longer)[0]
    for t in (3, 11):
        step = 1e-5
        up, down = series[0].copy(), series[0].copy()
        up[t] += step
        down[t] -= step
        difference = (total(up, longer) - total(down, longer)) / (2 * step)
        assert at[t, 0] == pytest.approx(difference, rel=1e-5, abs=1e-9)


def test_frames_have_theirs():
    pandas = pytest.importorskip("pandas")
    model, series, covariates = make("both")
    tables = [
        pandas.DataFrame(
            {"id": i, "time": range(n), "value": y, "f": f[:, 0], "g": f[:, 1], "p": p}
        )
        for i, n, y, f, (p,) in zip(
            range(3), LENGTHS, series, covariates["future_covariates"],
            [part.T for part in covariates["past_covariates"]], strict=True,
        )
    ]  # fmt: skip
    frame = pandas.concat(tables)
    expected = model.fit_transform(series, **covariates)
    names = {"future_covariates": ["f", "g"], "past_covariates": ["p"]}
    assert_array_equal(model.fit_transform(frame, **names), expected)
    assert_array_equal(model.transform(frame), expected)
    assert len(model.gradient_flow(frame).norms) == len(model.input_gradients(frame, output=0)) == 3
    with pytest.raises(TypeError, match="covariates beside a data frame"):
        model.transform(frame, past_covariates=["p"])


@pytest.mark.parametrize("method", ["transform", "hidden_states", "gradient_flow"])
def test_bad_covariates(method):
    model, series, covariates = make("both")
    call = getattr(model, method)
    with pytest.raises(ValueError, match="not fitted yet"):
        call(series)
    model.fit(series, **covariates)
    with pytest.raises(ValueError, match="covariates"):
        call(series)
    with pytest.raises(ValueError, match="past_covariates"):
        call(series, **{**covariates, "past_covariates": [part[1:] for part in series]})
    with pytest.raises(ValueError, match="y must be None"):
        model.input_gradients(series, series, output=0, **covariates)
    with pytest.raises(ValueError, match="y must be None"):
        model.gradient_flow(series, 3, **covariates)
    with pytest.raises(ValueError, match="y must be None"):
        model.fit_transform(series, series, **covariates)
