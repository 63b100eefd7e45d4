"""The displays: what is drawn, where, and under which names."""

import subprocess
import sys

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNRegressor
from fastrnn.plotting import (
    AttentionDisplay,
    ForecastDisplay,
    GradientFlowDisplay,
    LossCurveDisplay,
    StateDisplay,
)

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

HISTORY = [3.0, 1.0, 4.0, 1.0, 5.0]
FORECAST = [2.0, 6.0]
LEVELS = [0.5, 0.9, 0.1, 0.75, 0.25]
QUANTILES = np.array([[2.0, 4.0, 0.0, 3.0, 1.0], [6.0, 9.0, 3.0, 7.5, 4.5]])


@pytest.fixture(autouse=True)
def plt():
    """Let each test begin without figures, and draw what it leaves."""
    plt = pytest.importorskip("matplotlib.pyplot", reason="the displays draw with matplotlib")
    plt.close("all")
    yield plt
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")


def labels(ax):
    """What the legend says."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def make_model(estimator=RNNClassifier, **params):
    """Return a fitted model, and its data: sequences of 2 to 6 steps."""
    rng = np.random.default_rng(0)
    X = [rng.standard_normal((rng.integers(2, 7), 2)) for _ in range(30)]
    y = np.array([x[:, 0].mean() > 0 for x in X])
    model = estimator(**{"hidden_layer_sizes": (5, 4), "max_iter": 3, "random_state": 0, **params})
    return model.fit(X, y), X, y


class Forecaster:
    """Stands for a forecaster: the series goes on as it ended, the quantiles around it."""

    def __init__(self, as_list=False):
        self.as_list = as_list

    def predict(self, horizon, series):
        forecast = np.full(horizon, np.ravel(series)[-1])
        return [forecast] if self.as_list else forecast

    def predict_quantiles(self, horizon, series, levels):
        rows = np.tile(np.ravel(series)[-1] + np.array(levels), (horizon, 1))
        return [rows] if self.as_list else rows


@pytest.mark.parametrize(
    "make",
    [
        lambda: LossCurveDisplay([2.0, 1.0], validation_scores=[0.5, 0.7]),
        lambda: GradientFlowDisplay([[0.1, 1.0]], ["layer 1"]),
        lambda: ForecastDisplay(HISTORY, FORECAST, quantiles=QUANTILES, levels=LEVELS),
        lambda: StateDisplay([[0.1, -0.5], [0.3, 0.4]]),
        lambda: AttentionDisplay([[0.1, 0.9], [0.6, 0.4]]),
    ],
)
def test_all_draw_where_they_are_told(make, plt):
    display = make()
    assert not hasattr(display, "ax_")
    assert display.plot() is display
    assert display.figure_.axes[0] is display.ax_
    assert len(plt.get_fignums()) == 1
    _, (left, right) = plt.subplots(1, 2)
    display.plot(right)
    assert display.ax_ is right
    assert display.figure_ is right.figure
    assert not left.has_data()
    assert len(plt.get_fignums()) == 2


@pytest.mark.parametrize("name", ["loss", "flow", "forecast", "state"])
def test_estimators_are_drawn_where_they_are_told(name, plt):
    _, ax = plt.subplots()
    model, X, y = make_model()
    if name == "loss":
        display = LossCurveDisplay.from_estimator(model, ax=ax, color="red")
        artist = display.line_
    elif name == "flow":
        display = GradientFlowDisplay.from_estimator(model, X, y, ax=ax, color="red")
        artist = display.lines_[1]
    elif name == "forecast":
        display = ForecastDisplay.from_estimator(Forecaster(), HISTORY, 2, ax=ax, color="red")
        artist = display.forecast_line_
    else:
        display = StateDisplay.from_estimator(model, X[0], ax=ax, cmap="gray")
        assert display.im_.get_cmap().name == "gray"
        artist = display.im_
    assert artist.axes is display.ax_ is ax
    if name != "state":
        assert artist.get_color() == "red"


class TestLossCurve:
    def test_of_an_estimator(self):
        model, *_ = make_model()
        display = LossCurveDisplay.from_estimator(model)
        np.testing.assert_array_equal(display.line_.get_xdata(), [1, 2, 3])
        np.testing.assert_array_equal(display.line_.get_ydata(), model.loss_curve_)
        assert display.ax_.get_xlabel() == "Epoch"
        assert display.ax_.get_ylabel() == "Training loss"
        assert labels(display.ax_) == ["Training loss"]
        assert display.validation_line_ is display.validation_ax_ is None
        assert all(tick == round(tick) for tick in display.ax_.get_xticks())

    def test_validation_scores_have_a_scale_of_their_own(self):
        model, *_ = make_model(early_stopping=True)
        display = LossCurveDisplay.from_estimator(model, name="GRU", validation_kw={"marker": "o"})
        line = display.validation_line_
        np.testing.assert_array_equal(line.get_ydata(), model.validation_scores_)
        assert line.axes is display.validation_ax_ is not display.ax_
        assert line.get_marker() == "o"
        assert display.validation_ax_.get_ylabel() == "Validation score"
        assert line.get_color() == display.line_.get_color()
        assert line.get_linestyle() != display.line_.get_linestyle()
        assert display.ax_.get_legend() is None
        expected = ["Training loss (GRU)", "Validation score (GRU)"]
        assert labels(display.validation_ax_) == expected

    def test_two_models_in_one_picture(self):
        first = LossCurveDisplay([3.0, 2.0], validation_scores=[0.1, 0.2], name="A").plot()
        second = LossCurveDisplay([4.0], validation_scores=[0.3], name="B")
        second.plot(first.ax_, validation_ax=first.validation_ax_)
        assert len(first.figure_.axes) == 2
        expected = [f"{what} ({name})" for what in ("Training loss", "Validation score")
                    for name in "AB"]  # fmt: skip
        assert labels(second.validation_ax_) == expected
        assert first.line_.get_color() != second.line_.get_color()

    def test_one_legend_where_only_the_second_has_scores(self):
        first = LossCurveDisplay([3.0, 2.0], name="A").plot()
        second = LossCurveDisplay([4.0], validation_scores=[0.3], name="B").plot(first.ax_)
        assert first.ax_.get_legend() is None
        assert labels(second.validation_ax_)[0] == "Training loss (A)"

    def test_bad_input(self):
        with pytest.raises(ValueError, match="RNNClassifier has no loss_curve_: call fit before"):
            LossCurveDisplay.from_estimator(RNNClassifier())
        with pytest.raises(ValueError, match=r"loss_curve must have shape \(n,\) and at least one"):
            LossCurveDisplay([])
        with pytest.raises(ValueError, match="validation_scores has 1 entries, expected 2"):
            LossCurveDisplay([1.0, 2.0], validation_scores=[1.0])
        with pytest.raises(TypeError, match="loss_curve must hold real numbers, got dtype <U1"):
            LossCurveDisplay(["a"])


class TestGradientFlow:
    @pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
    def test_of_an_estimator(self, estimator):
        model, X, y = make_model(estimator)
        flow = model.gradient_flow(X, y)
        end = GradientFlowDisplay.from_estimator(model, X, y)
        assert labels(end.ax_) == ["layer 1", "layer 2"]
        assert end.ax_.get_yscale() == "log"
        assert end.ax_.get_xlabel() == "Time step $t$, counted from the end"
        n_steps = max(map(len, X))
        for line, norms in zip(end.lines_, flow.from_end, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), -1 - np.arange(n_steps))
            # Zeros have no logarithm: nothing comes after the maximum of all units.
            drawn = np.where(norms > 0, norms, np.nan)
            np.testing.assert_array_equal(line.get_ydata(), drawn)
        start = GradientFlowDisplay.from_estimator(model, X, y, origin="start")
        assert start.ax_.get_xlabel() == "Time step $t$"
        for line, norms in zip(start.lines_, flow.from_start, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), np.arange(n_steps))
            drawn = np.where(norms > 0, norms, np.nan)
            np.testing.assert_array_equal(line.get_ydata(), drawn)

    def test_weights_are_used(self):
        model, X, y = make_model()
        weight = np.arange(len(X))
        display = GradientFlowDisplay.from_estimator(model, X, y, sample_weight=weight)
        expected = model.gradient_flow(X, y, weight).from_end
        np.testing.assert_array_equal(display.norms, expected)

    def test_directions_of_a_layer_share_a_colour(self):
        model, X, y = make_model(bidirectional=True)
        lines = GradientFlowDisplay.from_estimator(model, X, y).lines_
        assert len(lines) == 4
        colors = [line.get_color() for line in lines]
        assert colors[0] == colors[1] != colors[2] == colors[3]
        assert [line.get_linestyle() for line in lines] == ["-", "--", "-", "--"]

    def test_zeros_are_left_out(self):
        display = GradientFlowDisplay([[0.0, 1e-30, 1.0], [0.0, 0.0, 0.0]], ["a", "b"]).plot()
        np.testing.assert_array_equal(display.lines_[0].get_ydata(), [np.nan, 1e-30, 1.0])
        assert display.ax_.get_ylim()[0] < 1e-30
        nothing = GradientFlowDisplay([[0.0, 0.0]], ["a"]).plot()
        assert nothing.ax_.get_yscale() == "linear"

    def test_bad_input(self):
        with pytest.raises(ValueError, match="norms has 1 curves, names has 2"):
            GradientFlowDisplay([[1.0]], ["a", "b"])
        with pytest.raises(ValueError, match=r"norms must have shape \(n, m\)"):
            GradientFlowDisplay([1.0], ["a"])
        with pytest.raises(ValueError, match="origin must be 'start' or 'end', got 'middle'"):
            GradientFlowDisplay.from_estimator(None, None, None, origin="middle")
        with pytest.raises(ValueError, match="not fitted yet"):
            GradientFlowDisplay.from_estimator(RNNClassifier(), [[1.0]], [1])


class TestForecast:
    def test_lines_and_bands(self):
        display = ForecastDisplay.from_predictions(
            HISTORY, FORECAST, quantiles=QUANTILES, levels=LEVELS, truth=[3.0]
        )
        np.testing.assert_array_equal(display.history_line_.get_xydata().T, [range(5), HISTORY])
        np.testing.assert_array_equal(display.forecast_line_.get_xydata().T, [[4, 5, 6], [5, 2, 6]])
        np.testing.assert_array_equal(display.truth_line_.get_xydata().T, [[4, 5], [5, 3]])
        np.testing.assert_array_equal(display.quantile_line_.get_ydata(), [5, 2, 6])
        # Paths of the areas: their corners over each step.
        for band, low, high in zip(display.bands_, [[0, 3], [1, 4.5]], [[4, 9], [3, 7.5]],
                                   strict=True):  # fmt: skip
            corners = band.get_paths()[0].vertices
            for x, bounds in zip((5, 6), zip(low, high, strict=True), strict=True):
                y = corners[corners[:, 0] == x, 1]
                assert (y.min(), y.max()) == bounds
        assert labels(display.ax_) == [
            "History", "Forecast", "Quantiles 10 to 90 %", "Quantiles 25 to 75 %", "Median",
            "Truth",
        ]  # fmt: skip
        outer, inner = (band.get_alpha() for band in display.bands_)
        assert inner > outer
        assert display.ax_.get_xlabel() == "Time step"

    def test_the_forecast_alone(self):
        display = ForecastDisplay.from_predictions(HISTORY, FORECAST)
        assert display.bands_ == []
        assert display.quantile_line_ is display.truth_line_ is None
        assert labels(display.ax_) == ["History", "Forecast"]

    def test_one_level(self):
        display = ForecastDisplay(HISTORY, FORECAST, quantiles=[[1.0], [2.0]], levels=[0.975])
        assert labels(display.plot().ax_)[-1] == "Quantile 97.5 %"
        assert display.bands_ == []

    @pytest.mark.parametrize(("max_history", "first"), [(None, 0), (2, 3), (99, 0)])
    def test_the_last_of_the_history(self, max_history, first):
        display = ForecastDisplay(HISTORY, FORECAST).plot(max_history=max_history)
        np.testing.assert_array_equal(display.history_line_.get_xdata(), range(first, 5))
        np.testing.assert_array_equal(display.history_line_.get_ydata(), HISTORY[first:])
        assert display.forecast_line_.get_xdata()[-1] == 6

    def test_gaps_in_the_history(self):
        display = ForecastDisplay([1.0, np.nan, 2.0], [3.0]).plot()
        np.testing.assert_array_equal(display.history_line_.get_ydata(), [1, np.nan, 2])

    @pytest.mark.parametrize("as_list", [False, True])
    @pytest.mark.parametrize("series", [HISTORY, np.array(HISTORY)[:, np.newaxis]])
    def test_of_an_estimator(self, as_list, series):
        display = ForecastDisplay.from_estimator(
            Forecaster(as_list), series, 3, levels=(0.9, 0.1), truth=[4.0], max_history=2
        )
        np.testing.assert_array_equal(display.history_line_.get_ydata(), [1, 5])
        np.testing.assert_array_equal(display.forecast_line_.get_ydata(), [5, 5, 5, 5])
        np.testing.assert_allclose(display.quantiles, [[5.1, 5.9]] * 3)
        np.testing.assert_array_equal(display.levels, [0.1, 0.9])
        np.testing.assert_array_equal(display.truth_line_.get_ydata(), [5, 4])
        without = ForecastDisplay.from_estimator(Forecaster(as_list), series, 3)
        assert without.bands_ == []

    def test_many_series_are_refused(self):
        with pytest.raises(ValueError, match=r"one series of shape \(n,\) or \(n, 1\), got \(2, 3"):
            ForecastDisplay.from_estimator(Forecaster(), np.zeros((2, 3)), 3)
        forecaster = Forecaster()
        forecaster.predict = lambda horizon, series: [np.zeros(horizon)] * 2
        with pytest.raises(ValueError, match="predict returned 2 forecasts"):
            ForecastDisplay.from_estimator(forecaster, HISTORY, 3)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"quantiles": QUANTILES}, "belong together"),
            ({"levels": LEVELS}, "belong together"),
            ({"quantiles": QUANTILES, "levels": [0.5]}, r"shape \(2, 1\), .* got \(2, 5\)"),
            ({"quantiles": QUANTILES, "levels": [0.1, 0.2, 0.3, 0.4, 1.0]}, "between 0 and 1"),
            ({"quantiles": QUANTILES, "levels": [0.1, 0.2, 0.3, 0.4, 0.1]}, "different numbers"),
            ({"truth": [1, 2, 3]}, "truth has 3 steps, more than the 2 of the forecast"),
            ({"forecast": []}, r"forecast must have shape \(n,\) and at least one entry"),
            ({"history": [[1.0]]}, r"history must have shape \(n,\).* got \(1, 1\)"),
            ({"max_history": 0}, "max_history must be at least 1, got 0"),
        ],
    )
    def test_bad_input(self, options, message):
        arguments = {"history": HISTORY, "forecast": FORECAST, **options}
        with pytest.raises(ValueError, match=message):
            ForecastDisplay.from_predictions(**arguments)


class TestStates:
    @pytest.mark.parametrize("bidirectional", [False, True])
    def test_of_an_estimator(self, bidirectional):
        model, X, _ = make_model(bidirectional=bidirectional)
        display = StateDisplay.from_estimator(model, X[3])
        states = model.hidden_states(X)[3]
        np.testing.assert_allclose(display.im_.get_array(), states.T, rtol=1e-5, atol=1e-7)
        low, high = display.im_.get_clim()
        assert high == -low == pytest.approx(np.abs(states).max(), rel=1e-5)
        assert display.ax_.get_xlabel() == "Time step"
        assert display.colorbar_.ax.get_ylabel() == "State"
        # Step 0 on the left, unit 0 below.
        np.testing.assert_array_equal(display.ax_.get_xlim(), [-0.5, len(states) - 0.5])
        np.testing.assert_array_equal(display.ax_.get_ylim(), [-0.5, states.shape[1] - 0.5])
        borders = [line.get_ydata()[0] for line in display.ax_.get_lines()]
        assert borders == ([3.5] if bidirectional else [])
        assert display.ax_.get_ylabel().endswith("(forward, backward)") == bidirectional

    def test_without_colorbar(self):
        display = StateDisplay([[0.0, 0.0]]).plot(colorbar=False, vmin=0)
        assert display.colorbar_ is None
        assert len(display.figure_.axes) == 1
        assert display.im_.get_clim() == (0, 1)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="2 for an even number of units, got 2 for 3"):
            StateDisplay(np.zeros((4, 3)), n_directions=2)
        with pytest.raises(ValueError, match=r"states must have shape \(n, m\)"):
            StateDisplay(np.zeros(4))
        model, *_ = make_model()
        with pytest.raises(ValueError, match=r"sequence 0 has shape \(1, 4, 2\)"):
            StateDisplay.from_estimator(model, np.zeros((1, 4, 2)))


class Speller:
    """Stands for a model with attention: it says a sequence backward, and looks where it reads."""

    encoder_ = None

    def predict(self, X):
        return [list(reversed(x)) for x in X]

    def attention_weights(self, X, y):
        return [np.eye(len(labels) + 1, len(x))[::-1] for x, labels in zip(X, y, strict=True)]


class TestAttention:
    def test_of_what_is_predicted(self):
        display = AttentionDisplay.from_estimator(Speller(), "abc")
        np.testing.assert_array_equal(display.im_.get_array(), np.eye(4, 3)[::-1])
        assert display.im_.get_clim() == (0, 1)
        names = [text.get_text() for text in display.ax_.get_yticklabels()]
        assert names == ["c", "b", "a", "(end)"]
        assert [text.get_text() for text in display.ax_.get_xticklabels()] == ["a", "b", "c"]
        assert display.colorbar_.ax.get_ylabel() == "Weight"
        # The first label is above.
        np.testing.assert_array_equal(display.ax_.get_ylim(), [3.5, -0.5])

    def test_of_what_is_given(self):
        display = AttentionDisplay.from_estimator(Speller(), [[0.5], [0.1]], ["x"], colorbar=False)
        assert display.weights.shape == (2, 2)
        assert display.labels == ["x", "(end)"]
        assert display.source is None
        assert display.colorbar_ is None

    def test_bad_input(self):
        with pytest.raises(ValueError, match=r"source has 1 entries, .* for 2 steps"):
            AttentionDisplay(np.ones((3, 2)), source="a")
        with pytest.raises(ValueError, match=r"labels has 1 entries, .* for 3 labels"):
            AttentionDisplay(np.ones((3, 2)), labels="a")
        with pytest.raises(ValueError, match=r"weights must have shape \(n, m\)"):
            AttentionDisplay(np.ones(3))


@pytest.mark.parametrize(
    "display",
    [
        "LossCurveDisplay([1.0])",
        "GradientFlowDisplay([[1.0]], ['a'])",
        "ForecastDisplay([1.0], [2.0])",
        "StateDisplay([[1.0]])",
        "AttentionDisplay([[1.0]])",
    ],
)
def test_without_matplotlib_there_is_advice(display):
    program = (
        "import sys; sys.modules['matplotlib'] = None; from fastrnn.plotting import *; "
        f"display = {display}; display.plot()"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "ImportError: fastrnn.plotting draws with matplotlib" in run.stderr.splitlines()[-1]
    assert 'pip install "fastrnn[plot]"' in run.stderr
