"""Permutation importance: what a model's score loses with a feature."""

import importlib.util
import pickle

import numpy as np
import pytest
from contract import PLAIN

from fastrnn.estimators import RNNClassifier, RNNRegressor
from fastrnn.inputs import frames
from fastrnn.inspection import Importances, permutation_importance

ESTIMATORS = pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
LENGTHS = [3, 4, 1]

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


def make_sequences(lengths=LENGTHS, n_features=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((length, n_features)) for length in lengths]


def small(estimator, **params):
    return estimator(
        **{**PLAIN, "hidden_layer_sizes": 4, "max_iter": 3, "random_state": 0, **params}
    )


def make_problem(estimator, n=40, seed=0):
    """Sequences of three features, of which only the first decides."""
    rng = np.random.default_rng(seed)
    X = make_sequences(rng.integers(2, 9, size=n), 3, seed)
    total = np.array([x[:, 0].mean() for x in X])
    return X, np.where(total > 0, "up", "down") if estimator is RNNClassifier else 5 * total + 10


class Recorder:
    """An estimator that keeps what it is asked to score, and reads one number off it."""

    def __init__(self, number):
        self.number = number
        self.seen = []

    def score(self, X, y, sample_weight=None):
        self.seen.append(X)
        weight = 1.0 if sample_weight is None else np.sum(sample_weight)
        return weight * self.number(X, y)


class TestPermutationImportance:
    @ESTIMATORS
    def test_finds_the_feature_that_counts(self, estimator):
        X, y = make_problem(estimator, n=300)
        params = {"max_iter": 40, "learning_rate_init": 0.02, "batch_size": 20}
        model = small(estimator, **params).fit(X[:200], y[:200])
        result = permutation_importance(model, X[200:], y[200:], random_state=0)
        assert result.importances.shape == (3, 5)
        assert result["importances_mean"] is result.importances_mean
        np.testing.assert_allclose(result.importances_mean, result.importances.mean(axis=1))
        np.testing.assert_allclose(result.importances_std, result.importances.std(axis=1))
        first, *others = result.importances_mean
        assert first > 0.2
        assert max(map(abs, others)) < 0.1

    def test_finds_the_time_that_counts(self):
        # What is scored looks at feature 1 in the second quarter of each sequence alone.
        X = make_sequences(np.random.default_rng(0).integers(4, 30, size=50))

        def readings(X):
            return [x[-(-len(x) // 4) : len(x) // 2, 1].sum() for x in X]

        truth = readings(X)
        estimator = Recorder(lambda X, y: -np.abs(np.subtract(readings(X), truth)).mean())
        result = permutation_importance(estimator, X, None, time_blocks=4, random_state=0)
        assert result.importances.shape == (2, 4, 5)
        assert result.importances_mean.shape == result.importances_std.shape == (2, 4)
        np.testing.assert_array_equal(np.delete(result.importances_mean.ravel(), [4, 5, 6]), 0)
        assert result.importances_mean[1, 1] > 0.5
        # Blocks are those of rounded steps, so that a neighbour may reach in by one of them.
        assert result.importances_mean[1, [0, 2]].max() < result.importances_mean[1, 1] / 2

    def test_equal_lengths_are_permuted_whole(self):
        X = np.arange(5 * 4 * 2.0).reshape(5, 4, 2)
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, n_repeats=2, random_state=3)
        baseline, *seen = estimator.seen
        assert baseline is X
        assert len(seen) == 4
        rng = np.random.default_rng(3)
        donors = [rng.permutation(5), rng.permutation(5)]
        for k, permuted in enumerate(seen):
            feature, repeat = divmod(k, 2)
            expected = X.copy()
            expected[:, :, feature] = X[donors[repeat], :, feature]
            np.testing.assert_array_equal(permuted, expected)

    def test_unequal_lengths_are_read_by_relative_position(self):
        X = [[10.0, 11.0], [20.0, 21.0, 22.0, 23.0], [30.0]]
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, n_repeats=20, random_state=0)
        series = {
            (2, 4): [21, 23], (4, 2): [10, 10, 11, 11], (1, 2): [11], (1, 4): [22],
            (2, 1): [30, 30], (4, 1): [30] * 4, (1, 1): [30], (2, 2): [10, 11],
            (4, 4): [20, 21, 22, 23],
        }  # fmt: skip
        rng = np.random.default_rng(0)
        lengths = np.array([2, 4, 1])
        for permuted in estimator.seen[1:]:
            for n, donor in enumerate(rng.permutation(3)):
                expected = series[lengths[n], lengths[donor]]
                assert permuted[n] == expected

    def test_blocks_part_the_relative_time(self):
        X = [np.zeros((length, 1)) for length in (6, 6, 2)]
        X = [x + n for n, x in enumerate(X)]
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(
            estimator, X, None, n_repeats=30, time_blocks=3, random_state=np.random.RandomState(0)
        )
        changed = [np.zeros((3, len(x)), dtype=bool) for x in X]
        for k, permuted in enumerate(estimator.seen[1:]):
            for n, x in enumerate(permuted):
                changed[n][k // 30] |= (x != X[n])[:, 0]
        np.testing.assert_array_equal(changed[0], np.repeat(np.eye(3), 2, axis=1))
        np.testing.assert_array_equal(changed[2], [[1, 0], [0, 0], [0, 1]])

    def test_a_block_comes_from_the_same_time(self):
        X = np.arange(12.0).reshape(2, 6, 1)
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, n_repeats=4, time_blocks=3, random_state=0)
        rng = np.random.default_rng(0)
        donors = [rng.permutation(2) for _ in range(4)]
        for k, permuted in enumerate(estimator.seen[1:]):
            steps = slice(2 * (k // 4), 2 * (k // 4) + 2)
            expected = X.copy()
            expected[:, steps] = X[donors[k % 4], steps]
            np.testing.assert_array_equal(permuted, expected)

    def test_categories_of_pandas_that_are_numbers_stay_categories(self):
        pandas = pytest.importorskip("pandas", reason="data frames of pandas")
        X = [pandas.DataFrame({"k": [1, 2]}, dtype="category"),
             pandas.DataFrame({"k": [3]}, dtype="category")]  # fmt: skip
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, random_state=0)
        assert {str(x["k"].dtype) for X in estimator.seen for x in X} == {"category"}
        assert {tuple(x["k"]) for X in estimator.seen for x in X} == {(1, 2), (3, 3), (3,), (2,)}

    def test_tables_stay_tables(self):
        X = np.arange(12.0).reshape(4, 3)
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, random_state=0)
        assert all(seen.shape == (4, 3) for seen in estimator.seen)
        assert {tuple(row) for row in estimator.seen[1]} == {tuple(row) for row in X}

    def test_the_estimator_finds_the_faults_of_X(self):
        X, y = make_problem(RNNClassifier)
        model = small(RNNClassifier).fit(X, y)
        with pytest.raises(ValueError, match="sequence 1 has 2 features, expected 3"):
            permutation_importance(model, [X[0], X[1][:, :2]], y[:2])
        with pytest.raises(ValueError, match="X has 3 sequences, y has 2 entries"):
            permutation_importance(model, X[:3], y[:2])

    def test_kinds_of_numbers_stay(self):
        X = [np.ones((3, 2), dtype=np.float32), np.zeros((5, 2), dtype=np.float32)]
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, random_state=0)
        assert {x.dtype for X in estimator.seen for x in X} == {np.dtype("float32")}
        assert all(
            (x == n).all() for n, x in zip((1, 0), X, strict=True)
        )  # the given are as before

    def test_tokens(self):
        X = [["a", "longer", "word"], ["b", "c", "d", "e"], ["f"]]
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, random_state=0, n_repeats=9)
        seen = {tuple(sequence) for X in estimator.seen for sequence in X}
        assert ("b", "d", "e") in seen
        assert ("a", "longer", "longer", "word") in seen  # not cut to the width of "b"
        assert ("f", "f", "f") in seen
        assert all(type(sequence) is list for X in estimator.seen for sequence in X)

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_data_frames(self, library):
        module = pytest.importorskip(library, reason=f"data frames of {library}")
        category = "category" if library == "pandas" else module.Categorical
        X = [module.DataFrame({"x": [0.5] * n, "word": list(word)})
             for n, word in ((3, "abc"), (2, "de"))]  # fmt: skip
        if library == "pandas":
            X = [x.astype({"word": category}) for x in X]
        else:
            X = [x.with_columns(module.col("word").cast(category)) for x in X]
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, random_state=1)
        words = {"".join(x["word"].to_list()) for X in estimator.seen for x in X}
        assert words == {"abc", "de", "dee", "ac"}
        assert all(list(x.columns) == ["x", "word"] for X in estimator.seen for x in X)
        for seen in estimator.seen:
            for x in seen:
                assert [frames.is_categorical(x, j) for j in (0, 1)] == [False, True]
        assert "".join(X[0]["word"].to_list()) == "abc"

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_tables_in_data_frames(self, library):
        module = pytest.importorskip(library, reason=f"data frames of {library}")
        values = np.arange(12.0).reshape(3, 4)
        X = module.DataFrame({name: values[:, j] for j, name in enumerate("abcd")})
        estimator = Recorder(lambda X, y: 0.0)
        permutation_importance(estimator, X, None, n_repeats=1, time_blocks=2, random_state=1)
        _, first, second = (np.asarray(X) for X in estimator.seen)
        donors = np.random.default_rng(1).permutation(3)
        np.testing.assert_array_equal(first, np.hstack([values[donors, :2], values[:, 2:]]))
        np.testing.assert_array_equal(second, np.hstack([values[:, :2], values[donors, 2:]]))
        assert all(list(X.columns) == list("abcd") for X in estimator.seen)

    def test_is_the_fall_of_the_score(self):
        X, y = make_sequences(), np.arange(3.0)
        estimator = Recorder(lambda X, y: y.sum() + sum(x[:, 1].sum() for x in X))
        result = permutation_importance(
            estimator, X, y, n_repeats=3, random_state=0, sample_weight=[1, 0, 3]
        )
        scores = [4 * (y.sum() + sum(x[:, 1].sum() for x in X)) for X in estimator.seen]
        expected = scores[0] - np.reshape(scores[1:], (2, 3))
        np.testing.assert_allclose(result.importances, expected, rtol=1e-12)
        np.testing.assert_allclose(result.importances[0], 0, atol=1e-12)
        assert np.abs(result.importances[1]).max() > 0.1

    def test_threads_and_seeds(self):
        X, y = make_problem(RNNClassifier)
        model = small(RNNClassifier).fit(X, y)
        first, *others = [
            permutation_importance(
                model, X, y, time_blocks=2, random_state=seed, n_jobs=n_jobs
            ).importances
            for seed, n_jobs in [(0, None), (0, 2), (np.random.default_rng(0), 4), (1, None)]
        ]
        np.testing.assert_array_equal(others[0], first)
        np.testing.assert_array_equal(others[1], first)
        assert not np.array_equal(others[2], first)

    def test_scoring(self):
        X, y = make_problem(RNNClassifier)
        model = small(RNNClassifier).fit(X, y)

        def error(estimator, X, y):
            return -np.mean(estimator.predict(X) != y)

        default = permutation_importance(model, X, y, random_state=0)
        own = permutation_importance(model, X, y, scoring=error, random_state=0)
        np.testing.assert_allclose(own.importances, default.importances, atol=1e-12)
        if importlib.util.find_spec("sklearn"):
            named = permutation_importance(model, X, y, scoring="accuracy", random_state=0)
            np.testing.assert_allclose(named.importances, default.importances, atol=1e-12)

    def test_names_of_scorers_need_sklearn(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "sklearn.metrics", None)
        with pytest.raises(ImportError, match="pip install scikit-learn, or give a callable"):
            permutation_importance(Recorder(len), make_sequences(), None, scoring="accuracy")

    def test_attributes_of_the_result_are_entries(self):
        estimator = Recorder(lambda X, y: 0.0)
        result = permutation_importance(estimator, make_sequences(), None, random_state=0)
        assert isinstance(result, Importances)
        assert list(result) == ["importances_mean", "importances_std", "importances"]
        assert dict(result) == vars(result) and len(result) == 3
        assert "importances" in result and "importance" not in result
        with pytest.raises(AttributeError, match="has no attribute 'importance'"):
            result.importance  # noqa: B018
        for name in ("importance", "__class__", "_mean"):
            with pytest.raises(KeyError, match=name):
                result[name]
        copied = pickle.loads(pickle.dumps(result))
        np.testing.assert_array_equal(copied.importances, result.importances)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"n_repeats": 0}, ValueError, "n_repeats must be at least 1, got 0"),
            ({"n_repeats": 2.0}, TypeError, r"n_repeats must be an integer, got 2\.0"),
            ({"time_blocks": 0}, ValueError, "time_blocks must be at least 1, got 0"),
            ({"time_blocks": True}, TypeError, "time_blocks must be an integer, got True"),
            ({"n_jobs": 0}, ValueError, "n_jobs"),
            ({"scoring": 3}, TypeError, "scoring must be a name, a callable or None, got int"),
            ({"X": [[1.0, 2.0]]}, ValueError, "X has 1 sequence"),
            ({"X": ["one text", "another"]}, TypeError, "sequence 0 is of type str, expected an"),
            ({"estimator": object()}, TypeError, "object has no method score: give scoring"),
        ],
    )
    def test_bad_input(self, options, error, message):
        arguments = {"estimator": Recorder(lambda X, y: 0.0), "X": make_sequences(), "y": None}
        with pytest.raises(error, match=message):
            permutation_importance(**{**arguments, **options})
