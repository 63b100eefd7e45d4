"""Real data that ships with fastrnn, generators of the classical tasks, and readers of files.

Everything is returned as the estimators take it: ``X`` as a list of arrays of shape (T_i,
n_features) where lengths differ, as one array of shape (n_samples, length, n_features) where they
do not.
"""

from fastrnn.datasets.generated import (
    REBER_SYMBOLS as REBER_SYMBOLS,
)
from fastrnn.datasets.generated import (
    make_adding_problem,
    make_first_token_recall,
    make_reber,
)
from fastrnn.datasets.reading import (
    read_arff,
    read_conll,
    read_csv,
    read_json,
    read_parquet,
    read_sequences,
    read_ts,
    read_tsf,
    read_ucr,
)
from fastrnn.datasets.recordings import load_japanese_vowels

__all__ = [
    "load_japanese_vowels",
    "make_adding_problem",
    "make_first_token_recall",
    "make_reber",
    "read_arff",
    "read_conll",
    "read_csv",
    "read_json",
    "read_parquet",
    "read_sequences",
    "read_ts",
    "read_tsf",
    "read_ucr",
]
