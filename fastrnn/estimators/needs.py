"""What memory the work of an estimator needs; work that needs more than there is does not begin."""

from typing import Any

import numpy as np

from fastrnn.estimators.augmenting import AUGMENTED, strength_of
from fastrnn.estimators.parameters import batch_size, in_effect, plain_values
from fastrnn.estimators.tasks import Scored
from fastrnn.inputs.sequences import Sequences
from fastrnn.memory import estimate_memory, refuse_if_too_large
from fastrnn.network.architecture import Architecture
from fastrnn.network.encoder_decoder import EncoderDecoder
from fastrnn.typing import Ints


def needed_to_train(
    estimator: Any,
    architecture: Architecture | EncoderDecoder,
    task: Any,
    sequences: Sequences,
    told: Ints | None = None,
    scored: Scored | None = None,
    **changes: Any,
) -> int:
    """Bytes that `fit` takes beside the sequences; `changes` are of parameters.

    ``told`` are the labels that a decoder tells of each sequence, if there is one.
    """
    names = ["solver", "momentum", "dropout", "recurrent_dropout", "bptt_steps", "n_jobs"]
    options = {
        **plain_values(estimator, names),
        "batch_size": batch_size(estimator, len(sequences)),
        **changes,
    }
    architecture = architecture.with_dtype(options.pop("dtype", architecture.dtype))
    lengths, beside = sequences.lengths, 0
    if scored is not None:
        beside = needed_to_predict(estimator, architecture, scored.sequences.lengths, task)
    elif in_effect(estimator, "early_stopping"):
        fraction = float(estimator.validation_fraction)
        lengths, held_out, beside = task.split_lengths(sequences, fraction)
        beside += needed_to_predict(estimator, architecture, held_out, task)
    if strength_of(estimator, sequences.lengths) is not None:
        beside += AUGMENTED * sequences.nbytes
    if window := task.window(options["bptt_steps"]):
        lengths = np.minimum(lengths, window)
        options["batch_size"] = changes.get("batch_size", len(lengths))  # all are read at a time
    if told is not None:
        options["told"] = told[: len(lengths)]
    return beside + estimate_memory(lengths, architecture, **options)


def needed_to_predict(estimator, architecture, lengths, task, keep_outputs=True):
    """Bytes that the network takes for the outputs of sequences of these lengths."""
    kept, n_jobs = keep_outputs and task.keeps_outputs, estimator.n_jobs
    return estimate_memory(
        lengths, architecture, training=False, keep_outputs=kept, n_jobs=n_jobs,
        beam_size=task.beam_size(estimator),
    )  # fmt: skip


def refuse_to_train(estimator, architecture, task, sequences, told=None, scored=None, *, beside=0):
    """Refuse training that needs more memory than there is, and say what would need less.

    `beside` are bytes that are taken anyhow.
    """
    changes = [{"dtype": "float32"}, {"n_jobs": 1}]
    if estimator.solver == "lbfgs":
        changes.append({"solver": "adam"})
    else:
        changes += [{"batch_size": 8}, {"bptt_steps": 50}]
    given = (estimator, architecture, task, sequences, told, scored)
    refuse_if_too_large(
        beside + needed_to_train(*given),
        "Training",
        (
            (
                ", ".join(f"{name}={value!r}" for name, value in change.items()),
                beside + needed_to_train(*given, **change),
            )
            for change in changes
        ),
    )


def refuse_to_predict(estimator: Any, sequences: Sequences, per_step: int = 0) -> None:
    """Refuse predictions that need more memory than there is; `per_step` is that of results."""
    architecture = estimator.network_.architecture
    needed = needed_to_predict(estimator, architecture, sequences.lengths, estimator.task_)
    refuse_if_too_large(needed + len(sequences.values) * per_step, "Prediction")


def refuse_to_go_back(
    estimator: Any, sequences: Sequences, per_step: int = 0, told: Ints | None = None
) -> None:
    """Refuse gradients of all sequences that need more memory than there is.

    ``told`` are the labels that a decoder tells of each sequence, if there is one.
    """
    lengths, architecture = sequences.lengths, estimator.network_.architecture
    needed = estimate_memory(
        lengths, architecture, batch_size=len(lengths), n_jobs=estimator.n_jobs, told=told
    )
    needed += len(sequences.values) * per_step + sequences.values.nbytes
    refuse_if_too_large(needed, "Backpropagation")
