"""An estimator as the record of a file: what all of them say, and what each adds.

The sections of a record:

- "parameters": those of the constructor, as they are now.
- "fitted_with": those of them that shaped the model in `fit`; they may have been changed since.
- "fitted": what `fit` learned beside the weights. The arrays among it are tensors.
- "history" and "training": what training recorded, and where it stands.

The weights are tensors, too, under the names of `fastrnn.network.Network.named_views`. An
estimator adds to "fitted" and to its arrays with ``_record``, and reads them back with
``_restore``, as sequences and a target that are such as `fit` had, but empty: all else follows
from these as in `fit`.
"""

import contextlib
from dataclasses import fields

import numpy as np

from fastrnn.files import ModelFileError
from fastrnn.files.layout import write_record
from fastrnn.files.record import encode
from fastrnn.inputs.columns import Columns

_COUNTS = ("epoch", "t", "n_lowered", "n_stalled")
_LISTS = ("loss_curve", "gradient_norms")


def kind_of(estimator):
    """Say what kind of estimator it is, in the word that files have for it.

    Parameters
    ----------
    estimator : RNNBase
        Any estimator.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If it is of a class that is not fastrnn's own: a file names no class.
    """
    kind = vars(type(estimator)).get("kind")
    if kind is None:
        raise TypeError(
            f"{type(estimator).__name__} is no class of fastrnn's own: a file knows those alone"
        )
    return kind


def save_model(estimator, path):
    """Write a fitted estimator to a file.

    Parameters
    ----------
    estimator : RNNBase
        A fitted one.
    path : str or path-like
        Where.
    """
    kind = kind_of(estimator)
    estimator.check_fitted()
    estimator.check_parameters()
    of_reader, reader_arrays = estimator.reader_.record()
    of_task, task_arrays = estimator.task_.record()
    arrays = reader_arrays | task_arrays
    tensors = estimator.network_.named_views(estimator.network_.theta)
    tensors |= {f"fitted.{name}": array for name, array in arrays.items()}
    record = {
        "parameters": encode_parameters(estimator),
        "fitted_with": encode_fields(fitted_with(estimator)),
        "fitted": encode_fields(of_reader | of_task),
        "history": encode_fields(_history(estimator)),
        "training": encode_fields(record_training(estimator.training_state_)),
    }
    write_record(path, kind, record, tensors)


def fitted_with(estimator):
    """Parameters that shaped the fitted model, as they were then."""
    architecture = estimator.network_.architecture
    names = {field.name for field in fields(estimator)}
    shaped = ("hidden_layer_sizes", "cell", "bidirectional", "pooling", "dtype")
    return {
        **{name: getattr(architecture, name) for name in shaped if name in names},
        **architecture.cell_options,
        "embedding_dim": tuple(width for _, width in architecture.embeddings) or None,
        **({"tie_weights": architecture.tied} if "tie_weights" in names else {}),
        **estimator.reader_.fitted_with(),
    }


def encode_parameters(estimator, left_out=()):
    """Turn the parameters of an estimator into what JSON knows.

    Parameters
    ----------
    estimator : RNNBase
        Its parameters have been checked.
    left_out : container of str, default=()
        Which of them are not wanted.

    Returns
    -------
    dict
        Of a source of random numbers, which has no place in a file, None is left.

    Raises
    ------
    TypeError
        If one is code.
    """
    names = [field.name for field in fields(estimator) if field.name not in left_out]
    values = {name: getattr(estimator, name) for name in names}
    if isinstance(values["random_state"], np.random.Generator | np.random.RandomState):
        values["random_state"] = None
    if callable(values.get("tokenizer")):
        raise TypeError(
            f"tokenizer={values['tokenizer']!r} is code, which has no place in a file: give fit "
            "lists of tokens, and leave tokenizer at its default"
        )
    return {name: encode(value, name) for name, value in values.items()}


def encode_fields(values):
    """Turn named values into what JSON knows.

    Parameters
    ----------
    values : dict of str to object
        Dicts among them are parts of the record with fields of their own.

    Returns
    -------
    dict
    """
    return {
        name: encode_fields(value) if isinstance(value, dict) else encode(value, name)
        for name, value in values.items()
    }


def _history(estimator):
    names = ("n_iter", "t", "loss", *_LISTS, "validation_scores", "best_validation_score")
    return {name: getattr(estimator, f"{name}_") for name in names}


def record_training(state):
    """Say where training stands, but for the solver and the random numbers.

    Parameters
    ----------
    state : TrainingState
        Where it stands.

    Returns
    -------
    dict
        A part of a record.
    """
    return {name: getattr(state, name) for name in (*_COUNTS, "by_score", "best")}


def read_parameters(cls, part, names):
    """Build an estimator of the parameters in a record.

    Parameters
    ----------
    cls : type
        Its class.
    part : Fields
        The parameters.
    names : iterable of str
        Which ones must be there. The others have their defaults.

    Returns
    -------
    RNNBase
        Its parameters have been checked.
    """
    estimator = cls(**{name: part.value(name) for name in names})
    part.end()
    with as_model_file_error():
        estimator.check_parameters()
    return estimator


def read_history(estimator, part):
    """Set what training has recorded.

    Parameters
    ----------
    estimator : RNNBase
        The estimator.
    part : Fields
        The section of the record.
    """
    history = {
        "n_iter": part.whole("n_iter"),
        "t": part.whole("t"),
        "loss": part.number("loss"),
        **{name: part.numbers(name) for name in _LISTS},
        "validation_scores": part.optional("validation_scores", part.numbers),
        "best_validation_score": part.optional("best_validation_score", part.number),
    }
    part.end()
    for name, value in history.items():
        setattr(estimator, f"{name}_", value)
    estimator.best_loss_ = min(estimator.loss_curve_, default=np.inf)


def read_training(state, part):
    """Set where training stands. The solver starts anew.

    Parameters
    ----------
    state : TrainingState
        At the start.
    part : Fields
        The section of the record.
    """
    for name in _COUNTS:
        setattr(state, name, part.whole(name))
    state.by_score, state.best = part.flag("by_score"), part.number("best")
    part.end()


def record_columns(columns):
    """Say what `fit` learned about columns.

    Parameters
    ----------
    columns : Columns
        What it learned.

    Returns
    -------
    dict
        A part of a record.
    """
    return {
        "width": columns.width,
        "names": None if columns.names is None else list(columns.names),
        "ids": list(columns.ids),
        "n_categories": list(columns.n_categories),
        "categories": [None if known is None else list(known) for known in columns.categories],
    }


def read_columns(part, n_names=None, fitted_by="the model"):
    """Read back what `record_columns` said.

    Parameters
    ----------
    part : Fields
        Part of a record.
    n_names : int or None, default=None
        How many names there are, if there are any; None for one for each column.
    fitted_by : str, default="the model"
        See `fastrnn.inputs.columns.Columns`.

    Returns
    -------
    Columns
    """
    width = part.whole("width")
    names = part.optional("names", part.entries, str)
    ids, n_categories = part.entries("ids", int), part.entries("n_categories", int)
    categories = part.entries("categories")
    part.end()
    part.check(
        names is None or len(names) == (width if n_names is None else n_names),
        "names", "a name for each column",
    )  # fmt: skip
    part.check(
        ids == sorted(set(ids)) and (not ids or 0 <= ids[0] <= ids[-1] < width),
        "ids", "rising numbers of columns",
    )  # fmt: skip
    part.check(
        len(n_categories) == len(ids) and all(n >= 1 for n in n_categories),
        "n_categories", "a number for each column of ids",
    )  # fmt: skip
    with as_model_file_error():
        known = [None if values is None else tuple(values) for values in categories]
        suits = len(known) == len(ids) and all(
            values is None or len(values) == n == len(set(values))
            for values, n in zip(known, n_categories, strict=True)
        )
    part.check(suits, "categories", "the values of each column of ids, or null")
    return Columns(
        width,
        None if names is None else tuple(names),
        tuple(ids),
        tuple(n_categories),
        tuple(known),
        fitted_by,
    )


def read_labels(part, name):
    """Read an array of class labels.

    Parameters
    ----------
    part : Fields
        Part of a record.
    name : str
        Name of the field.

    Returns
    -------
    ndarray of shape (K,)
        Sorted, no two the same.
    """
    labels = part.value(name)
    with as_model_file_error():
        is_sorted = isinstance(labels, np.ndarray) and np.array_equal(np.unique(labels), labels)
    part.check(is_sorted and len(labels) >= 2, name, "two or more labels, sorted")
    return labels


@contextlib.contextmanager
def as_model_file_error():
    """Let what refuses the arguments of users refuse what is in a file."""
    try:
        yield
    except ModelFileError:
        raise
    except (TypeError, ValueError) as error:
        raise ModelFileError(str(error)) from None
