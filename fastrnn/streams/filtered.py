"""Streams of conditional random fields: what the steps so far say of each."""

import numpy as np

from fastrnn.streams.stream import Stream

__all__ = ["FilteredStream", "open_stream"]


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
