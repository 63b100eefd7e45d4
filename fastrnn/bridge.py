"""scikit-learn's base classes where it is installed, the stand-ins where it is not.

Estimators and transformers import from here and nowhere else know the difference: with scikit-learn
they are real ``BaseEstimator`` objects; without it `fastrnn.standin` keeps their `get_params`,
`set_params`, `fit_transform` and `repr` working. Callbacks are scikit-learn's, from its version
1.9; where there are none, nobody is told of the epochs.
"""

from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:  # a checker sees what there is without scikit-learn, and what that adds
    from fastrnn import standin
    from fastrnn.standin import (
        ClassifierMixin,
        DataConversionWarning,
        NotFittedError,
        RegressorMixin,
        available_if,
        check_is_fitted,
        get_config,
    )

    class BaseEstimator(standin.BaseEstimator):
        def __getstate__(self) -> dict[str, Any]: ...
        def __sklearn_clone__(self) -> Self: ...
        def __sklearn_tags__(self) -> Any: ...
        def get_metadata_routing(self) -> Any: ...
        def set_fit_request(self, **requests: bool | str | None) -> Self: ...
        def set_partial_fit_request(self, **requests: bool | str | None) -> Self: ...
        def set_score_request(self, **requests: bool | str | None) -> Self: ...

    class TransformerMixin(standin.TransformerMixin):
        def set_output(
            self, *, transform: Literal["default", "pandas", "polars"] | None = None
        ) -> Self: ...

    class CallbackSupportMixin(standin.CallbackSupportMixin):
        def set_callbacks(self, *callbacks: Any) -> Self: ...

    ScoringMonitor: Any
    with_callbacks: Any
else:
    try:
        from sklearn import get_config
        from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
        from sklearn.exceptions import DataConversionWarning, NotFittedError
        from sklearn.utils.metaestimators import available_if
        from sklearn.utils.validation import check_is_fitted
    except ImportError:
        from fastrnn.standin import (
            BaseEstimator,
            ClassifierMixin,
            DataConversionWarning,
            NotFittedError,
            RegressorMixin,
            TransformerMixin,
            available_if,
            check_is_fitted,
            get_config,
        )
    try:
        from sklearn.callback import CallbackSupportMixin, ScoringMonitor, with_callbacks
    except ImportError:
        from fastrnn.standin import CallbackSupportMixin

        ScoringMonitor = with_callbacks = None

__all__ = [
    "BaseEstimator",
    "CallbackSupportMixin",
    "ClassifierMixin",
    "DataConversionWarning",
    "NotFittedError",
    "RegressorMixin",
    "SequenceTransformer",
    "TransformerMixin",
    "available_if",
    "check_is_fitted",
    "refuse_scoring_monitor",
    "watch_fit",
]


class SequenceTransformer(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Base class of transformers of sequences, which scikit-learn could make no data frame of."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def set_output(
        self, *, transform: Literal["default", "pandas", "polars"] | None = None
    ) -> Self:
        """Choose the kind of what `transform` and `fit_transform` return.

        Parameters
        ----------
        transform : {"default", "pandas", "polars"}, default=None
            "default": the kind of what went in. "pandas", "polars": a list with a data frame for
            each sequence, whose columns have the names of `get_feature_names_out`; for a Series
            with an index a Series of such; for a table of univariate sequences one data frame.
            None changes nothing. Until it is chosen, it is what
            ``sklearn.set_config(transform_output=...)`` says.

        Returns
        -------
        SequenceTransformer
            The transformer itself.

        Raises
        ------
        ValueError
            If there is no such kind.
        ImportError
            If that library is not installed.
        """
        if transform is None:
            return self
        if transform not in ("default", "pandas", "polars"):
            raise ValueError(
                f"transform must be 'default', 'pandas', 'polars' or None, got {transform!r}"
            )
        if transform != "default" and find_spec(transform) is None:
            raise ImportError(f"transform={transform!r} needs {transform}, which is not installed")
        self._sklearn_output_config = {"transform": transform}  # which clone copies
        return self

    @property
    def output_library(self) -> str | None:
        """The library whose data frames `transform` returns, or None."""
        chosen = getattr(self, "_sklearn_output_config", {}).get("transform")
        chosen = chosen or get_config()["transform_output"]
        return None if chosen == "default" else chosen


def watch_fit(estimator, X, y, sample_weight, fitted, n_epochs):
    """A context in which scikit-learn's callbacks are told of every epoch of a `fit`.

    It gives what `fastrnn.training.train` takes as ``watch``: None where scikit-learn has no
    callbacks. ``fitted()`` gives by name the attributes that make a copy of the estimator a fitted
    one, as far as training has come.
    """
    if with_callbacks is None:
        return nullcontext()
    metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
    data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
    return FitWatch(data, fitted, n_epochs)


def refuse_scoring_monitor(estimator: object, reason: str) -> None:
    """Refuse scikit-learn's callback that scores what `fit` is given; without `y` it keeps silent.

    The reason says why the estimator cannot be scored so, and what to do.
    """
    callbacks = getattr(estimator, "_skl_callbacks", ())
    if ScoringMonitor is not None and any(isinstance(item, ScoringMonitor) for item in callbacks):
        raise TypeError(f"ScoringMonitor does not suit {type(estimator).__name__}: {reason}")


class FitWatch:
    """Turns epochs into the tasks that scikit-learn's callbacks know.

    The fit is the root of their tree; each epoch, or iteration of "lbfgs", is a leaf below it.
    """

    def __init__(self, data, fitted, n_epochs):
        self.data, self.fitted, self.n_epochs, self.epoch = data, fitted, n_epochs, None
        self.estimator = data["estimator"]
        # scikit-learn's decorator ends the callbacks after the method. Around fit itself it would
        # put a frame between fit and its caller, whom warnings point at.
        self.end_callbacks = with_callbacks(_nothing_more)

    def __enter__(self):
        try:
            self.root = self.estimator._init_callback_context(max_subtasks=self.n_epochs)
            self.root.call_on_fit_task_begin(**self.data)
        except BaseException:
            self.end_callbacks(self.estimator)
            raise
        return self

    def __exit__(self, error, *details):
        try:
            if error is None:
                if self.epoch:  # it was not finished
                    self.epoch.call_on_fit_task_end(estimator=self.estimator)
                self.root.call_on_fit_task_end(**self.data, reconstruction_attributes={})
        finally:
            self.end_callbacks(self.estimator)

    def epoch_starts(self):
        """Open the task of an epoch."""
        self.epoch = self.root.subcontext(task_name="epoch")
        self.epoch.call_on_fit_task_begin(**self.data, reconstruction_attributes=self.fitted)

    def epoch_ends(self):
        """Close the task of the epoch; True if a callback wants training to stop."""
        epoch, self.epoch = self.epoch, None
        return epoch.call_on_fit_task_end(**self.data, reconstruction_attributes=self.fitted)


def _nothing_more(estimator):
    """Stand where the method would."""
