"""What the estimators need of scikit-learn's base classes, for machines without it.

The same names with the same behaviour, as far as an estimator without nested estimators goes.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

import numpy as np

from fastrnn.typing import RandomState, SequencesLike, TargetsLike

_Method = TypeVar("_Method", bound=Callable[..., Any])


def as_generator(random_state: RandomState) -> np.random.Generator:
    """The source of random numbers for a parameter, which may be a RandomState as scikit-learn's.

    A RandomState is drawn from, so that a second call gives other numbers.
    """
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**32, size=4, dtype=np.uint32))
    return np.random.default_rng(random_state)


def get_config() -> dict[str, Any]:
    """What is set for the whole program: nothing can be, so what it is by default."""
    return {"transform_output": "default"}


def available_if(check: Callable[[Any], bool]) -> Callable[[_Method], _Method]:
    """Decorator: a class has the method only where ``check(instance)`` is true."""

    def decorate(method: _Method) -> _Method:
        return cast(_Method, _MaybeMethod(method, check))

    return decorate


class _MaybeMethod:
    """A method that its instance may not have."""

    def __init__(self, method: Any, check: Any) -> None:
        self.method, self.check = method, check
        functools.update_wrapper(cast(Any, self), method)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self.method
        if not self.check(instance):
            raise AttributeError(
                f"This {owner.__name__!r} has no attribute {self.method.__name__!r}"
            )
        return self.method.__get__(instance, owner)


class CallbackSupportMixin:
    """Has no `set_callbacks`: there are no callbacks without scikit-learn."""


class NotFittedError(ValueError, AttributeError):
    """Raised when a method that needs a fitted model is called before `fit`."""


class DataConversionWarning(UserWarning):
    """Given when the shape of an argument had to be changed."""


class BaseEstimator:
    """Parameters by name, and a `repr` that shows those which differ from their default."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the constructor.

        Parameters
        ----------
        deep : bool, default=True
            Accepted for compatibility: no parameter of these estimators is an estimator.

        Returns
        -------
        dict
            The name of every parameter and its value.
        """
        return {name: getattr(self, name) for name in _defaults(self)}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the constructor.

        Parameters
        ----------
        **params : dict
            Names and new values. They are checked at the next `fit`.

        Returns
        -------
        object
            The estimator itself.

        Raises
        ------
        ValueError
            If a name is not a parameter of this estimator; nothing is changed then.
        """
        names = list(_defaults(self))
        for name in params:
            if name not in names:
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {self}. Valid parameters are: "
                    f"{names!r}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        changed = [
            f"{name}={getattr(self, name)!r}"
            for name, default in _defaults(self).items()
            if repr(getattr(self, name)) != repr(default)
        ]
        return f"{type(self).__name__}({', '.join(changed)})"


class ClassifierMixin:
    """Marks a classifier."""

    _estimator_type = "classifier"


class RegressorMixin:
    """Marks a regressor."""

    _estimator_type = "regressor"


class TransformerMixin:
    """Adds `fit_transform`."""

    def __init_subclass__(cls, auto_wrap_output_keys: Any = (), **kwargs: Any) -> None:
        # Which methods scikit-learn lets return data frames: here none.
        super().__init_subclass__(**kwargs)

    def fit_transform(
        self: Any, X: SequencesLike, y: TargetsLike | None = None, **fit_params: Any
    ) -> Any:
        """Fit to the data, then transform it.

        Parameters
        ----------
        X : list of ndarray, or array
            The sequences.
        y : array-like, default=None
            The targets.
        **fit_params : dict
            Further arguments of `fit`.

        Returns
        -------
        ndarray
            What `transform` gives for `X`.
        """
        return self.fit(X, y, **fit_params).transform(X)


def check_is_fitted(estimator: object, attribute: str) -> None:
    """Raise NotFittedError unless the estimator has an attribute that `fit` sets."""
    if not hasattr(estimator, attribute):
        raise NotFittedError(
            f"This {type(estimator).__name__} instance is not fitted yet. Call 'fit' with "
            "appropriate arguments before using this estimator."
        )


def _defaults(estimator: object) -> dict[str, Any]:
    parameters = inspect.signature(type(estimator)).parameters
    return {name: parameters[name].default for name in sorted(parameters)}
