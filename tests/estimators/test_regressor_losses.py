"""RNNRegressor with other losses than the squared error: quantiles, and the Poisson deviance."""

import warnings

import numpy as np
import pytest
from contract import PLAIN, draw_sequences, number_sequences
from fuzz_files import put_together, take_apart
from numpy.testing import assert_allclose, assert_array_equal

import fastrnn
from fastrnn import RNNRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

LEVELS = (0.1, 0.5, 0.8)
SMALL = {"hidden_layer_sizes": 5, "max_iter": 2, "random_state": 0, "dtype": "float64", **PLAIN}
SMALL |= {"batch_size": 200}
X = draw_sequences(30)
COUNTS = np.random.default_rng(3).poisson(20.0, size=(30, 2)).astype(float)


def shaken(model):
    """A fitted model with weights that make large outputs, in no order."""
    model.network_.theta[...] = np.random.default_rng(5).normal(size=len(model.network_.theta))
    return model


@pytest.fixture(scope="module")
def quantiles():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return shaken(RNNRegressor(**SMALL, loss="quantile", quantile=LEVELS).fit(X, COUNTS))


@pytest.fixture(scope="module")
def amounts():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RNNRegressor(**SMALL, loss="poisson").fit(X, COUNTS)


def outputs_of(model):
    return model.network_.predict(model.reader_.read(X, "float64"))


def test_quantiles_do_not_cross(quantiles):
    said = outputs_of(quantiles).reshape(30, 2, 3)
    assert (np.diff(said, axis=2) < 0).any()
    scale, mean = quantiles.y_scale_[:, np.newaxis], quantiles.y_mean_[:, np.newaxis]
    expected = np.sort(said, axis=2) * scale + mean
    assert_allclose(quantiles.predict_quantiles(X), expected, rtol=1e-12)
    assert_array_equal(quantiles.predict(X), expected[:, :, 1])
    between = quantiles.predict_quantiles(X, [0.3, 0.74, 0.1])
    assert_allclose(between[:, :, 0], expected[:, :, :2].mean(axis=2))
    assert_allclose(between[:, :, 1], expected[:, :, 1:] @ [0.2, 0.8])
    assert_array_equal(between[:, :, 2], expected[:, :, 0])


def test_streams_say_the_median(quantiles):
    stream = quantiles.stream()
    for t, x_t in enumerate(X[4]):
        assert_allclose(stream.step(x_t), quantiles.predict([X[4][: t + 1]])[0], rtol=1e-9)


def test_a_single_quantile():
    y = COUNTS[:, 0]
    model = shaken(RNNRegressor(**SMALL, loss="quantile", quantile=0.8).fit(X, y))
    assert model.predict(X).shape == (30,)
    assert_array_equal(model.predict_quantiles(X), model.predict(X)[:, np.newaxis])
    assert_array_equal(model.predict_quantiles(X, [0.8]), model.predict_quantiles(X))
    with pytest.raises(ValueError, match=r"levels has 0\.5, but the model has learned quantiles"):
        model.predict_quantiles(X, [0.5])
    assert_allclose(model.stream().step(X[0][0]), model.predict([X[0][:1]])[0], rtol=1e-9)


def test_the_loss_is_that_of_quantiles(quantiles):
    # As `fastrnn.kernels.losses` has it, and the forecaster.
    y = (COUNTS - quantiles.y_mean_) / quantiles.y_scale_
    below = y[:, :, np.newaxis] - outputs_of(quantiles).reshape(30, 2, 3)
    expected = np.maximum(LEVELS * below, (np.array(LEVELS) - 1) * below).mean()
    model = RNNRegressor(**SMALL | {"max_iter": 1}, alpha=0.0, loss="quantile", quantile=LEVELS)
    model.partial_fit(X, COUNTS)
    model.network_.theta[...] = quantiles.network_.theta
    assert_allclose(model.partial_fit(X, COUNTS).loss_curve_[-1], expected, rtol=1e-12)


def test_poisson_means_are_rates_of_the_mean(amounts):
    assert_array_equal(amounts.y_mean_, 0)
    assert_allclose(amounts.y_scale_, COUNTS.mean(axis=0))
    sequences = amounts.reader_.read(X, "float64")
    assert_array_equal(amounts.predict(X), amounts.network_.predict(sequences) * amounts.y_scale_)
    assert (amounts.predict(X) > 0).all()
    large = RNNRegressor(**SMALL, loss="poisson").fit(X, COUNTS * [1e-3, 1e6])
    assert_allclose(large.predict(X), amounts.predict(X) * [1e-3, 1e6], rtol=1e-9)
    error = ((amounts.predict(X) - COUNTS) ** 2).sum(axis=0) / (30 * COUNTS.var(axis=0))
    assert_allclose(amounts.score(X, COUNTS), (1 - error).mean())


@pytest.mark.parametrize("where", ["fit", "partial_fit", "validation_data", "weight 0"])
def test_negative_amounts(where):
    y = COUNTS[:, 0].copy()
    y[7] = -2.5
    model, weight = RNNRegressor(**SMALL, loss="poisson"), None
    if where == "partial_fit":
        model.fit(X, COUNTS[:, 0])
    if where == "weight 0":
        weight = (y > 0).astype(float)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"loss='poisson' needs y >= 0, but sequence 7 has -2\.5"):
        if where == "validation_data":
            model.fit(X, COUNTS[:, 0], validation_data=(X, y))
        elif where == "partial_fit":
            model.partial_fit(X, y)
        else:
            model.fit(X, y, sample_weight=weight)
    assert vars(model).keys() == before.keys()


def test_amounts_that_are_all_zero():
    model = RNNRegressor(**SMALL, loss="poisson").fit(X, np.zeros(30))
    assert model.y_scale_ == 1
    assert (model.predict(X) > 0).all()


@pytest.mark.parametrize(
    "params", [{"loss": "poisson"}, {"loss": "quantile", "quantile": LEVELS}], ids=str
)
def test_weights_count_as_copies(params):
    small = SMALL | params | {"solver": "lbfgs", "max_iter": 3}
    weight = np.random.default_rng(0).integers(0, 3, 30)
    weighted = RNNRegressor(**small).fit(X, COUNTS, sample_weight=weight)
    copies = np.repeat(np.arange(30), weight)
    copied = RNNRegressor(**small).fit([X[i] for i in copies], COUNTS[copies])
    assert_allclose(weighted.predict(X), copied.predict(X), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Training has learned nothing")
def test_what_is_learned_of_constant_sequences():
    # Nothing but a bias can tell them apart: it is the mean, and the quantile.
    same, y = [np.zeros((1, 1))] * 99, np.arange(99.0) ** 1.5
    params = {"hidden_layer_sizes": 1, "random_state": 0, "alpha": 0.0, "dtype": "float64"}
    params |= {"dropout": 0.0, "conv": None}
    mean = RNNRegressor(**params, loss="poisson", solver="lbfgs", max_iter=30).fit(same, y)
    assert_allclose(mean.predict(same[:1]), y.mean(), rtol=1e-4)
    model = RNNRegressor(
        **params, loss="quantile", quantile=(0.2, 0.5, 0.9), learning_rate="cosine",
        learning_rate_init=0.02, batch_size=10, max_iter=80,
    )  # fmt: skip
    expected = np.quantile(y, [0.2, 0.5, 0.9])
    model.fit(same, y)
    assert_allclose(model.predict_quantiles(same[:1])[0], expected, atol=0.02 * y.max())


@pytest.mark.parametrize("params", [{"loss": "poisson"}, {"loss": "quantile", "quantile": 0.7}])
def test_early_stopping_scores_minus_the_loss(params):
    model = RNNRegressor(**SMALL | {"max_iter": 3}, alpha=0.0, **params)
    model.fit(X, COUNTS, validation_data=(X, COUNTS), sample_weight=np.arange(30) % 2)
    target = model.task_.encode(COUNTS, model.reader_.read(X, "float64"), None)
    loss = model.network_.mean_loss(model.reader_.read(X, "float64"), target.values, target.weight)
    assert_allclose(model.validation_scores_[-1], -loss, rtol=1e-12)
    stopped = RNNRegressor(**SMALL, early_stopping=True, **params).fit(X, COUNTS)
    assert stopped.best_validation_score_ == max(stopped.validation_scores_)


def test_gradients_of_inputs_are_those_of_predictions(amounts):
    x = [X[2]]
    gradient, step = amounts.input_gradients(x, output=1)[0], 1e-6
    for place in np.ndindex(x[0].shape):
        sides = [x[0].copy() for _ in range(2)]
        sides[0][place] += step
        sides[1][place] -= step
        above, below = amounts.predict(sides)[:, 1]
        assert_allclose(gradient[place], (above - below) / (2 * step), rtol=1e-5, atol=1e-6)


def test_losses_that_do_not_go_on_from_others():
    model = RNNRegressor(**SMALL, warm_start=True).fit(X, COUNTS)
    with pytest.raises(ValueError, match="loss='squared_error': fit it with loss='quantile' to"):
        model.predict_quantiles(X)
    message = (
        "warm_start=True goes on from the fitted model, which has loss='squared_error', not 'p"
    )
    with pytest.raises(ValueError, match=message):
        model.set_params(loss="poisson").fit(X, COUNTS)
    model.set_params(loss="quantile")
    with pytest.raises(ValueError, match="partial_fit goes on from the fitted model, which has l"):
        model.partial_fit(X, COUNTS)
    model.set_params(quantile=0.2, warm_start=False).fit(X, COUNTS)
    with pytest.raises(ValueError, match=r"has the levels of quantile=\(0\.2,\), not \(0\.5,\)"):
        model.set_params(quantile=0.5).partial_fit(X, COUNTS)


@pytest.mark.parametrize(
    ("quantile", "message"),
    [
        (0.0, "a number in"), (1.0, "a number in"), ((0.1, 0.4), "the last >= 0.5"),
        ((0.5, 0.5), "rising"), ((), "rising"), ([[0.5]], "rising"), (np.nan, "a number in"),
    ],
)  # fmt: skip
def test_bad_levels(quantile, message):
    with pytest.raises(ValueError, match=f"quantile must be .*{message}"):
        RNNRegressor(**SMALL, loss="quantile", quantile=quantile).fit(X, COUNTS)


def test_a_quantile_that_is_not_used_is_ignored():
    X, y = number_sequences(20)
    models = [RNNRegressor(**SMALL, quantile=level).fit(X, y) for level in (0.5, (0.1, 0.9))]
    assert_array_equal(models[0].predict(X), models[1].predict(X))


def test_files(quantiles, amounts, tmp_path):
    for model in (quantiles, amounts):
        model.save(tmp_path / "model")
        loaded = fastrnn.load(tmp_path / "model")
        assert_array_equal(loaded.predict(X), model.predict(X))
        assert loaded.get_params() == model.get_params()
    assert_array_equal(
        fastrnn.load(tmp_path / "model").stream().step(X[0][0]), amounts.stream().step(X[0][0])
    )


def test_files_of_before_there_were_losses(tmp_path):
    model = RNNRegressor(**SMALL).fit(X, COUNTS)
    model.save(tmp_path / "model")
    header, record, body = take_apart((tmp_path / "model").read_bytes())
    for name in ("loss", "quantile"):
        del record["parameters"][name]
    for name in ("loss", "levels"):
        del record["task"][name]
    (tmp_path / "model").write_bytes(put_together(header, record, body))
    assert_array_equal(fastrnn.load(tmp_path / "model").predict(X), model.predict(X))


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "quantile"}, {"levels": [0.5]}, {"loss": "poisson"}, {"loss": "absolute"},
        {"loss": "quantile", "levels": [0.5]},
    ],
    ids=str,
)  # fmt: skip
def test_damaged_files(change, tmp_path):
    RNNRegressor(**SMALL).fit(X, COUNTS).save(tmp_path / "model")
    header, record, body = take_apart((tmp_path / "model").read_bytes())
    record["task"] |= change
    (tmp_path / "model").write_bytes(put_together(header, record, body))
    with pytest.raises(ValueError, match=r"task|loss|levels|the network has"):
        fastrnn.load(tmp_path / "model")
