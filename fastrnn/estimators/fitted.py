"""What `fit` sets on estimators, declared for programs that are checked.

These classes are no dataclasses, where everything that is declared would be a parameter.
"""

from __future__ import annotations

from typing import Any

from fastrnn.preprocessing import TokenEncoder
from fastrnn.training.loop import TrainingState
from fastrnn.typing import AnyArray, Doubles, Ints


class Fitted:
    """Every estimator: what is said of it here stands in the docstring of each, too.

    Attributes
    ----------
    n_features_in_ : int
        Number of features of each time step; for a two-dimensional table, its number of columns.
    feature_names_in_ : ndarray of str of shape (`n_features_in_`,)
        Names of the columns, where `X` was a data frame, or a list of data frames, with strings as
        names.
    n_categories_ : tuple of int
        For each column of ids the number of ids V that `fit` learned: they go from 0 to V - 1.
    n_outputs_ : int
        Number of outputs of the network.
    n_iter_ : int
        Number of epochs (iterations of "lbfgs") of the last `fit`, and of each `partial_fit` since.
    t_ : int
        Number of sequences seen in training, each as often as it was seen.
    loss_ : float
        Loss at the end of training.
    best_loss_ : float
        Smallest loss of an epoch.
    loss_curve_ : list of float
        Mean loss of each epoch. With ``warm_start=True``, and in `partial_fit`, the curves and `t_`
        go on from the last call.
    validation_scores_ : list of float or None
        Score on the held-out sequences, or on `validation_data`, after each epoch; None without
        either.
    best_validation_score_ : float or None
        Score of the weights that the last `fit` kept; None without early stopping.
    best_epoch_ : int or None
        Number of the epoch that they are of, from 1: with early stopping the one that scored best,
        else the last, unless the loss has shot up. If the mean loss of the last three epochs is
        above the lowest such mean by more than a tenth of that, and of what the loss had fallen to
        it, so is the last one, then it is the epoch with the lowest mean. None in a model from a
        file that an older version wrote.
    gradient_norms_ : list of float
        Mean length of the gradient, before clipping, in each epoch.
    network_ : fastrnn.network.Network
        The fitted network.
    reader_ : object
        What `fit` learned of `X`: how what is given becomes what the network reads.
    task_ : object
        What `fit` learned of `y`: how outputs of the network become answers.
    training_state_ : fastrnn.training.TrainingState
        Where training stands.
    """

    n_features_in_: int
    n_categories_: tuple[int, ...]
    n_outputs_: int
    n_iter_: int
    t_: int
    loss_: float
    best_loss_: float
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    best_epoch_: int | None
    gradient_norms_: list[float]
    network_: Any
    reader_: Any
    task_: Any
    training_state_: TrainingState


class FittedClasses:
    """An estimator of labels."""

    classes_: AnyArray


class FittedNumbers:
    """An estimator of numbers."""

    y_mean_: Doubles
    y_scale_: Doubles


class FittedSeries:
    """An estimator of how series go on."""

    covariate_mean_: Doubles
    covariate_scale_: Doubles


class FittedTexts:
    """An estimator that reads texts."""

    encoder_: TokenEncoder | None


class FittedTokens(FittedTexts):
    """An estimator of the next token."""

    tokens_: list[Any]
    token_counts_: Ints
