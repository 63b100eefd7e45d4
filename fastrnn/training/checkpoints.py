"""Checkpoints: training is written to a file after epochs, and goes on from there.

A checkpoint is a file as `fastrnn.files` knows it, of kind "checkpoint". Beside all that decides
how training goes on it has the parameters and fingerprints of the data that decided its course so
far: a file goes with its own training only. The random numbers of the start are there too, so that
what is drawn before the first epoch, such as what is held out, is drawn again.
"""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.files import ModelFileError
from fastrnn.files.atomic import check_place
from fastrnn.files.codec import Array, DictOf, Flag, ListOf, Place, Record, Text, Value, Whole
from fastrnn.files.layout import open_record, write_record
from fastrnn.files.values import show
from fastrnn.training.solvers import SOLVERS
from fastrnn.training.state import HISTORY, TRAINING, Checkpoint, TrainingState

_GENERATORS = ("PCG64", "PCG64DXSM")
_RANDOM = Record(
    {
        "bit_generator": Text(_GENERATORS),
        "state": Whole(high=2**128 - 1),
        "inc": Whole(high=2**128 - 1),
        "has_uint32": Whole(high=1),
        "uinteger": Whole(high=2**32 - 1),
    }
)
PARAMETERS = DictOf(Value())
_TRAINING_OF = Record(
    {"of": Record({"kind": Text()}), "parameters": PARAMETERS, "data": DictOf(Text())}
)
"""Whose training it is."""


class _SolverState:
    """What a solver keeps: whole numbers, and vectors, which are tensors."""

    _fields = Record({"vectors": ListOf(Text()), "numbers": DictOf(Whole())})

    def __init__(self, vector):
        self._vector = vector

    def write(self, value, place):
        """Return JSON, and add the vectors to the tensors."""
        vectors = {k: v for k, v in value.items() if isinstance(v, np.ndarray)}
        numbers = {k: v for k, v in value.items() if k not in vectors}
        for name, vector in vectors.items():
            self._vector.write(vector, place.inner(name))
        return self._fields.write({"vectors": sorted(vectors), "numbers": numbers}, place)

    def read(self, value, place):
        """Return a dict of both."""
        fields = self._fields.read(value, place)
        names = fields["vectors"]
        vectors = {name: self._vector.read({}, place.inner(name)) for name in names}
        return fields["numbers"] | vectors


def _stage(dtype):
    """The record of where a training with this dtype stands."""
    vector = Array(dtype, lambda fields: (None,))
    return Record(
        {
            "start": _RANDOM,
            "random_numbers": _RANDOM,
            "training": TRAINING,
            "solver": _SolverState(vector),
            "history": HISTORY,
            "stage": Record({"has_best": Flag(), "is_over": Flag()}),
            "theta": vector,
            "best_theta": Array(
                dtype, lambda fields: (None,) if fields["stage"]["has_best"] else None
            ),
        }
    )


@dataclass(frozen=True)
class Course:
    """Whose training it is, and what decided its course."""

    kind: str  # the word of files for what is trained
    solver: str
    dtype: str
    max_iter: int
    parameters: Mapping[str, Any]  # those that decide
    others: frozenset[str]  # names that older files have beside them, and that decide nothing
    present: Callable[[dict[str, Any]], dict[str, Any]]  # of older files, as they are recorded now


@dataclass
class _Saved:
    """What was read from a file."""

    checkpoint: Checkpoint
    random_state: dict


class CheckpointFile:
    """The file that one training writes, and may go on from.

    `every` is the number of epochs from one checkpoint to the next, ``course(settings)`` gives the
    `Course` of this training, once that is right.
    """

    def __init__(self, path, every, resume, course):
        self._path, self._every, self._get_course = path, every, course
        self._resume, self._saved = resume, None
        check_place(path)  # not after the first epoch

    def start(self, rng, seen, settings):
        """Note what decides the course of training, or go back to where that began.

        `rng` is at its start, and put to where it was then if training goes on. `seen` are the
        arrays that training sees, by the name of the argument; `settings` are those of `train`. A
        file of another training is a ValueError.
        """
        name = type(rng.bit_generator).__name__
        if name not in _GENERATORS:
            raise ValueError(
                f"checkpoint needs random numbers of {' or '.join(_GENERATORS)}, as they are by "
                f"default, but random_state is a Generator of {name}"
            )
        self._course = self._get_course(settings)
        self._training_of = {
            "of": {"kind": self._course.kind},
            "parameters": self._course.parameters,
            "data": {name: _fingerprint(arrays) for name, arrays in seen.items()},
        }
        if self._resume:
            with suppress(FileNotFoundError), open_record(self._path) as file:
                self._saved = self._read(file)
        if self._saved is not None:
            _set_random(rng, self._saved.random_state)
        self._start = _record_random(rng)

    def resume(self, network, settings, state):
        """Go on from the file, if there is one: return what `train` takes as ``begun``, or None.

        The parameters of the network, and the state, become those of the file.
        """
        if self._saved is None:
            return None
        checkpoint, theta = self._saved.checkpoint, network.theta
        saved = checkpoint.state
        if (checkpoint.theta.dtype, checkpoint.theta.shape) != (theta.dtype, theta.shape):
            self._refuse("its network has another shape")
        if saved.epoch > settings.most_epochs:
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
        """Write a checkpoint, if it is time."""
        state, is_last = checkpoint.state, checkpoint.state.epoch % self._course.max_iter == 0
        if state.epoch % self._every and not checkpoint.is_over and not is_last:
            return
        tensors: dict[str, np.ndarray] = {}
        place, dtype = Place("", tensors), self._course.dtype
        stage = {
            "start": self._start,
            "random_numbers": _record_random(state.rng),
            "training": state,
            "solver": state.solver_state,
            "history": checkpoint.history,
            "stage": {
                "has_best": checkpoint.best_theta is not None,
                "is_over": checkpoint.is_over,
            },
            "theta": checkpoint.theta,
            "best_theta": checkpoint.best_theta,
        }
        sections = _TRAINING_OF.write(self._training_of, place) | _stage(dtype).write(stage, place)
        write_record(self._path, "checkpoint", sections, tensors)

    def _read(self, file):
        if file.kind != "checkpoint":
            raise ModelFileError(f"this is a file of kind {show(file.kind)}, no checkpoint")
        training_of = file.read(_TRAINING_OF)
        training_of["parameters"] = self._course.present(training_of["parameters"])
        self._compare(training_of)
        saved = file.read(_stage(self._course.dtype))
        file.end()
        theta, history, training = saved["theta"], saved["history"], saved["training"]
        vectors = [v for v in saved["solver"].values() if isinstance(v, np.ndarray)]
        if saved["best_theta"] is not None:
            vectors.append(saved["best_theta"])
        if any(len(vector) != len(theta) for vector in vectors):
            raise ModelFileError("its vectors are not as long as 'theta'")
        for name in ("loss_curve", "gradient_norms", "validation_scores"):
            values = getattr(history, name)
            if values is not None and len(values) != training["epoch"]:
                raise ModelFileError(f"history.{name} should have one entry for each epoch")
        if history.t != training["t"]:
            raise ModelFileError("history.n_samples should be as many as were seen")
        if saved["best_theta"] is not None and history.best_epoch is None:
            # Older files, which have it with early stopping alone, do not say of which epoch it is.
            scores, best = history.validation_scores or [], history.best_validation_score
            history.best_epoch = scores.index(best) + 1 if best in scores else 0
        if history.best_epoch is not None and not 1 <= history.best_epoch <= history.n_iter:
            raise ModelFileError("history.best_epoch should be one of its epochs")
        state = TrainingState(
            _generator(saved["random_numbers"]),
            solver=self._course.solver,
            solver_state=saved["solver"],
            **training,
        )
        is_over = saved["stage"]["is_over"]
        return _Saved(
            Checkpoint(theta, state, history, saved["best_theta"], is_over),
            _record_random(_generator(saved["start"])),
        )

    def _compare(self, saved):
        """Refuse the file of another training, and say what is another one."""
        kind = saved["of"]["kind"]
        if kind != self._course.kind:
            self._refuse(f"that is one of a {show(kind)}, this of a {self._course.kind!r}")
        old, new = saved["parameters"], self._training_of["parameters"]
        for name in sorted((old.keys() | new.keys()) - self._course.others):
            was, now = ({name: values.get(name)} for values in (old, new))
            place = Place("")
            if PARAMETERS.write(was, place) != PARAMETERS.write(now, place):
                self._refuse(f"{name} was {show(was[name])} and is {show(now[name])} now")
        old, new = saved["data"], self._training_of["data"]
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
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


def _generator(record):
    rng = np.random.Generator(getattr(np.random, record["bit_generator"])(0))
    _set_random(rng, record)
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
