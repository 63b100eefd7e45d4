"""How many sequences make a minibatch, and how many epochs a training, where nobody says it."""

import math

import pytest

from fastrnn.training import budget
from fastrnn.training.budget import usual_course


@pytest.fixture(autouse=True)
def numbers(monkeypatch):
    """Numbers of these tests' own: those of the rule are a choice, and may change."""
    chosen = {"SMALL_BATCH": 16, "STEPS_OF_EPOCH": 64, "BUDGET": 48_000}
    for name, value in {**chosen, "FEWEST_EPOCHS": 15, "MOST_EPOCHS": 200}.items():
        monkeypatch.setattr(budget, name, value)


@pytest.mark.parametrize(
    ("n", "batch_size", "epochs"),
    [
        (1, 16, 200),
        (240, 16, 200),
        (1024, 16, 46),
        (1025, 17, 46),
        (3200, 50, 15),
        (12_800, 200, 15),
        (10**7, 200, 15),
    ],
)
def test_course_by_the_number_of_sequences(n, batch_size, epochs):
    assert usual_course(n) == (batch_size, epochs)


def test_more_sequences_never_make_smaller_minibatches_or_more_epochs():
    courses = [usual_course(n) for n in range(1, 20_000, 7)]
    sizes, epochs = zip(*courses, strict=True)
    assert list(sizes) == sorted(sizes)
    assert list(epochs) == sorted(epochs, reverse=True)
    for n, (size, _) in zip(range(1, 20_000, 7), courses, strict=True):
        assert math.ceil(n / size) <= 64 or size == 200


def test_no_sequences_are_refused_elsewhere():
    assert usual_course(0) == usual_course(1)
