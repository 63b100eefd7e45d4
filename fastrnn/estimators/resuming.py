"""What `fit` may go on from: checkpoints of trainings with the same parameters."""

import os
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np

from fastrnn.estimators.parameters import course_of_training, parameters_of
from fastrnn.estimators.released import present_parameters
from fastrnn.estimators.saving import recorded_parameters
from fastrnn.training.checkpoints import CheckpointFile, Course
from fastrnn.typing import PathLike


def open_checkpoints(
    estimator: Any, path: PathLike | None, every: int, resume: bool
) -> CheckpointFile | None:
    """Check the arguments of a `fit` that is running which are about checkpoints.

    Parameters are checked later. Returns a `CheckpointFile`, or None without a path.
    """
    if not isinstance(resume, bool | np.bool_):
        raise TypeError(f"resume must be True or False, got {resume!r}")
    if isinstance(every, bool) or not isinstance(every, Integral):
        raise TypeError(f"checkpoint_every must be a whole number, got {every!r}")
    if every < 1:
        raise ValueError(f"checkpoint_every must be at least 1, got {every}")
    if path is None:
        if resume or every != 1:
            name = "resume=True" if resume else f"checkpoint_every={every}"
            raise ValueError(f"{name} has no effect: give the file in checkpoint")
        return None
    if estimator.kind is None:
        raise TypeError(
            f"checkpoint is not for {type(estimator).__name__}, which is derived from none of "
            "fastrnn's estimators: files have no word for it"
        )
    if estimator.solver == "lbfgs":
        raise ValueError(
            "checkpoint is not for solver='lbfgs': what scipy keeps from one iteration to the next "
            "cannot be saved"
        )
    course = partial(_course_of, estimator)
    return CheckpointFile(os.fspath(path), int(every), bool(resume), course)


def _course_of(estimator, settings):
    """What decides the course of training."""
    names = parameters_of(type(estimator)).keys()
    # Of a function that makes tokens, the tokens are compared.
    functions = {name for name in names if callable(getattr(estimator, name))}
    others = (names - course_of_training(estimator)) | functions
    return Course(
        kind=estimator.kind,
        solver=estimator.solver,
        dtype=estimator.dtype,
        max_iter=settings.max_iter,
        parameters=recorded_parameters(estimator, others) | _chosen(settings, others),
        others=frozenset(others),
        present=partial(present_parameters, estimator.kind),
    )


def _chosen(settings, others):
    """What "auto" stands for with these data."""
    names = {"batch_size", "max_iter"} - others
    return {name: getattr(settings, name) for name in names}
