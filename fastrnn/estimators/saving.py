"""A fitted estimator as the record of a file.

The sections of a record:

- "parameters": those of the constructor, as they are now.
- "architecture": the network without its weights. These are tensors under the names of
  `fastrnn.network.network.Network.named_views`.
- "reader" and "task": what `fit` learned beside them.
- "history" and "training": what training recorded, and where it stands.

What stands in each says the object that is recorded. `released` reads files of older formats.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastrnn.estimators.fitting import check_suits
from fastrnn.estimators.released import added, to_present_format
from fastrnn.files import ModelFileError
from fastrnn.files.codec import (
    Added,
    Choice,
    DictOf,
    Number,
    Place,
    Record,
    Value,
    Whole,
    as_model_file_error,
)
from fastrnn.files.layout import RecordFile, write_record
from fastrnn.inputs.calendar_features import plain_holidays
from fastrnn.inputs.frequencies import plain_frequency
from fastrnn.network.encoder_decoder import from_record
from fastrnn.training.state import CURVES, TRAINING
from fastrnn.typing import PathLike

PARAMETERS = DictOf(Value())
HISTORY = Record({"n_iter": Whole(), "t": Whole(), "loss": Number(), **CURVES})
"""Attributes of an estimator, whose names have a line below at the end."""


class _Architecture:
    """A network without its weights, which checks its record itself."""

    def write(self, value, place):
        """Return JSON."""
        return value.to_record()

    def read(self, value, place):
        """Return the architecture."""
        with as_model_file_error(f"{place}: "):
            return from_record(value)


def kind_of(estimator):
    """Say what kind of estimator it is, in the word that files have for it.

    An estimator of a class that is not fastrnn's own is a TypeError: a file names no class.
    """
    kind = vars(type(estimator)).get("kind")
    if kind is None:
        raise TypeError(
            f"{type(estimator).__name__} is no class of fastrnn's own: a file knows those alone"
        )
    return kind


def recorded_parameters(estimator, left_out=()):
    """Return the parameters of an estimator as they are recorded, but for some.

    They have been checked. A source of random numbers has no place in a file, and is None; a
    tokenizer that is code is a TypeError.
    """
    names = [field.name for field in fields(estimator) if field.name not in left_out]
    values = {name: getattr(estimator, name) for name in names}
    if isinstance(values["random_state"], np.random.Generator | np.random.RandomState):
        values["random_state"] = None
    if values.get("freq") is not None:
        values["freq"] = plain_frequency(values["freq"])
    if "holidays" in values:
        values["holidays"] = plain_holidays(values["holidays"])
    for name in ("tokenizer", "target_tokenizer"):
        if callable(values.get(name)):
            raise TypeError(
                f"{name}={values[name]!r} is code, which has no place in a file: give fit "
                f"lists of tokens, and leave {name} at its default"
            )
    return values


def _tasks_of(cls):
    """The tasks that models of a class may have, by kind."""
    return {task.kind: task for task in (cls.task_class, *cls.task_class.others)}


def _readers_of(cls):
    """The readers that models of a class may have, by kind."""
    return {reader.kind: reader for reader in (cls.reader_class, *cls.reader_class.others)}


def _record_of(cls):
    """The record of models of a class."""
    came_later = added(cls.kind)
    parameters = {
        field.name: Added(Value(), came_later[field.name]) if field.name in came_later else Value()
        for field in fields(cls)
    }
    return Record(
        {
            "parameters": Record(parameters),
            "architecture": _Architecture(),
            "reader": Choice({kind: one.fields for kind, one in _readers_of(cls).items()}),
            "task": Choice({kind: task.fields for kind, task in _tasks_of(cls).items()}),
            "history": HISTORY,
            "training": TRAINING,
        }
    )


def save_model(estimator: Any, path: PathLike) -> None:
    """Write a fitted estimator to a file, unless it could not be read again."""
    kind, cls = kind_of(estimator), type(estimator)
    estimator.check_fitted()
    estimator.check_parameters(here=False)
    network, reader, task = estimator.network_, estimator.reader_, estimator.task_
    tensors = dict(network.named_views(network.theta))
    values = {
        "parameters": recorded_parameters(estimator),
        "architecture": network.architecture,
        "reader": (reader.kind, reader),
        "task": (task.kind, task),
        "history": {name: getattr(estimator, f"{name}_") for name in HISTORY},
        "training": estimator.training_state_,
    }

    def check(file):
        if read_model(cls, file).architecture != network.architecture:
            raise ModelFileError("its network would be another one")

    write_record(path, kind, _record_of(cls).write(values, Place("", tensors)), tensors, check)


@dataclass(frozen=True)
class SavedModel:
    """What a file says of a model: all but the weights, which are there.

    `model` has its parameters, `history` and `training` are fields of their records.
    """

    model: Any
    architecture: Any
    reader: Any
    task: Any
    history: dict
    training: dict


def read_model(cls: Any, file: RecordFile) -> SavedModel:
    """Read and check all of a file but its weights."""
    if file.format == 1:
        to_present_format(file)
    record = file.read(_record_of(cls))
    architecture = record["architecture"]
    for name, shape in architecture.shapes().items():
        file.expect(name, architecture.dtype, shape)
    file.end()
    model = cls(**record["parameters"])
    reader_kind, of_reader = record["reader"]
    kind, of_task = record["task"]
    with as_model_file_error():
        model.check_parameters(here=False)
    with as_model_file_error("reader: "):
        reader = _readers_of(cls)[reader_kind].from_record(of_reader, cls.__name__)
    with as_model_file_error("task: "):
        task = _tasks_of(cls)[kind].from_record(of_task, reader)
    with as_model_file_error("architecture: "):
        check_suits(architecture, reader, task)
    return SavedModel(model, architecture, reader, task, record["history"], record["training"])
