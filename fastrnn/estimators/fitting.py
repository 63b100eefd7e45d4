"""The story of a fit: read, encode, build, train, keep.

Nothing is stored on the estimator before training has succeeded, so that a failed fit leaves a
fitted model as it was. What was learned is then a network, a reader and a task.
"""

import copy
import math
from dataclasses import fields, replace
from numbers import Integral
from typing import Any

import numpy as np

from fastrnn.bridge import watch_fit
from fastrnn.estimators.augmenting import augmentation_of
from fastrnn.estimators.long_sequences import SHORT, front_of
from fastrnn.estimators.needs import needed_to_train, refuse_to_train
from fastrnn.estimators.parameters import (
    again_between,
    batch_size,
    cell_options,
    in_effect,
    max_iter,
    plain_values,
)
from fastrnn.estimators.validation import ValidationData
from fastrnn.inputs.columns import Columns
from fastrnn.network.architecture import Architecture
from fastrnn.network.encoder_decoder import EncoderDecoder
from fastrnn.network.filters import products_of, whiten
from fastrnn.network.recurrent import ZEROS
from fastrnn.standin import as_generator
from fastrnn.training.checkpoints import CheckpointFile
from fastrnn.training.loop import History, Settings, TrainingState, train
from fastrnn.typing import Ints, SampleWeight, SequencesLike, TargetsLike

NOTHING_TO_LEARN = 1e-4
"""Loss of the same answer everywhere that leaves nothing to learn: targets do not vary, or but for
what has next to no weight."""


def fit(
    estimator: Any,
    X: Any,
    y: TargetsLike | None,
    sample_weight: SampleWeight,
    validation: ValidationData | None,
    file: CheckpointFile | None,
    shown: Any = None,
) -> None:
    """Train until it is done; callbacks see `X`, or what is shown instead."""
    estimator.check_parameters()
    goes_on = bool(estimator.warm_start) and estimator.is_fitted
    reader, task, sequences, target = _read(
        estimator, X, y, sample_weight, goes_on and "warm_start=True"
    )
    architecture = describe(estimator, reader, task, sequences.lengths, goes_on)
    if goes_on:
        check_same(estimator, architecture, "warm_start=True", "; warm_start=False starts anew")
    scored = None
    if validation is not None:
        scored = validation.read(reader, task, estimator.dtype, sequences)
    told = task.told(sequences.lengths, target)
    refuse_to_train(estimator, architecture, task, sequences, told, scored)

    settings = settings_of(estimator, _n_samples(estimator, task, sequences, target), goes_on)
    state = TrainingState(as_generator(estimator.random_state))
    if file:
        seen = _seen(estimator, reader, task, sequences, target, scored, goes_on)
        file.start(state.rng, seen, settings)
    network = build(estimator, architecture, task, state.rng, goes_on)
    if not goes_on:
        suit(network, sequences.lengths, [products_for(network, sequences, target)])
    lessons = target
    if in_effect(estimator, "early_stopping") and scored is None:
        fraction = float(estimator.validation_fraction)
        lessons, scored = task.hold_out(sequences, target, fraction, state.rng)
    begun = file and file.resume(network, settings, state)

    def validate():
        return task.validate(network, scored, estimator)

    def constant_loss(n_minibatches):
        if task.may_stay_constant:
            return None
        constant = network.constant_loss(sequences, lessons.values, lessons.weight)
        if constant is None or constant < NOTHING_TO_LEARN:
            return None
        total = network.total_weight(lessons.values, lessons.weight) / n_minibatches
        squares = np.square(network.theta, dtype=np.float64).sum(where=network.decayed)
        return constant + 0.5 * network.alpha * float(squares / total)

    def fitted_so_far():
        return fitted_attributes(reader, task, copy.deepcopy(network))

    shown = X if shown is None else shown
    most = settings.most_epochs
    with watch_fit(estimator, shown, y, sample_weight, fitted_so_far, most) as watch:
        history = train(
            network, sequences, lessons.values, lessons.weight, settings, state,
            windows=task.window(estimator.bptt_steps),
            vary=augmentation_of(estimator, reader, sequences), validate=scored and validate,
            watch=watch, begun=begun, keep=file and file.keep, constant_loss=constant_loss,
            to_try=task.to_try,
        )  # fmt: skip
        keep(estimator, reader, task, network, state)
        set_history(estimator, history, goes_on)


def fit_one_epoch(
    estimator: Any,
    X: Any,
    y: TargetsLike | None,
    sample_weight: SampleWeight,
    task: Any = None,
) -> None:
    """Train for one epoch, on from where training was; a first call may be given its task."""
    estimator.check_parameters()
    if estimator.early_stopping:
        raise ValueError(
            "partial_fit knows no early stopping, since it trains for one epoch: set "
            "early_stopping=False"
        )
    goes_on = estimator.is_fitted
    reader, task, sequences, target = _read(
        estimator, X, y, sample_weight, goes_on and "partial_fit", task, partial=True
    )
    architecture = describe(estimator, reader, task, sequences.lengths, goes_on)
    if goes_on:
        check_same(estimator, architecture, "partial_fit", "; fit starts anew")
    told = task.told(sequences.lengths, target)
    refuse_to_train(estimator, architecture, task, sequences, told)

    if goes_on:
        state = copy.deepcopy(estimator.training_state_)
    else:
        state = TrainingState(as_generator(estimator.random_state))
    network = build(estimator, architecture, task, state.rng, goes_on)
    if not goes_on:
        suit(network, sequences.lengths, [products_for(network, sequences, target)])
    settings = settings_of(estimator, _n_samples(estimator, task, sequences, target), goes_on)
    if settings.learning_rate == "cosine":  # nobody knows how many calls there will be
        settings = replace(settings, learning_rate="constant")
    history = train(
        network, sequences, target.values, target.weight, settings, state,
        n_epochs=1, windows=task.window(estimator.bptt_steps),
        vary=augmentation_of(estimator, reader, sequences),
    )  # fmt: skip
    keep(estimator, reader, task, network, state)
    set_history(estimator, history, goes_on, adds=goes_on)


def adopt(estimator, weights, meaning):
    """Make an estimator a fitted one with weights from elsewhere; `meaning` is of their outputs."""
    estimator.check_parameters()
    reader_class, task_class = estimator.reader_class, estimator.task_class
    of_reader = {name: meaning[name] for name in meaning if name in reader_class.meanings}
    of_task = {name: meaning[name] for name in meaning if name in task_class.meanings}
    for name, value in meaning.items():
        if name not in of_reader and name not in of_task:
            raise ValueError(f"{name}={value!r} has no meaning for {type(estimator).__name__}")
    reader = reader_class.adopt(weights, estimator, **of_reader)
    task, head = task_class.adopt(weights.head, estimator, **of_task)
    if reader.is_tied(estimator) and not np.array_equal(head["W"].T, weights.tables[0]):
        raise ValueError("tie_weights=True, but the head has other weights than the embedding")
    arrays = {**weights.named(), **{f"head.{name}": array for name, array in head.items()}}
    architecture = describe(estimator, reader, task)
    if architecture.stages:
        raise ValueError(
            f"stride={architecture.stride} and conv={architecture.conv} are not for weights from "
            "elsewhere, whose layers read the steps as they are"
        )
    network = task.network_class(
        architecture, random_state=ZEROS, **regularization(estimator, task)
    )
    for name, view in network.named_views(network.theta).items():
        view[...] = arrays[name]
    keep(estimator, reader, task, network, TrainingState(as_generator(estimator.random_state)))
    set_history(estimator, History(n_samples=0, best_epoch=0), goes_on=False)


def keep(estimator: Any, reader: Any, task: Any, network: Any, state: TrainingState) -> None:
    """Make the estimator a fitted one."""
    network.release_memory()
    estimator.training_state_ = state
    for name, value in fitted_attributes(reader, task, network).items():
        setattr(estimator, name, value)


def fitted_attributes(reader, task, network):
    """What a fitted estimator has, but for what training has recorded."""
    return {
        "network_": network,
        "reader_": reader,
        "task_": task,
        "n_outputs_": task.n_outputs,
        **reader.attributes(),
        **task.attributes(),
    }


def describe(
    estimator: Any, reader: Any, task: Any, lengths: Ints | None = None, goes_on: bool = False
) -> Architecture | EncoderDecoder:
    """The network that parameters, reader and task ask for, for sequences of these lengths.

    Where training goes on, tables whose widths are left to the rule stay as wide as they are: a
    file may have them from a version with another rule.
    """
    before: Any = estimator.network_.architecture if goes_on else None
    embeddings = reader.tables(estimator)
    if goes_on and estimator.embedding_dim is None and not reader.is_tied(estimator):
        embeddings = before.source.embeddings
    sizes = estimator.hidden_layer_sizes
    sizes = tuple(map(int, [sizes] if isinstance(sizes, Integral) else sizes))
    parts = {
        **_beginning(reader),
        **front_of(estimator, task, lengths, before and before.source),
        "embeddings": embeddings,
        "tied": reader.is_tied(estimator),
        "cell": estimator.cell,
        "cell_options": cell_options(estimator),
        "hidden_layer_sizes": sizes,
        "bidirectional": bool(estimator.bidirectional),
        "pooling": "steps" if task.every_step else estimator.pooling,
        "head": task.head,
        "head_options": task.head_options,
        "n_outputs": task.n_outputs,
        "dtype": estimator.dtype,
        "precision": estimator.precision,
    }
    made: Architecture | EncoderDecoder = task.make_architecture(estimator, parts)
    return made


def _beginning(reader):
    """What the reader decides of a network."""
    return {
        "n_features": reader.n_features,
        "means": reader.gaps.means,
        "id_tables": reader.id_tables,
    }


def check_suits(architecture, reader, task):
    """Check that a network reads what the reader gives it, and says what the task asks for."""
    source = architecture.source
    read = source.n_features + len(source.id_tables)
    if read != reader.width:  # what is told of columns may take memory for each
        raise ValueError(f"the network reads {read} columns, but there are {reader.width}")
    n_ids = tuple(n for n, _ in source.embeddings)
    if n_ids != reader.n_ids:
        raise ValueError(f"the network has tables of {n_ids} ids, but there are {reader.n_ids}")
    if reader.gaps.means and reader.gaps.both_ways != source.bidirectional:
        raise ValueError("the network reads in other directions than there are times for")
    task.check_architecture(architecture)
    difference = source.difference(replace(source, **_beginning(reader)))
    if difference:
        raise ValueError(f"the network has {difference}")


def regularization(estimator: Any, task: Any) -> dict[str, Any]:
    """What training does to the network's units and weights, as arguments of its class."""
    return {
        **plain_values(estimator, task.regularizers),
        "alpha": 0.0 if estimator.solver == "adamw" else float(estimator.alpha),
    }


def settings_of(estimator, n, goes_on=False):
    """How training goes, with n sequences that have a weight.

    Of a model that goes on nobody but the user says how often.
    """
    chosen = {
        "batch_size": batch_size(estimator, n),
        "max_iter": max_iter(estimator, n),
        "again_between": None if goes_on else again_between(estimator, n),
    }
    names = [field.name for field in fields(Settings) if field.name not in chosen]
    return Settings(**plain_values(estimator, names), **chosen)


def _n_samples(estimator, task, sequences, target):
    """How many sequences have a weight, or how many windows of time make as many steps."""
    kept = target.has_weight()
    window = task.window(estimator.bptt_steps)
    return int(sequences.lengths[kept].sum()) // window if window else np.count_nonzero(kept)


def _read(estimator, X, y, sample_weight, goes_on, task=None, partial=False):
    """Learn reader and task, or go on with those of the model; `goes_on` names what does."""
    if goes_on:
        reader, sequences = estimator.reader_.read_more(X, estimator, goes_on)
        task = estimator.task_
    else:

        def weigh(sequences):
            refuse_to_learn(estimator, sequences)
            return estimator.task_class.weigh_steps(sample_weight, sequences)

        reader, sequences = estimator.reader_class.learn(X, estimator, weigh)
    if task is None:
        task, target = estimator.task_class.learn(y, sequences, sample_weight, estimator)
    else:
        target = task.encode(y, sequences, sample_weight, estimator, partial)
    return reader, task, sequences, target


def refuse_to_learn(estimator, sequences):
    """Refuse training that needs more memory than there is, before many numbers are copied.

    `sequences` have their shape alone. What is not known yet counts as little: the least task there
    is, and nothing in the place of ids.
    """
    if sequences.nbytes < 2**26:
        return
    task, lengths = estimator.task_class.smallest(estimator), sequences.lengths
    columns = Columns(max(1, sequences.n_features), fitted_by=type(estimator).__name__)
    architecture = describe(estimator, estimator.reader_class(columns, None), task, lengths)
    told = None if task.told(lengths) is None else np.ones_like(lengths)
    beside = sequences.nbytes
    refuse_to_train(estimator, architecture, task, sequences, told, beside=beside)


def build(estimator, architecture, task, rng=ZEROS, goes_on=False):
    """A new network, or a copy of the fitted one, to be trained further."""
    if not goes_on:
        options = regularization(estimator, task)
        return task.network_class(architecture, random_state=rng, **options)
    network = copy.deepcopy(estimator.network_)
    network.regularize(**regularization(estimator, task))
    return network


def products_for(network, sequences, target):
    """What `suit` asks of sequences; None where no filters read numbers of several steps."""
    filters = network.first_filters
    if filters is None or len(filters) == 1 or not sequences.n_features:
        return None
    weight = target.of_sequences(target.score_weight)
    if target.offsets is not None:
        weight = weight / sequences.lengths
    return products_of(sequences, weight, len(filters))


def suit(network, lengths, products):
    """Turn the first filters of a new network for sequences of these lengths and products.

    In short ones how high a number is says as much as how it changes: there they stay.
    """
    products = [each for each in products if each is not None]
    if products and np.median(lengths) >= SHORT:
        whiten(network.first_filters, sum(products))


def check_same(estimator, wanted, what, instead):
    difference = estimator.network_.architecture.difference(wanted)
    if difference:
        raise ValueError(f"{what} goes on from the fitted model, which has {difference}{instead}")


def _seen(estimator, reader, task, sequences, target, scored, goes_on):
    """What training sees, by argument of `fit`, for a checkpoint to compare."""
    seen = reader.seen(sequences, task.arrays(target.values), target.weight)
    if scored is not None:
        arrays = task.arrays(scored.values)
        seen_too = reader.seen(scored.sequences, arrays, scored.weight).values()
        seen["validation_data"] = [array for arrays in seen_too for array in arrays]
    if goes_on:
        seen["the model before"] = [estimator.network_.theta]
    return seen


def set_history(estimator, history, goes_on, adds=False):
    """Set what training has recorded; with ``adds`` it belongs to the fit before."""
    before = vars(estimator) if goes_on else {}
    n_before = before["n_iter_"] if adds else 0
    estimator.n_iter_ = n_before + history.n_iter
    estimator.best_epoch_ = n_before + history.best_epoch
    estimator.t_ = before.get("t_", 0) + history.t
    estimator.loss_ = history.loss
    if not adds:
        estimator.best_validation_score_ = history.best_validation_score
    for name in ("loss_curve", "gradient_norms", "validation_scores"):
        values = getattr(history, name)
        if values is not None:
            values = [*(before.get(f"{name}_") or []), *values]
        if values is not None or not adds:
            setattr(estimator, f"{name}_", values)
    estimator.best_loss_ = min(estimator.loss_curve_, default=math.inf)


def memory_of_fit(estimator: Any, X: SequencesLike, y: TargetsLike | None) -> int:
    """Bytes that `fit` would take at its peak; without targets for a network of one output."""
    estimator.check_parameters()
    reader, sequences = estimator.reader_class.learn(X, estimator, lambda sequences: None)
    task, target = estimator.task_class.smallest(estimator), None
    if y is not None:
        task, target = estimator.task_class.learn(y, sequences, None, estimator)
    told = task.told(sequences.lengths, target)
    copy = sequences.nbytes
    for array in (sequences.values, sequences.ids):
        if isinstance(X, np.ndarray) and array is not None and np.may_share_memory(array, X):
            copy -= array.nbytes
    architecture = describe(estimator, reader, task, sequences.lengths)
    return copy + needed_to_train(estimator, architecture, task, sequences, told)


def steps_by_minibatches(estimator):
    """Whether an estimator can train on some of the data: not with ``solver="lbfgs"``."""
    return estimator.solver != "lbfgs"
