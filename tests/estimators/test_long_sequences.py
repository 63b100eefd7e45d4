"""stride= and conv= of estimators: what "auto" stands for, and all that a fitted model does."""

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNForecaster, RNNRegressor, RNNTagger, load
from fastrnn.estimators.long_sequences import choose
from fastrnn.inspection import permutation_importance
from fastrnn.plotting import GradientFlowDisplay

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

LENGTHS = (130, 1, 90, 47, 200, 88, 3, 90)
SMALL = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}
FRONT = {"stride": 2, "conv": ((4, 5, 2), (3, 4, 3))}
FRONTS = pytest.mark.parametrize(
    "front",
    [{"stride": 3, "conv": None}, {"stride": 1, "conv": [[4, 5, 2]]}, FRONT],
    ids=["stride", "conv", "both"],
)
ESTIMATORS = pytest.mark.parametrize("cls", [RNNClassifier, RNNRegressor, RNNTagger])


def make(cls=RNNClassifier, lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, 2)) for n in lengths]
    if cls is RNNTagger:
        return X, [np.arange(n) % 2 for n in lengths]
    return X, np.arange(len(X)) % 2


def front_of(model):
    architecture = model.network_.architecture
    return architecture.stride, architecture.conv


TWO = ((8, 9, 2), (8, 5, 2))


@pytest.mark.parametrize(
    ("median", "stride", "conv", "expected"),
    [
        (1, "auto", "auto", (1, ((64, 5, 1),))),
        (39, "auto", "auto", (1, ((64, 5, 1),))),
        (40, "auto", "auto", (1, ((64, 9, 1), (64, 9, 1)))),
        (100, "auto", "auto", (1, ((64, 9, 1), (64, 9, 2)))),
        (200, "auto", "auto", (1, ((64, 17, 2), (64, 9, 2)))),
        (500, "auto", "auto", (1, ((64, 41, 5), (64, 9, 2)))),
        (500, 5, "auto", (5, ((64, 9, 1), (64, 9, 2)))),
        (500, 1, "auto", (1, ((64, 41, 5), (64, 9, 2)))),
        (500, "auto", (), (10, ())),
        (500, "auto", TWO, (2, TWO)),
        (3, "auto", TWO, (1, TWO)),
        (500, 7, (), (7, ())),
    ],
)
def test_the_rule(median, stride, conv, expected):
    assert choose([1, median, 10**6], stride, conv) == expected


@pytest.mark.parametrize("median", [45, 80, 333, 1000, 5000])
def test_about_fifty_steps_are_left(median):
    stride, conv = choose([median], "auto", "auto")
    assert 30 < median / (stride * np.prod([one[2] for one in conv])) < 80


def test_auto_is_learned_in_the_first_call():
    X, y = make()
    model = RNNClassifier(stride="auto", conv=((3, 4, 1),), warm_start=True, **SMALL).fit(X, y)
    assert front_of(model) == (2, ((3, 4, 1),))
    longer = [np.repeat(x, 9, axis=0) for x in X]
    model.fit(longer, y).partial_fit(longer, y)
    assert front_of(model) == (2, ((3, 4, 1),))
    assert front_of(model.set_params(warm_start=False).fit(longer, y)) == (16, ((3, 4, 1),))


def test_a_tagger_reads_every_step_by_itself():
    model = RNNTagger(stride="auto", conv="auto", **SMALL).fit(*make(RNNTagger))
    assert front_of(model) == (1, ())


@pytest.mark.parametrize("front", [{"stride": 2}, {"conv": ((3, 2, 1),)}])
def test_decays_are_of_steps_that_the_first_layer_reads(front):
    X, y = make()
    model = RNNClassifier(missing="decay", stride="auto", conv="auto", **SMALL).fit(X, y)
    assert front_of(model) == (1, ())
    before = model.network_.theta.copy()
    with pytest.raises(ValueError, match="missing='decay' needs stride=1 and conv=None, got"):
        model.set_params(**front).fit(X, y)
    np.testing.assert_array_equal(model.network_.theta, before)


def test_training_that_goes_on_needs_the_same():
    X, y = make()
    model = RNNClassifier(warm_start=True, **SMALL, **FRONT).fit(X, y)
    with pytest.raises(ValueError, match=r"warm_start=True goes on.*stride=2, not 3"):
        model.set_params(stride=3).fit(X, y)
    with pytest.raises(ValueError, match="partial_fit goes on from the fitted model, which has c"):
        model.set_params(stride=2, conv=None).partial_fit(X, y)


@FRONTS
@ESTIMATORS
def test_files(cls, front, tmp_path):
    X, y = make(cls)
    model = cls(**SMALL, **front).fit(X, y)
    model.save(tmp_path / "model.fastrnn")
    again = load(tmp_path / "model.fastrnn")
    assert front_of(again) == front_of(model)
    for said, expected in zip(again.predict(X), model.predict(X), strict=True):
        np.testing.assert_array_equal(said, expected)
    if cls is RNNTagger:
        assert [len(rows) for rows in again.predict(X)] == list(LENGTHS)
    again.partial_fit(X, y)


@FRONTS
def test_the_steps_that_layers_read(front):
    X, y = make()
    model = RNNClassifier(bidirectional=True, **SMALL, **front).fit(X, y)
    total = model.network_.architecture.total_stride
    lengths = [-(-n // total) for n in LENGTHS]
    states = model.hidden_states(X)
    assert [rows.shape for rows in states] == [(n, 8) for n in lengths]
    alone = model.hidden_states(X[4:5])[0]
    np.testing.assert_allclose(states[4], alone, atol=1e-6, rtol=0)
    flow = model.gradient_flow(X, y)
    assert [norms.shape for norms in flow.norms] == [(2, n) for n in lengths]
    alone = model.gradient_flow(X[4:5], y[4:5]).norms[0]
    np.testing.assert_allclose(flow.norms[4], alone, rtol=1e-3)


def test_the_plot_of_gradient_flow_counts_them():
    pytest.importorskip("matplotlib")
    X, y = make()
    model = RNNClassifier(**SMALL, stride=3, conv=None).fit(X, y)
    display = GradientFlowDisplay.from_estimator(model, X, y)
    assert len(display.lines_[0].get_xdata()) == -(-200 // 3)


@FRONTS
def test_gradients_of_inputs_are_of_every_step(front):
    X, y = make()
    model = RNNRegressor(dtype="float64", **SMALL, **front).fit(X, y)
    gradients = model.input_gradients(X)
    for n, t, j in ((0, 129, 0), (3, 20, 1), (1, 0, 1)):
        sides = []
        for step in (1e-6, -1e-6):
            x = X[n].copy()
            x[t, j] += step
            sides.append(model.predict([x])[0])
        assert gradients[n][t, j] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-8)


def test_importance():
    X, y = make()
    model = RNNClassifier(**SMALL, **FRONT).fit(X, y)
    assert permutation_importance(model, X, y, n_repeats=2).importances.shape == (2, 2)


def test_a_forecaster_has_none():
    assert not {"stride", "conv"} & set(RNNForecaster().get_params())
