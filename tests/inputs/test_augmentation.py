"""Sequences that are changed at random: what may change, what may not, and by how much."""

import numpy as np
import pytest

from fastrnn.inputs import augmentation
from fastrnn.inputs.augmentation import (
    CROP,
    IN_PLACE,
    LAST_PART,
    LOOKED_AT,
    NOISE,
    SCALE,
    STRETCHES,
    WARP,
    Augmentation,
    has_measurements,
)
from fastrnn.inputs.sequences import as_sequences
from fastrnn.kernels.warping import warp_rows

LENGTHS = (1, 2, 9, 10, 57, 100)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def only(monkeypatch):
    """Return a function that turns off every change but those of some names."""

    def keep(*names):
        for name in {"CROP", "WARP", "SCALE", "NOISE", "IN_PLACE"} - set(names):
            monkeypatch.setattr(augmentation, name, 0.0)

    return keep


def ramps(dtype, lengths=LENGTHS):
    """Return sequences whose first number is the step, and whose second stays the same."""
    X = [np.stack([np.arange(n), np.full(n, 3.0)], axis=1) for n in lengths]
    return as_sequences(X, dtype=dtype)


@DTYPES
def test_warp_rows_reads_between_the_rows_as_interpolation_does(dtype):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20, 3)).astype(dtype)
    first, lengths = np.array([2, 0, 11]), np.array([9, 1, 6])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    durations = rng.random((3, 4)) + 0.1
    ends = np.cumsum(durations, axis=1) / durations.sum(axis=1, keepdims=True)
    ends = np.concatenate([np.zeros((3, 1)), ends], axis=1)
    target, nearest = np.empty((16, 3), dtype), np.empty(16, np.int64)
    warp_rows(values, first, offsets, ends, target, nearest)
    for n, length in enumerate(lengths):
        share = np.arange(length) / max(length - 1, 1)
        moments = np.interp(share, np.arange(5) / 4, ends[n]) * (length - 1)
        rows = slice(offsets[n], offsets[n + 1])
        own = values[first[n] : first[n] + length]
        expected = [np.interp(moments, np.arange(length), column) for column in own.T]
        np.testing.assert_allclose(target[rows].T, expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(nearest[rows], first[n] + np.round(moments))


@DTYPES
def test_steps_are_left_out_at_the_ends_alone(only, dtype):
    only("CROP")
    sequences, rng = ramps(dtype), np.random.default_rng(0)
    vary, seen = Augmentation(sequences, 2, 1.0, False), set()
    for _ in range(200):
        varied = vary(rng)
        assert varied.values.dtype == dtype
        assert len(varied) == len(sequences)
        for n, (before, after) in enumerate(zip(sequences, varied, strict=True)):
            first, length = round(float(after[0, 0])), len(after)
            assert len(before) - int(CROP * len(before)) <= length <= len(before)
            np.testing.assert_allclose(after, before[first : first + length], rtol=1e-5, atol=1e-4)
            seen.add((n, first, length))
    assert {entry for entry in seen if entry[0] < 3} == {(0, 0, 1), (1, 0, 2), (2, 0, 9)}
    assert {entry for entry in seen if entry[0] == 3} == {(3, 0, 10), (3, 0, 9), (3, 1, 9)}


def test_at_most_half_of_the_steps_are_left_out(only):
    only("CROP")
    vary, rng = Augmentation(ramps("float64", (10, 20)), 2, 50.0, False), np.random.default_rng(0)
    lengths = np.array([vary(rng).lengths for _ in range(200)])
    assert lengths.min(axis=0).tolist() == [5, 10]


@DTYPES
def test_time_runs_at_other_speeds_from_the_first_step_to_the_last(only, dtype):
    only("WARP")
    sequences = ramps(dtype, (*LENGTHS, *[101] * 300))
    varied = Augmentation(sequences, 2, 1.0, False)(np.random.default_rng(0))
    for before, after in zip(sequences, varied, strict=True):
        np.testing.assert_allclose(after[[0, -1]], before[[0, -1]], rtol=1e-6)
        assert (np.diff(after[:, 0]) > 0).all()
    speeds = np.diff([x[:, 0] for x in varied][-300:], axis=1).reshape(300, STRETCHES, -1)
    np.testing.assert_allclose(speeds.std(axis=2), 0.0, atol=1e-4)  # within a stretch
    spread = np.log(speeds.mean(axis=2)).std()
    assert spread == pytest.approx(WARP * np.sqrt(1 - 1 / STRETCHES), rel=0.05)


def test_steps_of_some_sequences_stay_where_they_are(only):
    only("CROP", "WARP", "IN_PLACE")
    sequences = ramps("float64", [50] * 1000)
    varied = Augmentation(sequences, 2, 1.0, False)(np.random.default_rng(0))
    stay = [
        len(after) == 50 and np.allclose(after, before, rtol=1e-12)
        for before, after in zip(sequences, varied, strict=True)
    ]
    assert np.mean(stay) == pytest.approx(IN_PLACE, abs=0.05)


def test_the_last_part_of_training_reads_sequences_as_they_are():
    sequences, rng = ramps("float64"), np.random.default_rng(0)
    vary = Augmentation(sequences, 2, 1.0, False)
    assert vary(rng, 1 - LAST_PART) is sequences
    assert vary(rng, 0.99 - LAST_PART) is not sequences


@pytest.mark.parametrize(
    ("columns", "is_measured"),
    [
        ([np.arange(32)], False),
        ([np.arange(33)], True),
        ([np.zeros(50), np.arange(50) % 3], False),
        ([np.zeros(50), np.linspace(0, 1, 50)], True),
        ([np.concatenate([np.zeros(LOOKED_AT), np.arange(99)])], False),  # not looked for so far
        ([], False),
    ],
)
def test_what_is_measured_takes_many_values(columns, is_measured):
    numbers = np.array(columns, dtype="float32").T if columns else np.empty((50, 0))
    assert has_measurements(numbers) == is_measured


@DTYPES
@pytest.mark.parametrize("strength", [1.0, 2.0])
def test_numbers_are_scaled_around_their_mean(only, dtype, strength):
    only("SCALE")
    X = [np.array([[90.0, 7.0], [110.0, 7.0]])] * 4000
    sequences = as_sequences(X, dtype=dtype)
    varied = Augmentation(sequences, 2, strength, False)(np.random.default_rng(0))
    pairs = varied.values.reshape(-1, 2, 2)
    np.testing.assert_allclose(pairs[:, :, 0].sum(axis=1), 200.0, rtol=1e-5)
    factors = np.log((pairs[:, 1, 0] - pairs[:, 0, 0]) / 20.0)
    assert factors.std() == pytest.approx(strength * SCALE, rel=0.05)
    assert (pairs[:, :, 1] == 7.0).all()  # what does not vary stays


@DTYPES
def test_noise_is_in_deviations_of_each_number(only, dtype):
    only("NOISE")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 100, 3)) * [1.0, 1000.0, 0.0]
    sequences = as_sequences(X, dtype=dtype)
    noise = Augmentation(sequences, 3, 1.0, False)(rng).values - sequences.values
    np.testing.assert_allclose(noise.std(axis=0), NOISE * X.std(axis=(0, 1)), rtol=0.05)


@DTYPES
def test_steps_that_keep_their_time_have_other_numbers_and_nothing_else(dtype):
    sequences = as_sequences(np.random.default_rng(0).normal(size=(5, 40, 4)), dtype=dtype)
    varied = Augmentation(sequences, 2, 1.0, keeps_time=True)(np.random.default_rng(0))
    np.testing.assert_array_equal(varied.offsets, sequences.offsets)
    np.testing.assert_array_equal(varied.values[:, 2:], sequences.values[:, 2:])
    assert (varied.values[:, :2] != sequences.values[:, :2]).all()


def test_ids_are_those_of_the_nearest_step():
    steps = np.arange(80.0)
    X = np.stack([np.stack([steps, steps], axis=1)] * 3)
    sequences = as_sequences(X, dtype="float64", categorical_features=[1])
    vary = Augmentation(sequences, 0, 1.0, False)  # no column is a number that changes
    varied = vary(np.random.default_rng(0))
    np.testing.assert_array_equal(varied.ids[:, 0], np.round(varied.values[:, 0]))
    assert len(varied.ids) == len(varied.values)


def test_only_the_generator_decides_and_nothing_is_written_to():
    sequences = ramps("float32")
    before = sequences.values.copy()
    vary = Augmentation(sequences, 2, 1.0, False)
    one, same, other = (vary(np.random.default_rng(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.values, same.values)
    np.testing.assert_array_equal(one.offsets, same.offsets)
    assert one.values.shape != other.values.shape or (one.values != other.values).any()
    np.testing.assert_array_equal(sequences.values, before)
