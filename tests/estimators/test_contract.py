"""What all estimators promise: parameters, copies, files, answers, errors; scikit-learn or not."""

import copy
import inspect
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from contract import ESTIMATORS, bits, over, same, state_of, take

import fastrnn
from fastrnn import bridge
from fastrnn.estimators import (
    RNNClassifier,
    RNNForecaster,
    RNNLanguageModel,
    RNNRegressor,
    RNNTagger,
    fitting,
)
from fastrnn.memory import MemoryLimitError
from fastrnn.network import Network
from fastrnn.network.pair_network import EncoderDecoderNetwork

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

of_all_cases = over()
of_all_estimators = pytest.mark.parametrize("estimator", ESTIMATORS)

# The names and defaults that people know from MLPClassifier, and those that sequences need.
DEFAULTS = {
    "cell": "lstm", "bidirectional": False, "dropout": 0.0, "recurrent_dropout": 0.0,
    "solver": "adam", "alpha": 0.0001, "batch_size": "auto", "learning_rate": "constant",
    "learning_rate_init": 0.001, "power_t": 0.5, "max_iter": 200, "shuffle": True,
    "random_state": None, "tol": 1e-4, "verbose": False, "warm_start": False, "momentum": 0.9,
    "nesterovs_momentum": True, "early_stopping": False, "validation_fraction": 0.1,
    "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "n_iter_no_change": 10, "max_fun": 15000,
    "clip_norm": 1.0, "bptt_steps": None, "dtype": "float32",
    "precision": "full", "n_jobs": None,
}  # fmt: skip
OF_SEQUENCES = {
    "cell": "gru", "dropout": 0.5, "learning_rate": "cosine", "learning_rate_init": 0.002,
    "max_iter": "auto", "scaling": "standard", "stride": "auto", "conv": "auto",
}  # fmt: skip
OTHER_DEFAULTS = {
    RNNClassifier: {**OF_SEQUENCES, "pooling": "mean+max", "augment": "auto"},
    RNNRegressor: {**OF_SEQUENCES, "pooling": "mean+max", "augment": None},
    RNNTagger: {**OF_SEQUENCES, "bidirectional": True, "learning_rate_init": 0.02, "alpha": 0.03},
    RNNForecaster: {
        "hidden_layer_sizes": 96, "cell": "gru", "strategy": "direct", "horizon": "auto",
        "log": "auto", "quantiles": "auto", "scaling": "difference", "scale_feature": True,
        "lags": "auto", "window": "auto", "origin_step": "auto", "batch_size": "auto",
        "learning_rate": "cosine", "learning_rate_init": 0.003, "max_iter": "auto",
    },
    RNNLanguageModel: {
        "bptt_steps": 35, "batch_size": 32, "learning_rate": "cosine", "learning_rate_init": 0.01,
        "max_iter": "auto",
    },
}  # fmt: skip


# Parameters: stored by the constructor, checked by fit, documented.


@of_all_estimators
def test_constructor_only_stores(estimator):
    parameters = inspect.signature(estimator).parameters.values()
    first, *others = parameters
    assert (first.name, first.kind) == ("hidden_layer_sizes", first.POSITIONAL_OR_KEYWORD)
    assert all(parameter.kind == parameter.KEYWORD_ONLY for parameter in others)
    values = {parameter.name: object() for parameter in parameters}
    assert vars(estimator(**values)) == values


@of_all_estimators
def test_constructor_words_of_the_design(estimator):
    expected = {**DEFAULTS, **OTHER_DEFAULTS.get(estimator, {})}
    params = estimator().get_params()
    assert {name: params[name] for name in expected} == expected


@of_all_estimators
def test_set_params_and_repr(estimator):
    model = estimator((8, 4), cell="rnn")
    assert model.set_params(alpha=0.5, dtype="float64") is model
    assert model.get_params()["alpha"] == 0.5
    name = estimator.__name__
    shown = f"{name}(alpha=0.5, cell='rnn', dtype='float64', hidden_layer_sizes=(8, 4))"
    assert re.sub(r"\s+", " ", repr(model)) == shown
    assert repr(estimator()) == f"{name}()"
    with pytest.raises(ValueError, match="Invalid parameter 'hiden' for estimator"):
        model.set_params(cell="gru", hiden=3)


@of_all_cases
def test_docstring_has_every_parameter_and_attribute_once(case):
    model = case.fitted()
    attributes = [name for name in vars(model) if name.endswith("_")]
    assert "network_" in attributes
    for name in [*model.get_params(), *attributes]:
        described = rf"^(\w+, )*{name}(, \w+)* : "
        assert len(re.findall(described, case.estimator.__doc__, re.MULTILINE)) == 1, name
    sections = ["Parameters\n---", "Attributes\n---", "Examples\n---"]
    places = [case.estimator.__doc__.index(section) for section in sections]
    assert places == sorted(places)


@of_all_cases
def test_clones_have_the_parameters_and_are_not_fitted(case):
    clone = pytest.importorskip("sklearn.base").clone
    model = case.fitted()
    twin = clone(model)
    assert twin.get_params() == model.get_params() == case.make().get_params()
    assert not twin.is_fitted and model.is_fitted


# Copies and files.


@of_all_cases
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_answer_the_same_and_go_on_alone(case, copier):
    model = case.fit()
    expected = case.answers(model)
    twin = copier(model)
    assert case.answers(twin) == expected
    assert not np.shares_memory(twin.network_.theta, model.network_.theta)
    before = state_of(model)
    twin.partial_fit(*case.data)
    assert not same(twin, model)
    assert state_of(model) == before
    assert same(model.partial_fit(*case.data), twin)


@of_all_cases
def test_files_answer_the_same_and_can_be_trained_further(case, tmp_path):
    model, path = case.fitted(), tmp_path / "model"
    model.save(path)
    loaded = fastrnn.load(path)
    assert type(loaded) is case.estimator
    assert loaded.get_params() == model.get_params()
    for data in (case.data, case.other) if case.estimator is not RNNForecaster else (case.data,):
        assert case.answers(loaded, data) == case.answers(model, data)
    for name in vars(model):
        assert hasattr(loaded, name), name
    written = path.read_bytes()
    loaded.save(path)
    assert path.read_bytes() == written
    assert loaded.partial_fit(*case.data).n_iter_ == model.n_iter_ + 1
    assert len(loaded.loss_curve_) == model.n_iter_ + 1
    assert same(loaded.set_params(warm_start=False).fit(*case.data), model)


# What is asked of a model.


@of_all_cases
def test_fit_returns_the_estimator(case):
    model, other = case.make(), case.make()
    assert model.fit(*case.data) is model
    assert other.partial_fit(*case.data, **case.first) is other
    assert model.is_fitted and other.is_fitted


@of_all_cases
def test_what_is_asked_of_a_model_that_is_not_fitted(case):
    model = case.make()
    for name, ask in case.questions.items():
        with pytest.raises(bridge.NotFittedError, match="instance is not fitted yet"):
            ask(model, *case.data)
        assert vars(model) == vars(case.make()), name
    with pytest.raises(bridge.NotFittedError):
        model.save("nowhere")
    assert issubclass(bridge.NotFittedError, ValueError)
    assert issubclass(bridge.NotFittedError, AttributeError)


@of_all_cases
def test_answers_write_nothing_and_threads_may_share(case):
    model = case.fitted()
    before, state = vars(model).copy(), pickle.dumps(model)
    expected = case.answers(model)
    with ThreadPoolExecutor(3) as pool:
        for result in pool.map(lambda _: case.answers(model), range(3)):
            assert result == expected
    assert vars(model) == before
    assert pickle.dumps(model) == state


@over(lambda case: case.is_separate)
def test_an_answer_does_not_depend_on_the_other_sequences(case):
    model = case.fit(dtype="float64", bidirectional=case.may_read_back)
    X, *_ = case.data
    together = case.rows(model, X)
    for i in range(0, len(X), 7):
        np.testing.assert_allclose(case.rows(model, [X[i]])[0], together[i], rtol=1e-12)
    backwards = case.rows(model, list(X)[::-1])
    for one, other in zip(backwards, together[::-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@over(lambda case: not case.may_read_back)
def test_some_may_not_read_from_the_end(case):
    with pytest.raises(ValueError, match="bidirectional must be False"):
        case.fit(bidirectional=True)


@of_all_cases
@pytest.mark.parametrize("bidirectional", [False, True])
def test_transform_gives_each_direction_at_its_own_end(case, bidirectional):
    bidirectional &= case.may_read_back
    model = case.fit(hidden_layer_sizes=(6, 4), bidirectional=bidirectional)
    X, *_ = case.data if case.is_separate else ([case.data[0]],)
    states, final = model.hidden_states(X), model.transform(X)
    assert final.shape == (len(X), 8 if bidirectional else 4)
    assert final.dtype == states[0].dtype == model.network_.dtype
    for h, last in zip(states, final, strict=True):
        np.testing.assert_array_equal(last[:4], h[-1, :4])
        np.testing.assert_array_equal(last[4:], h[0, 4:])
    names = model.get_feature_names_out().tolist()
    assert names == [f"{case.estimator.__name__.lower()}{j}" for j in range(final.shape[1])]


@of_all_cases
def test_fit_transform(case):
    model = case.make()
    expected = case.fitted().transform(case.data[0])
    np.testing.assert_array_equal(model.fit_transform(*case.data), expected)


@over(lambda case: case.reads_by_step)
def test_norms_of_gradients_are_those_of_all_steps(case):
    model = case.fitted()
    X, y = (*case.data, None)[:2]
    norms = model.gradient_flow(X, y).norms
    assert [rows.shape for rows in norms] == [(1, len(h)) for h in model.hidden_states(X)]
    for i, rows in enumerate(norms):
        # The largest state of each unit may be behind already: then nothing comes after.
        assert (rows[:, 0] > 0).all() and (rows >= 0).all()
        if case.is_separate:
            alone = model.gradient_flow(X[i : i + 1], None if y is None else y[i : i + 1])
            np.testing.assert_allclose(rows, alone.norms[0], rtol=1e-4)


@over(
    lambda case: (
        case.estimator is not RNNLanguageModel and case.reads_by_step and not case.counts_tokens
    )
)
def test_gradients_have_the_shape_of_what_is_read(case):
    model = case.fitted()
    X, _ = (*case.data, None)[:2]
    gradients = model.input_gradients(X, output=0)
    shapes = [(len(h), gradients[0].shape[1]) for h in model.hidden_states(X)]
    assert [part.shape for part in gradients] == shapes
    assert all(np.isfinite(part).all() and part.any() for part in gradients)
    with pytest.raises((ValueError, TypeError), match=r"y must|several labels"):
        model.gradient_flow(X, 3)
    with pytest.raises(ValueError, match="output must be from 0 to"):
        model.input_gradients(X, output=99)


@over(lambda case: case.estimator is RNNLanguageModel)
def test_tokens_have_no_gradients(case):
    with pytest.raises(ValueError, match="all columns of X are ids, which have no gradient"):
        case.fitted().input_gradients(*case.data)


@over(lambda case: case.reads_by_step)
def test_streams_say_what_is_said_of_the_prefixes(case):
    # Without a scale that is learned from the series themselves; weights that matter.
    params = {"scaling": None} if case.estimator is RNNForecaster else {}
    model = case.fit(dtype="float64", **params)
    model.network_.theta[:] = 0.5 * np.random.default_rng(7).normal(size=model.network_.theta.size)
    answers = []
    for got, expected in case.follow(model, case.data[0]):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
        answers.append(np.ravel(got)[0])
    assert np.ptp(answers) > 1e-4  # it makes a difference what was read


@over(lambda case: case.may_read_back and case.reads_by_step)
def test_streams_of_both_directions_are_refused(case):
    with pytest.raises(ValueError, match=r"a stream reads forward, but .* bidirectional=True"):
        case.fit(bidirectional=True).stream()


@of_all_cases
def test_n_jobs_changes_no_bit(case):
    params = {"dropout": 0.2, "bidirectional": case.may_read_back, "batch_size": 80}
    X = case.data[0]
    data = take(case.data, list(range(len(X))) * 3) if case.is_separate else case.data
    one, two, four = (case.fit(*data, n_jobs=n, **params) for n in (None, 2, 4))
    assert same(one, two) and same(one, four)
    said = [
        bits((case.rows(model, data[0]), model.transform(data[0]))) for model in (one, two, four)
    ]
    assert said[0] == said[1] == said[2]


@of_all_cases
def test_n_jobs_reaches_the_network(case, monkeypatch):
    model, seen = case.fitted(), []
    of_all = ("final_states", "hidden_states", "mean_loss")
    of_both = (Network, (*of_all, "predict", "input_gradients")), (
        EncoderDecoderNetwork, (*of_all, "search", "log_likelihoods", "attention_weights")
    )  # fmt: skip
    for kind, names in of_both:
        for name in names:
            method = getattr(kind, name)

            def spy(self, *args, n_jobs=None, method=method, **kwargs):
                seen.append(n_jobs)
                return method(self, *args, n_jobs=n_jobs, **kwargs)

            monkeypatch.setattr(kind, name, spy)
    model.set_params(n_jobs=2)
    case.answers(model)
    assert len(seen) >= 3 and set(seen) == {2}
    assert fitting.settings_of(model, 1).n_jobs == 2


@of_all_cases
def test_float32_stays_float32(case):
    model = case.fit(dtype="float32")
    for name in {"transform", "hidden_states", "predict_proba", "next_proba"} & {*case.questions}:
        answer = case.questions[name](model, *case.data)
        assert np.asarray(answer[0]).dtype == np.float32, name


# Memory.


@of_all_cases
def test_what_needs_more_memory_than_there_is_does_not_begin(case, monkeypatch):
    model = case.fitted()
    needed = model.estimate_memory(*case.data)
    assert needed > model.network_.theta.nbytes
    assert case.make(hidden_layer_sizes=500).estimate_memory(*case.data) > 2 * needed
    before = state_of(model)
    monkeypatch.setattr("fastrnn.free_memory.available_memory", lambda: 0)
    case.answers(model)  # little is never asked about
    monkeypatch.setattr("fastrnn.free_memory._SMALL", 0)
    for module in ("sequences", "series_arrays"):  # which refuse to read, before
        monkeypatch.setattr(f"fastrnn.inputs.{module}.refuse_if_too_large", lambda *given: None)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(MemoryLimitError, match="Training needs about"):
            train(*case.data)
    for name in {"transform", "hidden_states", "gradient_flow"} & {*case.questions}:
        with pytest.raises(MemoryLimitError, match=r"(Prediction|Backpropagation) needs about"):
            case.questions[name](model, *case.data)
    assert state_of(model) == before
    with pytest.raises(MemoryLimitError):
        case.fit()
