"""The estimators in one table: how a small one is made, what it learns, and what it can be asked.

The tests in tests/estimators/test_contract*.py ask the same of every entry.
"""

import functools
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from fastrnn import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNSeq2Seq,
    RNNTagger,
)
from fastrnn.metrics import edit_error_rate

PLAIN = {"dropout": 0.0, "learning_rate": "constant", "bidirectional": False}
"""Training whose course can be told, without noise and without an end that is known beforehand, of
models that have streams."""
PLAIN_SERIES = {
    "cell": "lstm", "strategy": "recursive", "quantiles": None, "log": False, "window": None,
    "origin_step": None, "scale_feature": False, "lags": 1, "learning_rate": "constant",
}  # fmt: skip
"""Series that are read whole and as they are, one mean after the other."""


def plain_forecaster(*sizes, **params):
    """Return a forecaster of such series."""
    return RNNForecaster(*sizes, **{**PLAIN_SERIES, **params})


SMALL = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 0, **PLAIN}
LONG = "the quick brown fox jumps over the lazy dog; " * 8
TEXTS = ["to be or not to be", "that is the question", "to sleep", "to dream to be", "is it"]
OTHERS = ["to be the question", "not to dream", "is that it"]
IDS = [[0, 1, 2, 1, 0], [2, 2], [1, 0, 1, 2, 1, 0, 1, 2]]


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """An estimator with small data; both kinds of data have an entry for each sequence."""

    estimator: type
    data: tuple  # what `fit` takes
    other: tuple  # the same of sequences that it is not fitted on
    questions: dict[str, Callable]  # what is asked of a fitted model and data, each by its name
    rows: Callable  # of a model and X: an answer to each sequence
    follow: Callable  # of a model and X: what a stream says, and what is said of the prefixes
    params: dict[str, Any] = field(default_factory=dict)  # of a small one
    first: dict[str, Any] = field(default_factory=dict)  # what the first partial_fit is told too
    bad: tuple = ()  # what `fit` refuses as data, whatever it is to be
    scores: Callable = lambda model, data, weight: model.score(*data, sample_weight=weight)
    validation: Callable = lambda data, weight=None: (*data, weight)
    is_separate: bool = True  # sequences, rather than one long text

    @property
    def may_read_back(self):
        """Whether the network may read from the end, too."""
        return self.estimator not in (RNNForecaster, RNNLanguageModel)

    @property
    def learns_with_lbfgs(self):
        """Whether it can see all data at once."""
        return self.estimator is not RNNLanguageModel

    @property
    def reads_by_step(self):
        """Whether there is an answer after each step."""
        return self.params.get("alignment") != "attention"

    @property
    def counts_tokens(self):
        """Whether numbers of tokens depend on how often they occur."""
        may = self.estimator in (RNNLanguageModel, RNNSeq2Seq)
        return may and self.fitted().encoder_ is not None

    @property
    def learns_means(self):
        """Whether what is read depends on how often sequences occur, whatever they weigh."""
        return "missing" in self.params

    def make(self, **params):
        """An estimator that trains in milliseconds."""
        return self.estimator(**{**SMALL, **self.params, **params})

    def fit(self, *data, fit=None, **params):
        """Such a one that is fitted, on the data of the case if there are no others."""
        return self.make(**params).fit(*(data or self.data), **(fit or {}))

    @functools.cached_property
    def _pickled(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pickle.dumps(self.fit())

    def fitted(self):
        """A fitted one of the caller's own, which costs no training."""
        return pickle.loads(self._pickled)

    def answers(self, model, data=None):
        """All that the model says, as bytes."""
        data = data or self.data
        return {name: bits(ask(model, *data)) for name, ask in self.questions.items()}


def bits(value):
    """A value as bytes, with arrays of objects, lists and dicts of arrays."""
    if isinstance(value, dict):
        return {name: bits(part) for name, part in value.items()}
    array = None if isinstance(value, list | tuple) else np.asarray(value)
    if array is None or array.dtype.kind == "O":
        return [bits(part) for part in value]
    return (array.dtype.str, array.shape, array.tobytes())


def same(a, b):
    """Tell whether two fitted estimators are the same to the bit."""
    return np.array_equal(a.network_.theta, b.network_.theta)


def state_of(model):
    """All of a model as bytes."""
    return pickle.dumps(vars(model))


def take(data, indices):
    """Some of the sequences, with what belongs to them."""
    return tuple([part[i] for i in indices] for part in data)


def draw_sequences(n, seed=0, n_features=3):
    """Sequences of 2 to 8 steps."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rng.integers(2, 9), n_features)) for _ in range(n)]


def label_sequences(n, seed=0):
    """Sequences, and a label for each by the mean of its first feature."""
    X = draw_sequences(n, seed)
    return X, np.array(["up" if x[:, 0].mean() > 0 else "down" for x in X])


def number_sequences(n, seed=0):
    """Sequences, and a number for each, in units that a network would not like."""
    X = draw_sequences(n, seed)
    return X, np.array([50 * x[:, 0].mean() + 1000 for x in X])


def tag_steps(n, seed=0):
    """Sequences, and a label for each step by the sum so far."""
    X = draw_sequences(n, seed)
    totals = [x[:, 0].cumsum() for x in X]
    return X, [np.select([t < -0.5, t < 0.5], ["below", "near"], "above") for t in totals]


def draw_series(lengths=(30, 41, 26), seed=0):
    """Series above 0."""
    rng = np.random.default_rng(seed)
    return [100 * np.exp(np.cumsum(0.1 * rng.standard_normal(n))) for n in lengths]


def draw_counts(lengths=(30, 41, 26), seed=0):
    """Counts of several sizes."""
    rng = np.random.default_rng(seed)
    return [rng.poisson(3 * (k + 1), n).astype(float) for k, n in enumerate(lengths)]


def spell(n, seed=0):
    """Sequences that say up to three letters, each with two steps of a feature of its own."""
    rng = np.random.default_rng(seed)
    y = [rng.integers(3, size=rng.integers(4)) for _ in range(n)]
    X = [np.repeat(np.eye(3)[k], 2, axis=0) for k in y]
    X = [np.concatenate([x, np.zeros((1, 3))]) + 0.1 * rng.normal(size=(len(x) + 1, 3)) for x in X]
    return X, [np.array(["a", "b", "c"])[k] for k in y]


def draw_texts(n, seed=0):
    """Texts of 2 to 7 letters."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("abc"), size=rng.integers(2, 8))) for _ in range(n)]
    return [text.replace("aa", "ab").replace("bb", "bc").replace("cc", "ca") for text in texts]


def _leave_out(n, seed=0):
    X = draw_texts(n, seed)
    return X, [x.replace("a", "") for x in X]


def _say_backwards(n, seed=0):
    X = draw_texts(n, seed)
    return X, [" ".join(2 * letter for letter in reversed(x)) for x in X]


def label_sets(n, seed=0):
    """Sequences, and three labels that they may have, each by another feature."""
    X = draw_sequences(n, seed)
    return X, np.array([x.mean(axis=0) > [0, 0.2, -0.2] for x in X]).astype(int)


def _two_numbers(n, seed=0):
    X, y = number_sequences(n, seed)
    return X, np.column_stack([y, [len(x) for x in X]])


def _amounts(n, seed=0):
    X, y = number_sequences(n, seed)
    return X, np.maximum(y - 1000, 0)


def _ids_and_numbers(n, seed=0):
    X, y = label_sequences(n, seed)
    kinds = np.random.default_rng(seed).integers(4, size=100)
    X = [np.column_stack([x, kinds[: len(x)]]) for x in X]
    X[0][:2, 3] = 0, 3  # the ids that are learned
    return X, y


def _gaps(n, seed=0):
    """Sequences with ids, the time of each step, and gaps in all else."""
    X, y = _ids_and_numbers(n, seed)
    rng = np.random.default_rng(seed)
    for x in X[1:]:
        x[rng.random(x.shape) < 0.3] = np.nan
    times = [1e9 + np.cumsum(60 * rng.integers(0, 3, len(x))) for x in X]
    return [np.column_stack([x, t]) for x, t in zip(X, times, strict=True)], y


_INSIDE = {
    "transform": lambda model, X, *_: model.transform(X),
    "hidden_states": lambda model, X, *_: model.hidden_states(X),
    "get_feature_names_out": lambda model, *_: model.get_feature_names_out(),
}


def _flow(model, X, y):
    flow = model.gradient_flow(X, y)
    return [*flow.norms, flow.weight, flow.from_start, flow.from_end]


def _stream(model, X, *_):
    stream = model.stream(2)
    return [stream.step(np.stack([x[t] for x in X[:2]])) for t in range(2)]


_OF_SEQUENCES = {
    **_INSIDE,
    "predict": lambda model, X, y: model.predict(X),
    "score": lambda model, X, y: model.score(X, y),
    "weighted score": lambda model, X, y: model.score(X, y, sample_weight=np.arange(len(X)) % 3),
    "gradient_flow": _flow,
    "input_gradients": lambda model, X, y: model.input_gradients(X, y),
    "stream": _stream,
}


def _levels_of_numbers(model, X, y):
    return model.predict_quantiles(X, [0.5, 0.6])


_OF_CLASSES = {
    **_OF_SEQUENCES,
    "predict_proba": lambda model, X, y: model.predict_proba(X),
    "predict_log_proba": lambda model, X, y: model.predict_log_proba(X),
}


_OF_TAGS = {
    **_OF_CLASSES,
    "score_samples": lambda model, X, y: model.score_samples(X, y),
}


def _follow_sequences(model, X):
    """What a stream says of the sequences, and what the model says of their prefixes."""
    ask = model.predict if isinstance(model, RNNRegressor) else model.predict_proba
    for x in X[:3]:
        stream = model.stream()
        for t in range(len(x)):
            expected = ask([x[: t + 1]])[0]
            every_step = isinstance(model, RNNTagger | RNNSeq2Seq)
            yield stream.step(x[t]), expected[-1] if every_step else expected


def _push(model, X, *_):
    stream = model.stream(2)
    return [*stream.push([list(x[:2]) for x in X[:2]]), *stream.finish()]


_OF_SPELLING = {
    **_OF_SEQUENCES,
    "predict_proba": lambda model, X, y: model.predict_proba(X),
    "predict_nbest": lambda model, X, y: [
        [(list(map(str, labels)), value) for labels, value in of_one]
        for of_one in model.predict_nbest(X[:5], 3)
    ],
    "score_samples": lambda model, X, y: model.score_samples(X, y),
    "align": lambda model, X, y: model.align(X, y),
    "push": _push,
}


_OF_TRANSLATING = {
    name: question
    for name, question in _OF_SPELLING.items()
    if name not in ("stream", "push", "predict_proba", "align")
} | {
    "attention_weights": lambda model, X, y: model.attention_weights(X),
    "weights for labels": lambda model, X, y: model.attention_weights(X, y),
}


def _step_of_texts(model, X, *_):
    stream = model.stream(2)
    return [stream.step([x[t] for x in X[:2]]) for t in range(2)]


def _score_texts(model, data, weight):
    return -model.edit_error_rate(*data, sample_weight=weight)


def _target_texts(draw, questions, rows, **params):
    X, y = draw(24)
    bad = ((X, y[:-1]), ([*X[:5], "", *X[6:]], y), (X, None), (X, [*y[:3], None, *y[4:]]), (X, 5))
    return Case(
        RNNSeq2Seq, (X, y), draw(25, seed=1), questions, rows=rows, follow=_follow_sequences,
        bad=bad, scores=_score_texts, params=params,
    )  # fmt: skip


def _score_by_edits(model, data, weight):
    return -edit_error_rate(data[1], model.predict(data[0]), sample_weight=weight)


def _horizon(model):
    return model.horizon if model.strategy == "direct" else 1


def _after(y):
    return [[part[-1], part[0]] for part in y]


_OF_SERIES = {
    **_INSIDE,
    "predict": lambda model, y: model.predict(2),
    "predict of others": lambda model, y: model.predict(2, y),
    "score": lambda model, y: model.score(_after(y)),
    "backtest": lambda model, y: model.backtest(y, 2, 5),
    "gradient_flow": lambda model, y: _flow(model, y, None),
    "input_gradients": lambda model, y: model.input_gradients(y, output=0),
    "stream": lambda model, y: model.stream(series=y).step([part[0] for part in y]),
}


def _follow_series(model, series):
    """As above, of values that each series goes on with: its scale is that of what was before."""
    for y in series:
        stream = model.stream(series=y[:-5])
        for t in range(len(y) - 5, len(y)):
            expected = model.predict(_horizon(model), y[: t + 1])
            yield stream.step(y[t]), expected


def _score_by_loss(model, data, weight):
    """What is recorded of validation data: minus the mean loss."""
    sequences = model.reader_.read(data[0], model.network_.dtype)
    target = model.task_.encode(data[1], sequences, weight)
    return -model.network_.mean_loss(sequences, target.values, target.weight)


def _score_series(model, data, weight):
    """What is recorded of validation data: minus the mean loss of all steps; `score` is another."""
    lessons = model.reader_.read(data[0], "float64")
    of_steps = np.repeat(np.ones(len(data[0])) if weight is None else weight, lessons.lengths)
    outputs = model.network_.predict(lessons)
    return model.task_.score(outputs, lessons.target, of_steps * lessons.weight)


def _score_series_by_loss(model, data, weight):
    """Likewise, where the network says parameters of distributions."""
    lessons = model.reader_.read(data[0], model.network_.dtype)
    target = model.task_.encode(0, lessons, weight)
    return -model.network_.mean_loss(lessons, target.values, target.weight)


def _series(draw=draw_series, **params):
    series, questions = draw(), dict(_OF_SERIES)
    if "quantiles" in params:
        questions["predict_quantiles"] = lambda model, y: model.predict_quantiles(2, y, [0.3, 0.5])
    if "likelihood" in params:
        del questions["backtest"]  # which says that forecasts of so short a training are flat
        questions["predict_samples"] = lambda model, y: model.predict_samples(
            2, y, 3, random_state=0
        )
    return Case(
        RNNForecaster, (series,), (draw((25, 33), seed=1),), questions,
        rows=lambda model, y: model.predict(2, y), follow=_follow_series,
        params={**PLAIN_SERIES, "cell": "gru", "dtype": "float64", **params},
        bad=(([*series[:2], series[2] * np.nan],), ([*series, [1.0]],), (None,), ([],)),
        validation=lambda data, weight=None: {"y": data[0], "sample_weight": weight},
        scores=_score_series_by_loss if "likelihood" in params else _score_series,
    )  # fmt: skip


def _of_tokens(X):
    is_long = isinstance(X, str | np.ndarray)
    return X[:9] if is_long else X[0]


_OF_TEXTS = {
    **_INSIDE,
    "score": lambda model, X: model.score(X),
    "score_samples": lambda model, X: model.score_samples(X),
    "perplexity": lambda model, X: model.perplexity(X),
    "next_proba": lambda model, X: model.next_proba(_of_tokens(X)),
    "sample": lambda model, X: list(model.sample(_of_tokens(X), 9, random_state=0)),
    "gradient_flow": lambda model, X: _flow(model, X, None),
    "stream": lambda model, X: model.stream(2).step([model.tokens_[1]] * 2),
}


def _follow_tokens(model, X):
    tokens, stream = _of_tokens(X), model.stream()
    if model.encoder_ is not None and isinstance(tokens, str):
        tokens = model.encoder_.tokenize([tokens])[0]
    for t, token in enumerate(tokens):
        yield stream.step(token), model.next_proba(list(tokens[: t + 1]))


def _texts(X, other, **params):
    is_long = isinstance(X, str | np.ndarray)
    return Case(
        RNNLanguageModel, (X,), (other,), _OF_TEXTS,
        rows=lambda model, X: model.hidden_states([X] if is_long else X), follow=_follow_tokens,
        params={"batch_size": 4, "bptt_steps": 6, "dtype": "float64", **params},
        bad=(("",), (["ab", ""],), (5,), ([],), ([[1.5, 2.0]],)),
        validation=lambda data, weight=None: data[0],
        is_separate=not is_long,
    )  # fmt: skip


def _sequences(estimator, draw, questions, rows, **options):
    X, y = draw(24)
    infinite = [*X[:5], X[5] * np.inf, *X[6:]]
    holes = [*X[:5], X[5] * np.nan, *X[6:]]
    unknown = [*list(y[:3]), None, *list(y[4:])]
    bad = ((infinite, y), (holes, y), (X, y[:-1]), (X, unknown), (X, None))
    return Case(
        estimator, (X, y), draw(25, seed=1), questions, rows=rows, follow=_follow_sequences,
        bad=bad, **options,
    )  # fmt: skip


def _probabilities(model, X):
    return model.predict_proba(X)


def _all_that_is_found(model, X):
    """The logarithms of all that may be told: they do not depend on how equals are ordered."""
    found = model.predict_nbest(X, 40)
    return [np.array([value for _, value in of_one]) for of_one in found]


CASES = {
    "classifier": _sequences(
        RNNClassifier, label_sequences, _OF_CLASSES, _probabilities,
        first={"classes": ["up", "down"]},
    ),
    "label sets": _sequences(RNNClassifier, label_sets, _OF_CLASSES, _probabilities),
    "ids": _sequences(
        RNNClassifier, _ids_and_numbers, _OF_CLASSES, _probabilities,
        params={"categorical_features": [3], "embedding_dim": 2},
        first={"classes": ["up", "down"]},
    ),
    "gaps": _sequences(
        RNNClassifier, _gaps, _OF_CLASSES, _probabilities,
        params={"categorical_features": [3], "missing": "mask", "time_feature": 4},
        first={"classes": ["up", "down"]},
    ),
    "regressor": _sequences(
        RNNRegressor, number_sequences, _OF_SEQUENCES, lambda model, X: model.predict(X)
    ),
    "two numbers": _sequences(
        RNNRegressor, _two_numbers, _OF_SEQUENCES, lambda model, X: model.predict(X)
    ),
    "quantiles of numbers": _sequences(
        RNNRegressor, _two_numbers, {**_OF_SEQUENCES, "predict_quantiles": _levels_of_numbers},
        lambda model, X: model.predict(X), scores=_score_by_loss,
        params={"loss": "quantile", "quantile": (0.2, 0.5, 0.9)},
    ),
    "amounts": _sequences(
        RNNRegressor, _amounts, _OF_SEQUENCES, lambda model, X: model.predict(X),
        params={"loss": "poisson"}, scores=_score_by_loss,
    ),
    "tagger": _sequences(
        RNNTagger, tag_steps, _OF_TAGS, _probabilities,
        first={"classes": ["near", "above", "below"]},
    ),
    "spelling": _sequences(
        RNNSeq2Seq, spell, _OF_SPELLING, _probabilities, scores=_score_by_edits,
        params={"alignment": "ctc"}, first={"classes": ["b", "a", "c"]},
    ),
    "translating": _sequences(
        RNNSeq2Seq, spell, _OF_TRANSLATING, _all_that_is_found, scores=_score_by_edits,
        params={"alignment": "attention", "max_length": 3, "label_embedding_dim": 4},
        first={"classes": ["b", "a", "c"]},
    ),
    "spelling texts": _target_texts(
        _leave_out,
        {name: ask for name, ask in _OF_SPELLING.items() if name != "input_gradients"}
        | {"stream": _step_of_texts},
        _probabilities, alignment="ctc",
    ),
    "translating texts": _target_texts(
        _say_backwards,
        {name: ask for name, ask in _OF_TRANSLATING.items() if name != "input_gradients"},
        _all_that_is_found,
        alignment="attention", max_length=3, label_embedding_dim=4, target_tokenizer="word",
    ),
    "forecaster": _series(),
    "quantiles": _series(strategy="direct", horizon=4, quantiles=(0.2, 0.5, 0.8)),
    "student_t": _series(likelihood="student_t"),
    "counts": _series(
        draw_counts, likelihood="negative_binomial", scaling=None, strategy="direct", horizon=3
    ),
    "text": _texts(LONG[:180], LONG[5:40]),
    "words of a text": _texts(LONG[:180], LONG[:43], tokenizer="word"),
    "texts": _texts(TEXTS, OTHERS),
    "words of texts": _texts(TEXTS, OTHERS, tokenizer="word"),
    "tokens": _texts([text.split() for text in TEXTS], [text.split() for text in OTHERS]),
    "long ids": _texts(np.array(IDS[2] * 6), np.array(IDS[0] + IDS[1])),
    "texts of ids": _texts(IDS, [IDS[0][1:], IDS[2][:5]]),
}  # fmt: skip
"""Each of the estimators, with every kind of data that it learns from."""


def over(where=None):
    """Run a test on all cases, or on some of them."""
    chosen = {name: case for name, case in CASES.items() if where is None or where(case)}
    return pytest.mark.parametrize("case", chosen.values(), ids=chosen)


ESTIMATORS = [RNNClassifier, RNNRegressor, RNNTagger, RNNForecaster, RNNLanguageModel]
