"""How long to train where nobody says it, by how much there is to learn from."""

import math
from dataclasses import dataclass, replace

from fastrnn.training.state import USUAL_BATCH_SIZE

ITERATIONS = 200
"""Iterations of "lbfgs", each of which reads all sequences once or more."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a training may take, and how it is spent.

    Minibatches of little data are small, so that there are many; with more data they grow, so that
    an epoch has no more than `steps_of_epoch` of them: larger ones make better use of a processor.
    """

    n_sequences: int  # that are read, each as often as it is, if the number of epochs allows
    small_batch: int = 16
    steps_of_epoch: int = 64
    large_batch: int = USUAL_BATCH_SIZE
    fewest_epochs: int  # of large data
    most_epochs: int  # of tiny data
    again_between: tuple[float, float] | None = None  # see `Settings`

    def course(self, n):
        """Sequences in a minibatch, and epochs, for so many sequences that have a weight."""
        n = max(1, n)
        batch_size = max(self.small_batch, math.ceil(n / self.steps_of_epoch))
        epochs = max(self.fewest_epochs, self.n_sequences // n)
        return min(batch_size, self.large_batch), min(epochs, self.most_epochs)

    def goes_again_between(self, n):
        """`Settings.again_between` of so many; large data are read once."""
        return self.again_between if self.course(n)[1] > self.fewest_epochs else None


ONE_ANSWER = Budget(
    n_sequences=20_000, fewest_epochs=20, most_epochs=200, again_between=(0.02, math.inf)
)
"""Where each sequence has one answer. It is what the sets to choose on of bench/defaults.py ask
for, in cross-validation on their training parts: of 30 about 16 have another course, and gain .02
in the mean by it. Half of the sequences would lose .002, for three quarters of the time."""

NUMBERS = replace(ONE_ANSWER, again_between=(0.02, 1 / 3))
"""The same of numbers, whose squares hardly fall any more where most of them is noise: there
another course learns it by heart. In cross-validation Tecator's error, of which 4 % are left, falls
from 1.9 to 1.3; Covid3Month's, of which 40 to 60 % are left, would rise from .039 to .043."""

TEXTS = replace(ONE_ANSWER, again_between=None)
"""Where the next token is the answer, of whose loss more is always left."""

EVERY_STEP = Budget(n_sequences=10_000, large_batch=32, fewest_epochs=6, most_epochs=50)
"""Where each step has an answer, so that a minibatch teaches more. Words of a treebank, in
cross-validation on its training part, and small problems of numbers and ids ask for it."""

LABEL_SEQUENCES = Budget(n_sequences=10_000, fewest_epochs=10, most_epochs=100)
"""Where each sequence has labels that nobody has put to its steps. Chosen by cross-validation on
joined recordings of Japanese Vowels, whose speakers were to be told in order."""

TOLD_LABELS = Budget(n_sequences=60_000, fewest_epochs=12, most_epochs=100)
"""Where a decoder tells labels one after the other, of which it learns little before it has learned
where to look. Thirty of ten tokens, to be copied and reversed, and 3000 words of a pronouncing
dictionary, from which others of its training part were to be told, ask for it."""

WINDOWS = Budget(n_sequences=5_000, large_batch=64, fewest_epochs=10, most_epochs=60)
"""Where series are forecast, whose windows are read: docs/forecast.md says how it was chosen."""
