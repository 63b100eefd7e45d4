"""The states of streams, around the step of the kernel.

A conditional random field also says, after each step, what the steps so far say of it.
"""

from collections.abc import Mapping
from numbers import Integral

import numpy as np

from fastrnn.kernels.stream import StreamKernel, copy_of_state, write_state
from fastrnn.streams.snapshot import checked_state
from fastrnn.streams.steps import Steps

__all__ = ["FilteredStream", "Stream", "open_stream"]


class Stream(StreamKernel):
    """Sequences that come step by step, with what a model says of each after every step.

    The `stream` method of a fitted estimator makes one. It has the weights as they were then:
    fitting the estimator again does not change it.

    `step` reads the next time step of every stream, and returns what the model predicts from all
    that they have read so far; thousands of streams go through the network as one batch. `reset`
    lets streams begin anew. Streams are copied (`copy.copy`), which shares the weights, and pickled
    at any time, between two steps.

    Threads may step different objects side by side; those made by copying share their weights. A
    single object belongs to one thread at a time.

    Parameters
    ----------
    snapshot : Snapshot
        The model.
    n_streams : int, default=1
        How many sequences are read side by side.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNClassifier
    >>> X = np.random.default_rng(0).normal(size=(40, 12, 3)).astype("float32")
    >>> y = X[:, :, 0].sum(axis=1) > 0
    >>> model = RNNClassifier(8, learning_rate="cosine", max_iter=5, random_state=0).fit(X, y)
    >>> stream = model.stream()
    >>> for x_t in X[0]:
    ...     proba = stream.step(x_t)
    >>> np.allclose(proba, model.predict_proba(X[:1])[0], atol=1e-6)
    True
    """

    def __init__(self, snapshot, n_streams=1):
        if isinstance(n_streams, bool) or not isinstance(n_streams, Integral):
            raise TypeError(f"n_streams must be a whole number, got {n_streams!r}")
        if n_streams < 1:
            raise ValueError(f"n_streams must be at least 1, got {n_streams}")
        self._snapshot, self._n_streams = snapshot, int(n_streams)
        self._state = snapshot.new_state(self._n_streams)
        room = snapshot.new_room(self._n_streams)
        steps = Steps(snapshot, self._n_streams, self._state)
        super().__init__(steps, snapshot, self._state, room, np.ndarray, np.int64, np.empty)

    def __reduce__(self):
        return type(self), (self._snapshot, self._n_streams), self.state

    def __setstate__(self, state):
        self.state = state

    def __repr__(self):
        return f"<{self._n_streams} streams>" if self._n_streams > 1 else "<1 stream>"

    @property
    def n_streams(self):
        """Number of streams."""
        return self._n_streams

    @property
    def state(self):
        """Copy of what the streams remember, which can be set again.

        A dict of arrays with a row for each stream: "h_0", "h_1", ... and, of cells that have one,
        "c_0", ... are the states of each layer, "n_steps" says how many steps were read; "total" is
        the sum of the states where "mean" is part of the `pooling`, "largest" their maximum where
        "max" is, and "weighted" their sum with weights relative to that of the largest "score"
        where "attention" is, "weight" the sum of these; "last" is a forecaster's last observed
        value, scaled. With ``missing`` other than "error", "seen" are the last numbers that were
        not missing, scaled, and with `time_feature`, "time" is that of the last step, of dates in
        seconds, where "kind_of_time" is 0 without zone, 1 with one, and 2 for durations; with
        "decay", "since" is how long numbers have been missing, in mean steps. With `stride` or
        `conv`, "recent_0", ... are the last rows that each of these reads, and all else is of rows
        that no later step can change.
        """
        return copy_of_state(self)

    @state.setter
    def state(self, state):
        if not isinstance(state, Mapping):
            raise TypeError(f"state is of type {type(state).__name__}, expected a dict")
        if state.keys() != self._state.keys():
            got = sorted(state, key=str)
            raise ValueError(f"state has {got}, expected {sorted(self._state)}")
        checked = {name: checked_state(name, state[name], own) for name, own in self._state.items()}
        write_state(self, checked, slice(None))

    def reset(self, which=None):
        """Let streams begin anew.

        Parameters
        ----------
        which : int, slice, or array-like of int or bool, default=None
            Their numbers, or a mask with an entry for each stream. None for all.

        Raises
        ------
        IndexError
            If there is no such stream.
        TypeError
            If `which` does not choose streams.
        RuntimeError
            If another thread is using the same object.
        """
        rows = slice(None) if which is None else np.arange(self._n_streams)[_index(which)]
        start = self._snapshot.new_state(self._n_streams)
        write_state(self, {name: array[rows] for name, array in start.items()}, rows)


def _index(which):
    """What chooses among the numbers of streams."""
    if isinstance(which, slice):
        return which
    rows = np.asarray(which)
    if rows.size == 0:
        rows = rows.astype(np.int64)
    if rows.dtype.kind not in "iub" or (rows.dtype.kind == "b" and rows.ndim != 1):
        raise TypeError(f"which must have numbers of streams, or be a mask of them, got {which!r}")
    return rows


class FilteredStream(Stream):
    """Streams of a tagger with a conditional random field.

    A step gives the filtered marginals: the probability of each class at this step by all steps
    that were read, whatever comes after. What `predict_proba` gives for a sequence also counts that
    it ends there, and for its earlier steps what came later. `state` has besides "filtered", these
    probabilities.

    Parameters
    ----------
    snapshot : Snapshot
        The model.
    n_streams : int, default=1
        How many sequences are read side by side.
    """

    def __init__(self, snapshot, n_streams=1):
        if snapshot.stages:
            raise ValueError(
                "there is no stream of a model with output='crf' and stride or conv, whose later "
                "steps change what was said of earlier ones: fit with stride=1 and conv=None"
            )
        super().__init__(snapshot, n_streams)
        transitions, starts, _ = snapshot.network.head.scores()
        self._follow = np.exp(transitions.astype(np.float64) - transitions.max())
        self._starts = np.exp(starts.astype(np.float64) - starts.max())

    def step(self, x, out=None):
        """Read the next time step of every stream; say how probable each class is at it.

        Parameters and errors are those of `Stream.step`.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_features), or (n_features,)
            The next step of each stream.
        out : ndarray, default=None
            Where the answer goes.

        Returns
        -------
        ndarray of shape (n_streams, n_classes), or (n_classes,)
            The filtered marginals; `out` if it is given.
        """
        scores = super().step(x, out)
        filtered = self._state["filtered"]
        is_first = self._state["n_steps"][:, np.newaxis] == 1
        with np.errstate(divide="ignore"):
            logs = np.log(np.where(is_first, self._starts, filtered @ self._follow))
        logs += scores.reshape(filtered.shape)
        logs -= logs.max(axis=1, keepdims=True)
        np.exp(logs, out=logs)
        filtered[...] = logs / logs.sum(axis=1, keepdims=True)
        scores[...] = filtered.reshape(scores.shape)
        return scores


def open_stream(snapshot, n_streams):
    """Streams of a model, of the kind that its head asks for."""
    kind = FilteredStream if snapshot.is_filtered else Stream
    return kind(snapshot, n_streams)
