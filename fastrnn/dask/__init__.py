"""Estimators whose data lie in partitions on the workers of a Dask cluster."""

try:
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError("fastrnn.dask needs distributed: pip install 'fastrnn[dask]'") from error

from fastrnn.dask.estimators import DaskRNNClassifier, DaskRNNRegressor, DaskRNNTagger
from fastrnn.dask.forecaster import DaskRNNForecaster

__all__ = ["DaskRNNClassifier", "DaskRNNForecaster", "DaskRNNRegressor", "DaskRNNTagger"]
