"""Checkpoints of `fit`: training is written to a file after epochs, and goes on from there.

A checkpoint is a file as `fastrnn.files` knows it, of kind "checkpoint". Beside all that decides
how training goes on it has the parameters and fingerprints of the data that decided its course so
far: a file goes with its own training only. The random numbers of the start are there too, so that
what `fit` draws before the first epoch, such as what is held out, is drawn again.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from fastrnn.estimators.parameters import course_of_training, parameters_of
from fastrnn.estimators.saving import (
    encode_fields,
    encode_parameters,
    read_training,
    record_training,
)
from fastrnn.files import ModelFileError
from fastrnn.files.atomic import remove_stale
from fastrnn.files.layout import open_record, write_record
from fastrnn.files.record import decode, show
from fastrnn.training.loop import Checkpoint, History, TrainingState
from fastrnn.training.solvers import SOLVERS

_GENERATORS = ("PCG64", "PCG64DXSM")
_LISTS = ("loss_curve", "gradient_norms")


def open_checkpoints(estimator, path, every, resume):
    """Check the arguments of `fit` that are about checkpoints.

    Parameters
    ----------
    estimator : RNNBase
        Its `fit` is running, its parameters have been checked.
    path, every, resume : object
        What `fit` was given as `checkpoint`, `checkpoint_every` and `resume`.

    Returns
    -------
    CheckpointFile or None
        None without `checkpoint`.

    Raises
    ------
    TypeError
        If one has the wrong type.
    ValueError
        If one has no effect or a value it may not have, or if the solver can have no checkpoints.
    OSError
        If there is no such folder.
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
    if estimator.solver == "lbfgs":
        raise ValueError(
            "checkpoint is not for solver='lbfgs': what scipy keeps from one iteration to the next "
            "cannot be saved"
        )
    return CheckpointFile(estimator, os.fspath(path), int(every), bool(resume))


@dataclass
class _Saved:
    """What was read from a file."""

    checkpoint: Checkpoint
    random_state: dict


class CheckpointFile:
    """The file that one `fit` writes, and may go on from.

    Parameters
    ----------
    estimator : RNNBase
        Its `fit` is running.
    path : str
        The file.
    every : int
        Number of epochs from one checkpoint to the next.
    resume : bool
        Whether to go on from the file, if it is there.
    """

    def __init__(self, estimator, path, every, resume):
        self._estimator, self._path, self._every = estimator, path, every
        self._resume, self._saved = resume, None
        # Here, not after the first epoch, it is told that there is no such folder.
        remove_stale(os.path.dirname(os.path.realpath(path)))

    def start(self, rng, seen):
        """Note what decides the course of training, or go back to where that began.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of random numbers of `fit`, at its start. If training goes on it is put to where
            it was at the start of that training.
        seen : dict of str to list of ndarray
            What training sees, by the name of the argument of `fit`.

        Raises
        ------
        ValueError
            If there is a file that belongs to another training, or the source cannot be saved.
        """
        name = type(rng.bit_generator).__name__
        if name not in _GENERATORS:
            raise ValueError(
                f"checkpoint needs random numbers of {' or '.join(_GENERATORS)}, as they are by "
                f"default, but random_state is a Generator of {name}"
            )
        self._kind, self._parameters = self._estimator.kind, self._deciding()
        self._data = {name: _fingerprint(arrays) for name, arrays in seen.items()}
        if self._resume:
            with suppress(FileNotFoundError), open_record(self._path) as file:
                self._saved = self._read(file)
        if self._saved is not None:
            _set_random(rng, self._saved.random_state)
        self._start = _record_random(rng)

    def resume(self, network, settings, state):
        """Go on from the file, if there is one.

        Parameters
        ----------
        network : Network
            As `fit` has built it; its parameters become those of the file.
        settings : Settings
            How it is trained.
        state : TrainingState
            At the start; updated.

        Returns
        -------
        Checkpoint or None
            What `fastrnn.training.train` takes as ``begun``.
        """
        if self._saved is None:
            return None
        checkpoint, theta = self._saved.checkpoint, network.theta
        saved = checkpoint.state
        if (checkpoint.theta.dtype, checkpoint.theta.shape) != (theta.dtype, theta.shape):
            self._refuse("its network has another shape")
        if saved.epoch > settings.max_iter:
            self._refuse(f"it has {saved.epoch} epochs, but max_iter is {settings.max_iter}")
        expected = {}
        SOLVERS[settings.solver](network, settings, expected)
        if {name: type(value) for name, value in saved.solver_state.items()} != {
            name: type(value) for name, value in expected.items()
        }:
            self._refuse("its solver is another one")
        theta[:] = checkpoint.theta
        _set_random(state.rng, _record_random(saved.rng))
        for name, value in vars(saved).items():
            if name != "rng":
                setattr(state, name, value)
        self._saved = None
        return checkpoint

    def keep(self, checkpoint):
        """Write a checkpoint, if it is time.

        Parameters
        ----------
        checkpoint : Checkpoint
            From `fastrnn.training.train`.
        """
        state, is_last = checkpoint.state, checkpoint.state.epoch >= self._estimator.max_iter
        if state.epoch % self._every and not checkpoint.is_over and not is_last:
            return
        history, solver_state = checkpoint.history, state.solver_state
        vectors = {k: v for k, v in solver_state.items() if isinstance(v, np.ndarray)}
        numbers = {k: v for k, v in solver_state.items() if k not in vectors}
        tensors = {"theta": checkpoint.theta}
        tensors |= {f"solver.{name}": vector for name, vector in vectors.items()}
        if checkpoint.best_theta is not None:
            tensors["best_theta"] = checkpoint.best_theta
        record = {
            "of": {"kind": self._kind},
            "parameters": self._parameters,
            "data": self._data,
            "start": self._start,
            "random_numbers": _record_random(state.rng),
            "training": encode_fields(record_training(state)),
            "solver": {"vectors": sorted(vectors), "numbers": numbers},
            "history": encode_fields(vars(history)),
            "stage": {
                "has_best": checkpoint.best_theta is not None,
                "is_over": checkpoint.is_over,
            },
        }
        write_record(self._path, "checkpoint", record, tensors)

    def _deciding(self):
        """The parameters that decide the course of training."""
        return encode_parameters(self._estimator, self._others())

    def _others(self):
        """Names of the other parameters, of which files of version 0.1.0 have some, too."""
        estimator = self._estimator
        names = parameters_of(type(estimator)).keys()
        # Of a function that makes tokens, the tokens are compared.
        functions = {name for name in names if callable(getattr(estimator, name))}
        return (names - course_of_training(estimator)) | functions

    def _read(self, file):
        if file.kind != "checkpoint":
            raise ModelFileError(f"this is a file of kind {show(file.kind)}, no checkpoint")
        self._compare(file)
        vectors, training = file.fields.part("solver"), file.fields.part("training")
        numbers = vectors.part("numbers")
        solver_state = {name: numbers.whole(name) for name in numbers.names()}
        shape, dtype = file.shape("theta"), self._estimator.dtype
        if len(shape) != 1:
            raise ModelFileError("the tensor 'theta' is no vector")
        for name in vectors.entries("vectors", str):
            solver_state[name] = file.array(f"solver.{name}", dtype, shape)
        vectors.end()
        rng = _read_random(file.fields.part("random_numbers"))
        state = TrainingState(rng, solver=self._estimator.solver, solver_state=solver_state)
        read_training(state, training)
        start = _record_random(_read_random(file.fields.part("start")))
        stage = file.fields.part("stage")
        has_best, is_over = stage.flag("has_best"), stage.flag("is_over")
        stage.end()
        history = _read_history(file.fields.part("history"), state)
        theta = file.array("theta", dtype, shape)
        best = file.array("best_theta", dtype, shape) if has_best else None
        file.end()
        return _Saved(Checkpoint(theta, state, history, best, is_over), start)

    def _compare(self, file):
        """Refuse the file of another training, and say what is another one."""
        of = file.fields.part("of")
        kind = of.text("kind")
        of.end()
        if kind != self._kind:
            self._refuse(f"that is one of a {show(kind)}, this of a {self._kind!r}")
        part = file.fields.part("parameters")
        for name in sorted((self._parameters.keys() | part.names()) - self._others()):
            was = part.raw(name) if name in part else None
            now = self._parameters.get(name)
            if was != now:
                was, now = (show(decode(value, name)) for value in (was, now))
                self._refuse(f"{name} was {was} and is {now} now")
        part = file.fields.part("data")
        for name in sorted(self._data.keys() | part.names()):
            if (part.raw(name) if name in part else None) != self._data.get(name):
                self._refuse(f"{name} is not what it was")

    def _refuse(self, difference):
        raise ValueError(
            f"{self._path}: the checkpoint belongs to another training: {difference}. Give "
            "another file, or resume=False to start anew"
        )


def _fingerprint(arrays):
    """SHA-256 of the bytes of arrays, and of their shapes."""
    checksum = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        checksum.update(f"{array.dtype} {array.shape} ".encode())
        checksum.update(array.reshape(-1).view(np.uint8))
    return checksum.hexdigest()


def _record_random(rng):
    state = rng.bit_generator.state
    return {
        "bit_generator": state["bit_generator"],
        **state["state"],
        "has_uint32": state["has_uint32"],
        "uinteger": state["uinteger"],
    }


def _read_random(part):
    name = part.text("bit_generator")
    part.check(name in _GENERATORS, "bit_generator", " or ".join(map(repr, _GENERATORS)))
    state = {
        "bit_generator": name,
        "state": part.whole("state", high=2**128 - 1),
        "inc": part.whole("inc", high=2**128 - 1),
        "has_uint32": part.whole("has_uint32", high=1),
        "uinteger": part.whole("uinteger", high=2**32 - 1),
    }
    part.end()
    rng = np.random.Generator(getattr(np.random, name)(0))
    _set_random(rng, state)
    return rng


def _set_random(rng, record):
    name = type(rng.bit_generator).__name__
    if name != record["bit_generator"]:
        raise ValueError(
            f"the checkpoint has random numbers of {record['bit_generator']}, but random_state "
            f"gives those of {name}"
        )
    rng.bit_generator.state = {
        "bit_generator": name,
        "state": {"state": record["state"], "inc": record["inc"]},
        "has_uint32": record["has_uint32"],
        "uinteger": record["uinteger"],
    }


def _read_history(part, state):
    history = History(
        part.whole("n_samples", 1),
        part.numbers("loss_curve"),
        part.optional("validation_scores", part.numbers),
        part.numbers("gradient_norms"),
        part.optional("best_validation_score", part.number),
    )
    part.end()
    for name in (*_LISTS, "validation_scores"):
        values = getattr(history, name)
        part.check(values is None or len(values) == state.epoch, name, "one for each epoch")
    part.check(history.t == state.t, "n_samples", "as many as were seen")
    return history
