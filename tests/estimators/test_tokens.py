"""Estimators on ids: text, several columns, ids beside numbers, categories of data frames."""

import pickle

import numpy as np
import pytest

import fastrnn
from fastrnn import RNNClassifier, RNNRegressor
from fastrnn.estimators import needs, parameters
from fastrnn.estimators.parameters import embedding_sizes
from fastrnn.preprocessing import SequenceScaler, TokenEncoder

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

FAST = {"learning_rate": "cosine", "learning_rate_init": 0.03, "batch_size": 20, "random_state": 0}
FAST |= {"dropout": 0.0, "pooling": "last", "conv": None, "scaling": None}


def make_ids(n=120, n_ids=6, seed=0):
    """Return sequences of 2 to 7 ids, and whether the first one is odd."""
    rng = np.random.default_rng(seed)
    X = [rng.integers(n_ids, size=rng.integers(2, 8)) for _ in range(n)]
    X[0][0] = n_ids - 1  # so that fit sees all of them
    return X, np.array([x[0] % 2 for x in X])


def make_mixed(n=150, seed=0):
    """Return sequences of an id, a number and another id, and labels by all three."""
    rng = np.random.default_rng(seed)
    X = []
    for _ in range(n):
        length = rng.integers(2, 6)
        columns = (
            rng.integers(4, size=length),
            rng.normal(size=length),
            rng.integers(3, size=length),
        )
        X.append(np.column_stack(columns))
    X[0][0, [0, 2]] = 3, 2
    y = [f"{int(x[-1, 0] > 1)}{int(x[-1, 1] > 0)}{int(x[-1, 2])}" for x in X]
    return X, y


def learner(estimator=RNNClassifier, **params):
    """Return an estimator that learns these labels in a moment."""
    return estimator(**{"hidden_layer_sizes": 12, "cell": "gru", "max_iter": 40, **FAST, **params})


def test_ids_alone():
    X, y = make_ids()
    model = learner(embedding_dim=5).fit(X, y)
    X_test, y_test = make_ids(seed=1)
    assert model.score(X_test, y_test) > 0.95
    assert model.n_categories_ == (6,) and model.n_features_in_ == 1
    (table,) = model.network_.embeddings
    assert table.shape == (6, 5)
    assert model.network_.layers[0].input_size == 5
    expected = model.predict_proba(X_test)
    columns = [x[:, np.newaxis].astype(float) for x in X_test]
    np.testing.assert_array_equal(model.predict_proba(columns), expected)
    np.testing.assert_array_equal(
        learner(embedding_dim=5, n_jobs=2).fit(X, y).predict_proba(X_test), expected
    )
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X_test), expected)
    assert model.transform(X_test).shape == (120, 12)
    assert [len(states) for states in model.hidden_states(X_test)] == [len(x) for x in X_test]


def test_regressor():
    X, _ = make_ids()
    y = [100.0 * x.max() for x in X]
    model = learner(RNNRegressor, embedding_dim=4, pooling="max", max_iter=60).fit(X, y)
    assert model.score(X, y) > 0.9


def test_table_and_array_of_ids():
    rng = np.random.default_rng(0)
    X = rng.integers(5, size=(60, 4))
    y = X[:, -1] > 2
    model = learner(embedding_dim=3).fit(X, y)
    assert model.n_features_in_ == 4 and model.n_categories_ == (5,)
    assert model.score(X, y) > 0.95
    same = learner(embedding_dim=3).fit(X[:, :, np.newaxis], y)
    assert same.n_features_in_ == 1
    np.testing.assert_array_equal(same.predict_proba(list(X)), model.predict_proba(X))
    with pytest.raises(ValueError, match=r"^X has 3 features, but"):
        model.predict(X[:, :3])


def test_ids_beside_numbers():
    X, y = make_mixed()
    model = learner(categorical_features=[0, 2], embedding_dim=(3, 2), max_iter=60).fit(X, y)
    assert model.score(*make_mixed(seed=1)) > 0.85
    assert model.n_categories_ == (4, 3) and model.n_features_in_ == 3
    assert [table.shape for table in model.network_.embeddings] == [(4, 3), (3, 2)]
    mask = learner(categorical_features=[True, False, True], embedding_dim=(3, 2), max_iter=60)
    np.testing.assert_array_equal(mask.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_embedding_is_a_product_with_one_hot_rows():
    """Numbers first, then a row of each table: as if these rows had been written into X."""
    X, y = make_mixed()
    model = learner(categorical_features=[2, 0], embedding_dim=(3, 2), max_iter=3).fit(X, y)
    first, second = model.network_.embeddings
    written = [
        np.column_stack([x[:, 1], first[x[:, 0].astype(int)], second[x[:, 2].astype(int)]])
        for x in X
    ]
    plain = learner(max_iter=1).fit(written, y)
    plain.network_.theta[...] = np.concatenate(
        [
            model.network_.layers[0].theta,
            model.network_.head.params["W"].ravel(),
            model.network_.head.params["b"],
        ]
    )
    np.testing.assert_allclose(
        plain.predict_proba(written), model.predict_proba(X), rtol=1e-4, atol=1e-6
    )


def test_rule_of_thumb():
    # min(64, round(1.6 * V ** 0.56)), by hand
    sizes = embedding_sizes(None, (1, 2, 10, 700, 1000, 1_000_000))
    assert sizes == ((1, 2), (2, 2), (10, 6), (700, 63), (1000, 64), (1_000_000, 64))
    assert embedding_sizes(8, (3, 4)) == ((3, 8), (4, 8))
    assert embedding_sizes(np.int64(8), (3,)) == ((3, 8),)
    X, y = make_mixed()
    model = learner(categorical_features=[0, 2], max_iter=1).fit(X, y)
    assert [table.shape for table in model.network_.embeddings] == [(4, 3), (3, 3)]
    X, y = make_ids()
    model = learner(categorical_features="all", max_iter=1).fit(X, y)
    assert model.network_.embeddings[0].shape == (6, 4)


@pytest.mark.parametrize("what", ["warm_start", "partial_fit"])
def test_tables_of_another_rule_stay_as_wide_as_they_are(what, monkeypatch, tmp_path):
    X, y = make_ids()
    with monkeypatch.context() as other:
        other.setattr(parameters, "WIDEST_TABLE", 3)
        model = learner(categorical_features="all", max_iter=1, learning_rate="constant").fit(X, y)
    model.save(tmp_path / "model.fastrnn")
    model = fastrnn.load(tmp_path / "model.fastrnn")
    before = model.network_.embeddings[0].copy()
    if what == "warm_start":
        model.set_params(warm_start=True).fit(X, y)
    else:
        model.partial_fit(X, y)
    assert model.network_.embeddings[0].shape == before.shape == (6, 3)
    assert not np.array_equal(model.network_.embeddings[0], before)
    model.set_params(warm_start=False).fit(X, y)
    assert model.network_.embeddings[0].shape == (6, 4)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"embedding_dim": (2, 3, 4)},
            r"^embedding_dim=\(2, 3, 4\) has 3 entries, but X has 2 col",
        ),
        (
            {"embedding_dim": 4, "categorical_features": []},
            r"^embedding_dim=4 has no effect: categ",
        ),
        (
            {"embedding_dim": 4, "categorical_features": "from_dtype"},
            r"^embedding_dim=4 has no effect: categorical_features chooses no column of X$",
        ),
        (
            {"categorical_features": [3]},
            r"^categorical_features has the column 3, but X has columns",
        ),
        (
            {"categorical_features": ["word"]},
            r"^categorical_features has the name 'word', but X is",
        ),
        ({"categorical_features": [True]}, r"^categorical_features is a mask of 1 entries"),
        (
            {"categorical_features": [1]},
            r"^sequence 0, time step 0, feature 1 is .*, expected an id",
        ),
        (
            {"embedding_dim": 4, "categorical_features": None},
            "feature 1 is .*, expected an id: a whole",
        ),
    ],
)
def test_choice_that_does_not_suit(params, message):
    X, y = make_mixed()
    model = learner(categorical_features=[0, 2], max_iter=1).fit(X, y)
    before = pickle.dumps(model.network_)
    with pytest.raises(ValueError, match=message):
        model.set_params(**params).fit(X, y)
    assert pickle.dumps(model.network_) == before and model.n_categories_ == (4, 3)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform", "hidden_states"])
def test_ids_that_fit_has_not_seen(method):
    X, y = make_ids()
    predict = getattr(learner(embedding_dim=5, max_iter=1).fit(X, y), method)
    message = r"^sequence 1, time step 2, feature 0 is the id 6, expected one from 0 to 5, the ids"
    with pytest.raises(ValueError, match=message):
        predict([X[0], [0, 1, 6]])
    with pytest.raises(
        ValueError, match=r"^sequence 0, time step 0, feature 0 is 0\.5, expected an"
    ):
        predict([[0.5]])
    with pytest.raises(ValueError, match=r"^sequence 0 has 2 features, expected 1$"):
        predict([[[0, 1]]])
    with pytest.raises(TypeError, match=r"^sequence 0 is 'abc' of type str.*TokenEncoder"):
        predict(["abc"])


def test_parameters_set_after_fit_change_no_prediction():
    X, y = make_mixed()
    model = learner(categorical_features=[0, 2], max_iter=2).fit(X, y)
    expected = model.predict_proba(X)
    model.set_params(categorical_features=None, embedding_dim=7)
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_early_stopping_and_validation_data():
    X, y = make_ids(200)
    model = learner(embedding_dim=5, early_stopping=True, n_iter_no_change=40).fit(X, y)
    assert model.best_validation_score_ > 0.9
    model = learner(embedding_dim=5, max_iter=3)
    model.fit(X, y, validation_data=make_ids(seed=1))
    assert len(model.validation_scores_) == 3
    with pytest.raises(ValueError, match=r"^validation_data: sequence 0, .* is the id 9, expected"):
        model.fit(X, y, validation_data=([[9], [1]], [0, 1]))


def test_going_on():
    X, y = make_mixed()
    params = {"categorical_features": [0, 2], "embedding_dim": 3, "max_iter": 2}
    params["learning_rate"] = "constant"
    model = learner(warm_start=True, **params).fit(X, y)
    few = [i for i, x in enumerate(X) if x[:, 0].max() < 3]  # with fewer ids than before
    model.fit([x.clip(max=2) for x in X], y)
    assert model.n_categories_ == (4, 3) and len(model.loss_curve_) == 4
    started = learner(**params).fit(X, y)
    started.partial_fit([X[i] for i in few], [y[i] for i in few])
    assert started.n_categories_ == (4, 3) and started.n_iter_ == 3
    for change, message in [
        (
            {"categorical_features": [0]},
            r"whose ids are in columns \[0, 2\], not categorical_f.*=\[0\]",
        ),
        ({"categorical_features": None}, r"whose ids are in columns \[0, 2\], not .*='all'$"),
        (
            {"embedding_dim": 4},
            r"which has embeddings=\(\(4, 3\), \(3, 3\)\), not \(\(4, 4\), \(3, 4\)\)",
        ),
    ]:
        model.set_params(**params).set_params(**change)
        with pytest.raises(ValueError, match="^warm_start=True goes on from .*" + message):
            model.fit(X, y)
        started.set_params(**params).set_params(**change)
        with pytest.raises(ValueError, match="^partial_fit goes on from .*" + message):
            started.partial_fit(X, y)
    X[5][1, 2] = 3
    with pytest.raises(
        ValueError, match=r"^sequence 5, time step 1, feature 2 is the id 3, expected"
    ):
        started.set_params(**params).partial_fit(X, y)


@pytest.fixture(params=["pandas", "polars"])
def library(request):
    return pytest.importorskip(request.param)


def make_frames(library, n=150, seed=0):
    """Return `make_mixed` as data frames of a word, a number and a shape."""
    X, y = make_mixed(n, seed)
    frames = []
    for x in X:
        words = [["the", "cat", "sat", "mat"][k] for k in x[:, 0].astype(int)]
        shapes = [["round", "flat", "odd"][k] for k in x[:, 2].astype(int)]
        frames.append(library.DataFrame({"word": words, "number": x[:, 1], "shape": shapes}))
    return frames, y


def test_frames(library):
    X, y = make_frames(library)
    model = learner(categorical_features="from_dtype", max_iter=60).fit(X, y)
    assert model.score(*make_frames(library, seed=1)) > 0.85
    assert model.n_categories_ == (4, 3) and model.n_features_in_ == 3
    assert model.feature_names_in_.tolist() == ["word", "number", "shape"]
    named = learner(categorical_features=["shape", "word"], max_iter=60).fit(X, y)
    np.testing.assert_array_equal(named.predict_proba(X), model.predict_proba(X))
    scaled = SequenceScaler(categorical_features="from_dtype").fit_transform(X)
    learner(categorical_features="from_dtype", max_iter=2).fit(scaled, y)

    strange = library.DataFrame({"word": ["the", "dog"], "number": [0.0, 1], "shape": ["odd"] * 2})
    message = (
        r"^sequence 1, time step 1, feature 0 \('word'\) is 'dog', expected one of the categories "
        "of fit: 'cat', 'mat', 'sat', 'the'$"
    )
    with pytest.raises(ValueError, match=message):
        model.predict([X[0], strange])
    other_order = model.predict_proba([X[0][["number", "word", "shape"]]])
    np.testing.assert_array_equal(other_order, model.predict_proba(X[:1]))
    with pytest.raises(TypeError, match=r"^sequence 0, feature 0 \('word'\) holds categories, exp"):
        learner().fit(X, y)
    with (
        pytest.warns(
            UserWarning, match="^X does not have valid feature names, but RNNClassifier was"
        ),
        pytest.raises(
            TypeError, match=r"^feature 0 of X holds numbers, expected categories as in fit"
        ),
    ):
        model.predict(make_mixed()[0])


def test_frames_of_either_library_give_the_same():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X, y = make_frames(pandas)
    model = learner(categorical_features="from_dtype", max_iter=2).fit(X, y)
    np.testing.assert_array_equal(
        model.predict_proba(make_frames(polars)[0]), model.predict_proba(X)
    )


def test_memory_counts_tables_and_ids():
    X, y = make_ids()
    model = learner(embedding_dim=5)
    base = model.estimate_memory(X, y)
    rare = [np.append(x, 100_000 if i == 0 else 0) for i, x in enumerate(X)]
    grown = model.estimate_memory(rare, y)
    table = 100_000 * 5 * 4
    assert 4 * table <= grown - base < 6 * table  # theta, grad and two vectors of adam, and flags
    huge = [x.astype(np.int64) for x in X]
    huge[0][0] = 10**13
    with pytest.raises(MemoryError, match=r"^Training needs about"):
        model.fit(huge, y)


def test_memory_counts_copies_of_ids(monkeypatch):
    X = np.arange(30).reshape(10, 3)
    with monkeypatch.context() as patch:
        patch.setattr(needs, "estimate_memory", lambda *args, **options: 0)
        model = learner(embedding_dim=5)
        assert model.estimate_memory(X) == 0  # nothing is copied
        assert model.estimate_memory(list(X)) == X.nbytes
        beside = learner(categorical_features=[0, 2])
        assert beside.estimate_memory(X[np.newaxis]) == 10 * (2 * 8 + 4)
        model.set_params(early_stopping=True, validation_fraction=0.2)
        assert model.estimate_memory(X) == 2 * 3 * 8


TEXTS = ["good fine good", "bad awful", "fine good", "awful bad bad", "good", "bad"] * 10
MOODS = ["+", "-", "+", "-", "+", "-"] * 10


def test_text_in_two_steps():
    encoder = TokenEncoder("word")
    model = learner(embedding_dim=3, max_iter=10).fit(encoder.fit_transform(TEXTS), MOODS)
    assert model.predict(encoder.transform(["fine fine", "so awful"])).tolist() == ["+", "-"]
    assert model.n_categories_ == (encoder.n_tokens_,)


def test_text_in_a_pipeline():
    pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(TokenEncoder("word"), learner(embedding_dim=3, max_iter=8))
    assert pipeline.fit(TEXTS, MOODS).predict(["fine", "awful mess"]).tolist() == ["+", "-"]
    assert cross_val_score(pipeline, TEXTS, MOODS, cv=3).mean() > 0.9
    grid = {
        "tokenencoder__tokenizer": ["char", "word"],
        "rnnclassifier__embedding_dim": [2, 8],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(TEXTS, MOODS)
    assert search.best_score_ > 0.9
    assert pickle.loads(pickle.dumps(search)).predict(["good"]).tolist() == ["+"]


def test_frames_in_a_grid_search():
    pytest.importorskip("sklearn")
    pandas = pytest.importorskip("pandas")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    X, y = make_frames(pandas)
    y = [label[0] for label in y]
    pipeline = make_pipeline(
        SequenceScaler(categorical_features="from_dtype"),
        learner(categorical_features="from_dtype"),
    )
    grid = {"rnnclassifier__embedding_dim": [2, (2, 3)]}
    assert GridSearchCV(pipeline, grid, cv=2).fit(X, y).best_score_ > 0.9
