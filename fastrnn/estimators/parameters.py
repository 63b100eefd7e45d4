"""What each parameter of the estimators may be, and which choice makes use of it.

`RULES` says which values a parameter takes. `USED_BY` says which cell, solver or option a parameter
belongs to: a value other than the default that would have no effect is an error, so that nobody
tunes a knob which is not connected. `check_parameters` is called by `fit`, never by a constructor,
as scikit-learn asks.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

STOCHASTIC = ("adam", "adamw", "sgd", "rmsprop")


@dataclass(frozen=True)
class Rule:
    """The values that a parameter takes."""

    expected: str  # "a number >= 0", for the error message
    types: tuple[Any, ...]  # for isinstance
    allows: Callable[[Any], bool] = lambda value: True


def _words(*words):
    return Rule("one of " + ", ".join(repr(word) for word in words), (str,), words.__contains__)


def _flag():
    return Rule("True or False", (bool, np.bool_))


def _whole(low):
    return Rule(f"a whole number >= {low}", (Integral,), lambda value: value >= low)


def _number(expected, allows):
    return Rule(expected, (Real,), lambda value: _is_finite(value) and allows(value))


def _is_finite(value):
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _or(rule, *others):
    """Allow some other values, such as None, beside those of a rule."""

    def is_other(value):
        return any(isinstance(value, type(other)) and value == other for other in others)

    return Rule(
        " or ".join([rule.expected, *(repr(other) for other in others)]),
        (*rule.types, *(type(other) for other in others)),
        lambda value: is_other(value) or (_has_type(value, rule) and rule.allows(value)),
    )


def _has_type(value, rule):
    # bool is an Integral to Python, but True is no number of units
    is_flag = isinstance(value, bool | np.bool_)
    return bool in rule.types if is_flag else isinstance(value, rule.types)


def _are_layer_sizes(value):
    sizes = [value] if isinstance(value, Integral) else list(value)
    size = _whole(1)
    return len(sizes) > 0 and all(_has_type(n, size) and size.allows(n) for n in sizes)


def _are_quantiles(value):
    levels = list(value)
    inside = all(_has_type(q, _FINITE) and 0 < q < 1 for q in levels)
    rises = all(q < r for q, r in itertools.pairwise(levels))
    return bool(levels) and inside and rises and levels[0] <= 0.5 <= levels[-1]


def _are_class_weights(value):
    weights = value.values()
    return all(_has_type(w, _POSITIVE) and _POSITIVE.allows(w) for w in weights)


_POSITIVE = _number("a number > 0", lambda value: value > 0)
_NOT_NEGATIVE = _number("a number >= 0", lambda value: value >= 0)
_FINITE = _number("a finite number", lambda value: True)
_RATE = _number("a number in [0, 1)", lambda value: 0 <= value < 1)

RULES = {
    "hidden_layer_sizes": Rule(
        "a whole number >= 1 or a tuple of such numbers",
        (Integral, tuple, list),
        _are_layer_sizes,
    ),
    "cell": _words("lstm", "gru", "rnn", "carry_lstm"),
    "bidirectional": _flag(),
    "pooling": _words("last", "mean", "max"),
    "embedding_dim": _or(
        Rule(
            "a whole number >= 1, a tuple of such numbers",
            (Integral, tuple, list),
            _are_layer_sizes,
        ),
        None,
    ),
    "categorical_features": Rule(
        "None, 'all', 'from_dtype', or column numbers, column names or a mask",
        (type(None), str, list, tuple, np.ndarray),
        lambda value: not isinstance(value, str) or value in ("all", "from_dtype"),
    ),
    "tokenizer": Rule(
        "'char', 'word' or a callable",
        (str, Callable),
        lambda value: callable(value) or value in ("char", "word"),
    ),
    "lowercase": _flag(),
    "min_freq": _whole(1),
    "max_features": _or(_whole(1), None),
    "tie_weights": _flag(),
    "dropout": _RATE,
    "recurrent_dropout": _RATE,
    "activation": _words("tanh", "relu"),
    "reset_after": _flag(),
    "candidate_activation": _words("sigmoid", "tanh"),
    "forget_bias_init": _FINITE,
    "carry_bias_init": _FINITE,
    "solver": _words(*STOCHASTIC, "lbfgs"),
    "alpha": _NOT_NEGATIVE,
    "batch_size": _or(_whole(1), "auto"),
    "learning_rate": _words("constant", "invscaling", "adaptive", "cosine"),
    "learning_rate_init": _POSITIVE,
    "power_t": _NOT_NEGATIVE,
    "max_iter": _whole(1),
    "shuffle": _flag(),
    "random_state": Rule(
        "None, a whole number >= 0, a numpy Generator or a RandomState",
        (type(None), Integral, np.random.Generator, np.random.RandomState),
        lambda value: not isinstance(value, Integral) or _whole(0).allows(value),
    ),
    "tol": _NOT_NEGATIVE,
    "verbose": Rule(
        "True, False or a whole number >= 0", (bool, np.bool_, Integral), lambda value: value >= 0
    ),
    "warm_start": _flag(),
    "momentum": _number("a number in [0, 1]", lambda value: 0 <= value <= 1),
    "nesterovs_momentum": _flag(),
    "early_stopping": _flag(),
    "validation_fraction": _number("a number in (0, 1)", lambda value: 0 < value < 1),
    "beta_1": _RATE,
    "beta_2": _RATE,
    "epsilon": _POSITIVE,
    "n_iter_no_change": _or(_whole(1), math.inf),
    "max_fun": _whole(1),
    "clip_norm": _or(_POSITIVE, math.inf, None),
    "bptt_steps": _or(_whole(1), None),
    "dtype": _words("float32", "float64"),
    "n_jobs": Rule(
        "None, a whole number >= 1, or a negative one to count from the number of cores",
        (type(None), Integral),
        lambda value: value is None or value != 0,
    ),
    "class_weight": Rule(
        "None, 'balanced' or a dict of numbers > 0 by class label",
        (type(None), str, Mapping),
        lambda value: (
            _are_class_weights(value) if isinstance(value, Mapping) else value in (None, "balanced")
        ),
    ),
    "strategy": _words("recursive", "direct"),
    "horizon": _whole(1),
    "scaling": _or(_words("difference", "standard", "level"), None),
    "log": _flag(),
    "seasonality": _or(_whole(2), None),
    "quantiles": _or(
        Rule(
            "rising levels in (0, 1), the first <= 0.5 and the last >= 0.5",
            (tuple, list, np.ndarray),
            _are_quantiles,
        ),
        None,
    ),
    "missing": _words("error", "mask"),
    "window": _or(_whole(2), None),
}

USED_BY = {
    "activation": ("cell", ("rnn",)),
    "reset_after": ("cell", ("gru",)),
    "candidate_activation": ("cell", ("carry_lstm",)),
    "forget_bias_init": ("cell", ("lstm", "carry_lstm")),
    "carry_bias_init": ("cell", ("carry_lstm",)),
    "dropout": ("solver", STOCHASTIC),
    "recurrent_dropout": ("solver", STOCHASTIC),
    "batch_size": ("solver", STOCHASTIC),
    "learning_rate": ("solver", STOCHASTIC),
    "learning_rate_init": ("solver", STOCHASTIC),
    "power_t": ("learning_rate", ("invscaling",)),
    "shuffle": ("solver", STOCHASTIC),
    "momentum": ("solver", ("sgd",)),
    "nesterovs_momentum": ("solver", ("sgd",)),
    "early_stopping": ("solver", STOCHASTIC),
    "validation_fraction": ("early_stopping", (True,)),
    "beta_1": ("solver", ("adam", "adamw")),
    "beta_2": ("solver", ("adam", "adamw")),
    "epsilon": ("solver", ("adam", "adamw", "rmsprop")),
    "n_iter_no_change": ("solver", STOCHASTIC),
    "max_fun": ("solver", ("lbfgs",)),
    "clip_norm": ("solver", STOCHASTIC),
    "bptt_steps": ("solver", STOCHASTIC),
    "horizon": ("strategy", ("direct",)),
}


def check_parameters(estimator):
    """Check all parameters of an estimator.

    Parameters
    ----------
    estimator : dataclass instance
        Its fields are the parameters.

    Raises
    ------
    TypeError
        If a parameter has the wrong type.
    ValueError
        If a parameter has a value it may not have, or one that would have no effect.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(estimator)}
    for name in defaults:
        check_value(name, getattr(estimator, name))
    for name, (chooser, users) in USED_BY.items():
        if name not in defaults:
            continue
        value, choice = getattr(estimator, name), getattr(estimator, chooser)
        if value != defaults[name] and choice not in users:
            wanted = " or ".join(repr(user) for user in users)
            raise ValueError(
                f"{name}={value!r} has no effect with {chooser}={choice!r}: it is for "
                f"{chooser}={wanted}; leave it at its default, {defaults[name]!r}"
            )


def check_value(name, value):
    """Check one parameter by itself.

    Parameters
    ----------
    name : str
        Its name.
    value : object
        Its value.

    Raises
    ------
    TypeError
        If it has the wrong type.
    ValueError
        If it has a value it may not have.
    """
    rule = RULES[name]
    if not _has_type(value, rule):
        kind = type(value).__name__
        raise TypeError(f"{name} must be {rule.expected}, got {value!r} of type {kind}")
    if not rule.allows(value):
        raise ValueError(f"{name} must be {rule.expected}, got {value!r}")


def plain_values(estimator, names):
    """Return parameters as the values that Python knows, without numpy's scalar types.

    Parameters
    ----------
    estimator : dataclass instance
        Its parameters have been checked.
    names : iterable of str
        Which ones.

    Returns
    -------
    dict
        Name and value of each.
    """
    values = {name: getattr(estimator, name) for name in names}
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in values.items()
    }


def cell_options(estimator):
    """Return the parameters that belong to the chosen cell, as keyword arguments of its layer.

    Parameters
    ----------
    estimator : dataclass instance
        Its parameters have been checked.

    Returns
    -------
    dict
        Name and value of each parameter of the cell.
    """
    names = [
        name
        for name, (chooser, users) in USED_BY.items()
        if chooser == "cell" and estimator.cell in users
    ]
    return plain_values(estimator, names)


def embedding_sizes(embedding_dim, n_categories):
    """Return the size of the embedding of each column of ids.

    Parameters
    ----------
    embedding_dim : int, tuple of int or None
        Length of the vectors, checked: the same for all columns or one for each. None leaves it to
        the rule of thumb of fastai (its ``emb_sz_rule``), found by trial and error:
        ``min(600, round(1.6 * V ** 0.56))`` for V ids.
    n_categories : tuple of int
        Number of ids V of each column of ids.

    Returns
    -------
    tuple of (int, int)
        For each column the number of ids and the length of their vectors.

    Raises
    ------
    ValueError
        If there are no columns of ids, or not as many as lengths.
    """
    if embedding_dim is None:
        sizes = [min(600, round(1.6 * n**0.56)) for n in n_categories]
    elif not n_categories:
        raise ValueError(
            f"embedding_dim={embedding_dim!r} has no effect: categorical_features chooses no "
            "column of X"
        )
    elif isinstance(embedding_dim, Integral):
        sizes = [int(embedding_dim)] * len(n_categories)
    else:
        sizes = [int(size) for size in embedding_dim]
    if len(sizes) != len(n_categories):
        raise ValueError(
            f"embedding_dim={embedding_dim!r} has {len(sizes)} entries, but X has "
            f"{len(n_categories)} columns of ids"
        )
    return tuple(zip(n_categories, sizes, strict=True))
