"""The states of streams, around the step of the kernel.

A conditional random field also says, after each step, what the steps so far say of it. Streams of
label sequences say labels, once each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np

from fastrnn.inputs.containers import open_container
from fastrnn.inputs.errors import in_argument
from fastrnn.inputs.frames import is_frame, shape_of
from fastrnn.inputs.steps import split_steps
from fastrnn.kernels.stream import StreamKernel, copy_of_state, write_state
from fastrnn.streams.snapshot import Snapshot
from fastrnn.streams.steps import Converted, Frames, Steps
from fastrnn.typing import AnyArray, ArrayLike, Floats, Ints, SequencesLike

__all__ = ["FilteredStream", "LabelStream", "Stream", "open_stream"]


_Which: TypeAlias = int | slice | ArrayLike


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
    numbers : sequence of int, default=None
        What messages call them; None counts from 0.

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

    _snapshot: Snapshot
    _n_streams: int
    _state: dict[str, AnyArray]
    _heard: Floats | None

    def __init__(
        self,
        snapshot: Snapshot,
        n_streams: int = 1,
        *,
        numbers: Sequence[int] | Ints | None = None,
    ) -> None:
        if isinstance(n_streams, bool) or not isinstance(n_streams, Integral):
            raise TypeError(f"n_streams must be a whole number, got {n_streams!r}")
        if n_streams < 1:
            raise ValueError(f"n_streams must be at least 1, got {n_streams}")
        self._snapshot, self._n_streams = snapshot, int(n_streams)
        self._state = snapshot.new_state(self._n_streams)
        room = snapshot.new_room(self._n_streams)
        self._heard = room["heard"]
        steps = Steps(snapshot, self._n_streams, self._state, numbers)
        super().__init__(steps, snapshot, self._state, room, np.ndarray, np.int64, np.empty)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._snapshot, self._n_streams), self.state

    def __setstate__(self, state: Mapping[str, ArrayLike]) -> None:
        self.state = state

    def __repr__(self) -> str:
        return f"<{self._n_streams} streams>" if self._n_streams > 1 else "<1 stream>"

    @property
    def n_streams(self) -> int:
        """Number of streams."""
        return self._n_streams

    @property
    def state(self) -> dict[str, AnyArray]:
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
    def state(self, state: Mapping[str, ArrayLike]) -> None:
        if not isinstance(state, Mapping):
            raise TypeError(f"state is of type {type(state).__name__}, expected a dict")
        if state.keys() != self._state.keys():
            got = sorted(state, key=str)
            raise ValueError(f"state has {got}, expected {sorted(self._state)}")
        check = self._snapshot.checked_state
        checked = {name: check(name, state[name], own) for name, own in self._state.items()}
        write_state(self, checked, slice(None))

    def reset(self, which: _Which | None = None) -> None:
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
        rows = self._rows(which)
        start = self._snapshot.new_state(self._n_streams)
        write_state(self, {name: array[rows] for name, array in start.items()}, rows)

    def _rows(self, which: _Which | None) -> Ints:
        """The numbers of the streams that are chosen."""
        return np.arange(self._n_streams)[slice(None) if which is None else _index(which)]


def _index(which: _Which) -> slice | AnyArray:
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

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNTagger
    >>> X = np.random.default_rng(0).normal(size=(40, 12, 2))
    >>> y = X.cumsum(axis=1)[:, :, 0] > 0
    >>> model = RNNTagger(8, output="crf", bidirectional=False, conv=None, max_iter=2)
    >>> stream = model.fit(X, y).stream()
    >>> for x_t in X[0]:
    ...     proba = stream.step(x_t)
    >>> proba.shape, bool(np.isclose(proba.sum(), 1))
    ((2,), True)
    """

    def __init__(self, snapshot: Snapshot, n_streams: int = 1) -> None:
        if snapshot.stages:
            raise ValueError(
                "there is no stream of a model with output='crf' and stride or conv, whose later "
                "steps change what was said of earlier ones: fit with stride=1 and conv=None"
            )
        super().__init__(snapshot, n_streams)
        transitions, starts, _ = snapshot.network.head.scores()
        self._follow = np.exp(transitions.astype(np.float64) - transitions.max())
        self._starts = np.exp(starts.astype(np.float64) - starts.max())

    def step(self, x: SequencesLike, out: AnyArray | None = None) -> Any:
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


class LabelStream(Stream):
    """Streams of a model of label sequences by connectionist temporal classification.

    `push` reads the next frames and returns the new labels: together they are those that `predict`
    finds with ``beam_size=1``. A label is said as soon as no later frame can change it: with
    `stride` or `conv` some frames late, which `finish` makes up for where a sequence ends.

    `step` reads a frame, too, and returns its probabilities, as of `predict_proba`, the blank last:
    with `stride` or `conv` those of the last of the rows that layers read, if the sequence ended
    here. The labels that it brings are in `new_labels`.

    `state` has besides "path", the number of the output that was likeliest last (of labels their
    place in `classes_`), and "pending", those of the rows that later frames may change yet, blanks
    behind.

    Parameters
    ----------
    snapshot : Snapshot
        The model.
    n_streams : int, default=1
        How many sequences are read side by side.
    numbers : sequence of int, default=None
        What messages call them; None counts from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn import RNNSeq2Seq
    >>> rng = np.random.default_rng(0)
    >>> y = [rng.integers(3, size=4) for _ in range(60)]
    >>> X = [np.repeat(np.eye(3)[labels], 4, axis=0) for labels in y]
    >>> model = RNNSeq2Seq(8, alignment="ctc", bidirectional=False, max_iter=2, random_state=0)
    >>> stream = model.fit(X, y).stream()
    >>> said = [*stream.push(X[0][:5]), *stream.push(X[0][5:]), *stream.finish()]
    >>> said == model.predict(X[:1])[0].tolist()
    True
    """

    def __init__(
        self,
        snapshot: Snapshot,
        n_streams: int = 1,
        *,
        numbers: Sequence[int] | Ints | None = None,
    ) -> None:
        super().__init__(snapshot, n_streams, numbers=numbers)
        self._new: list[list[int]] = [[] for _ in range(self._n_streams)]

    @property
    def new_labels(self) -> AnyArray:
        """The labels that the last `step`, `push` or `finish` brought, as `push` returns them."""
        return self._labels(self._new)

    def step(self, x: SequencesLike, out: AnyArray | None = None) -> Any:
        """Read the next frame of every stream; return the probabilities at it.

        Parameters and errors are those of `Stream.step`.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_features), or (n_features,)
            The next frame of each stream.
        out : ndarray, default=None
            Where the answer goes.

        Returns
        -------
        ndarray of shape (n_streams, n_labels + 1), or (n_labels + 1,)
            The probabilities of each label, and of the blank; `out` if it is given.
        """
        proba = super().step(x, out)
        self._new = [[] for _ in self._new]
        self._hear(proba, self._new)
        return proba

    def push(self, frames: SequencesLike) -> AnyArray:
        """Read the next frames of every stream; return the labels that they bring.

        Parameters
        ----------
        frames : array-like of shape (T, n_features), or a list of such
            What comes next, any number of frames, none among them, as in `fit`; with one feature,
            or one column of ids, (T,) will do, and of texts a list of tokens. Of several streams a
            list, or an array of shape (n_streams, T, n_features), with the frames of each: as many
            as there are of it.

        Returns
        -------
        ndarray of shape (n_new,), or of shape (n_streams,) of such
            The new labels in their order, of texts their tokens.

        Raises
        ------
        TypeError
            If `frames` do not hold numbers.
        ValueError
            If `frames` have another shape, a number that is not finite, or an id that `fit` has not
            seen; no stream has then read any of them.
        RuntimeError
            If another thread is using the same object.
        """
        before = self.state
        new: list[list[int]] = [[] for _ in self._new]
        try:
            self._read(self._convert(frames), new)
        except BaseException:
            write_state(self, before, slice(None))
            raise
        self._new = new
        return self.new_labels

    def finish(self, which: _Which | None = None) -> AnyArray:
        """Say that sequences end here: return the labels that are left, and begin anew.

        Parameters
        ----------
        which : int, slice, or array-like of int or bool, default=None
            The streams, as `reset` takes them. None for all.

        Returns
        -------
        ndarray of shape (n_new,), or of shape (n_streams,) of such
            The labels that `push` has not said yet, of each of the streams; of others none.

        Raises
        ------
        IndexError
            If there is no such stream.
        TypeError
            If `which` does not choose streams.
        RuntimeError
            If another thread is using the same object.
        """
        state = self.state
        new: list[list[int]] = [[] for _ in self._new]
        self.reset(which)
        for n in np.atleast_1d(self._rows(which)):
            path = state["path"][n]
            for best in state["pending"][n]:
                if best not in (path, self._snapshot.blank):
                    new[n].append(best)
                path = best
        self._new = new
        return self.new_labels

    def _labels(self, numbers: list[list[int]]) -> AnyArray:
        """Labels of numbers, of each stream, or of the only one."""
        labels: Any = self._snapshot.labels  # a stream of labels has some
        if self._n_streams == 1:
            of_one: AnyArray = labels[np.array(numbers[0], np.int64)]
            return of_one
        joined = np.array([k for of_each in numbers for k in of_each], np.int64)
        return split_steps(labels[joined], [len(of_each) for of_each in numbers])

    def _hear(self, proba: Floats, new: list[list[int]]) -> None:
        """Take note of what the frames that were read last say; add the new labels' numbers."""
        path, blank = self._state["path"], self._snapshot.blank
        if self._heard is None:
            best = proba.reshape(self._n_streams, -1).argmax(axis=1)
        else:
            best = self._hear_rows()
        is_new = best != path
        is_new &= best != blank
        path[...] = best
        for n in is_new.nonzero()[0].tolist():
            new[n].append(best[n])

    def _hear_rows(self) -> Ints:
        """Of each stream the likeliest output of the row that is final now, or that of the last."""
        state, count = self._state, self._snapshot.count_rows
        best = self._snapshot.head_of_rows.predict(self._heard).argmax(axis=2)
        (final, total), (before, _) = count(state["n_steps"]), count(state["n_steps"] - 1)
        is_there = np.arange(len(best) - 1) < (total - final)[:, np.newaxis]
        state["pending"][...] = np.where(is_there, best[1:].T, self._snapshot.blank)
        return np.where(final > before, best[0], state["path"])

    def _convert(self, frames: SequencesLike) -> list[AnyArray]:
        """Frames of each stream as arrays that the kernel reads."""
        n_streams = self._n_streams
        frames = open_container(frames, "frames", "numbers")
        if n_streams == 1:
            return [self._convert_one(frames, 0)]
        if is_frame(frames) or _count(frames) != n_streams:
            raise ValueError(
                f"there are {n_streams} streams, expected the frames of each of them: a list of "
                f"{n_streams} arrays"
            )
        converted = []
        for n, of_one in enumerate(frames):
            with in_argument(f"stream {n}"):
                converted.append(self._convert_one(open_container(of_one, "frames", "numbers"), n))
        return converted

    def _convert_one(self, frames: Any, n: int) -> AnyArray:
        """Those of a stream."""
        if isinstance(frames, str):
            raise TypeError(f"frames are the text {frames!r}, expected a list of tokens")
        state = {name: array[n : n + 1] for name, array in self._state.items()}
        return Frames(self._snapshot, _count(frames), state).convert(frames)

    def _read(self, frames: list[AnyArray], new: list[list[int]]) -> None:
        """Read frames of each stream; add the new labels' numbers."""
        lengths, is_date = np.array([*map(len, frames)]), self._snapshot.gaps.is_date
        for begin, end in pairwise(sorted({0, *lengths.tolist()})):
            active = np.flatnonzero(lengths > begin)
            part, of_part = self, new
            if len(active) < len(frames):
                part = type(self)(self._snapshot, len(active), numbers=active)
                start = {name: array[active] for name, array in self._state.items()}
                write_state(part, start, slice(None))
                of_part = [new[n] for n in active]
            steps = np.stack([frames[n][begin:end] for n in active], axis=1)
            for t, x in enumerate(steps, begin):
                step: Any = Converted(x) if is_date else x
                try:
                    part._hear(Stream.step(part, step), of_part)
                except ValueError as error:
                    raise ValueError(f"frame {t}: {error}") from error
            if part is not self:
                write_state(self, part.state, active)


def _count(frames: Any) -> int:
    """How many frames, or sequences of them, there are."""
    try:
        return shape_of(frames)[0] if is_frame(frames) else len(frames)
    except TypeError as error:
        raise TypeError(f"frames must be an array with a row for each, got {frames!r}") from error


def open_stream(snapshot: Snapshot, n_streams: int) -> Stream:
    """Streams of a model, of the kind that its head asks for."""
    kinds = ((FilteredStream, snapshot.is_filtered), (LabelStream, snapshot.labels is not None))
    kind = next((kind for kind, is_asked_for in kinds if is_asked_for), Stream)
    return kind(snapshot, n_streams)
