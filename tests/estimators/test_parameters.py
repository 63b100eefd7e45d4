"""Parameters: one table says what each may be, and a wrong value is an error."""

import math
from fractions import Fraction

import numpy as np
import pytest
from small_problems import make_problem, same, small

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.estimators.parameters import check_parameters, in_effect, parameters_of
from fastrnn.network.cells import CELLS

ESTIMATORS = [RNNClassifier, RNNRegressor, RNNTagger, RNNForecaster, RNNLanguageModel]

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def of_all(*estimators):
    """Return each parameter of each of the estimators."""
    return [(cls, name) for cls in estimators for name in parameters_of(cls)]


# The tables.


@pytest.mark.parametrize(("estimator", "name"), of_all(*ESTIMATORS))
def test_row(estimator, name):
    row = parameters_of(estimator)[name]
    assert row.name == name and name in estimator().get_params()
    row.check(row.default)
    assert row.help.strip().endswith(".")
    if row.used_by is not None:
        chooser, choices = row.used_by
        other = parameters_of(estimator)[chooser]
        assert all(map(other.values.has, choices)) or estimator is RNNLanguageModel
        assert name != chooser


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_constructor_and_docstring_are_those_of_the_tables(estimator):
    rows = parameters_of(estimator)
    assert estimator().get_params() == {name: row.default for name, row in rows.items()}
    for name, row in rows.items():
        assert getattr(estimator, name) is row.default
        line = f"\n{name} : {row.values.written}, default="
        assert estimator.__doc__.count(line) == 1
        assert " ".join(row.help.split()) in " ".join(estimator.__doc__.split())


def test_docstring_of_a_subclass():
    class Mine(RNNRegressor):
        """Mine.

        Attributes
        ----------
        mine_ : int
            Mine.
        """

    class Plain(RNNRegressor):
        pass

    for name in RNNRegressor().get_params():
        assert Mine.__doc__.count(f"\n{name} : ") == 1
    assert Mine.__doc__.count("n_outputs_ : ") == Mine.__doc__.count("mine_ : ") == 1
    assert Plain().fit(*make_problem(RNNRegressor)).n_features_in_ == 3


def test_options_of_cells_are_parameters():
    rows = parameters_of(RNNClassifier)
    assert rows["cell"].values.words == tuple(CELLS)
    options = {(name, option) for name, layer in CELLS.items() for option in layer.cell.options}
    for name, option in options:
        row = rows[option.name]
        assert row.default == option.default
        assert name in row.used_by[1] and row.used_by[0] == "cell"
        for value in (*option.choices, option.default):
            row.check(value)
    used_by_cells = {name for name, row in rows.items() if row.used_by and row.used_by[0] == "cell"}
    assert used_by_cells == {option.name for _, option in options}


# Wrong values.

WRONG = [
    ("hidden_layer_sizes", 0, ValueError),
    ("hidden_layer_sizes", (), ValueError),
    ("hidden_layer_sizes", (8, 0), ValueError),
    ("hidden_layer_sizes", (8, 4.0), ValueError),
    ("hidden_layer_sizes", True, TypeError),
    ("hidden_layer_sizes", 8.0, TypeError),
    ("hidden_layer_sizes", "8", TypeError),
    ("cell", "lstmm", ValueError),
    ("cell", None, TypeError),
    ("bidirectional", 1, TypeError),
    *(("pooling", word, ValueError) for word in ("first", "max+max", "steps+max", "max+", "steps")),
    ("pooling", None, TypeError),
    ("padding", "zero", ValueError),
    ("padding", True, TypeError),
    ("embedding_dim", 0, ValueError),
    ("embedding_dim", (), ValueError),
    ("embedding_dim", (8, 0), ValueError),
    ("embedding_dim", 8.0, TypeError),
    ("embedding_dim", True, TypeError),
    ("categorical_features", "first", ValueError),
    ("categorical_features", 3, TypeError),
    ("dropout", 1.0, ValueError),
    ("dropout", -0.1, ValueError),
    ("dropout", math.nan, ValueError),
    ("dropout", False, TypeError),
    ("recurrent_dropout", 1.5, ValueError),
    ("activation", "gelu", ValueError),
    ("reset_after", "yes", TypeError),
    ("candidate_activation", "relu", ValueError),
    ("forget_bias_init", math.inf, ValueError),
    ("carry_bias_init", "2", TypeError),
    ("zoneout", 1.0, ValueError),
    ("zoneout", -0.1, ValueError),
    ("zoneout", "0.1", TypeError),
    ("solver", "adamax", ValueError),
    ("alpha", -1e-9, ValueError),
    ("alpha", math.inf, ValueError),
    ("batch_size", 0, ValueError),
    ("batch_size", "all", ValueError),
    ("batch_size", 16.0, TypeError),
    ("learning_rate", "linear", ValueError),
    ("learning_rate", 0.1, TypeError),
    ("learning_rate_init", 0.0, ValueError),
    ("power_t", -1, ValueError),
    ("max_iter", 0, ValueError),
    ("max_iter", "all", ValueError),
    ("max_iter", 10.0, TypeError),
    ("shuffle", None, TypeError),
    ("random_state", -1, ValueError),
    *[("random_state", wrong, TypeError) for wrong in (1.0, "0")],
    ("tol", -1.0, ValueError),
    ("verbose", "loud", TypeError),
    ("warm_start", 0, TypeError),
    ("momentum", 1.1, ValueError),
    ("nesterovs_momentum", 0.5, TypeError),
    ("early_stopping", "yes", TypeError),
    ("validation_fraction", 0.0, ValueError),
    ("validation_fraction", 1.0, ValueError),
    ("beta_1", 1.0, ValueError),
    ("beta_2", -0.1, ValueError),
    ("epsilon", 0.0, ValueError),
    ("n_iter_no_change", 0, ValueError),
    ("n_iter_no_change", 2.5, ValueError),
    ("max_fun", 0, ValueError),
    ("clip_norm", 0.0, ValueError),
    ("clip_norm", math.nan, ValueError),
    ("clip_norm", "1", TypeError),
    ("bptt_steps", 0, ValueError),
    ("bptt_steps", 5.0, TypeError),
    *[("dtype", *wrong) for wrong in (("float16", ValueError), (np.float32, TypeError))],
    *[("precision", *wrong) for wrong in (("half", ValueError), (16, TypeError))],
    ("n_jobs", 0, ValueError),
    ("n_jobs", 1.0, TypeError),
    ("class_weight", "even", ValueError),
    ("class_weight", {"up": -1.0}, ValueError),
    ("class_weight", {"up": None}, ValueError),
    ("class_weight", [1.0, 2.0], TypeError),
    ("scaling", "maxabs", ValueError),
    *[("augment", *wrong) for wrong in ((0.0, ValueError), ("all", ValueError), (True, TypeError))],
    ("missing", "drop", ValueError),
    ("time_feature", -1, ValueError),
    ("time_feature", 1.0, TypeError),
    ("time_feature", True, TypeError),
    *[("stride", *wrong) for wrong in ((0, ValueError), ("all", ValueError), (2.0, TypeError))],
    *[("conv", wrong, ValueError) for wrong in ("all", (8, 3, 1), ((8, 3),), ((8, 3, 0),))],
]


WRONG_OF_OTHERS = [
    (RNNTagger, "class_weight", "even", ValueError),
    (RNNRegressor, "loss", "absolute", ValueError),
    (RNNRegressor, "loss", None, TypeError),
    (RNNRegressor, "quantile", 1.0, ValueError),
    (RNNRegressor, "quantile", "half", TypeError),
    (RNNForecaster, "strategy", "indirect", ValueError),
    (RNNForecaster, "strategy", None, TypeError),
    (RNNForecaster, "likelihood", "gauss", ValueError),
    (RNNForecaster, "likelihood", True, TypeError),
    (RNNForecaster, "horizon", 0, ValueError),
    (RNNForecaster, "horizon", 2.0, TypeError),
    (RNNForecaster, "lags", 0, ValueError),
    (RNNForecaster, "lags", None, TypeError),
    (RNNForecaster, "scaling", "log", ValueError),
    (RNNForecaster, "scaling", False, TypeError),
    (RNNForecaster, "log", 1, TypeError),
    (RNNForecaster, "log", "log", ValueError),
    (RNNForecaster, "origin_step", 0, ValueError),
    (RNNForecaster, "scale_feature", 1, TypeError),
    (RNNForecaster, "calibrate", True, TypeError),
    (RNNForecaster, "calibrate", "holdout", ValueError),
    (RNNForecaster, "seasonality", 1, ValueError),
    (RNNForecaster, "seasonality", "12", TypeError),
    (RNNForecaster, "quantiles", (), ValueError),
    (RNNForecaster, "quantiles", (0.6, 0.9), ValueError),
    (RNNForecaster, "quantiles", (0.5, 0.1), ValueError),
    (RNNForecaster, "quantiles", (0.1, 0.1, 0.5), ValueError),
    (RNNForecaster, "quantiles", (0.0, 0.5), ValueError),
    (RNNForecaster, "quantiles", (0.1, "0.5"), ValueError),
    (RNNForecaster, "quantiles", (0.1, math.nan), ValueError),
    (RNNForecaster, "quantiles", ((0.1,), (0.5, 0.9)), ValueError),
    (RNNForecaster, "quantiles", 0.5, TypeError),
    *[(RNNForecaster, "missing", *wrong) for wrong in (("skip", ValueError), (None, TypeError))],
    (RNNForecaster, "freq", "often", ValueError),
    (RNNForecaster, "freq", 0, ValueError),
    (RNNForecaster, "freq", [1], ValueError),
    (RNNForecaster, "freq", True, TypeError),
    *[
        (RNNForecaster, "calendar_features", *wrong)
        for wrong in (
            (("week",), ValueError),
            (("hour", "hour"), ValueError),
            ((1,), ValueError),
            ("hour", TypeError),
        )
    ],
    *[
        (RNNForecaster, "holidays", wrong, ValueError)
        for wrong in (
            [],
            {},
            5,
            ["2024-02-30"],
            [20241225],
            {"easter": []},
            [np.datetime64("NaT", "s")],
        )
    ],
    (RNNForecaster, "window", 1, ValueError),
    (RNNForecaster, "window", 8.0, TypeError),
    (RNNForecaster, "bidirectional", True, ValueError),
    (RNNForecaster, "bidirectional", 0, TypeError),
    (RNNTagger, "output", "CRF", ValueError),
    (RNNTagger, "output", None, TypeError),
    (RNNTagger, "constraints", "iob", ValueError),
    (RNNTagger, "constraints", True, TypeError),
    (RNNLanguageModel, "bidirectional", np.True_, ValueError),
    (RNNLanguageModel, "bidirectional", "no", TypeError),
    (RNNLanguageModel, "categorical_features", "all", ValueError),
    (RNNLanguageModel, "solver", "lbfgs", ValueError),
    (RNNLanguageModel, "solver", None, TypeError),
    (RNNLanguageModel, "batch_size", 0, ValueError),
    (RNNLanguageModel, "bptt_steps", 0, ValueError),
    (RNNLanguageModel, "tokenizer", "line", ValueError),
    (RNNLanguageModel, "tokenizer", None, TypeError),
    (RNNLanguageModel, "normalization", "NFD", ValueError),
    (RNNLanguageModel, "normalization", True, TypeError),
    (RNNLanguageModel, "lowercase", "yes", TypeError),
    (RNNLanguageModel, "min_freq", 0, ValueError),
    (RNNLanguageModel, "min_freq", 0.1, TypeError),
    (RNNLanguageModel, "max_features", 0, ValueError),
    (RNNLanguageModel, "max_features", 10.0, TypeError),
    (RNNLanguageModel, "tie_weights", None, TypeError),
]
ALL_WRONG = [(RNNClassifier, *wrong) for wrong in WRONG] + WRONG_OF_OTHERS


def test_every_parameter_has_a_wrong_value_above():
    shared = {name for cls, name, *_ in ALL_WRONG if cls is RNNClassifier}
    for cls in ESTIMATORS:
        assert shared | {name for other, name, *_ in ALL_WRONG if other is cls} >= set(
            parameters_of(cls)
        )


@pytest.mark.parametrize(("estimator", "name", "value", "error"), ALL_WRONG)
def test_wrong_parameter(estimator, name, value, error):
    model = small(estimator).set_params(**{name: value})
    with pytest.raises(error) as caught:
        model.fit(*make_problem(estimator))
    expected = parameters_of(estimator)[name].values.expected
    assert str(caught.value).startswith(f"{name} must be {expected}, got {value!r}")
    assert not hasattr(model, "network_")


ODD = [
    *(None, True, np.True_, -1, 0, 1, 2**70, -(2**70), 10**400, 0.5, -0.0, math.nan, math.inf),
    *(-math.inf, 1j, "", "x", "1", b"x", (), (0,), (None,), ("a", 1), [], [[1]], {}, {"a": None}),
    *({"a": math.inf}, object(), int, len, Fraction(1, 3), np.array(0.5), np.array([0.1, 0.9])),
    *(np.array([[0.5]]), np.array([]), np.array(["a"], dtype=object), np.float64(math.nan)),
    *(np.int64(-1), np.str_("lstm"), np.datetime64("NaT", "D"), np.longdouble(0.5), range(1, 3)),
]


@pytest.mark.parametrize(("estimator", "name"), of_all(*ESTIMATORS))
def test_odd_values_are_taken_or_refused_in_words(estimator, name):
    for value in ODD:
        model = estimator(**{name: value})
        try:
            check_parameters(model)
        except (TypeError, ValueError) as error:
            assert str(error).startswith(f"{name} must be "), repr(value)
        else:
            in_effect(model, name)


@pytest.mark.parametrize("name", parameters_of(RNNClassifier))
def test_true_is_no_number_and_one_is_no_flag(name):
    values = parameters_of(RNNClassifier)[name].values
    is_flag = isinstance(parameters_of(RNNClassifier)[name].default, bool)
    assert values.has(True) == values.has(np.True_) == is_flag
    assert not (is_flag and name != "verbose" and (values.has(1) or values.has(np.int64(1))))


# Numbers of numpy.


NUMPY = {
    "hidden_layer_sizes": (np.int64(6),),
    "bidirectional": np.True_,
    "cell": np.str_("gru"),
    "reset_after": np.False_,
    "batch_size": np.int32(8),
    "dropout": np.float64(0.5),
    "recurrent_dropout": np.float32(0.25),
    "clip_norm": np.float64(2.0),
    "alpha": np.float64(0.01),
    "learning_rate": np.str_("invscaling"),
    "learning_rate_init": np.float64(0.01),
    "power_t": np.float64(0.25),
    "max_iter": np.int8(2),
    "n_iter_no_change": np.uint16(5),
    "early_stopping": np.True_,
    "validation_fraction": np.float64(0.3),
    "bptt_steps": np.int16(3),
    "random_state": np.int64(0),
    "n_jobs": np.int64(2),
    "tol": np.float64(0.0),
    "shuffle": np.False_,
    "solver": np.str_("sgd"),
    "momentum": np.float64(0.5),
    "nesterovs_momentum": np.False_,
    "dtype": np.str_("float64"),
    "precision": np.str_("full"),
    "verbose": np.False_,
    "warm_start": np.False_,
    "beta_1": np.float64(0.5),
    "beta_2": np.float64(0.5),
    "epsilon": np.float64(0.5),
    "max_fun": np.int64(5),
    "forget_bias_init": np.float64(0.5),
    "carry_bias_init": np.float64(0.5),
}


def plain(value):
    """Return a value without numpy's types."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    return value.item() if isinstance(value, np.generic) else value


def test_numpy_numbers_are_numbers():
    # Both ways the cell and the solver make use of all but the last six.
    numpy = small(**NUMPY)
    python = small(**{name: plain(value) for name, value in NUMPY.items()})
    problem = make_problem()
    assert same(python.fit(*problem), numpy.fit(*problem))
    for name in NUMPY:
        value = in_effect(numpy, name)
        assert value == in_effect(python, name)
        assert type(value) is type(in_effect(python, name)) or isinstance(value, str)


@pytest.mark.parametrize("cell", ["lstm", "rnn", "carry_lstm"])
@pytest.mark.parametrize("solver", ["adam", "rmsprop", "lbfgs"])
def test_numpy_numbers_are_numbers_to_other_cells_and_solvers(cell, solver):
    changes = {"cell": cell, "solver": solver, "learning_rate": "constant"}
    numpy = small(**{**NUMPY, **changes})
    python = small(**{**{name: plain(value) for name, value in NUMPY.items()}, **changes})
    problem = make_problem()
    assert same(python.fit(*problem), numpy.fit(*problem))
