"""The estimators on Dask: the parameters of their twins, trained where the data are."""

import copy
from contextlib import closing
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import dask.array
import dask.bag
import distributed
import numpy as np
from dask.delayed import delayed

from fastrnn.dask.cluster import Cluster, Task, same
from fastrnn.dask.crew import Crew
from fastrnn.dask.data import as_data, as_whole, parts_of
from fastrnn.estimators import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.predicting import best_outputs, outputs, read
from fastrnn.estimators.values import Values, parameter


@dataclass(eq=False, repr=False, kw_only=True)
class OnDask:
    """What the estimators on Dask share. A class names the one that it is on one machine."""

    twin_class: ClassVar[type]

    client: Any = parameter(
        Values("None or a Client", "distributed.Client or None", (type(None), distributed.Client)),
        None,
        "The cluster to train and predict on. None is that of the current client.",
    )

    def fit(self, X, y, sample_weight=None, *, validation_data=None):
        """Train the network.

        Ctrl-C ends training early and keeps the model trained so far.

        Parameters
        ----------
        X : list of Delayed or Future, Bag, or Array
            The sequences, in partitions: each is what the estimator on one machine takes as `X`.
            The items of a bag are sequences; an array has chunks along its first axis alone.
        y : list of Delayed or Future, Bag, or Array
            The targets, in the same partitions.
        sample_weight : list of Delayed or Future, Bag, or Array, default=None
            Weight of each sequence, or as the estimator on one machine takes it.
        validation_data : tuple (X, y) or (X, y, sample_weight), default=None
            Sequences to score the model on after each epoch, in partitions, too. Needed with
            ``early_stopping=True``.

        Returns
        -------
        RNNBase
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            As on one machine, with the number of the partition; or if data could not be computed
            again if a worker ended, or a worker has another version of fastrnn, or none. A model
            fitted before is then as it was.
        TimeoutError
            If the cluster does nothing of what it was asked for a minute, as without workers.
        RuntimeError
            If workers die again and again of the same task, or the scheduler ends.

        Warns
        -----
        ConvergenceWarning
            If `max_iter` ended training before the loss converged.
        """
        self.check_parameters()
        twin = self.to_local()
        data = as_data(X, y, sample_weight)
        scored = None
        if validation_data is not None:
            scored = as_data(*self.reader_class.split_validation_data(validation_data))
        with closing(Cluster(self.client_)) as cluster:
            cluster.check_workers()
            crew = Crew(cluster, data)
            if not len(crew):
                raise ValueError("no partition of X has any sequences")
            fit_jointly(twin, crew, scored and Crew(cluster, scored))
        self._adopt(twin)
        return self

    @property
    def client_(self):
        """The client of the cluster: `client`, or the current one."""
        if self.client is not None:
            return self.client
        try:
            return distributed.get_client()
        except ValueError:
            raise ValueError(
                "there is no client of a Dask cluster: make one with distributed.Client(...), or "
                "give client="
            ) from None

    def to_local(self):
        """Make the estimator that this one is on one machine.

        Returns
        -------
        RNNClassifier, RNNRegressor or RNNTagger
            An estimator with the same parameters, fitted if this one is, which needs no Dask.
        """
        own = {field.name for field in fields(self)}
        twin_class = self.twin_class
        twin = twin_class(**{field.name: getattr(self, field.name) for field in fields(twin_class)})
        vars(twin).update({name: value for name, value in vars(self).items() if name not in own})
        return twin

    def _adopt(self, twin):
        vars(self).update({name: value for name, value in vars(twin).items() if name.endswith("_")})

    def predict(self, X):
        """Predict for each sequence, where it is.

        Parameters
        ----------
        X : list of Delayed or Future, Bag, or Array
            The sequences, as in `fit`.

        Returns
        -------
        dask.array.Array or dask.bag.Bag
            What the estimator on one machine predicts, in the partitions of `X`, computed when it
            is asked for: an array with a row for each sequence; a bag where the answers of a
            sequence are many, with an array for each.
        """
        return self._predictions("predict", X)

    def score(self, X, y, sample_weight=None):
        """Return the score of the estimator on one machine, computed where the sequences are.

        Parameters
        ----------
        X : list of Delayed or Future, Bag, or Array
            The sequences, as in `fit`.
        y : list of Delayed or Future, Bag, or Array
            The true targets, in the same partitions.
        sample_weight : list of Delayed or Future, Bag, or Array, default=None
            Weights, as in `fit`.

        Returns
        -------
        float
            The score of the sequences of all partitions together.
        """
        self.check_fitted()
        data = as_data(X, y, sample_weight)
        with closing(Cluster(self.client_)) as cluster:
            cluster.check_workers()
            model = cluster.submit("model", same, self._model())
            tallies = cluster.results(
                [
                    cluster.submit("score", _tally, data.reading, data=(model, *given))
                    for given in cluster.compute(data.partitions)
                ]
            )
        tallies = [tally for tally in tallies if tally is not None]
        if not tallies:
            raise ValueError("no partition of X has any sequences")
        return self.task_.join_answers(tallies)

    def _model(self):
        """What predicts as this one does, with nothing that only training needs."""
        model = self.to_local()
        del model.training_state_
        return model

    def _predictions(self, what, X):
        self.check_fitted()
        model, empty = delayed(Task(same, self._model()), pure=False)(), self._empty(what)
        answer = delayed(Task(_answer, what, empty), pure=False)
        parts = [answer(model, part) for part in parts_of(X, "X")]
        if self.task_.every_step:
            return dask.bag.from_delayed(parts)
        shape = (np.nan, *empty.shape[1:])
        arrays = [dask.array.from_delayed(part, shape, empty.dtype) for part in parts]
        return dask.array.concatenate(arrays)

    def _empty(self, what):
        """The answers for no sequences."""
        if self.task_.every_step:
            return []
        n = self.network_.architecture.n_outputs
        outputs = np.zeros((1, n), self.network_.dtype)
        return (self.task_.decode(outputs) if what == "predict" else outputs)[:0]

    def save(self, path):
        """Write the estimator that this one is on one machine to a file, as `to_local` makes it.

        Parameters
        ----------
        path : str or path-like
            Where; a file that is there is replaced.
        """
        self.to_local().save(path)

    def __getstate__(self):
        """What copy and pickle take: everything but the client."""
        return {**super().__getstate__(), "client": None}

    def __sklearn_clone__(self):
        """An estimator with the same parameters, and the same client."""
        copied = copy.copy(self)  # without the client, which cannot be copied
        clone = super(OnDask, copied).__sklearn_clone__()
        clone.client = self.client
        return clone


def _answer(what, empty, model, X):
    X = as_whole(X)
    return getattr(model, what)(X) if len(X) else empty


def _tally(reading, model, *data):
    X, y, sample_weight = reading(*data)
    if not len(X):
        return None
    sequences = read(model, X)
    said = best_outputs if model.task_.every_step else outputs
    return model.task_.tally_answers(said(model, sequences), y, sequences, sample_weight)


class _Probabilities:
    """What estimators have that give probabilities."""

    def predict_proba(self, X):
        """Predict the probability of each class, where the sequences are.

        Parameters
        ----------
        X : list of Delayed or Future, Bag, or Array
            The sequences, as in `fit`.

        Returns
        -------
        dask.array.Array or dask.bag.Bag
            What the estimator on one machine returns, as of `predict`.
        """
        return self._predictions("predict_proba", X)


@dataclass(eq=False, repr=False, kw_only=True)
class DaskRNNClassifier(OnDask, RNNClassifier):  # type: ignore[misc]  # fit takes less
    """Classify sequences that lie in partitions on the workers of a Dask cluster.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    """

    twin_class = RNNClassifier
    predict_proba = _Probabilities.predict_proba


@dataclass(eq=False, repr=False, kw_only=True)
class DaskRNNRegressor(OnDask, RNNRegressor):  # type: ignore[misc]  # fit takes less
    """Predict numbers for sequences that lie in partitions on the workers of a Dask cluster.

    Attributes
    ----------
    y_mean_ : ndarray of shape (n_targets,)
        Weighted mean of each column of `y` over all partitions; 0 with ``loss="poisson"``.
    """

    twin_class = RNNRegressor


@dataclass(eq=False, repr=False, kw_only=True)
class DaskRNNTagger(OnDask, RNNTagger):  # type: ignore[misc]  # fit takes less
    """Label every step of sequences that lie in partitions on the workers of a Dask cluster.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    """

    twin_class = RNNTagger
    predict_proba = _Probabilities.predict_proba
