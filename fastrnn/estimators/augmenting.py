"""Which sequences an epoch of training reads: those that were given, or changed ones."""

import numpy as np

from fastrnn.estimators.long_sequences import SHORT
from fastrnn.estimators.parameters import in_effect, is_used, parameters_of
from fastrnn.inputs.augmentation import Augmentation, has_measurements

AUGMENTED = 3
"""Times the bytes of the sequences that an epoch takes: two such copies, and noise."""


def strength_of(estimator, lengths):
    """How much sequences of these lengths are changed, at most; None if they stay as they are."""
    if "augment" not in parameters_of(type(estimator)) or not is_used(estimator, "augment"):
        return None
    strength = in_effect(estimator, "augment")
    if strength == "auto":
        return 1.0 if np.median(lengths) >= SHORT else None
    return strength


def augmentation_of(estimator, reader, sequences):
    """What changes the sequences of every epoch; None where they stay as they are."""
    strength = strength_of(estimator, sequences.lengths)
    if strength is None or not suits(estimator, reader, sequences):
        return None
    return augmentation(strength, reader, sequences)


def suits(estimator, reader, sequences):
    """Whether sequences are such that they may be changed, if "auto" decides."""
    if in_effect(estimator, "augment") != "auto":
        return True
    return has_measurements(sequences.values[:, : reader.n_numbers])


def augmentation(strength, reader, sequences):
    """What changes sequences by so much, at most."""
    return Augmentation(sequences, reader.n_numbers, strength, not reader.gaps.is_plain)
