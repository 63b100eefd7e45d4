"""Scales of the numbers of steps: what is learned is what scikit-learn learns of all steps."""

import numpy as np
import pytest

from fastrnn.files import ModelFileError
from fastrnn.files.codec import Place
from fastrnn.inputs import sequences as reading
from fastrnn.inputs.column_scaling import METHODS, NO_SCALING, SCALING, Scaling, center_and_factor
from fastrnn.inputs.sequences import as_sequences

NAN = np.nan
ALL = pytest.mark.parametrize("method", METHODS)


def draw():
    rng = np.random.default_rng(0)
    return [rng.normal([3, -50, 1e-4], [1, 20, 1e-5], size=(n, 3)) for n in (5, 1, 9, 4)]


def learn(X, method, weight=None, **options):
    scaling = Scaling(method)
    return as_sequences(X, "float64", scaling=scaling, weigh=lambda _: weight, **options)


def of_sklearn(method):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    return {
        "standard": preprocessing.StandardScaler,
        "robust": preprocessing.RobustScaler,
        "minmax": preprocessing.MinMaxScaler,
    }[method]()


@ALL
@pytest.mark.parametrize("share", [0, 0.3], ids=["whole", "gaps"])
def test_as_scikit_learn_scales_all_steps(method, share):
    X = draw()
    for x in X:
        x[np.random.default_rng(1).random(x.shape) < share] = NAN
    steps = np.concatenate(X)
    expected = of_sklearn(method).fit_transform(steps)
    sequences = learn(X, method, allow_nan=True)
    np.testing.assert_allclose(sequences.values, expected, rtol=1e-9, atol=1e-12)
    again = as_sequences(X[2:], "float64", scaling=sequences.scaling, allow_nan=True)
    np.testing.assert_array_equal(again.values, sequences.values[6:])


def test_weights_count_as_in_scikit_learn():
    X, weight = draw(), np.arange(19.0) % 4
    steps = np.concatenate(X)
    expected = of_sklearn("standard").fit(steps, sample_weight=weight)
    scaling = learn(X, "standard", weight).scaling
    np.testing.assert_allclose(scaling.center, expected.mean_, rtol=1e-12)
    np.testing.assert_allclose(scaling.factor, expected.scale_, rtol=1e-12)
    large = learn(X, "standard", weight * 1e300).scaling
    np.testing.assert_allclose(large.factor, scaling.factor, rtol=1e-12)
    for same in (np.full(19, 0.3), np.full(19, 1e-300)):
        assert learn(X, "standard", same).scaling == learn(X, "standard").scaling


@ALL
def test_steps_of_no_weight_count_for_nothing(method):
    X, weight = draw(), np.repeat([1.0, 0, 1, 0], [5, 1, 9, 4])
    X[1][0, 1], X[3][0, 0] = NAN, NAN
    X[1][0, 0], X[3] = 1e9, X[3] * 1e9
    got = learn(X, method, weight, allow_nan=True).scaling
    assert got == learn(X[::2], method).scaling


@ALL
def test_weights_of_what_is_there(method):
    x = np.array([[1.0, 5.0], [NAN, 6.0], [4.0, 7.0], [9.0, NAN]])
    weight = np.array([1.0, 2.0, 3.0, 0.0])
    got = learn([x], method, weight, allow_nan=True).scaling
    first = center_and_factor(np.array([1.0, 4.0]), method, np.array([1.0, 3.0]))
    second = center_and_factor(np.array([5.0, 6.0, 7.0]), method, np.array([1.0, 2.0, 3.0]))
    assert (got.center, got.factor) == tuple(zip(first, second, strict=True))


@ALL
@pytest.mark.parametrize("power", [-1060, -300, 0, 300, 1019])
def test_scales_of_any_size(method, power):
    # 2 ** -1074 is the smallest number: of numbers near it there are few.
    z = np.round(np.random.default_rng(0).normal(500, 512, size=200))
    center, factor = center_and_factor(z, method)
    got = center_and_factor(np.ldexp(z, power - 9), method)
    wanted = np.ldexp([center, factor], power - 9)
    np.testing.assert_allclose(got, wanted, rtol=1e-15, atol=5e-324)


@ALL
def test_what_does_not_vary_is_shifted_only(method):
    noise = np.finfo(np.float64).eps  # a rounding error
    for column in ([7.0] * 4, [1 + noise, 1, 1, 1 - noise], [0.0, 0.0]):
        center, factor = center_and_factor(np.array(column), method)
        assert factor == 1
        assert center == pytest.approx(column[0])
    assert center_and_factor(np.empty(0), method) == (0, 1)
    assert center_and_factor(np.array([1e6, 1e6 + 1e-3]), method)[1] < 1e-2
    smallest = 5e-324
    assert center_and_factor(np.array([0, 0, 0, 0, smallest]), method)[1] > 0


def test_quartiles_do_not_see_how_large_others_are():
    column = np.array([1e30, 1.0, 2.0, 3.0, 4.0, 5.0, -1e30])
    assert center_and_factor(column, "robust") == (3, 3)
    assert center_and_factor(np.array([0.0, 0, 0, 0, 9]), "robust") == (0, 1)


def test_too_large_for_a_scale():
    with pytest.raises(ValueError, match=r"^number 1 of the steps has values too large for scal"):
        learn([[[0.0, 1e308], [1, -1e308]]], "minmax")


@ALL
def test_ids_and_times_stay_as_they_are(method):
    x = np.column_stack([[3.0, 4, 8], [0, 1, 1], [10.0, 20, 25], [5, 0, 5]])
    got = learn([x], method, categorical_features=[1], time_feature=2)
    np.testing.assert_array_equal(got.ids, [[0], [1], [1]])
    np.testing.assert_array_equal(got.times.numbers, [10, 20, 25])
    expected = learn([x[:, [0, 3]]], method)
    np.testing.assert_array_equal(got.values, expected.values)
    assert got.scaling == expected.scaling
    alone = learn([[0, 2], [1]], method, categorical_features="all")
    assert alone.scaling == Scaling(method) and alone.values.shape == (3, 0)


@pytest.mark.parametrize("block", [1, 7, 2**18])
@pytest.mark.parametrize("kind", ["list", "array", "turned", "table", "float32", "whole"])
def test_blocks_and_containers(block, kind, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK", block)
    rng = np.random.default_rng(2)
    cube = rng.normal(50, 3, size=(4, 6, 3))
    X = {
        "list": list(cube),
        "array": cube,
        "turned": np.asfortranarray(cube),
        "table": cube[:, :, 0],
        "float32": cube.astype(np.float32),
        "whole": np.round(cube).astype(np.int16),
    }[kind]
    before = np.array(X)
    steps = before.astype(np.float64).reshape(24, -1)
    got = learn(X, "standard")
    expected = (steps - steps.mean(axis=0)) / steps.std(axis=0)
    np.testing.assert_allclose(got.values, expected, rtol=1e-12)
    np.testing.assert_array_equal(before, X)
    narrow = as_sequences(X, "float32", scaling=got.scaling)
    np.testing.assert_array_equal(narrow.values, got.values.astype(np.float32))


def test_small_differences_of_large_numbers_are_kept():
    x = np.random.default_rng(0).normal(size=(50, 2))
    z = learn([x], "standard").values
    for moved in (x + 1000, x * 1e-3, x * 1e3, x * 1e-3 + 1000, x * 1e30, x * 1e-30):
        scaling = learn([moved], "standard").scaling
        got = as_sequences([moved], "float32", scaling=scaling).values
        np.testing.assert_allclose(got, z, rtol=1e-6, atol=1e-8)


def test_taken_sequences_know_their_scale():
    sequences = learn(draw(), "minmax")
    assert sequences.take([1, 0]).scaling == sequences.scaling != NO_SCALING


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[1.0, 2], [3, NAN, 5]], r"^sequence 1, time step 1, feature 0 is NaN"),
        ([[1.0, np.inf]], r"^sequence 0, time step 1, feature 0 is inf, expected a finite"),
        ([np.array([[1.0, 2.0], [5.0, -np.inf]])], r"^sequence 0, time step 1, feature 1 is -inf"),
    ],
)
def test_faults_have_their_places(X, message):
    with pytest.raises(ValueError, match=message):
        learn(X, "standard")
    with pytest.raises(ValueError, match=message):
        as_sequences(X, "float32", scaling=Scaling("standard", (0.0,), (1.0,)))


def test_what_does_not_fit_when_it_is_scaled():
    scaling = Scaling("standard", (0.0,), (1e-9,))
    with pytest.raises(ValueError, match=r"is 1e\+30, which does not fit into float32 when it is"):
        as_sequences([[1.0, 1e30]], "float32", scaling=scaling)
    with pytest.raises(ValueError, match=r"is 1e\+300, which does not fit into float32, exp"):
        as_sequences([[1.0, 1e300]], "float32", scaling=scaling)
    fits = Scaling("standard", (0.0,), (1e290,))
    np.testing.assert_allclose(
        as_sequences([[1e300]], "float32", scaling=fits).values, [[1e10]], rtol=1e-6
    )


def test_undoing_of_gradients():
    scaling = Scaling("minmax", (5.0, 6.0), (2.0, 4.0))
    gradient = np.array([[2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(scaling.undo(gradient.copy()), [[1, 0.5, 2]])
    np.testing.assert_array_equal(NO_SCALING.undo(gradient.copy()), gradient)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "other"}, "it.method is 'other', expected one of standard, minmax, robust"),
        ({"method": None}, "center and factor are those of a method"),
        ({"center": [1.0]}, "as many factors as centers"),
        ({"factor": [1.0, 0.0]}, "factors above 0"),
        ({"factor": [1.0, {"float": "nan"}]}, "finite numbers"),
        ({"center": [{"float": "inf"}, 0.0]}, "finite numbers"),
    ],
)
def test_records(change, message):
    scaling, place = Scaling("robust", (0.1, 1e-300), (1e300, 3.0)), Place("it")
    written = SCALING.write(scaling, place)
    assert SCALING.read(written, place) == scaling
    assert SCALING.read(SCALING.write(NO_SCALING, place), place) == NO_SCALING
    with pytest.raises(ModelFileError, match=message):
        SCALING.read(written | change, place)
