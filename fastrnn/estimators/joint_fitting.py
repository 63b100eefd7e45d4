"""The story of a fit whose data lie in partitions: look, join, begin, train, keep."""

from dataclasses import replace
from typing import Any

import numpy as np

from fastrnn.estimators.augmenting import strength_of
from fastrnn.estimators.fitting import (
    build,
    check_same,
    describe,
    keep,
    set_history,
    settings_of,
    suit,
)
from fastrnn.estimators.labels import other_classes
from fastrnn.estimators.parameters import in_effect
from fastrnn.estimators.partitions import Brief
from fastrnn.inputs.augmentation import draw_seed
from fastrnn.inputs.errors import PartitionsDiffer
from fastrnn.network.partitioned import Directory, PartitionedNetwork
from fastrnn.standin import as_generator
from fastrnn.training.loop import TrainingState, train


def fit_jointly(
    estimator: Any,
    crew: Any,
    scored: Any = None,
    at_once: int | None = None,
    is_quiet: bool = False,
    local_steps: int = 1,
) -> Any:
    """Train an estimator on partitions of data, each of which lies where `crew` can ask it.

    A crew has a length, and ``name(k)`` says what its member k is called in errors;
    ``ask(what, *told)`` calls a method of each `Partition` and returns what
    they answer, in their order, and ``run`` is that of a `PartitionedNetwork`. Where several
    processes fit side by side, ``of_first(value)`` gives each the value of the first. `scored` is
    the crew of partitions to score the model on, None without. An epoch reads so many partitions
    `at_once`: minibatches are of these, so that others need no memory; None reads all. With more
    than one of the `local_steps`, ``walk`` of the crew is the ``go`` of that network. Where
    another process says how training goes, this one `is_quiet`.
    """
    if not estimator.task_class.in_partitions:
        raise TypeError(
            f"{type(estimator).__name__} cannot be trained on partitions of data: classifiers, "
            "regressors, taggers and forecasters can"
        )
    estimator.check_parameters()
    if in_effect(estimator, "early_stopping") and scored is None:
        raise ValueError(
            "early_stopping=True needs validation_data where X lies in partitions: what is held "
            "out of them would depend on how they were cut"
        )
    goes_on = "warm_start=True" if estimator.warm_start and estimator.is_fitted else ""
    try:
        brief = _learn(estimator, crew, goes_on)
    except PartitionsDiffer as error:
        raise ValueError(error.tell(crew.name)) from None
    weights, lengths, changing, products = zip(*crew.ask("begin", brief), strict=True)
    weight = np.concatenate(weights)
    if scored is not None and not any(scored.ask("begin_scoring", brief)):
        raise ValueError("validation_data: there is nothing to score in any partition")

    state = TrainingState(crew.of_first(as_generator(estimator.random_state)))
    task = brief.task
    settings = settings_of(estimator, np.count_nonzero(weight), bool(goes_on))
    settings = replace(settings, verbose=settings.verbose and not is_quiet)
    network = build(estimator, brief.architecture, task, state.rng, bool(goes_on))
    if not goes_on:
        suit(network, np.concatenate(lengths), products)
    network.theta[...] = crew.of_first(network.theta)
    directory = Directory(lengths, at_once)

    def vary(rng, done):
        directory.variation = draw_seed(rng, done)
        return directory

    def validate():
        tallies = scored.ask("tally", network.theta)
        return task.join_scores([tally for tally in tallies if tally is not None])

    history = train(
        PartitionedNetwork(network, crew.run, crew.walk if local_steps > 1 else None),
        directory, None, weight, settings, state,
        vary=vary if any(changing) else None, validate=scored and validate, to_try=task.to_try,
        local_steps=local_steps,
    )  # fmt: skip
    keep(estimator, brief.reader, task, network, state)
    set_history(estimator, history, bool(goes_on))
    return estimator


def _check_same_classes(task, seen):
    """Check that training goes on with the classes of a task, if it has some."""
    fitted, seen = (each.attributes().get("classes_") for each in (task, seen))
    if fitted is not None and not np.array_equal(fitted, seen):
        raise ValueError(other_classes(fitted, seen))


def _learn(estimator, crew, goes_on):
    """The brief of a fit."""
    told = type(estimator)(**{**estimator.get_params(deep=False), "random_state": None})
    if goes_on:
        _, looks_of_task, lengths = zip(*crew.ask("look", told), strict=True)
        reader, task = estimator.reader_.without_data(), estimator.task_
        reader = reader.go_on(estimator, goes_on, np.concatenate(lengths))
        seen, class_weight = estimator.task_class.join(looks_of_task, estimator, reader)
        _check_same_classes(task, seen)
    elif len(crew) == 1:
        ((reader, task, *lengths),) = crew.ask("learn", told)
        class_weight = None
    else:
        looks_of_reader, looks_of_task, lengths = zip(*crew.ask("look", told), strict=True)
        reader = estimator.reader_class.join(looks_of_reader, estimator)
        task, class_weight = estimator.task_class.join(looks_of_task, estimator, reader)
    if class_weight is not None:
        told.class_weight = class_weight
    of_all = np.concatenate(lengths)
    architecture = describe(estimator, reader, task, of_all, bool(goes_on))
    if goes_on:
        check_same(estimator, architecture, goes_on, "; warm_start=False starts anew")
    strength = strength_of(estimator, of_all)
    return Brief(told, reader, task, architecture, strength)
