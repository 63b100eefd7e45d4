"""Looking into a model: where its gradients go, and which features its score depends on.

The functions on a `fastrnn.network.Network` are behind the estimators' methods of the same names.
`permutation_importance` asks nothing of a model but a score, and takes any estimator.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, SupportsIndex, TypeAlias

import numpy as np

from fastrnn.inputs import frames
from fastrnn.inputs.arrays import with_nan
from fastrnn.inputs.columns import name_place
from fastrnn.inputs.containers import open_container
from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.inputs.list_cells import cells_of_lists
from fastrnn.inputs.sequences import Sequences
from fastrnn.kernels.likelihoods import STEEPEST_RATE
from fastrnn.network import threads
from fastrnn.network.batches import PackedBatch, rows_from
from fastrnn.network.network import Network
from fastrnn.network.pair_network import EncoderDecoderNetwork
from fastrnn.standin import as_generator
from fastrnn.typing import (
    AnyArray,
    Doubles,
    Floats,
    Ints,
    RandomState,
    SampleWeight,
    SequencesLike,
    TargetsLike,
)

__all__ = ["GradientFlow", "Importances", "permutation_importance"]

_OfOutputs: TypeAlias = Callable[..., Floats]
"""``doutputs`` of `Network.input_gradients`."""

_Watcher: TypeAlias = Callable[[PackedBatch, int, Doubles], None]
"""``watch`` of it."""


@dataclass(frozen=True, eq=False)
class GradientFlow:
    """How strongly the loss depends on the states of a recurrent network, step by step.

    The `gradient_flow` of an estimator makes it, and `fastrnn.plotting.GradientFlowDisplay` shows
    it. Of each sequence n, layer and direction it holds the Euclidean norm of the gradient of that
    sequence's own loss with respect to the state after each step, by all ways on which the state
    reaches the loss. Where the norms fall towards zero with the distance from the outputs, the
    network cannot learn from what happened there; where they grow, training is unstable
    (Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013, arXiv 1211.5063).

    Parameters
    ----------
    names : tuple of str
        A name for each row of the norms: "layer 1" for the layer next to the input, and so on up;
        in a bidirectional network "layer 1 forward", "layer 1 backward".
    norms : list of ndarray of shape (len(names), T_i), float64
        One array for each sequence. Column t belongs to step t of the sequence, for the direction
        that reads backward, too; with `stride` or `conv`, to the step t that the layers read.
    weight : ndarray of shape (n_sequences,)
        Weight of each sequence in the means.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.inspection import GradientFlow
    >>> norms = [np.array([[1.0, 3.0, 5.0]]), np.array([[3.0]])]
    >>> flow = GradientFlow(("layer 1",), norms, np.ones(2))
    >>> flow.from_start
    array([[2., 3., 5.]])
    >>> flow.from_end
    array([[4., 3., 1.]])
    """

    names: tuple[str, ...]
    norms: list[Doubles]
    weight: Floats

    def __repr__(self) -> str:
        return f"<GradientFlow of {len(self.norms)} sequences: {', '.join(self.names)}>"

    @property
    def from_start(self) -> Doubles:
        """Weighted mean over the sequences that have a step t, shape (len(names), T)."""
        return self._mean(self.norms)

    @property
    def from_end(self) -> Doubles:
        """The same counted from each sequence's end: column 0 is the mean over the last steps."""
        return self._mean([norms[:, ::-1] for norms in self.norms])

    def _mean(self, norms: list[Doubles]) -> Doubles:
        used = [(curves, w) for curves, w in zip(norms, self.weight, strict=True) if w > 0]
        n_steps = max(curves.shape[1] for curves, _ in used)
        total, weight = np.zeros((len(self.names), n_steps)), np.zeros(n_steps)
        for curves, w in used:
            total[:, : curves.shape[1]] += w * curves
            weight[: curves.shape[1]] += w
        mean: Doubles = total / weight
        return mean


def gradient_flow(
    network: Network,
    sequences: Sequences,
    target: AnyArray,
    weight: Floats,
    *,
    n_jobs: int | None = None,
) -> GradientFlow:
    """Take the norms of the gradient of each loss with respect to the states.

    Target and weight are what `Network.loss_and_grad` takes, but the weight is of any dtype.
    """
    own, weight = own_weights(network, sequences, weight)
    doutputs = loss_gradient(network, target, own)

    def go_back(watch: _Watcher) -> None:
        network.input_gradients(sequences, doutputs, watch=watch, n_jobs=n_jobs)

    return _watch(network, sequences, weight, go_back)


def pair_gradient_flow(
    network: EncoderDecoderNetwork,
    sequences: Sequences,
    target: LabelSequences,
    weight: Floats,
    *,
    n_jobs: int | None = None,
) -> GradientFlow:
    """Likewise of an encoder with a decoder: of the encoder's states, and the mean loss of targets.

    Target and weight are what `EncoderDecoderNetwork.loss_and_grad` takes.
    """

    def go_back(watch: _Watcher) -> None:
        of_targets = mean_weights(target)
        network.input_gradients(sequences, target, of_targets, watch=watch, n_jobs=n_jobs)

    return _watch(network.encoder, sequences, weight, go_back)


def mean_weights(target: LabelSequences) -> Doubles:
    """Weights of the labels of targets, and of their ends, that make their loss a mean, (n,)."""
    return 1 / (target.lengths + 1.0)


def _watch(
    network: Network, sequences: Sequences, weight: Floats, go_back: Callable[[_Watcher], None]
) -> GradientFlow:
    """Collect the norms that a function gives to the function that it is given."""
    if not np.any(weight > 0):
        raise ValueError("no sequence has a weight above 0: there is no mean gradient")
    layers = network.layers
    directions = (" forward", " backward") if layers[0].bidirectional else ("",)
    names = [f"layer {k + 1}{direction}" for k in range(len(layers)) for direction in directions]
    offsets = network.offsets_read(sequences)
    norms = np.empty((len(names), offsets[-1]))

    def watch(batch: PackedBatch, k: int, dh_norms: Doubles) -> None:
        in_order = rows_from(offsets, batch)
        for d, of_direction in enumerate(dh_norms):
            rows = in_order if d == 0 else in_order[batch.reverse]
            norms[k * len(directions) + d, rows] = of_direction

    go_back(watch)
    of_sequences = np.split(norms, offsets[1:-1], axis=1)
    return GradientFlow(tuple(names), of_sequences, weight)


def own_weights(network: Network, sequences: Sequences, weight: Floats) -> tuple[Doubles, Doubles]:
    """Divide weights into those inside of each sequence, and those of the sequences, float64.

    Where the head sees every step, those of the steps of a sequence add up to 1, or are all zero;
    else `weight` has one for each sequence.
    """
    given = np.asarray(weight, dtype=np.float64)
    if not network.pooling.every_step or network.head.joins_steps:
        return np.ones_like(given), given
    of_sequences = np.add.reduceat(given, sequences.offsets[:-1])
    sums = np.repeat(of_sequences, sequences.lengths)
    return np.divide(given, sums, out=np.zeros_like(given), where=sums > 0), of_sequences


def loss_gradient(network: Network, target: AnyArray, weight: Floats) -> _OfOutputs:
    """What `Network.input_gradients` starts from, for the gradient of each sequence's own loss.

    The target is what `Network.loss_and_grad` takes, the weight comes from `own_weights`.
    """
    weight = weight.astype(network.dtype)
    if not network.head.joins_steps and target.dtype.kind == "f":
        target = target.astype(network.dtype)

    def doutputs(places: Ints, outputs: Floats, batch: PackedBatch, room: object) -> Floats:
        network.head.loss_and_grad(outputs, target, weight, places, 1.0, batch, room)
        return outputs

    return doutputs


def output_gradient(
    link: str, n_outputs: int, output: int | None, unit: Callable[[int], float]
) -> _OfOutputs:
    """Likewise, for an output; None is the predicted class, or the only one.

    ``link`` is that of the network's head; ``unit(k)`` is what one in its output k is in what is
    predicted.
    """
    if output is not None:
        if isinstance(output, bool) or not isinstance(output, Integral):
            raise TypeError(f"output must be an integer or None, got {output!r}")
        if not 0 <= output < n_outputs:
            raise ValueError(f"output must be from 0 to {n_outputs - 1}, got {output}")
    if link == "softmax":
        return log_odds_gradient(output)
    if output is None and n_outputs > 1:
        raise ValueError(
            f"the model has {n_outputs} outputs: choose one with output, from 0 to {n_outputs - 1}"
        )
    gradient = rate_gradient if link == "rate" else value_gradient
    return gradient(output or 0, unit(output or 0))


def log_odds_gradient(output: int | None = None) -> _OfOutputs:
    """Likewise, for the log-odds ``log(p / (1 - p))`` of a class; None is the most probable one."""

    def doutputs(places: Ints, outputs: Floats, *_: Any) -> Floats:
        rows = np.arange(len(outputs))
        chosen = outputs.argmax(axis=1) if output is None else np.full(len(outputs), output)
        # With logits z this is z_k - log(sum(exp(z_j) for j != k)): other than the probability and
        # its logarithm it has a gradient however sure the model is.
        others = outputs.copy()
        others[rows, chosen] = -np.inf
        others -= others.max(axis=1, keepdims=True)
        np.exp(others, out=others)
        gradient: Floats = -others / others.sum(axis=1, keepdims=True)
        gradient[rows, chosen] = 1
        return gradient

    return doutputs


def rate_gradient(output: int, scale: float) -> _OfOutputs:
    """Likewise, for the rate of which an output is the logarithm, times a scale."""

    def doutputs(places: Ints, outputs: Floats, *_: Any) -> Floats:
        gradient = np.zeros_like(outputs)
        gradient[:, output] = scale * np.exp(np.minimum(outputs[:, output], STEEPEST_RATE))
        return gradient

    return doutputs


def value_gradient(output: int, scale: float) -> _OfOutputs:
    """Likewise, for an output as it is, times a scale."""

    def doutputs(places: Ints, outputs: Floats, *_: Any) -> Floats:
        gradient = np.zeros_like(outputs)
        gradient[:, output] = scale
        return gradient

    return doutputs


@dataclass(frozen=True, eq=False)
class Importances(Mapping[str, Doubles]):
    """How much the score falls when a feature comes from other sequences.

    `permutation_importance` makes it. Its attributes are entries, too, as in scikit-learn:
    ``result["importances"]`` is ``result.importances``.

    Parameters
    ----------
    importances_mean, importances_std : ndarray of shape (n_features,)
        Mean and standard deviation over the repeats; with `time_blocks` of shape
        (n_features, time_blocks).
    importances : ndarray of shape (n_features, n_repeats)
        The score minus the score with the feature permuted; with `time_blocks` of shape
        (n_features, time_blocks, n_repeats). Features of data frames are in the order of the
        columns of the first.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.inspection import Importances
    >>> fall = np.array([[0.25, 0.75], [0.0, 0.0]])
    >>> result = Importances(fall.mean(axis=1), fall.std(axis=1), fall)
    >>> result.importances_mean
    array([0.5, 0. ])
    >>> list(result)
    ['importances_mean', 'importances_std', 'importances']
    """

    importances_mean: Doubles
    importances_std: Doubles
    importances: Doubles

    def __getitem__(self, name: str) -> Doubles:
        values: Doubles = vars(self)[name]
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))

    def __len__(self) -> int:
        return len(vars(self))


def permutation_importance(
    estimator: Any,
    X: SequencesLike,
    y: TargetsLike,
    *,
    scoring: str | Callable[..., float] | None = None,
    n_repeats: int = 5,
    time_blocks: int | None = None,
    sample_weight: SampleWeight = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
) -> Importances:
    """Measure how much the score falls when a feature comes from other sequences.

    One feature at a time is taken from each sequence and replaced by the same feature of another
    sequence, the donor, drawn by a random permutation of the sequences. The whole series moves, so
    that it stays a possible course of that feature; what is lost is what it had to do with `y` and
    with the other features.

    Donor and receiver may have unequal lengths. The donor's series is then read by relative
    position: a step in the middle of the receiver gets the value in the middle of the donor. In a
    sequence of T steps, step t stands at ``(t + 0.5) / T``, and gets the value of the step in whose
    share of the donor's time that position falls. Values are never interpolated, so that codes stay
    codes; but a longer donor's series runs faster, and a shorter one's slower, than it did. The
    length itself is not permuted.

    Parameters
    ----------
    estimator : object
        A fitted estimator that takes ragged sequences: one of fastrnn's, or a pipeline or search
        around one.
    X : list of ndarray, array, data frame or list of data frames
        At least two sequences, as in the estimators' `fit`, numbers or tokens. They should not be
        those of the training, or what is measured is what the model relies on, right or wrong.
    y : array-like
        Their targets, as the estimator's `score` takes them.
    scoring : str, callable or None, default=None
        What is measured: None for ``estimator.score``, a callable ``scoring(estimator, X, y)``
        that returns a number, larger is better, or the name of one of scikit-learn's scorers.
    n_repeats : int, default=5
        How often each feature is permuted.
    time_blocks : int or None, default=None
        Cut the relative time of each sequence into so many equal blocks, and permute each feature
        in one block at a time: shows when a feature matters. A sequence with fewer steps than
        blocks has no step in some of them.
    sample_weight : array-like of shape (n_sequences,), default=None
        Passed on to the scorer if given.
    random_state : int, Generator, RandomState or None, default=None
        Draws the donors. They are the same for all features and blocks.
    n_jobs : int or None, default=None
        Number of threads, each of which scores on its own. Results do not depend on it.

    Returns
    -------
    Importances
        The falls of the score for each feature and repeat, with their means and deviations.

    Raises
    ------
    TypeError
        If a parameter has the wrong type, the estimator has no `score`, or a sequence is none of
        steps.
    ValueError
        If `X` has fewer than two sequences or the estimator refuses it, or if a parameter has a
        value it may not have.
    ImportError
        If `scoring` is a name and scikit-learn is not installed.

    References
    ----------
    L. Breiman (2001), Random forests, Machine Learning 45(1).

    A. Fisher, C. Rudin and F. Dominici (2019), All models are wrong, but many are useful, Journal
    of Machine Learning Research 20(177), arXiv 1801.01489.

    Examples
    --------
    >>> from fastrnn import RNNRegressor
    >>> from fastrnn.datasets import make_adding_problem
    >>> from fastrnn.inspection import permutation_importance
    >>> X, y = make_adding_problem(1200, 10, random_state=0)
    >>> reg = RNNRegressor(16, learning_rate="cosine", learning_rate_init=0.02, batch_size=20,
    ...                    max_iter=15, random_state=0).fit(X[:1000], y[:1000])
    >>> result = permutation_importance(reg, X[1000:], y[1000:], random_state=0)
    >>> result.importances.shape, bool((result.importances_mean > 0.5).all())
    ((2, 5), True)
    """
    score = _scorer(estimator, scoring)
    n_repeats = _positive("n_repeats", n_repeats)
    n_blocks = 1 if time_blocks is None else _positive("time_blocks", time_blocks)
    threads.count_threads(n_jobs)
    options = {} if sample_weight is None else {"sample_weight": sample_weight}
    baseline = float(score(estimator, X, y, **options))  # finds the faults of X and y, too
    if len(X) < 2:
        raise ValueError("X has 1 sequence: permuting features between sequences needs at least 2")
    X = _opened(X)
    rng = as_generator(random_state)
    donors = [rng.permutation(len(X)) for _ in range(n_repeats)]

    def score_permuted(task: tuple[int, ...]) -> float:
        feature, block, repeat = task
        permuted = _permute(X, feature, donors[repeat], block, n_blocks)
        return score(estimator, permuted, y, **options)

    shape = (_count_features(X), n_blocks, n_repeats)
    scores = threads.run(score_permuted, list(np.ndindex(shape)), n_jobs)
    importances = baseline - np.array(scores, dtype=np.float64).reshape(shape)
    if time_blocks is None:
        importances = importances[:, 0]
    return Importances(importances.mean(axis=-1), importances.std(axis=-1), importances)


def _opened(X: SequencesLike) -> Any:
    """Sequences by position, the columns of all data frames in the order of the first."""
    X = open_container(X, "X", "a list of sequences")
    if frames.is_frame(X):
        X = cells_of_lists(X)
    if frames.is_frame(X) or (isinstance(X, np.ndarray) and X.ndim > 1):
        return X
    X = [open_container(item, name_place(i), "a sequence") for i, item in enumerate(X)]
    if not frames.is_frame(X[0]):
        return X
    names = frames.column_names(X[0])
    return [frames.select(item, frames.places_of(item, names)) for item in X]


def _count_features(X: Any) -> int:
    """Columns of a time step."""
    if frames.is_frame(X):  # a table, whose rows are univariate sequences
        return 1
    shape = _shape(X[0])
    if len(shape) not in (1, 2):
        raise TypeError(
            f"sequence 0 is of type {type(X[0]).__name__}, expected an array of shape "
            "(time, feature), a list or a data frame; texts have to be made lists of tokens before"
        )
    return shape[1] if len(shape) == 2 else 1


def _shape(sequence: Any) -> tuple[int, ...]:
    return frames.shape_of(sequence) if frames.is_frame(sequence) else np.shape(sequence)


def _permute(X: Any, feature: int, donors: Ints, block: int, n_blocks: int) -> Any:
    """X with a feature of each sequence, in one block of its time, taken from its donor."""
    if frames.is_frame(X):
        steps = np.flatnonzero(_relative(frames.shape_of(X)[1], n_blocks) == block)
        columns = {t: frames.column_values(X, t) for t in steps.tolist()}
        permuted = {t: [values[n] for n in donors] for t, values in columns.items()}
        return frames.replace_columns(X, permuted)
    sequences = [
        _transplant(sequence, X[donor], feature, block, n_blocks)
        for sequence, donor in zip(X, donors, strict=True)
    ]
    is_one_array = isinstance(X, np.ndarray) and X.ndim > 1
    return np.stack(sequences) if is_one_array else sequences


def _transplant(sequence: Any, donor: Any, feature: int, block: int, n_blocks: int) -> Any:
    """A copy of a sequence with a feature, in one block of its time, from another sequence."""
    n_steps = _shape(sequence)[0]
    steps = np.flatnonzero(_relative(n_steps, n_blocks) == block)
    sources = _relative(n_steps, _shape(donor)[0])[steps]
    if frames.is_frame(sequence):
        values, others = (frames.column_values(frame, feature) for frame in (sequence, donor))
        for t, source in zip(steps, sources, strict=True):
            values[t] = others[source]
        return frames.replace_columns(sequence, {feature: values})
    given = with_nan(np.asanyarray(donor))
    array = with_nan(np.array(sequence, subok=True))
    array = array.astype(np.result_type(array, given))
    columns, given = (values.reshape(len(values), -1) for values in (array, given))
    columns[steps, feature] = given[sources, feature]
    return array.tolist() if isinstance(sequence, list | tuple) else array


def _relative(n_steps: int, n_blocks: int) -> Ints:
    """In which of so many equal blocks of the time each step stands."""
    return (2 * np.arange(n_steps) + 1) * n_blocks // (2 * n_steps)


def _scorer(estimator: Any, scoring: str | Callable[..., float] | None) -> Callable[..., float]:
    """A function of estimator, X and y that returns a number."""
    if scoring is None:
        if not hasattr(estimator, "score"):
            raise TypeError(
                f"{type(estimator).__name__} has no method score: give scoring, a callable "
                "scoring(estimator, X, y)"
            )
        return lambda estimator, X, y, **options: estimator.score(X, y, **options)
    if callable(scoring):
        return scoring
    if not isinstance(scoring, str):
        raise TypeError(f"scoring must be a name, a callable or None, got {type(scoring).__name__}")
    try:
        from sklearn.metrics import get_scorer
    except ImportError as error:
        raise ImportError(
            f"scoring={scoring!r} names a scorer of scikit-learn, which is not installed: "
            "pip install scikit-learn, or give a callable scoring(estimator, X, y)"
        ) from error
    scorer: Callable[..., float] = get_scorer(scoring)
    return scorer


def _positive(name: str, value: SupportsIndex) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    value = operator.index(value)
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
    return value
