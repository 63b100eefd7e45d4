"""Recurrent neural networks on CPUs, with scikit-learn's manners.

The estimators are imported when they are first used, so that ``import fastrnn``
costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastrnn import datasets as datasets
    from fastrnn import estimators as estimators
    from fastrnn import files as files
    from fastrnn import inspection as inspection
    from fastrnn import interop as interop
    from fastrnn import layers as layers
    from fastrnn import metrics as metrics
    from fastrnn import plotting as plotting
    from fastrnn import preprocessing as preprocessing
    from fastrnn import streams as streams
    from fastrnn import typing as typing
    from fastrnn.estimators import (
        RNNClassifier,
        RNNForecaster,
        RNNLanguageModel,
        RNNRegressor,
        RNNSeq2Seq,
        RNNTagger,
        load,
    )
    from fastrnn.versions import show_versions as show_versions

__version__ = "0.2.0"

__all__ = [
    "RNNClassifier",
    "RNNForecaster",
    "RNNLanguageModel",
    "RNNRegressor",
    "RNNSeq2Seq",
    "RNNTagger",
    "load",
    "show_versions",
]

_SUBMODULES = [
    "datasets",
    "estimators",
    "files",
    "inspection",
    "interop",
    "layers",
    "metrics",
    "plotting",
    "preprocessing",
    "streams",
    "typing",
]


if not TYPE_CHECKING:  # a checker knows all names, and would take this for any

    def __getattr__(name):
        if name in __all__:
            room = "versions" if name == "show_versions" else "estimators"
            return getattr(importlib.import_module(f"fastrnn.{room}"), name)
        if name in _SUBMODULES:
            return importlib.import_module(f"fastrnn.{name}")
        raise AttributeError(f"module 'fastrnn' has no attribute {name!r}")


def __dir__() -> list[str]:
    own = [name for name in globals() if name.startswith("__")]
    return sorted([*own, *__all__, *_SUBMODULES])
