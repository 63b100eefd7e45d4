"""Problems that hypothesis draws: sequences of any lengths, and a model of any cell and options.

The properties in test_properties.py and interop/test_parity_properties.py hold for all of them.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNRegressor, RNNSeq2Seq, RNNTagger
from fastrnn.network.cells import CELLS

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis, which draws, is not installed")
given, st = hypothesis.given, hypothesis.strategies

TIMES = int(os.environ.get("FASTRNN_PROPERTIES", "0"))
"""0: the examples are always the same. Otherwise so many times as many, and others each time."""


def examples(n):
    """Run a property on so many examples."""
    return hypothesis.settings(
        max_examples=n * max(1, TIMES),
        derandomize=not TIMES,
        database=None,
        deadline=None,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=list(hypothesis.HealthCheck),
    )


# Targets: each takes a generator and the lengths of the sequences.


def _classes(rng, lengths):
    return np.array(["a", "b", "c"])[np.arange(len(lengths)) % 3]


def _label_sets(rng, lengths):
    sets = rng.integers(2, size=(len(lengths), 3))
    sets[:2] = [[1], [0]]  # both are seen of each label
    return sets


def _numbers(rng, lengths):
    return 100 + 10 * rng.normal(size=(len(lengths), 2))


def _amounts(rng, lengths):
    return rng.poisson(3, len(lengths)) + 0.5


def _tags(rng, lengths):
    places = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1])
    return [np.array(["x", "y", "z"])[place % 3] for place in places]


def _words(rng, lengths):
    return [["a", "b"][i % 3 : i % 3 + 1] for i in range(len(lengths))]


def _probabilities(model, X):
    return model.predict_proba(X)


def _values(model, X):
    return model.predict(X)


def _all_quantiles(model, X):
    return model.predict_quantiles(X)


ANSWERS = {
    "classes": (RNNClassifier, {}, _classes, _probabilities),
    "label sets": (RNNClassifier, {}, _label_sets, _probabilities),
    "numbers": (RNNRegressor, {}, _numbers, _values),
    "quantiles": (
        RNNRegressor, {"loss": "quantile", "quantile": (0.2, 0.5, 0.9)}, _numbers, _all_quantiles
    ),
    "amounts": (RNNRegressor, {"loss": "poisson"}, _amounts, _values),
    "tags": (RNNTagger, {}, _tags, _probabilities),
    "tags that follow": (RNNTagger, {"output": "crf"}, _tags, _probabilities),
    "words": (RNNSeq2Seq, {"alignment": "ctc"}, _words, _probabilities),
}  # fmt: skip
"""What a model says: the estimator, its parameters, targets, and what it is asked."""

POOLINGS = ("last", "mean", "max", "attention", "mean+max", "last+attention+mean")
CONVOLUTIONS = (None, None, ((3, 2, 1),), ((4, 3, 2), (2, 2, 1)))


@dataclass(frozen=True, eq=False)
class Problem:
    """Sequences with targets, and the parameters of an estimator for them."""

    kind: str
    params: dict[str, Any]
    X: list[np.ndarray]
    y: Any
    seed: int

    @property
    def every_step(self):
        """Whether there is an answer to each step."""
        return ANSWERS[self.kind][0] in (RNNTagger, RNNSeq2Seq)

    def fit(self, *, weight=None, data=None, **params):
        """An estimator that has hardly learned."""
        estimator, of_kind, *_ = ANSWERS[self.kind]
        model = estimator(**{"max_iter": 1, "random_state": 0, **of_kind, **self.params, **params})
        return model.fit(*(data or (self.X, self.y)), sample_weight=weight)

    def shaken(self, **params):
        """One whose weights are all of some size, so that each of them matters."""
        model = self.fit(**params)
        theta = model.network_.theta
        spread = 1 / np.sqrt(max(model.network_.architecture.hidden_layer_sizes))
        theta[...] = spread * np.random.default_rng(self.seed).normal(size=theta.shape)
        return model

    def ask(self, model, X=None):
        """What the model says of each sequence."""
        return ANSWERS[self.kind][-1](model, self.X if X is None else X)


def _values_of(option):
    if option.choices:
        return st.sampled_from(option.choices)
    return st.sampled_from((0.0, 0.3) if option.is_share else (option.default, -1.0))


@st.composite
def _cells(draw, names):
    name = draw(st.sampled_from(names))
    options = {option.name: draw(_values_of(option)) for option in CELLS[name].cell.options}
    return {"cell": name, **options}


@st.composite
def problems(draw, *, most=9, kinds=tuple(ANSWERS), cells=None, both=True, **choices):
    """Draw a problem of at most so many sequences.

    `cells` are all by default. `both` tells whether it may read in two directions, `choices` what
    is drawn of other parameters, and ``times`` whether there may be times.
    """
    kind = draw(st.sampled_from(kinds))
    lengths = draw(st.lists(st.integers(1, 9), min_size=2, max_size=most))
    n_numbers, n_ids = draw(st.sampled_from([(1, 0), (3, 0), (2, 1), (0, 2)]))
    missing = draw(st.sampled_from(choices.pop("missing", ("error", "mask", "decay"))))
    missing = missing if n_numbers else "error"
    has_times = draw(st.sampled_from(choices.pop("times", (False, True))))
    may_skip = missing != "decay"
    params = {
        **draw(_cells(cells or sorted(CELLS))),
        "hidden_layer_sizes": draw(
            st.lists(st.sampled_from([1, 2, 3, 8, 17, 33]), min_size=1, max_size=2).map(tuple)
        ),
        "bidirectional": both and draw(st.booleans()),
        "stride": draw(st.sampled_from([1, 1, 2, 3])) if may_skip else 1,
        "conv": draw(st.sampled_from(CONVOLUTIONS)) if may_skip else None,
        "missing": missing,
        "scaling": "standard",
        "dtype": "float64",
    }
    if kind in ("classes", "label sets", "numbers", "quantiles", "amounts"):
        params |= {"pooling": draw(st.sampled_from(POOLINGS)), "augment": None}
    if n_ids:
        params |= {
            "categorical_features": list(range(n_numbers, n_numbers + n_ids)),
            "embedding_dim": tuple(draw(st.integers(1, 3)) for _ in range(n_ids)),
        }
    if has_times:
        params["time_feature"] = n_numbers + n_ids
    params |= {name: draw(st.sampled_from(values)) for name, values in choices.items()}
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    X = [_draw_sequence(rng, length, n_numbers, n_ids, missing, has_times) for length in lengths]
    if draw(st.booleans()):  # some of them twice
        X = [*X, *X[: max(1, len(X) // 2)]]
    y = ANSWERS[kind][2](rng, [len(x) for x in X])
    return Problem(kind, params, X, y, seed)


def _draw_sequence(rng, length, n_numbers, n_ids, missing, has_times):
    # Such numbers as float32 has, so that all precisions read the same.
    numbers = np.float64(np.float32(rng.normal(size=(length, n_numbers))))
    ids = rng.integers(4, size=(length, n_ids)).astype(float)
    if missing != "error":
        numbers[rng.random(numbers.shape) < 0.3] = np.nan
    times = 1e6 + np.cumsum(rng.integers(0, 4, (length, 1)), axis=0)
    return np.hstack([numbers, ids, times[:, : int(has_times)]])


def assert_close(said, expected, dtype):
    """Equal but for rounding, which is measured by the largest of the numbers."""
    said, expected = np.asarray(said), np.asarray(expected)
    tolerance = 1e-9 if dtype == "float64" else 5e-4
    size = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(said, expected, rtol=0, atol=tolerance * size)
