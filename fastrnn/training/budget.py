"""How long to train where nobody says it, by how much there is to learn from."""

import math

from fastrnn.training.state import USUAL_BATCH_SIZE

SMALL_BATCH = 16
"""Sequences in a minibatch of small data. With 16 and epochs enough, of eight real sets 0.88 were
right in the mean, 0.85 with 200: of 200 sequences or fewer that is one step in an epoch."""

STEPS_OF_EPOCH = 64
"""Steps in an epoch from which on minibatches grow with the data, instead of the number of steps:
larger ones make better use of a processor."""

BUDGET = 20_000
"""Sequences that are read in a training, each as often as it is, if the number of epochs allows:
1250 small minibatches."""

FEWEST_EPOCHS, MOST_EPOCHS = 20, 200
"""Epochs of large and of tiny data. These and the budget are what the sets to choose on of
bench/defaults.py ask for, in cross-validation on their training parts."""

ITERATIONS = 200
"""Iterations of "lbfgs", each of which reads all sequences once or more."""


def usual_course(n):
    """Sequences in a minibatch, and epochs, for so many sequences that have a weight."""
    n = max(1, n)
    batch_size = min(max(SMALL_BATCH, math.ceil(n / STEPS_OF_EPOCH)), USUAL_BATCH_SIZE)
    return batch_size, min(max(FEWEST_EPOCHS, BUDGET // n), MOST_EPOCHS)
