"""scikit-learn's base classes where it is installed, the stand-ins where it is not.

The estimators import from here and nowhere else know the difference: with scikit-learn they
are real ``BaseEstimator`` objects; without it `fastrnn.standin` keeps their
`get_params`, `set_params`, `fit_transform` and `repr` working.
"""

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
    from sklearn.exceptions import DataConversionWarning, NotFittedError
except ImportError:
    from fastrnn.standin import (
        BaseEstimator,
        ClassifierMixin,
        DataConversionWarning,
        NotFittedError,
        RegressorMixin,
        TransformerMixin,
    )

__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "DataConversionWarning",
    "NotFittedError",
    "RegressorMixin",
    "TransformerMixin",
]
