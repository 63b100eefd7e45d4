"""How many sequences make a minibatch, and how many epochs a training, where nobody says it."""

import math
from dataclasses import replace

import pytest

from fastrnn.training.budget import (
    EVERY_STEP,
    LABEL_SEQUENCES,
    NUMBERS,
    ONE_ANSWER,
    TEXTS,
    TOLD_LABELS,
    WINDOWS,
    Budget,
)

BUDGETS = [ONE_ANSWER, NUMBERS, TEXTS, EVERY_STEP, LABEL_SEQUENCES, TOLD_LABELS, WINDOWS]

# Numbers of these tests' own: those of the rule are a choice, and may change.
BUDGET = Budget(n_sequences=48_000, fewest_epochs=15, most_epochs=200)


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
    assert BUDGET.course(n) == (batch_size, epochs)


@pytest.mark.parametrize("budget", BUDGETS)
def test_more_sequences_never_make_smaller_minibatches_or_more_epochs(budget):
    courses = [budget.course(n) for n in range(1, 20_000, 7)]
    sizes, epochs = zip(*courses, strict=True)
    assert list(sizes) == sorted(sizes)
    assert list(epochs) == sorted(epochs, reverse=True)
    for n, (size, _) in zip(range(1, 20_000, 7), courses, strict=True):
        assert math.ceil(n / size) <= budget.steps_of_epoch or size == budget.large_batch


def test_large_data_are_read_in_one_course():
    assert BUDGET.goes_again_between(10) is None
    budget, shares = replace(BUDGET, again_between=(0.25, 0.5)), (0.25, 0.5)
    assert [budget.goes_again_between(n) for n in (1, 3000)] == [shares, shares]
    assert [budget.goes_again_between(n) for n in (3200, 10**6)] == [None, None]


def test_no_sequences_are_refused_elsewhere():
    assert BUDGET.course(0) == BUDGET.course(1)
