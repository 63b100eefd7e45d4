"""The estimators of sequences on Dask: as their twins, trained where the data are."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from dask.delayed import delayed

from fastrnn.dask.base import OnDask, at_work, bare_model
from fastrnn.dask.cluster import Call, Cluster, Task, same
from fastrnn.dask.data import (
    Partitions,
    as_array,
    as_bag,
    as_data,
    as_frame,
    as_whole,
    is_long,
    parts_of,
)
from fastrnn.dask.long_frames import LongForm
from fastrnn.estimators import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.predicting import best_outputs, outputs, read
from fastrnn.inputs.errors import NothingCounts
from fastrnn.typing import AnyArray

_NOTHING = "no partition of X has any sequences"


@dataclass(eq=False, repr=False, kw_only=True)
class SequencesOnDask(OnDask):
    """What the estimators of sequences share."""

    def fit(  # type: ignore[override]  # it takes less
        self,
        X: Partitions,
        y: Partitions,
        sample_weight: Partitions | None = None,
        *,
        validation_data: tuple[Any, ...] | None = None,
    ) -> Self:
        """Train the network.

        Ctrl-C ends training early and keeps the model trained so far.

        Parameters
        ----------
        X : list of Delayed or Future, Bag, Array or DataFrame
            The sequences, in partitions: each of a list is what the estimator on one machine takes
            as `X`. The items of a bag are sequences; an array has chunks along its first axis
            alone. A data frame has a row for each step, in any order and partition: the rows of an
            `id_column` are brought together, and sorted by `time_column`; all columns that are
            nothing else are features.
        y : list of Delayed or Future, Bag, Array, or str or list of str
            The targets, in the same partitions; of a data frame the name of a column, or several.
        sample_weight : list of Delayed or Future, Bag, Array, or str, default=None
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
        form = self._form()
        data, scored = as_data(X, y, sample_weight, form), None
        if validation_data is not None:
            given: tuple[Any, Any, Any] = self.reader_class.split_validation_data(validation_data)
            scored = as_data(*given, form)
        with at_work(self, data, scored, _NOTHING) as (told, options):
            fit_jointly(*told, **options)
        return self

    def predict(self, X: Partitions) -> Partitions:
        """Predict for each sequence, where it is.

        Parameters
        ----------
        X : list of Delayed or Future, Bag, Array or DataFrame
            The sequences, as in `fit`.

        Returns
        -------
        dask.array.Array, dask.bag.Bag or dask.dataframe.DataFrame
            What the estimator on one machine predicts, in the partitions of `X`, computed when it
            is asked for: an array with a row for each sequence; a bag with an array for each, if
            every step has an answer. Of a data frame another one, with the id of each sequence,
            the time if every step has an answer, and a column "prediction", or several of them,
            "prediction_0" and so on.
        """
        return self._predictions("predict", X)

    def score(self, X: Partitions, y: Partitions, sample_weight: Partitions | None = None) -> float:
        """Return the score of the estimator on one machine, computed where the sequences are.

        Parameters
        ----------
        X : list of Delayed or Future, Bag, Array or DataFrame
            The sequences, as in `fit`.
        y : list of Delayed or Future, Bag, Array, or str or list of str
            The true targets, in the same partitions.
        sample_weight : list of Delayed or Future, Bag, Array, or str, default=None
            Weights, as in `fit`.

        Returns
        -------
        float
            The score of the sequences of all partitions together.
        """
        self.check_fitted()
        data = as_data(X, y, sample_weight, self._form(self.reader_.feature_names))
        with closing(Cluster(self.client_)) as cluster:
            cluster.check_workers()
            (model,) = cluster.start([Call("model", same, (bare_model(self),))])
            tallies = cluster.ask(
                [
                    Call("score", _tally, (data.reading,), (model, *given))
                    for given in cluster.compute(data.partitions)
                ]
            )
        tallies = [tally for tally in tallies if tally is not None]
        if not tallies:
            raise ValueError(f"{_NOTHING} that count")
        score: float = self.task_.join_answers(tallies)
        return score

    def _predictions(self, what: str, X: Partitions) -> Partitions:
        self.check_fitted()
        empty, model = self._empty(what), delayed(Task(same, bare_model(self)), pure=False)()
        if is_long(X):
            return self._frame_of_predictions(what, X, model, empty)
        answer = delayed(Task(_answer, what, empty), pure=False)
        parts = [answer(model, part) for part in parts_of(X, "X")]
        if self.task_class.every_step:
            return as_bag(parts)
        return as_array(parts, empty)

    def _frame_of_predictions(
        self, what: str, X: Partitions, model: Any, empty: AnyArray
    ) -> Partitions:
        from pandas import Series

        form, names = self._form(self.reader_.feature_names), self._names(what, empty)
        answer = delayed(Task(_answer_by_id, what, empty, form, names), pure=False)
        parts = [answer(model, part) for part in form.gather(X)]
        columns = [Series([], dtype=X.dtypes[name]) for name in (form.id, form.time)]
        meta = form.frame_of(empty, names, *columns)
        return as_frame(parts, meta)

    def _empty(self, what: str) -> AnyArray:
        """The answers for no sequences, or steps."""
        n = self.network_.architecture.n_outputs
        outputs = np.zeros((1, n), self.network_.dtype)
        if what != "predict":
            return outputs[:0]
        said = outputs.argmax(axis=1) if self.task_.every_step else outputs
        empty: AnyArray = self.task_.decode(said)[:0]
        return empty

    def _names(self: Any, what: str, empty: AnyArray) -> list[Any]:
        """Names of the columns of answers in a data frame."""
        if what != "predict":
            classes: list[Any] = self.classes_.tolist()
            return classes
        if empty.ndim == 1:
            return ["prediction"]
        return [f"prediction_{j}" for j in range(empty.shape[1])]

    def _form(self: Any, features: tuple[str, ...] | None = None) -> LongForm:
        """How a data frame is read, whose features have these names; None for all that are left."""
        return LongForm(
            self.id_column,
            self.time_column,
            features,
            self.task_class.every_step,
            self.time_feature == self.time_column,
        )


def _answer(what: str, empty: AnyArray, model: Any, X: Any) -> Any:
    X = as_whole(X)
    answers = getattr(model, what)(X) if len(X) else empty
    return list(answers) if model.task_.every_step else answers


def _answer_by_id(
    what: str, empty: AnyArray, form: LongForm, names: Sequence[Any], model: Any, frame: Any
) -> Any:
    X, _, _, ids, times = form.read(frame)
    return form.frame_of(getattr(model, what)(X) if X else empty, names, ids, times)


def _tally(reading: Any, model: Any, *data: Any) -> Any:
    X, y, sample_weight = reading(*data)
    if not len(X):
        return None
    sequences = read(model, X)
    said = best_outputs if model.task_.every_step else outputs
    try:
        return model.task_.tally_answers(said(model, sequences), y, sequences, sample_weight)
    except NothingCounts:
        return None


@dataclass(eq=False, repr=False, kw_only=True)
class WithClassesOnDask(SequencesOnDask):
    """What estimators share that predict classes."""

    def predict_proba(self, X: Partitions) -> Partitions:
        """Predict the probability of each class, where the sequences are.

        Parameters
        ----------
        X : list of Delayed or Future, Bag, Array or DataFrame
            The sequences, as in `fit`.

        Returns
        -------
        dask.array.Array, dask.bag.Bag or dask.dataframe.DataFrame
            What the estimator on one machine returns, as of `predict`; of a data frame one with a
            column for each class, by its label.
        """
        return self._predictions("predict_proba", X)


@dataclass(eq=False, repr=False, kw_only=True)
class DaskRNNClassifier(WithClassesOnDask, RNNClassifier):
    """Classify sequences that lie in partitions on the workers of a Dask cluster.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    """

    twin_class = RNNClassifier

    if TYPE_CHECKING:

        def to_local(self) -> RNNClassifier: ...


@dataclass(eq=False, repr=False, kw_only=True)
class DaskRNNRegressor(SequencesOnDask, RNNRegressor):
    """Predict numbers for sequences that lie in partitions on the workers of a Dask cluster.

    Attributes
    ----------
    y_mean_ : ndarray of shape (n_targets,)
        Weighted mean of each column of `y` over all partitions; 0 with ``loss="poisson"``.
    """

    twin_class = RNNRegressor

    if TYPE_CHECKING:

        def to_local(self) -> RNNRegressor: ...


@dataclass(eq=False, repr=False, kw_only=True)
class DaskRNNTagger(WithClassesOnDask, RNNTagger):
    """Label every step of sequences that lie in partitions on the workers of a Dask cluster.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.
    """

    twin_class = RNNTagger

    if TYPE_CHECKING:

        def to_local(self) -> RNNTagger: ...
