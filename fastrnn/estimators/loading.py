"""Estimators from files."""

from __future__ import annotations

import math
from typing import Any

from fastrnn.estimators.base import ESTIMATORS
from fastrnn.estimators.fitting import keep, regularization
from fastrnn.estimators.saving import read_model
from fastrnn.files import ModelFileError
from fastrnn.files.layout import open_record
from fastrnn.network.recurrent import ZEROS
from fastrnn.standin import as_generator
from fastrnn.training.loop import TrainingState
from fastrnn.typing import PathLike


def load(path: PathLike) -> Any:
    """Load an estimator that its `save` has written.

    Nothing in the file is run, imported or unpickled: one from a stranger can do no harm, and one
    that is damaged is refused. scikit-learn is not needed.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    RNNClassifier, RNNRegressor, RNNTagger, RNNSeq2Seq, RNNForecaster or RNNLanguageModel
        The fitted estimator. It predicts what the saved one predicted, to the bit, and can be
        trained further; the solver and the random numbers start anew then.

    Raises
    ------
    fastrnn.files.ModelFileError
        If the file is no model of ours, is damaged, or was written by a newer version; a
        ValueError.
    OSError
        If the file is not there, or cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastrnn
    >>> from fastrnn.datasets import make_adding_problem
    >>> X, y = make_adding_problem(100, 10, random_state=0)
    >>> reg = fastrnn.RNNRegressor(8, max_iter=3, n_iter_no_change=2, tol=1, random_state=0)
    >>> _ = reg.fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "adding.fastrnn")
    ...     reg.save(path)
    ...     loaded = fastrnn.load(path)
    >>> bool((loaded.predict(X) == reg.predict(X)).all())
    True
    """
    with open_record(path) as file:
        if file.kind not in ESTIMATORS:
            advice = ": fit(resume=True) goes on from it" if file.kind == "checkpoint" else ""
            raise ModelFileError(f"this is a file of kind {file.kind!r}, no model{advice}")
        return _build(file, read_model(ESTIMATORS[file.kind], file))


def _build(file: Any, saved: Any) -> Any:
    """Make the model, with its weights."""
    model = saved.model
    for name, value in saved.history.items():
        setattr(model, f"{name}_", value)
    model.best_loss_ = min(model.loss_curve_, default=math.inf)
    state = TrainingState(as_generator(model.random_state), **saved.training)
    task = saved.task
    options = regularization(model, task)
    network = task.network_class(saved.architecture, random_state=ZEROS, **options)
    for name, view in network.named_views(network.theta).items():
        file.read_into(name, view)
    keep(model, saved.reader, task, network, state)
    return model
