"""Real data that ships with fastrnn."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrnn.typing import Ints


def load_japanese_vowels() -> tuple[
    list[NDArray[np.float32]], Ints, list[NDArray[np.float32]], Ints
]:
    """Load the Japanese Vowels: recordings of nine men who say /ae/.

    Each sequence is one utterance, 7 to 29 frames (25.6 ms long, 6.4 ms apart) of 12 LPC cepstrum
    coefficients, from speech sampled at 10 kHz. 270 utterances are for training, 30 of each
    speaker; 370 are for testing, 24 to 88 of each speaker, said on other occasions.

    Returns
    -------
    X_train : list of 270 ndarrays of shape (T_i, 12), float32
        Utterances to train with, 4274 frames in all.
    y_train : ndarray of shape (270,), int64
        Their speakers, 1 to 9.
    X_test : list of 370 ndarrays of shape (T_i, 12), float32
        Utterances to test with, 5687 frames in all.
    y_test : ndarray of shape (370,), int64
        Their speakers, 1 to 9.

    Notes
    -----
    The data are by M. Kudo, J. Toyama and M. Shimbo, from the UCI Machine Learning Repository
    (https://doi.org/10.24432/C5NS47), under the licence CC BY 4.0
    (https://creativecommons.org/licenses/by/4.0/). They are unchanged but for their form: text
    became float32.

    References
    ----------
    M. Kudo, J. Toyama and M. Shimbo (1999). Multidimensional curve classification using
    passing-through regions. Pattern Recognition Letters 20(11-13), 1103-1111.

    Examples
    --------
    >>> from fastrnn.datasets import load_japanese_vowels
    >>> X_train, y_train, X_test, y_test = load_japanese_vowels()
    >>> X_train[0].shape, y_train[0]
    ((20, 12), np.int64(1))
    """
    path = files("fastrnn").joinpath("data", "japanese_vowels.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
        return (*_read(data, "train"), *_read(data, "test"))


def _read(data: Any, use: str) -> tuple[list[NDArray[np.float32]], Ints]:
    """Utterances and speakers of one use."""
    ends = np.cumsum(data[f"{use}_lengths"], dtype=np.int64)
    steps = np.ascontiguousarray(np.moveaxis(data[f"{use}_steps"], 0, -1)).view("<i4")[..., 0]
    millionths = np.cumsum((steps >> 1) ^ -(steps & 1), axis=0)
    X = np.split((millionths / 1e6).astype(np.float32), ends[:-1])
    return X, data[f"{use}_speaker"].astype(np.int64)
