"""Estimators and transformers in scikit-learn's pipelines, with validation data and metadata."""

import warnings

import numpy as np
import pytest
from contract import CASES, label_sequences, same, tag_steps

from fastrnn import RNNClassifier, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.preprocessing import SequenceScaler, TokenEncoder

pytest.importorskip("sklearn")
from sklearn import __version__, config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

FAR = [1.0, 1000.0, 1.0], [0.0, 50_000.0, 0.0]


def far(X):
    """Sequences with a feature whose numbers are far from 0."""
    return [x * FAR[0] + FAR[1] for x in X]


def quick(estimator=RNNClassifier, **params):
    return estimator(4, max_iter=2, random_state=0, **params)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


SEQUENCES = [
    name
    for name, case in CASES.items()
    if case.estimator in (RNNClassifier, RNNRegressor, RNNTagger)
]


@pytest.mark.parametrize("name", SEQUENCES)
@pytest.mark.parametrize("weighted", [False, True])
def test_validation_data_in_either_form(name, weighted):
    case = CASES[name]
    weight = np.arange(1.0, len(case.other[0]) + 1) if weighted else None
    X_val, y_val = case.other
    given = (X_val, y_val, weight) if weighted else (X_val, y_val)
    model = case.fit(fit={"validation_data": given})
    separate = {"X_val": X_val, "y_val": y_val, "sample_weight_val": weight}
    other = case.fit(fit=separate)
    assert same(model, other)
    assert other.validation_scores_ == model.validation_scores_
    assert len(other.validation_scores_) == other.n_iter_


def test_validation_texts_in_either_form():
    texts, others = ["a b a", "b a"] * 3, ["a a b"]
    model = quick(RNNLanguageModel).fit(texts, validation_data=others)
    assert quick(RNNLanguageModel).fit(texts, X_val=others).validation_scores_ == (
        model.validation_scores_
    )
    with pytest.raises(ValueError, match=r"^validation_data and X_val are given, .*"):
        model.fit(texts, validation_data=others, X_val=others)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["validation_data", "X_val"], "^validation_data and X_val are given, expected one of"),
        (["validation_data", "y_val"], "^validation_data and y_val are given"),
        (["validation_data", "sample_weight_val"], "^validation_data and sample_weight_val are"),
        (["X_val"], "^X_val is given without y_val$"),
        (["y_val"], "^y_val is given without X_val$"),
        (["sample_weight_val"], "^sample_weight_val is given without X_val$"),
        (["sample_weight_val", "X_val"], "^X_val is given without y_val$"),
    ],
)  # fmt: skip
def test_validation_data_in_part_or_twice(given, message):
    X, y = label_sequences(12)
    values = {"X_val": X, "y_val": y, "sample_weight_val": np.ones(12), "validation_data": (X, y)}
    model = quick().fit(X, y)
    before = model.network_
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **{name: values[name] for name in given})
    assert model.network_ is before


def test_what_is_wrong_is_told_by_the_argument():
    X, y = label_sequences(12)
    wrong = [*X[:2], np.zeros((3, 2))]
    with pytest.raises(ValueError, match=r"^X_val: sequence 2 has 2 features, expected 3$"):
        quick().fit(X, y, X_val=wrong, y_val=y[:3])
    with pytest.raises(ValueError, match=r"^y_val: Found input variables with inconsistent"):
        quick().fit(X, y, X_val=X, y_val=y[:3])
    with pytest.raises(
        ValueError, match=r"^y_val, sample_weight_val: sample_weight must be from 0 to .*"
    ):
        quick().fit(X, y, X_val=X[:1], y_val=y[:1], sample_weight_val=[-1])
    with pytest.raises(TypeError, match=r"^validation_data must be a tuple \(X, y\) or"):
        quick().fit(X, y, validation_data=X)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_validation_data_go_through_a_pipeline(routing, early_stopping):
    X, y = label_sequences(30)
    X_val, y_val = label_sequences(20, seed=1)
    model = quick(early_stopping=early_stopping)
    wants = model.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
    steps = [("scaler", SequenceScaler()), ("again", SequenceScaler("minmax")), ("model", wants)]
    pipeline = Pipeline(steps, transform_input=["X_val"])
    weight = np.arange(1.0, 21)
    pipeline.fit(far(X), y, X_val=far(X_val), y_val=y_val, sample_weight_val=weight)
    scores = pipeline[-1].validation_scores_
    assert pipeline.score(far(X_val), y_val) >= 0
    scaled = pipeline[:-1].transform(far(X_val))
    assert scores[-1] == pipeline[-1].score(scaled, y_val, sample_weight=weight) or early_stopping
    by_hand = quick(early_stopping=early_stopping)
    by_hand.fit(pipeline[:-1].transform(far(X)), y, validation_data=(scaled, y_val, weight))
    assert by_hand.validation_scores_ == scores and same(by_hand, pipeline[-1])


def test_tags_and_texts_go_through_a_pipeline(routing):
    X, y = tag_steps(12)
    tagger = quick(RNNTagger).set_fit_request(X_val=True, y_val=True)
    pipeline = make_pipeline(SequenceScaler(), tagger, transform_input=["X_val"])
    pipeline.fit(X, y, X_val=X[:5], y_val=y[:5])
    assert pipeline[-1].validation_scores_[-1] == pipeline.score(X[:5], y[:5])

    upper = FunctionTransformer(lambda texts: [text.upper() for text in texts])
    writer = quick(RNNLanguageModel).set_fit_request(X_val=True)
    pipeline = make_pipeline(upper, writer, transform_input=["X_val"])
    pipeline.fit(["a b a", "b a"], X_val=["b b"])
    assert pipeline[-1].validation_scores_[-1] == pytest.approx(pipeline.score(["b b"]))

    encoder = TokenEncoder("word")
    reader = quick(embedding_dim=2).set_fit_request(X_val=True, y_val=True)
    pipeline = make_pipeline(encoder, reader, transform_input=["X_val"])
    pipeline.fit(["good day", "bad day"] * 3, [1, 0] * 3, X_val=["good", "worse"], y_val=[1, 0])
    assert len(pipeline[-1].validation_scores_) == 2


def test_a_search_hands_validation_data_on(routing):
    X, y = label_sequences(24)
    X_val, y_val = label_sequences(7, seed=1)
    model = quick().set_fit_request(X_val=True, y_val=True)
    pipeline = make_pipeline(SequenceScaler(), model, transform_input=["X_val"])
    search = GridSearchCV(pipeline, {"rnnclassifier__cell": ["gru", "rnn"]}, cv=2, refit=True)
    search.fit(far(X), y, X_val=far(X_val), y_val=y_val)
    best = search.best_estimator_
    assert best[-1].validation_scores_[-1] == best.score(far(X_val), y_val)


def weights_of(X):
    """Weights that matter: every third sequence counts ten times."""
    return np.where(np.arange(len(X)) % 3, 1.0, 10.0)


@pytest.mark.parametrize("name", CASES)
def test_weights_may_be_asked_for(routing, name):
    estimator = CASES[name].estimator()
    asked = estimator.set_fit_request(sample_weight=True)
    assert asked is estimator
    assert estimator.get_metadata_routing().fit.requests["sample_weight"] is True
    assert clone(estimator).get_metadata_routing().fit.requests["sample_weight"] is True


def test_weights_go_through_a_pipeline(routing):
    X, y = label_sequences(30)
    weight = weights_of(X)
    model = quick().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    pipeline = make_pipeline(SequenceScaler(), model).fit(far(X), y, sample_weight=weight)
    scaled = pipeline[:-1].transform(far(X))
    assert same(pipeline[-1], quick().fit(scaled, y, weight))
    assert not same(pipeline[-1], quick().fit(scaled, y))
    score = pipeline[-1].score(scaled, y, weight)
    assert pipeline.score(far(X), y, sample_weight=weight) == score
    named = make_pipeline(SequenceScaler(), quick().set_fit_request(sample_weight="importance"))
    assert same(named.fit(far(X), y, importance=weight)[-1], pipeline[-1])


def test_weights_that_nobody_asked_for_are_an_error_and_refused_ones_stay_away(routing):
    X, y = label_sequences(12)
    with pytest.raises(
        ValueError, match=r"\[sample_weight\] are passed but are not explicitly set"
    ):
        make_pipeline(quick()).fit(X, y, sample_weight=weights_of(X))
    refused = quick().set_fit_request(sample_weight=False)
    with pytest.raises(TypeError, match="sample_weight"):
        make_pipeline(refused).fit(X, y, sample_weight=weights_of(X))


@pytest.mark.parametrize("of_steps", [False, True])
def test_weights_go_through_a_search(routing, of_steps):
    """Each fold is trained and scored with its own weights, also those of steps."""
    X, y = tag_steps(18) if of_steps else label_sequences(18)
    weight = weights_of(X)
    if of_steps:
        weight = [each * np.linspace(0.5, 1, len(x)) for each, x in zip(weight, X, strict=True)]
    estimator = quick(RNNTagger if of_steps else RNNClassifier)
    estimator.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    folds = KFold(3)
    search = GridSearchCV(estimator, {"cell": ["gru", "rnn"]}, cv=folds)
    search.fit(X, y, sample_weight=weight)

    def take(values, rows):
        return [values[k] for k in rows]

    for number, params in enumerate(search.cv_results_["params"]):
        for fold, (train, test) in enumerate(folds.split(X)):
            model = clone(estimator).set_params(**params)
            model.fit(take(X, train), take(y, train), sample_weight=take(weight, train))
            score = model.score(take(X, test), take(y, test), sample_weight=take(weight, test))
            assert search.cv_results_[f"split{fold}_test_score"][number] == score
    assert same(search.best_estimator_, clone(search.best_estimator_).fit(X, y, weight))


def test_validation_data_that_a_pipeline_did_not_scale_are_told():
    X, y = label_sequences(30)
    pipeline = make_pipeline(SequenceScaler(), quick())
    message = r"^validation_data: feature 1 has mean 5e\+04 and standard deviation .*, but in X "
    with pytest.warns(UserWarning, match=message) as told:
        pipeline.fit(far(X), y, rnnclassifier__validation_data=(far(X), y))
    with pytest.warns(UserWarning, match="^X_val: feature 1 has mean") as told:
        quick().fit(X, y, X_val=far(X), y_val=y)
    assert told[0].filename == __file__


@pytest.mark.parametrize("change", [lambda x: x + 15.0, lambda x: x * 15.0])
def test_a_mean_or_a_spread_far_away_is_told(change):
    X, y = label_sequences(30)
    with pytest.warns(UserWarning, match=r"^validation_data: feature 0 has mean .*, but in X "):
        quick().fit(X, y, validation_data=([change(x) for x in X], y))


def test_nothing_is_told_of_what_may_well_be():
    """A mean some spreads away, and a feature that was constant in X."""
    X, y = label_sequences(30)
    others = [x + np.array([3.0, -3, 5]) for x in X]
    others[0][:, 0] = 0.0
    constant = [np.column_stack([x, np.ones(len(x))]) for x in X]
    changed = [np.column_stack([x, np.arange(len(x))]) for x in X]
    with warnings.catch_warnings(record=True) as told:
        quick().fit(X, y, validation_data=(others, y))
        quick().fit(constant, y, validation_data=(changed, y))
    assert not [warning for warning in told if "validation_data" in str(warning.message)]


# What transformers return.

RAGGED = [np.array([[1.0, 50], [3, 20]]), np.array([[8.0, 20]]), np.array([[0.0, 10], [2, 30]])]
KINDS_OF_X = {
    "a list of arrays": RAGGED,
    "a list of float32": [x.astype(np.float32) for x in RAGGED],
    "a list of lists": [x.tolist() for x in RAGGED],
    "an object array": np.array([*RAGGED, None], dtype=object)[:-1],
    "an array": np.stack([RAGGED[0], RAGGED[2]]),
    "univariate": [x[:, 0] for x in RAGGED],
    "univariate of one length": [RAGGED[0][:, 0], RAGGED[2][:, 0]],
    "a table": np.stack([RAGGED[0][:, 0], RAGGED[2][:, 0]]),
    "nested lists": [[1.0, 2.0], [3.0, 5.0]],
}


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    pytest.importorskip(request.param)
    return request.param


@pytest.mark.parametrize("X", KINDS_OF_X.values(), ids=KINDS_OF_X)
def test_a_scaler_returns_frames(X, library):
    plain, scaler = SequenceScaler().fit(X), SequenceScaler()
    assert scaler.set_output(transform=library) is scaler
    got, expected = scaler.fit_transform(X), plain.transform(X)
    is_table = isinstance(expected, np.ndarray) and expected.ndim == 2
    pairs = [(got, expected)] if is_table else zip(got, expected, strict=True)
    assert is_table or type(got) is list
    for frame, array in pairs:
        assert type(frame).__module__.startswith(library)
        assert list(frame.columns) == plain.get_feature_names_out().tolist()
        array = array if array.ndim == 2 else array[:, np.newaxis]
        np.testing.assert_array_equal(np.asarray(frame), array)
        assert np.asarray(frame).dtype == array.dtype
    back = scaler.set_output(transform="default").transform(X)
    assert type(back) is type(expected)


def make_frames(library):
    make = pytest.importorskip(library).DataFrame
    return [
        make({"n": np.array([1, 2]), "x": np.array([0.5, 2], np.float32), "kind": ["a", "b"]}),
        make({"n": np.array([5]), "x": np.array([4], np.float32), "kind": ["b"]}),
    ]


@pytest.mark.parametrize("given", ["pandas", "polars"])
def test_frames_become_those_of_the_library_that_is_chosen(given, library):
    X = make_frames(given)
    scaler = SequenceScaler(categorical_features=["kind"]).set_output(transform=library).fit(X)
    scaled, plain = (
        scaler.transform(X),
        SequenceScaler(categorical_features=["kind"]).fit_transform(X),
    )
    for frame, expected in zip(scaled, plain, strict=True):
        assert type(frame).__module__.startswith(library)
        assert list(frame.columns) == ["n", "x", "kind"]
        for name in frame.columns:
            assert list(frame[name]) == list(expected[name])
    model = quick(categorical_features=["kind"]).fit(scaled, [0, 1])
    np.testing.assert_array_equal(
        model.predict_proba(scaled),
        quick(categorical_features=["kind"]).fit(plain, [0, 1]).predict_proba(plain),
    )


def test_an_index_stays(library):
    pandas = pytest.importorskip("pandas")
    X = [pandas.DataFrame({"a": [1.0, 2]}, index=[7, 9]), pandas.DataFrame({"a": [3.0]}, index=[4])]
    scaled = SequenceScaler().set_output(transform="pandas").fit_transform(X)
    assert [list(frame.index) for frame in scaled] == [[7, 9], [4]]


def test_an_encoder_returns_frames(library):
    encoder = TokenEncoder("word").set_output(transform=library)
    frames = encoder.fit_transform(["to be", "be"])
    assert [list(frame["token"]) for frame in frames] == [[2, 1], [1]]
    assert all(type(frame).__module__.startswith(library) for frame in frames)
    model = quick(embedding_dim=2).fit(frames, [0, 1])
    assert model.n_categories_ == (3,)


def test_a_pipeline_is_the_same_whatever_its_steps_return(library):
    X, y = label_sequences(20)
    texts = ["good day", "bad day", "good", "bad"] * 3
    for steps, data in [
        ((SequenceScaler(), quick()), (X, y)),
        ((SequenceScaler("minmax"), quick(pooling="max")), (np.stack([x[:2] for x in X]), y)),
        ((TokenEncoder("word"), quick(embedding_dim=2)), (texts, [1, 0] * 6)),
    ]:
        plain = make_pipeline(*steps).fit(*data)
        expected, states = plain.predict_proba(data[0]), plain.transform(data[0])
        chosen = make_pipeline(*steps).set_output(transform=library).fit(*data)
        np.testing.assert_array_equal(chosen.predict_proba(data[0]), expected)
        frame = chosen.transform(data[0])
        assert type(frame).__module__.startswith(library)
        np.testing.assert_array_equal(np.asarray(frame), states)
        assert list(frame.columns) == chosen.get_feature_names_out().tolist()
        with config_context(transform_output=library):
            model = make_pipeline(*map(clone, steps)).set_output(transform="default").fit(*data)
            assert isinstance(model.transform(data[0]), np.ndarray)
            model = make_pipeline(*map(fresh, steps)).fit(*data)
            np.testing.assert_array_equal(model.predict_proba(data[0]), expected)
            assert type(model[0].transform(data[0])[0]).__module__.startswith(library)


def fresh(step):
    """A step as it was made: `clone` also copies what `set_output` has chosen."""
    return type(step)(**step.get_params())


def test_clones_return_the_same_kind(library):
    scaler = clone(SequenceScaler().set_output(transform=library))
    assert scaler.output_library == library
    assert scaler.set_output().output_library == library  # None changes nothing
    assert SequenceScaler().output_library is None


def test_a_kind_that_there_is_not_is_refused_at_once(monkeypatch):
    for transformer in (SequenceScaler(), TokenEncoder()):
        with pytest.raises(ValueError, match=r"^transform must be 'default', 'pandas', .*'dask'$"):
            transformer.set_output(transform="dask")
        with monkeypatch.context() as patch:
            patch.setattr("fastrnn.bridge.find_spec", lambda name: None)
            with pytest.raises(
                ImportError, match=r"^transform='polars' needs polars, which is not"
            ):
                transformer.set_output(transform="polars")
        assert transformer.output_library is None


# Other tools of scikit-learn.


def test_steps_are_kept_from_one_fit_to_the_next(tmp_path):
    X, y = label_sequences(12)
    texts = ["good day", "bad"] * 6
    for steps, given in [
        ((SequenceScaler(), quick()), X),
        ((TokenEncoder("word", normalization="NFC"), quick(embedding_dim=2)), texts),
    ]:
        expected = make_pipeline(*map(clone, steps)).fit(given, y).predict_proba(given)
        for _ in range(2):
            kept = make_pipeline(*steps, memory=str(tmp_path)).fit(given, y)
            np.testing.assert_array_equal(kept.predict_proba(given), expected)


def test_states_are_columns_beside_others():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"text": ["good day", "bad"] * 4, "stars": range(8)}, index=range(8, 0, -1)
    )
    states = make_pipeline(TokenEncoder("word"), quick(embedding_dim=2))
    columns = ColumnTransformer([("text", states, "text"), ("rest", "passthrough", ["stars"])])
    y = [1, 0] * 4
    table = columns.fit(frame, y).transform(frame)
    names = [f"text__rnnclassifier{j}" for j in range(4)] + ["rest__stars"]
    assert columns.get_feature_names_out().tolist() == names
    if __version__.startswith("1.6."):
        pytest.skip("this version wants frames with the index of the whole table")
    chosen = clone(columns).set_output(transform="pandas").fit(frame, y).transform(frame)
    assert list(chosen.columns) == names and list(chosen.index) == list(frame.index)
    np.testing.assert_array_equal(chosen.to_numpy(), table)


def test_rows_keep_their_index():
    """Where a table of texts was shuffled, its states would else stand beside other rows."""
    pandas = pytest.importorskip("pandas")
    X, y = label_sequences(4)
    texts = ["good", "bad", "day", "bad day"]
    cells = pandas.DataFrame({"text": texts, "x": [x.tolist() for x in X]}, index=[2, 0, 3, 1])
    for step, column in ((TokenEncoder("word"), "text"), (SequenceScaler(), "x")):
        step.set_output(transform="pandas").fit(cells[column])
        assert list(step.transform(cells[column]).index) == [2, 0, 3, 1]
        assert type(step.transform(list(cells[column]))) is list
    words = make_pipeline(TokenEncoder("word"), quick(embedding_dim=2))
    columns = ColumnTransformer([("a", words, "text"), ("b", quick(), "x")])
    expected = columns.fit(cells, y).transform(cells)
    chosen = columns.set_output(transform="pandas").fit(cells, y).transform(cells)
    np.testing.assert_array_equal(chosen.to_numpy(), expected)


def test_states_of_several_estimators_side_by_side():
    X, y = label_sequences(12)
    union = make_union(quick(), make_pipeline(SequenceScaler(), quick(cell="gru"))).fit(X, y)
    states = union.transform(X)
    np.testing.assert_array_equal(states[:, :4], quick().fit(X, y).transform(X))
    expected = [f"rnnclassifier__rnnclassifier{j}" for j in range(4)]
    expected += [f"pipeline__rnnclassifier{j}" for j in range(4)]
    assert union.get_feature_names_out().tolist() == expected


def test_targets_are_transformed():
    X, y = label_sequences(12)
    y = np.array([len(x) for x in X], float)
    model = TransformedTargetRegressor(
        make_pipeline(SequenceScaler(), quick(RNNRegressor)), func=np.log, inverse_func=np.exp
    )
    plain = make_pipeline(SequenceScaler(), quick(RNNRegressor)).fit(X, np.log(y))
    np.testing.assert_allclose(model.fit(X, y).predict(X), np.exp(plain.predict(X)), rtol=1e-6)


def test_names_and_numbers_of_features_go_through():
    pandas = pytest.importorskip("pandas")
    X, y = label_sequences(12)
    frames = [pandas.DataFrame(x, columns=["a", "b", "c"]) for x in X]
    model = make_pipeline(SequenceScaler(), quick()).fit(frames, y)
    assert (
        model.feature_names_in_.tolist() == model[-1].feature_names_in_.tolist() == ["a", "b", "c"]
    )
    assert model.n_features_in_ == 3
    assert model[:-1].get_feature_names_out().tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match=r"^sequence 1 has 2 features, expected 3"):
        make_pipeline(SequenceScaler(), quick()).fit(X, y).predict([X[0], X[1][:, :2]])
    with pytest.raises(ValueError, match=r"^sequence 1 has columns \['a', 'b'\], expected \['a', "):
        model.predict([frames[0], frames[1][["a", "b"]]])
