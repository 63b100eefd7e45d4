"""Estimators with weights from elsewhere: fitted as by `fit`, though it has seen no data."""

import inspect

import numpy as np

from fastrnn.estimators.targets import as_labels
from fastrnn.inputs.columns import Columns, choose
from fastrnn.inputs.sequences import Sequences
from fastrnn.network.recurrent import ZEROS
from fastrnn.training.loop import History


def adopt(estimator, weights, meaning, state):
    """Make an estimator a fitted one.

    Parameters
    ----------
    estimator : RNNBase
        Not fitted; its parameters suit the weights.
    weights : fastrnn.interop.weights.Weights
        Of all layers, with a head.
    meaning : dict
        What the outputs mean, as keyword arguments of the estimator's `_adopt_outputs`.
    state : TrainingState
        Where training begins if it goes on.

    Raises
    ------
    TypeError, ValueError
        If parameters, weights and meaning do not suit each other; nothing has been changed then.
    """
    estimator._check_parameters()
    for name, value in meaning.items():
        if name not in inspect.signature(estimator._adopt_outputs).parameters:
            raise ValueError(f"{name}={value!r} has no meaning for {type(estimator).__name__}")
    sequences, target, head = estimator._adopt_outputs(weights, **meaning)
    architecture = estimator._describe(sequences, target.n_outputs, target.loss)
    network = estimator._build(architecture, ZEROS)
    arrays = {**weights.named(), "head.W": head["W"], "head.b": head["b"]}
    for name, view in network.named_views(network.theta).items():
        view[...] = arrays[name]
    estimator._keep(network, state, estimator._fitted_attributes(sequences, target, architecture))
    estimator._set_history(History(n_samples=0), goes_on=False)


def adopt_columns(estimator, weights):
    """Say what columns weights are for, numbers and ids.

    Parameters
    ----------
    estimator : RNNBase
        Its `categorical_features` says which columns are ids.
    weights : fastrnn.interop.weights.Weights
        Their tables have the ids.

    Returns
    -------
    Sequences
        None of them, of such columns.

    Raises
    ------
    ValueError
        If there are not as many columns of ids as tables.
    """
    n_ids = tuple(len(table) for table in weights.tables)
    width = weights.n_features + len(n_ids)
    ids = choose(estimator._chosen_columns(), width, of="a time step")
    if len(ids) != len(n_ids):
        raise ValueError(
            f"categorical_features={estimator.categorical_features!r} chooses {len(ids)} of "
            f"{width} columns, but the weights have tables for {len(n_ids)} columns of ids"
        )
    columns = Columns(width, None, ids, n_ids, (None,) * len(ids))
    none = np.empty((0, weights.n_features), estimator.dtype)
    return Sequences(none, np.zeros(1, np.int64), columns=columns)


def adopt_classes(classes, head, kind):
    """Read the classes of a head.

    Parameters
    ----------
    classes : array-like of shape (K,) or None
        The label of each output; None for whole numbers from 0.
    head : dict of str to ndarray
        "W" (F, K) and "b" (K,). A single output is the log-odds of the second of two classes.
    kind : str
        What kind of model it is, for the error message.

    Returns
    -------
    classes : ndarray of shape (K,)
        Sorted.
    head : dict of str to ndarray
        With outputs in that order, two at least: of a single one, the other is 0.

    Raises
    ------
    ValueError
        If there is not one class for each output, or one comes twice.
    """
    if len(head["b"]) == 1:
        head = {name: np.concatenate([0 * array, array], axis=-1) for name, array in head.items()}
    n_outputs = len(head["b"])
    classes = np.arange(n_outputs) if classes is None else as_labels(classes)
    if len(classes) != n_outputs or len(np.unique(classes)) != n_outputs:
        raise ValueError(
            f"classes={classes.tolist()} must be {n_outputs} different labels, one for each output "
            f"of the {kind}"
        )
    order = np.argsort(classes, kind="stable")
    return classes[order], {name: array[..., order] for name, array in head.items()}
