"""Generators of the classical tasks."""

from __future__ import annotations

from numbers import Integral
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastrnn.typing import AnyArray, Ints

_Seed: TypeAlias = int | np.random.Generator | None

REBER_SYMBOLS = "BTSXPVE"
"""The symbols of the Reber grammar, in the order of the features of `make_reber`."""

# The states of the Reber automaton, each with its one or two arrows (symbol, next state).
_REBER = [
    [("B", 1)],
    [("T", 2), ("P", 3)],
    [("S", 2), ("X", 4)],
    [("T", 3), ("V", 5)],
    [("X", 3), ("S", 6)],
    [("P", 4), ("V", 6)],
    [("E", 7)],
    [],
]


def make_first_token_recall(
    n_samples: int,
    length: int,
    n_tokens: int,
    *,
    one_hot: bool = True,
    random_state: _Seed = None,
) -> tuple[AnyArray, Ints]:
    """Make sequences of random tokens, to be classified by their first token.

    The later tokens say nothing of the first, so a network that does not remember it over all
    `length` steps is right by chance, once in `n_tokens`.

    Parameters
    ----------
    n_samples : int
        Number of sequences, at least 1.
    length : int
        Number of steps of each sequence, at least 1.
    n_tokens : int
        Number of different tokens, at least 2, all equally likely at every step.
    one_hot : bool, default=True
        Whether tokens are given as unit vectors or as numbers.
    random_state : int, numpy.random.Generator or None, default=None
        Seed for the same data each time; a generator, which is advanced; None for new data each
        time.

    Returns
    -------
    X : ndarray
        Of shape (n_samples, length, n_tokens), float32, with `one_hot`; without it of shape
        (n_samples, length), int64, tokens 0 to ``n_tokens - 1``.
    y : ndarray of shape (n_samples,), int64
        The first token of each sequence.

    Raises
    ------
    ValueError
        If an argument is not as described.

    Examples
    --------
    >>> from fastrnn.datasets import make_first_token_recall
    >>> X, y = make_first_token_recall(2, 5, 3, one_hot=False, random_state=0)
    >>> X
    array([[2, 1, 1, 0, 0],
           [0, 0, 0, 0, 2]])
    >>> y
    array([2, 0])
    """
    _check_integer("n_samples", n_samples, 1)
    _check_integer("length", length, 1)
    _check_integer("n_tokens", n_tokens, 2)
    tokens = _generator(random_state).integers(n_tokens, size=(n_samples, length))
    first = tokens[:, 0].copy()
    if not one_hot:
        return tokens, first
    return np.eye(n_tokens, dtype=np.float32)[tokens], first


def make_adding_problem(
    n_samples: int, length: int, *, random_state: _Seed = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make the adding problem: find the sum of two marked numbers among many.

    The first feature of each step is a number drawn uniformly from [0, 1). The second is a mark: 1
    at one random step of the first half of the sequence and at one of the second half, 0 elsewhere.
    The target is the sum of the two marked numbers.

    Parameters
    ----------
    n_samples : int
        Number of sequences, at least 1.
    length : int
        Number of steps of each sequence, at least 2. If it is odd, the second half is the longer.
    random_state : int, numpy.random.Generator or None, default=None
        Seed for the same data each time; a generator, which is advanced; None for new data each
        time.

    Returns
    -------
    X : ndarray of shape (n_samples, length, 2), float32
        Numbers and marks.
    y : ndarray of shape (n_samples,), float32
        Sum of the marked numbers, between 0 and 2.

    Raises
    ------
    ValueError
        If an argument is not as described.

    Notes
    -----
    To answer 1 whatever the sequence has a mean squared error of 1/6, the variance of the sum.

    The task is that of [1]_ in the form usual today [2]_, which has numbers from [0, 1) instead of
    [-1, 1], one length for all, and the plain sum as target.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber (1997). Long short-term memory. Neural Computation 9(8),
       1735-1780, section 5.4.
    .. [2] M. Arjovsky, A. Shah and Y. Bengio (2016). Unitary evolution recurrent neural networks.
       ICML.

    Examples
    --------
    >>> from fastrnn.datasets import make_adding_problem
    >>> X, y = make_adding_problem(1, 4, random_state=0)
    >>> X[0].round(2)
    array([[0.85, 1.  ],
           [0.64, 0.  ],
           [0.51, 1.  ],
           [0.27, 0.  ]], dtype=float32)
    >>> y.round(2)
    array([1.36], dtype=float32)
    """
    _check_integer("n_samples", n_samples, 1)
    _check_integer("length", length, 2)
    rng = _generator(random_state)
    X = np.zeros((n_samples, length, 2), dtype=np.float32)
    X[:, :, 0] = rng.random((n_samples, length), dtype=np.float32)
    rows = np.arange(n_samples)
    first = rng.integers(length // 2, size=n_samples)
    second = rng.integers(length // 2, length, size=n_samples)
    X[rows, first, 1] = 1
    X[rows, second, 1] = 1
    return X, X[rows, first, 0] + X[rows, second, 0]


def make_reber(
    n_samples: int, *, embedded: bool = False, random_state: _Seed = None
) -> tuple[list[NDArray[np.float32]], list[Ints]]:
    """Make strings of the Reber grammar, with the symbols that may come next at each step.

    Parameters
    ----------
    n_samples : int
        Number of strings, at least 1.
    embedded : bool, default=False
        Whether each string is wrapped as in the embedded grammar, so that its last symbol but one
        has to be remembered from its second.
    random_state : int, numpy.random.Generator or None, default=None
        Seed for the same data each time; a generator, which is advanced; None for new data each
        time.

    Returns
    -------
    X : list of ndarrays of shape (T_i, 7), float32
        The strings, each symbol a unit vector in the order of `REBER_SYMBOLS`, B T S X P V E.
    y : list of ndarrays of shape (T_i, 7), int64
        At each step 1 for the symbols that the grammar allows to come next, 0 for the others. All
        are 0 at the last step.

    Raises
    ------
    ValueError
        If an argument is not as described.

    Notes
    -----
    A string of the grammar [1]_ is a walk from state 0 to state 7, where both arrows of a state are
    equally likely::

        state  symbol -> next state
        0      B -> 1
        1      T -> 2, P -> 3
        2      S -> 2, X -> 4
        3      T -> 3, V -> 5
        4      X -> 3, S -> 6
        5      P -> 4, V -> 6
        6      E -> 7

    A string of the embedded grammar [2]_ is B T <string> T E or B P <string> P E, which are equally
    likely.

    References
    ----------
    .. [1] A. S. Reber (1967). Implicit learning of artificial grammars. Journal of Verbal Learning
       and Verbal Behavior 6(6), 855-863.
    .. [2] S. Hochreiter and J. Schmidhuber (1997). Long short-term memory. Neural Computation 9(8),
       1735-1780, section 5.1.

    Examples
    --------
    >>> from fastrnn.datasets import REBER_SYMBOLS, make_reber
    >>> X, y = make_reber(3, embedded=True, random_state=1)
    >>> ["".join(REBER_SYMBOLS[k] for k in x.argmax(axis=1)) for x in X]
    ['BPBTSSSXSEPE', 'BTBPVVETE', 'BTBTSXSETE']
    >>> "".join(symbol for symbol, may_follow in zip(REBER_SYMBOLS, y[0][-3]) if may_follow)
    'P'
    """
    _check_integer("n_samples", n_samples, 1)
    rng = _generator(random_state)
    states = _embedded_reber() if embedded else _REBER
    allowed = np.zeros((len(states), len(REBER_SYMBOLS)), dtype=np.int64)
    arrows = np.empty(
        (len(states), 2, 2), dtype=np.int64
    )  # two from each state: symbol, next state
    for number, of_state in enumerate(states):
        ways = [(REBER_SYMBOLS.index(symbol), target) for symbol, target in of_state]
        for symbol, _ in ways:
            allowed[number, symbol] = 1
        # One way counts twice; from the last state there is none, and a walk stays without symbol.
        arrows[number] = (2 * ways)[:2] or [(-1, number)]

    state = np.zeros(n_samples, dtype=np.int64)
    steps = []
    while (state != len(states) - 1).any():
        steps.append(arrows[state, rng.integers(2, size=n_samples)])
        state = steps[-1][:, 1]
    walks = np.stack(steps, axis=1)
    is_step = walks[:, :, 0] >= 0
    ends = np.cumsum(is_step.sum(axis=1))[:-1]
    symbols, reached = walks[is_step].T
    X = np.eye(len(REBER_SYMBOLS), dtype=np.float32)[symbols]
    return np.split(X, ends), np.split(allowed[reached], ends)


def _embedded_reber() -> list[list[tuple[str, int]]]:
    """Return the states of the embedded grammar: one Reber automaton for T, another for P."""
    n = len(_REBER)
    last = 2 * n + 2
    states = [[("B", 1)], [("T", 2), ("P", 2 + n)]]
    for outer, first in (("T", 2), ("P", 2 + n)):
        states += [[(symbol, first + target) for symbol, target in state] for state in _REBER[:-1]]
        states.append([(outer, last)])
    return [*states, [("E", last + 1)], []]


def _is_integer(value: object, minimum: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= minimum


def _check_integer(name: str, value: object, minimum: int) -> None:
    if not _is_integer(value, minimum):
        raise ValueError(f"{name} must be an integer of at least {minimum}, got {value!r}")


def _generator(random_state: _Seed) -> np.random.Generator:
    is_generator = isinstance(random_state, np.random.Generator)
    if random_state is None or is_generator or _is_integer(random_state, 0):
        return np.random.default_rng(random_state)
    raise ValueError(
        "random_state must be an integer of at least 0, a numpy.random.Generator or None, "
        f"got {random_state!r}"
    )
