"""The parameters of all estimators: of each the name, type, values, default and what it does.

The constructors, their docstrings, the checks of `fit`, the options of the command line and what
files may say all come from these rows, and those of `task_parameters`.
"""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

from fastrnn.estimators.values import (
    COLUMNS,
    COUNT_OR_AUTO,
    EMBEDDING_SIZES,
    FINITE,
    LAYER_SIZES,
    N_THREADS,
    NOT_NEGATIVE,
    POSITIVE,
    RANDOM_STATE,
    SHARE,
    STEPS,
    VERBOSITY,
    either,
    flag,
    number,
    parameter,
    whole,
    words,
)
from fastrnn.network.cells import CELLS
from fastrnn.network.rounding import PRECISIONS
from fastrnn.training.budget import ITERATIONS, ONE_ANSWER
from fastrnn.training.solvers import SCHEDULES, SOLVERS
from fastrnn.typing import (
    Activation,
    Auto,
    CellName,
    DType,
    Precision,
    RandomState,
    Schedule,
    Solver,
)

STOCHASTIC = tuple(SOLVERS)
"""The solvers that step after every minibatch."""

BY_MINIBATCHES = ("solver", STOCHASTIC)
BY_SGD = ("solver", ("sgd",))
BY_ADAM = ("solver", ("adam", "adamw"))


def option_of_cells(name, help) -> Any:
    """An option of cells; ``{cells}`` in the help stands for those that have it."""
    options = {
        cell: option
        for cell, layer in CELLS.items()
        for option in layer.cell.options
        if option.name == name
    }
    option = next(iter(options.values()))
    values = SHARE if option.is_share else FINITE
    if option.choices:
        values = flag() if isinstance(option.default, bool) else words(*option.choices)
    named = [f'"{cell}"' for cell in options]
    listed = " and ".join([", ".join(named[:-1]), named[-1]] if named[1:] else named)
    help = textwrap.fill(" ".join(help.replace("{cells}", listed).split()), 92)
    stays = () if option.choices else ("finite",)
    return parameter(values, option.default, help, used_by=("cell", tuple(options)), stays=stays)


def help_of_batch_size(budget, sequences="sequences"):
    """What "auto" is of `batch_size`."""
    small = budget.small_batch
    return f"""
        Number of {sequences} in a minibatch; all of them if there are fewer. "auto" is {small}; of
        more than {small * budget.steps_of_epoch} of them as many as make {budget.steps_of_epoch}
        steps in an epoch, but at most {budget.large_batch}.
        """


def help_of_max_iter(budget, sequences="sequences", otherwise=None):
    """What "auto" is of `max_iter`; `otherwise` has other budgets by when they are."""
    others = "".join(
        f" {when} {other.n_sequences}, {other.fewest_epochs} and {other.most_epochs};"
        for when, other in (otherwise or {}).items()
    )
    again = ""
    if budget.again_between is not None:
        least, most = budget.again_between
        not_noise = f", but not above {most:.0%}" if most < math.inf else ""
        again = f"""
        If the loss of the last three is still above {least:.0%} of that of the first{not_noise},
        there is another course of as many, "cosine" from `learning_rate_init` again; not so with
        early stopping, of a model that `warm_start` goes on with, or where the data are so large
        that {budget.fewest_epochs} epochs are taken.
        """
    return f"""
        Largest number of epochs (with "lbfgs", of iterations). "auto" is as many as read about
        {budget.n_sequences} {sequences}, but at least {budget.fewest_epochs} and at most
        {budget.most_epochs};{others} with "lbfgs" {ITERATIONS}.{again.rstrip()}
        """


@dataclass(eq=False, repr=False)
class SharedParameters:
    """What all estimators take."""

    hidden_layer_sizes: int | Sequence[int] = parameter(
        LAYER_SIZES,
        64,
        """
        Number of hidden units of each recurrent layer, from the input to the output. With
        ``bidirectional=True`` each direction has that many.
        """,
    )
    _: KW_ONLY
    cell: CellName = parameter(
        words(*CELLS),
        "lstm",
        "Kind of recurrent cell.\n\n"
        + "\n".join(f'- "{name}": {layer.cell.title}.' for name, layer in CELLS.items()),
    )
    bidirectional: bool = parameter(
        flag(), False, "Whether every layer also reads the sequence from its end to its start."
    )
    embedding_dim: int | Sequence[int] | None = parameter(
        EMBEDDING_SIZES,
        None,
        """
        Each column of ids has a table with a vector for each id, which is learned; this is the
        length of the vectors, one for each column in a tuple. None leaves it to a rule of thumb,
        ``min(64, round(1.6 * V ** 0.56))`` for V ids, if `categorical_features` is set; where
        training goes on, they keep the length they have. Given without `categorical_features`,
        every column of `X` is one of ids.
        """,
    )
    categorical_features: Any = parameter(
        COLUMNS,
        None,
        """
        Which columns of each time step are ids: all of them; in a list of data frames those of a
        dtype of categories or strings; or the given ones, as a list of numbers, a list of names, or
        a mask. The others are numbers. Ids are whole numbers >= 0; those beyond what `fit` has seen
        are an error later. Values of categorical columns in data frames get ids in `fit`.
        """,
    )
    dropout: float = parameter(
        SHARE,
        0.0,
        """
        Share of units set to zero at random while training, between layers and before the output
        layer (so that it acts on a single layer, too). In [0, 1).
        """,
        used_by=BY_MINIBATCHES,
    )
    recurrent_dropout: float = parameter(
        SHARE,
        0.0,
        """
        Share of state units hidden from the recurrent product while training, the same units at
        every time step of a sequence. In [0, 1).
        """,
        used_by=BY_MINIBATCHES,
    )
    activation: Activation = option_of_cells("activation", "Activation of {cells}.")
    reset_after: bool = option_of_cells(
        "reset_after",
        """
        For {cells}: whether the reset gate acts after the recurrent product, as in PyTorch, or
        before it, as in the original paper.
        """,
    )
    candidate_activation: Literal["sigmoid", "tanh"] = option_of_cells(
        "candidate_activation", "Activation of the candidate of {cells}."
    )
    forget_bias_init: float = option_of_cells(
        "forget_bias_init",
        """
        Start value of the forget gate's bias, for {cells}. Above zero, the cell starts with a
        memory.
        """,
    )
    carry_bias_init: float = option_of_cells(
        "carry_bias_init",
        """
        Start value of the carry gate's bias, for {cells}. From 0 the cell may fail to learn from
        what happened many steps ago.
        """,
    )
    zoneout: float = option_of_cells(
        "zoneout",
        """
        Probability that a unit keeps its state from one step to the next instead of the new one, in
        [0, 1). It is drawn while training, anew for each unit and step; a prediction takes the
        mean, as "lbfgs" does in training, too. It makes a memory last.
        """,
    )
    solver: Solver = parameter(
        words(*STOCHASTIC, "lbfgs"),
        "adam",
        """
        How the weights are found. "lbfgs" works on all sequences at once, the others on
        minibatches. "rmsprop" has no momentum and a decay of 0.99.
        """,
    )
    alpha: float = parameter(
        NOT_NEGATIVE,
        0.0001,
        """
        Strength of the L2 penalty on the weights; biases are free. With "adamw" it is the decoupled
        weight decay: each step shrinks the weights by the learning rate times `alpha`.
        """,
        stays=("finite",),
    )
    batch_size: int | Auto = parameter(
        COUNT_OR_AUTO,
        "auto",
        help_of_batch_size(ONE_ANSWER),
        used_by=BY_MINIBATCHES,
    )
    learning_rate: Schedule = parameter(
        words(*SCHEDULES),
        "constant",
        """
        How the learning rate changes while training.

        - "constant": it stays at `learning_rate_init`.
        - "invscaling": ``learning_rate_init / (t + 1) ** power_t`` after t sequences.
        - "adaptive": divided by 5 each time that `n_iter_no_change` epochs brought no improvement
          by `tol`.
        - "cosine": from `learning_rate_init` down to zero over `max_iter` epochs, along half a
          cosine wave. All of them are run: only early stopping ends training before. `partial_fit`
          has no end: it takes this as "constant".
        """,
        used_by=BY_MINIBATCHES,
    )
    learning_rate_init: float = parameter(
        POSITIVE,
        0.001,
        "Learning rate at the start.",
        used_by=BY_MINIBATCHES,
        stays=("finite", "positive"),
    )
    power_t: float = parameter(
        NOT_NEGATIVE,
        0.5,
        'Exponent of ``learning_rate="invscaling"``.',
        used_by=("learning_rate", ("invscaling",)),
    )
    max_iter: int | Auto = parameter(
        COUNT_OR_AUTO,
        200,
        help_of_max_iter(ONE_ANSWER),
        is_free=True,
    )
    shuffle: bool = parameter(
        flag(),
        True,
        "Whether the sequences are put into a new random order before each epoch.",
        used_by=BY_MINIBATCHES,
    )
    random_state: RandomState = parameter(
        RANDOM_STATE,
        None,
        """
        Decides the start weights, the order of sequences, the dropout and what is held out. With an
        int, `fit` gives the same model each time.
        """,
    )
    tol: float = parameter(
        NOT_NEGATIVE,
        1e-4,
        """
        Training stops when `n_iter_no_change` epochs in a row did not improve the loss (with early
        stopping: the validation score) by at least `tol`; with ``learning_rate="cosine"`` early
        stopping alone looks at it. With "lbfgs", the largest slope at which it stops.
        """,
    )
    verbose: bool | int = parameter(
        VERBOSITY, False, "Whether to report the progress of training.", is_free=True
    )
    warm_start: bool = parameter(
        flag(),
        False,
        """
        Whether `fit` continues from the weights of the last `fit` instead of new random ones. What
        shapes the network must be the same then.
        """,
        is_free=True,
    )
    momentum: float = parameter(
        number("a number in [0, 1]", lambda value: 0 <= value <= 1),
        0.9,
        'Momentum of "sgd", in [0, 1].',
        used_by=BY_SGD,
    )
    nesterovs_momentum: bool = parameter(
        flag(), True, """Whether the momentum of "sgd" is Nesterov's.""", used_by=BY_SGD
    )
    early_stopping: bool = parameter(
        flag(),
        False,
        """
        Whether to score the model after each epoch, to stop when that score stops improving, and to
        keep the weights that scored best. What is scored are some of the sequences, which are held
        out, or the `validation_data` of `fit`; the score is that of `score`, with sample weights
        and without those of classes.
        """,
        used_by=BY_MINIBATCHES,
    )
    validation_fraction: float = parameter(
        number("a number in (0, 1)", lambda value: 0 < value < 1),
        0.1,
        """
        Share of the sequences that early stopping holds out, in (0, 1). Not used by a `fit` that
        is given `validation_data`.
        """,
        used_by=("early_stopping", (True,)),
    )
    beta_1: float = parameter(
        SHARE,
        0.9,
        'Decay of the mean of the gradient in "adam" and "adamw", in [0, 1).',
        used_by=BY_ADAM,
    )
    beta_2: float = parameter(
        SHARE,
        0.999,
        'Decay of the mean of the squared gradient in "adam" and "adamw", in [0, 1).',
        used_by=BY_ADAM,
    )
    epsilon: float = parameter(
        POSITIVE,
        1e-8,
        'Added to the denominator in "adam", "adamw" and "rmsprop".',
        used_by=("solver", ("adam", "adamw", "rmsprop")),
        stays=("finite", "positive"),
    )
    n_iter_no_change: int | float = parameter(
        either(whole(1), math.inf),
        10,
        """
        Number of epochs without improvement by `tol` after which training stops; infinity goes on
        to the end in any case.
        """,
        used_by=BY_MINIBATCHES,
    )
    max_fun: int = parameter(
        whole(1),
        15000,
        'Largest number of evaluations of the loss by "lbfgs".',
        used_by=("solver", ("lbfgs",)),
    )
    clip_norm: float | None = parameter(
        either(POSITIVE, math.inf, None),
        1.0,
        """
        Largest length of the gradient over all weights; a longer one is scaled down to it. None
        means no limit. "lbfgs" never clips.
        """,
        used_by=BY_MINIBATCHES,
        stays=("positive",),
    )
    bptt_steps: int | None = parameter(
        STEPS,
        None,
        """
        Number of time steps after which backpropagation through time is cut; the state itself goes
        on. None means exact gradients over whole sequences. With ``pooling="last"`` in one
        direction, or where every step has a prediction, memory is then needed for so many steps
        only, and time for little more.
        """,
        used_by=BY_MINIBATCHES,
    )
    dtype: DType = parameter(
        words("float32", "float64"), "float32", "Kind of number to compute with."
    )
    precision: Precision = parameter(
        words(*PRECISIONS),
        "full",
        """
        "bfloat16" rounds the factors of matrix products, weights and what they are multiplied by,
        to 8 bits of digits. Sums and all else stay float32, the weights that are learned too. That
        needs ``dtype="float32"`` and, to fit, a processor with AMX, which is two to four times as
        fast then for networks of some hundred units, or AVX512-BF16, about twice; "auto" does so
        where it is faster.
        """,
    )
    n_jobs: int | None = parameter(
        N_THREADS,
        None,
        "Number of threads. None means one, -1 one per core. Results do not depend on it.",
        is_free=True,
    )
