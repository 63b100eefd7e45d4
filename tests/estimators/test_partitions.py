"""Estimators trained on partitions of data: one is the twin to the bit, several learn the same."""

import itertools
import warnings

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.partitions import InTurn, Partition
from fastrnn.network import rounding
from fastrnn.training.budget import Budget


def make_data(n=48, low=2, high=12, seed=0):
    rng = np.random.default_rng(seed)
    X = [rng.normal(3.0, 2.0, (rng.integers(low, high), 3)) for _ in range(n)]
    return X, rng.random(n) + 0.1


def targets_of(estimator, X):
    means = np.array([x[:, 0].mean() for x in X])
    if estimator is RNNTagger:
        return [np.where(x[:, 0] > 3.0, "up", "down") for x in X]
    if estimator is RNNRegressor:
        return 10.0 + 5.0 * means
    return np.where(means > 3.3, "up", np.where(means < 2.7, "down", "level"))


def cut(X, y, sample_weight=None, ends=()):
    """A crew of partitions: what lies before, between and after some numbers of sequences."""
    ends = [0, *ends, len(X)]
    weights = [None if sample_weight is None else sample_weight[a:b] for a, b in pairs(ends)]
    return InTurn(
        [
            Partition(k, X[a:b], y[a:b], weight)
            for k, ((a, b), weight) in enumerate(zip(pairs(ends), weights, strict=True))
        ]
    )


def pairs(ends):
    return list(itertools.pairwise(ends))


def small(estimator, **params):
    plain = {"hidden_layer_sizes": 5, "max_iter": 3, "random_state": 1, "batch_size": 20}
    return estimator(**{**plain, "dropout": 0.0, **params})


@pytest.fixture(autouse=True)
def few_epochs_do_not_converge():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Training (stopped|has)|.*learned nothing")
        yield


def assert_same(a, b):
    """The same model to the bit, with the same history, and the same random numbers to come."""
    np.testing.assert_array_equal(a.network_.theta, b.network_.theta)
    assert a.network_.architecture == b.network_.architecture
    fitted = {name for name in vars(a) if name.endswith("_")}
    assert fitted == {name for name in vars(b) if name.endswith("_")}
    for name in fitted - {"network_", "reader_", "task_", "training_state_"}:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.training_state_.rng.random() == b.training_state_.rng.random()
    assert a.training_state_.t == b.training_state_.t


ESTIMATORS = pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor, RNNTagger])
CASES = {
    "plain": {},
    "sgd": {"solver": "sgd", "learning_rate": "adaptive"},
    "adamw": {"solver": "adamw", "clip_norm": 0.1},
    "rmsprop": {"solver": "rmsprop"},
    "lbfgs": {"solver": "lbfgs"},
    "dropout": {"dropout": 0.4, "recurrent_dropout": 0.3, "hidden_layer_sizes": (5, 4)},
    "zoneout": {"zoneout": 0.3},
    "float64": {"dtype": "float64", "alpha": 0.1},
    "truncated": {"bptt_steps": 3},
    "both ways": {"bidirectional": True, "cell": "gru", "n_jobs": 2},
    "robust": {"scaling": "robust"},
    "minmax": {"scaling": "minmax"},
    "unscaled": {"scaling": None, "shuffle": False},
    "strides": {"stride": 2, "conv": None},
}


class TestOnePartition:
    """It is told what the twin knows, and computes as it does."""

    @ESTIMATORS
    @pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
    @pytest.mark.parametrize("case", CASES)
    def test_parameters(self, estimator, case, weighted):
        X, weight = make_data()
        y, weight = targets_of(estimator, X), weight if weighted else None
        params = CASES[case]
        if "stride" in params and estimator is RNNTagger:
            params = {"stride": 2}
        twin = small(estimator, **params).fit(X, y, sample_weight=weight)
        assert_same(fit_jointly(small(estimator, **params), cut(X, y, weight)), twin)

    @pytest.mark.parametrize(
        ("estimator", "params"),
        [
            (RNNClassifier, {"class_weight": "balanced"}),
            (RNNClassifier, {"class_weight": {"up": 3.0, "down": 0.5}}),
            (RNNTagger, {"class_weight": "balanced"}),
            (RNNTagger, {"class_weight": {"up": 3.0}}),
            (RNNTagger, {"output": "crf"}),
            (RNNTagger, {"output": "crf", "dropout": 0.3, "solver": "sgd"}),
            (RNNRegressor, {"loss": "quantile", "quantile": (0.1, 0.5)}),
            (RNNRegressor, {"loss": "poisson"}),
            (RNNRegressor, {"pooling": "mean", "loss": "quantile"}),
        ],
        ids=str,
    )
    def test_targets(self, estimator, params):
        X, weight = make_data()
        y = targets_of(estimator, X)
        for given in (None, weight):
            twin = small(estimator, **params).fit(X, y, sample_weight=given)
            assert_same(fit_jointly(small(estimator, **params), cut(X, y, given)), twin)

    def test_label_sets_and_several_numbers(self):
        X, _ = make_data()
        y = np.array([(x[:, :2].mean(axis=0) > 3.0) for x in X]).astype(int)
        assert_same(fit_jointly(small(RNNClassifier), cut(X, y)), small(RNNClassifier).fit(X, y))
        y = np.array([x[:, :2].mean(axis=0) for x in X])
        assert_same(fit_jointly(small(RNNRegressor), cut(X, y)), small(RNNRegressor).fit(X, y))

    def test_long_sequences_are_augmented(self):
        X, _ = make_data(20, 220, 260)
        y = targets_of(RNNRegressor, X)
        for params in ({"augment": "auto"}, {"augment": 1.0, "stride": 4, "conv": None}):
            twin = small(RNNRegressor, **params).fit(X, y)
            assert_same(fit_jointly(small(RNNRegressor, **params), cut(X, y)), twin)
        other = small(RNNRegressor, augment=None, stride=4, conv=None).fit(X, y)
        assert not np.array_equal(other.network_.theta, twin.network_.theta), "nothing augmented"

    @pytest.mark.parametrize("missing", ["mask", "decay"])
    def test_gaps_and_times(self, missing):
        X, _ = make_data()
        y = targets_of(RNNClassifier, X)
        for x in X:
            x[::3, 1] = np.nan
            x[:, 2] = np.cumsum(np.abs(x[:, 2]) + 0.1)
        params = {"missing": missing, "time_feature": 2}
        twin = small(RNNClassifier, **params).fit(X, y)
        assert_same(fit_jointly(small(RNNClassifier, **params), cut(X, y)), twin)

    def test_categories_and_padding(self):
        rng = np.random.default_rng(0)
        X = [rng.integers(0, 7, rng.integers(2, 9)) for _ in range(40)]
        y = np.array([x[0] > 3 for x in X])
        twin = small(RNNClassifier, embedding_dim=3).fit(X, y)
        assert_same(fit_jointly(small(RNNClassifier, embedding_dim=3), cut(X, y)), twin)
        padded = np.full((40, 9, 2), np.nan)
        for i, x in enumerate(X):
            padded[i, : len(x)] = x[:, np.newaxis]
        twin = small(RNNClassifier, padding="nan").fit(padded, y)
        assert_same(fit_jointly(small(RNNClassifier, padding="nan"), cut(padded, y)), twin)

    def test_bfloat16(self, monkeypatch):
        monkeypatch.setattr(rounding, "has_bfloat16", lambda: True)  # slowly, where it is not there
        X, _ = make_data()
        y = targets_of(RNNClassifier, X)
        twin = small(RNNClassifier, precision="bfloat16").fit(X, y)
        assert_same(fit_jointly(small(RNNClassifier, precision="bfloat16"), cut(X, y)), twin)

    @ESTIMATORS
    def test_warm_start(self, estimator):
        X, weight = make_data()
        y = targets_of(estimator, X)
        params = {"class_weight": "balanced"} if estimator is not RNNRegressor else {}
        twin, joint = (small(estimator, warm_start=True, **params).fit(X, y) for _ in range(2))
        twin.fit(X, y, sample_weight=weight)
        assert_same(fit_jointly(joint, cut(X, y, weight)), twin)

    @ESTIMATORS
    @pytest.mark.parametrize("solver", ["adam", "lbfgs"])
    def test_validation(self, estimator, solver):
        X, weight = make_data()
        y = targets_of(estimator, X)
        params = {"solver": solver, "early_stopping": True, "max_iter": 6, "n_iter_no_change": 2}
        twin = small(estimator, **params).fit(X, y, validation_data=(X[:9], y[:9], weight[:9]))
        scored = cut(X[:9], y[:9], weight[:9])
        assert_same(fit_jointly(small(estimator, **params), cut(X, y), scored), twin)

    def test_partial_fit_goes_on_from_it(self):
        X, _ = make_data()
        y = targets_of(RNNClassifier, X)
        twin = small(RNNClassifier).fit(X, y)
        assert_same(
            fit_jointly(small(RNNClassifier), cut(X, y)).partial_fit(X, y), twin.partial_fit(X, y)
        )


class TestSeveralPartitions:
    ENDS = (5, 30)

    @ESTIMATORS
    @pytest.mark.parametrize("case", sorted({*CASES} - {"robust"}))
    def test_same_bits_however_often(self, estimator, case):
        X, weight = make_data()
        y, params = targets_of(estimator, X), CASES[case]
        if "stride" in params and estimator is RNNTagger:
            params = {"stride": 2}
        a, b = (
            fit_jointly(small(estimator, **params), cut(X, y, weight, self.ENDS)) for _ in range(2)
        )
        assert_same(a, b)

    def test_some_at_once(self):
        """All of them is what None says; a single one asks few partitions for a minibatch."""
        X, weight = make_data()
        y, asked = targets_of(RNNClassifier, X), []
        models = []
        for at_once in (None, 1, 1):
            crew = cut(X, y, weight, (16, 32))

            def run(theta, shares, *told, run=crew.run):
                asked.append(len(shares))
                return run(theta, shares, *told)

            crew.run = run
            models.append(fit_jointly(small(RNNClassifier, batch_size=8), crew, at_once=at_once))
        assert max(asked[:18]) == 3
        assert asked[18:] == [1] * 36
        assert_same(*models[1:])
        assert not np.array_equal(models[0].network_.theta, models[1].network_.theta)

    @ESTIMATORS
    @pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "adamw"])
    def test_minibatches_that_lie_in_one_each_give_the_twins_bits(self, estimator, solver):
        X, weight = make_data()
        y = targets_of(estimator, X)
        if estimator is RNNRegressor:  # whose mean and deviation would differ in the last bits
            y = np.tile([1.0, -1.0], 24) + 5.0
            weight = None
        params = {"solver": solver, "shuffle": False, "scaling": None, "batch_size": 16}
        params |= {"dropout": 0.3, "n_jobs": 2}
        twin = small(estimator, **params).fit(X, y, sample_weight=weight)
        joint = fit_jointly(small(estimator, **params), cut(X, y, weight, (16, 32)))
        np.testing.assert_array_equal(joint.network_.theta, twin.network_.theta)
        assert joint.loss_curve_ == twin.loss_curve_

    @ESTIMATORS
    @pytest.mark.parametrize(
        "params",
        [{"batch_size": 48}, {"solver": "lbfgs"}, {"batch_size": 7, "solver": "sgd", "alpha": 0.1}],
        ids=str,
    )
    def test_in_float64_it_learns_what_the_twin_does(self, estimator, params):
        X, weight = make_data()
        y, params = targets_of(estimator, X), {"dtype": "float64", **params}
        if estimator is not RNNRegressor:
            params["class_weight"] = "balanced"
        twin = small(estimator, **params).fit(X, y, sample_weight=weight)
        joint = fit_jointly(small(estimator, **params), cut(X, y, weight, self.ENDS))
        np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(joint.loss_curve_, twin.loss_curve_, rtol=1e-9)

    def test_dropout_and_augmentation_differ_between_partitions(self):
        """The same sequences in both: were their noise the same, so would the gradients be."""
        X, _ = make_data(8, 220, 260)
        y = targets_of(RNNRegressor, X)
        params = {"augment": 1.0, "stride": 4, "conv": None, "batch_size": 16, "max_iter": 1}
        params |= {"scaling": None, "dtype": "float64"}
        for noise in ({}, {"augment": None, "dropout": 0.5}):
            crew = InTurn([Partition(0, X, y), Partition(1, X, y)])
            losses, run = [], crew.run

            def keep(theta, shares, *told, crew=crew, losses=losses):
                parts = [
                    crew.partitions[k].gradient(theta, share, *told)[0]
                    for k, share in shares.items()
                ]
                losses.append(parts)
                return run(theta, shares, *told)  # noqa: B023

            crew.run = keep
            fit_jointly(small(RNNRegressor, **params | noise), crew)
            assert losses[0][0] != losses[0][1]

    def test_what_are_no_measurements_anywhere_is_not_augmented(self):
        params = {"augment": "auto"}
        X = [np.round(x) for x in make_data(20, 220, 260)[0]]
        y = targets_of(RNNRegressor, X)
        twin = small(RNNRegressor, **params).fit(X, y)
        assert_same(fit_jointly(small(RNNRegressor, **params), cut(X, y)), twin)
        X[15] += 0.01 * np.arange(len(X[15]))[:, np.newaxis]  # measured in one of two partitions
        a = fit_jointly(small(RNNRegressor, **params), cut(X, y, ends=(12,)))
        b = fit_jointly(small(RNNRegressor, augment=None), cut(X, y, ends=(12,)))
        assert not np.array_equal(a.network_.theta, b.network_.theta)

    def test_course_of_training_depends_on_sequences_with_a_weight(self, monkeypatch):
        budget = Budget(n_sequences=90, small_batch=4, fewest_epochs=1, most_epochs=50)
        monkeypatch.setattr(RNNClassifier, "budget", budget)
        X, weight = make_data()
        weight[np.arange(48) % 3 > 0] = 0.0
        y, params = targets_of(RNNClassifier, X), {"max_iter": "auto", "batch_size": "auto"}
        joint = fit_jointly(small(RNNClassifier, **params), cut(X, y, weight, self.ENDS))
        twin = small(RNNClassifier, **params).fit(X, y, sample_weight=weight)
        assert (joint.n_iter_, joint.t_) == (twin.n_iter_, twin.t_) == (5, 80)

    def test_partition_of_one_class(self):
        X, _ = make_data()
        y = np.array(targets_of(RNNClassifier, X))
        order = np.argsort(y, kind="stable")
        X, y = [X[i] for i in order], y[order]
        ends = np.flatnonzero(y[1:] != y[:-1]) + 1
        params = {"dtype": "float64", "class_weight": "balanced", "batch_size": 48}
        joint = fit_jointly(small(RNNClassifier, **params), cut(X, y, ends=ends))
        twin = small(RNNClassifier, **params).fit(X, y)
        assert joint.classes_.tolist() == ["down", "level", "up"]
        np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=1e-7, atol=1e-9)

    def test_sequences_without_weight_are_left_out(self):
        X, weight = make_data()
        y = targets_of(RNNClassifier, X)
        weight[::2] = 0.0
        weight[31:47] = 0.0
        params = {"dtype": "float64", "batch_size": 7}
        joint = fit_jointly(small(RNNClassifier, **params), cut(X, y, weight, self.ENDS))
        twin = small(RNNClassifier, **params).fit(X, y, sample_weight=weight)
        assert joint.t_ == twin.t_
        np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=1e-7, atol=1e-9)

    @ESTIMATORS
    def test_warm_start(self, estimator):
        X, weight = make_data()
        y, params = targets_of(estimator, X), {"dtype": "float64", "warm_start": True}
        twin, joint = (small(estimator, **params).fit(X, y) for _ in range(2))
        twin.fit(X, y, sample_weight=weight)
        fit_jointly(joint, cut(X, y, weight, self.ENDS))
        np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=1e-7, atol=1e-9)


class TestWhatIsLearnedOfData:
    """Scales, means of gaps, classes and targets of several partitions are those of the whole."""

    ENDS = (3, 4, 30)

    def fit_both(self, estimator, X, y, weight=None, **params):
        params = {"dtype": "float64", "max_iter": 1, **params}
        twin = small(estimator, **params).fit(X, y, sample_weight=weight)
        return twin, fit_jointly(small(estimator, **params), cut(X, y, weight, self.ENDS))

    @pytest.mark.parametrize("scaling", ["standard", "minmax"])
    @pytest.mark.parametrize("estimator", [RNNClassifier, RNNTagger])
    @pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
    def test_scaling(self, estimator, scaling, weighted):
        X, weight = make_data()
        for x in X:
            x[:, 1] = 1e6 + 1e-3 * x[:, 1]
            x[:, 2] = 7.0
        X[3] = np.full((2, 3), 7.0)  # a partition in which nothing varies
        y = targets_of(estimator, X)
        y[3] = ["up", "up"] if estimator is RNNTagger else "up"
        weight[::3] = 0.0
        weight[3] = 1.0
        twin, joint = self.fit_both(estimator, X, y, weight if weighted else None, scaling=scaling)
        a, b = joint.reader_.scaling, twin.reader_.scaling
        np.testing.assert_allclose(a.center, b.center, rtol=1e-12)
        np.testing.assert_allclose(a.factor, b.factor, rtol=1e-12)

    @pytest.mark.parametrize("scaling", [None, "standard"])
    def test_gaps_and_times(self, scaling):
        X, _ = make_data()
        y = targets_of(RNNClassifier, X)
        for x in X:
            x[::3, 1] = np.nan
            x[:, 2] = np.cumsum(np.abs(x[:, 2]) + 0.1)
        X[3][:, 1] = np.nan  # a partition in which a column is never seen
        twin, joint = self.fit_both(
            RNNClassifier, X, y, missing="decay", time_feature=2, scaling=scaling
        )
        a, b = joint.reader_.gaps, twin.reader_.gaps
        np.testing.assert_allclose(a.mean, b.mean, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(a.unit, b.unit, rtol=1e-12)
        assert (a.missing, a.time, a.is_date, a.both_ways) == (
            b.missing, b.time, b.is_date, b.both_ways
        )  # fmt: skip

    @pytest.mark.parametrize("loss", ["squared_error", "quantile", "poisson"])
    @pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
    def test_numbers(self, loss, weighted):
        X, weight = make_data()
        y = np.array([[x[:, 0].mean() + 1e4, abs(x[0, 1]), 5.0] for x in X])
        twin, joint = self.fit_both(
            RNNRegressor, X, y, weight if weighted else None, loss=loss, quantile=(0.1, 0.5)
        )
        np.testing.assert_allclose(joint.y_mean_, twin.y_mean_, rtol=1e-12)
        # A deviation is as exact as a mean 10 000 times as large.
        np.testing.assert_allclose(joint.y_scale_, twin.y_scale_, rtol=1e-10)

    def test_categories_are_those_of_all(self):
        pandas = pytest.importorskip("pandas")
        words = np.array(["a", "b", "c", "d", "e"])
        rng = np.random.default_rng(0)
        frames = [
            pandas.DataFrame({"word": words[rng.integers(0, 2 + i // 16, 6)], "n": rng.random(6)})
            for i in range(48)
        ]
        y = np.arange(48) % 2
        twin, joint = self.fit_both(RNNClassifier, frames, y, categorical_features=["word"])
        assert joint.reader_.columns == twin.reader_.columns
        assert joint.n_categories_ == twin.n_categories_ == (4,)
        np.testing.assert_array_equal(joint.feature_names_in_, ["word", "n"])
        np.testing.assert_allclose(joint.network_.theta, twin.network_.theta, rtol=1e-7, atol=1e-9)

    def test_ids_are_as_many_as_the_largest_partition_has(self):
        X = [np.full(3, 1 + i // 16) for i in range(48)]
        twin, joint = self.fit_both(RNNClassifier, X, np.arange(48) % 2, embedding_dim=2)
        assert joint.n_categories_ == twin.n_categories_ == (4,)


class TestScores:
    """Those of partitions, joined, are the score of the whole."""

    @pytest.mark.parametrize(
        ("estimator", "params"),
        [
            (RNNClassifier, {}),
            (RNNRegressor, {}),
            (RNNRegressor, {"loss": "quantile", "quantile": 0.3}),
            (RNNRegressor, {"loss": "poisson"}),
            (RNNTagger, {}),
            (RNNTagger, {"output": "crf"}),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("weighted", [False, True], ids=["alike", "weighted"])
    def test_joined(self, estimator, params, weighted):
        X, weight = make_data()
        y, weight = targets_of(estimator, X), weight if weighted else None
        params = {"dtype": "float64", "early_stopping": True, **params}
        whole = fit_jointly(small(estimator, **params), cut(X, y), cut(X, y, weight))
        for ends in ((20,), (1, 7, 8, 30)):
            joint = fit_jointly(small(estimator, **params), cut(X, y), cut(X, y, weight, ends))
            np.testing.assert_allclose(
                joint.validation_scores_, whole.validation_scores_, rtol=1e-12, atol=1e-13
            )

    def test_label_sets_and_outputs_that_do_not_vary(self):
        X, _ = make_data()
        params = {"dtype": "float64", "early_stopping": True}
        y = np.array([(x[:, :2].mean(axis=0) > 3.0) for x in X]).astype(int)
        numbers = np.array([[x[:, 0].mean(), 5.0] for x in X])
        for estimator, target in ((RNNClassifier, y), (RNNRegressor, numbers)):
            scores = [
                fit_jointly(
                    small(estimator, **params), cut(X, target), cut(X, target, ends=ends)
                ).validation_scores_
                for ends in ((), (1, 9))
            ]
            np.testing.assert_allclose(*scores, rtol=1e-12)


class TestErrors:
    def crew(self, *partitions):
        return InTurn([Partition(k, *given) for k, given in enumerate(partitions)])

    def refused(self, *partitions, match, error=ValueError, estimator=RNNClassifier, **params):
        with pytest.raises(error, match=match):
            fit_jointly(small(estimator, **params), self.crew(*partitions))

    one = (make_data(4)[0], ["a", "b", "a", "b"])

    def test_of_one_partition_names_it(self):
        X, y = make_data(4)[0], ["a", "b", "a", "b"]
        X[2][0, 1] = np.nan
        self.refused(self.one, (X, y), match=r"^partition 1: sequence 2, time step 0, feature 1 is")
        self.refused(self.one, (X, y[:3]), match="^partition 1: ")
        self.refused((self.one[0], y, [0.0] * 4), self.one, match="^partition 0: .*zero for every")

    def test_other_columns(self):
        narrow = ([x[:, :2] for x in self.one[0]], self.one[1])
        self.refused(self.one, narrow, match="partition 1 has columns of width 2, partition 0 3")
        table = (np.ones((4, 3)), self.one[1])
        wide = (np.ones((4, 3, 1)), self.one[1])
        self.refused(wide, table, match="partition 1 is a table of 3 columns, partition 0 no table")

    def test_other_names_of_columns(self):
        pandas = pytest.importorskip("pandas")
        frames = [[pandas.DataFrame({name: [1.0, 2.0]}) for _ in range(4)] for name in "xy"]
        self.refused(
            *((X, self.one[1]) for X in frames),
            match=r"partition 1 has columns of names \('y',\), partition 0 \('x',\)",
        )

    def test_categories_in_some(self):
        pandas = pytest.importorskip("pandas")
        frames = [
            [pandas.DataFrame({"x": [1.0, 2.0], "id": ids}) for _ in range(4)]
            for ids in (["a", "b"], [0, 1])
        ]
        self.refused(
            *((X, self.one[1]) for X in frames), categorical_features=["id"],
            match="column 1 has categories in some partitions, ids in others",
        )  # fmt: skip

    def test_other_kinds_of_targets(self):
        X = self.one[0]
        self.refused(
            self.one, (X, [0, 1, 0, 1]),
            match="^the labels in y of partition 1: numbers, partition 0: strings",
        )  # fmt: skip
        self.refused(self.one, (X, np.eye(4, dtype=int)), match="^y of partition 1: label_sets")
        self.refused(
            (X, np.eye(4, dtype=int)), (X, np.eye(4, 3, dtype=int)),
            match=r"in y of partition 1: \(3, None\), partition 0: \(4, None\)",
        )  # fmt: skip
        self.refused(
            (X, [1.0] * 4), (X, np.ones((4, 2))), estimator=RNNRegressor,
            match="^whether y is flat.* partition 1",
        )  # fmt: skip
        self.refused(
            (X, np.ones((4, 3))), (X, np.ones((4, 2))), estimator=RNNRegressor,
            match="^columns of y in partition 1: 2, partition 0: 3",
        )  # fmt: skip

    @pytest.mark.parametrize("estimator", [RNNClassifier, RNNTagger])
    def test_one_class_in_all(self, estimator):
        X = self.one[0]
        y = ["a"] * 4 if estimator is RNNClassifier else [["a"] * len(x) for x in X]
        self.refused((X, y), (X, y), match="y has one class only, 'a'", estimator=estimator)
        other = ["b"] * 4 if estimator is RNNClassifier else [["b"] * len(x) for x in X]
        fit_jointly(small(estimator), self.crew((X, y), (X, other)))

    def test_labels_that_are_all_left_out(self):
        X = self.one[0]
        y, none = [["a", "b"] * 20] * 4, [[None] * len(x) for x in X]
        y = [row[: len(x)] for row, x in zip(y, X, strict=True)]
        self.refused(
            (X, y), (X, none), match="^partition 1: y has no step that counts", estimator=RNNTagger
        )

    def test_robust_scaling_needs_one_place(self):
        self.refused(self.one, self.one, match="all numbers in one place", scaling="robust")

    def test_class_weight_of_no_class(self):
        self.refused(self.one, self.one, match="has the label 'c'", class_weight={"c": 1.0})

    def test_early_stopping_needs_validation_data(self):
        self.refused(self.one, match="needs validation_data", early_stopping=True)

    def test_validation_data(self):
        X, _ = self.one
        scored = self.crew(self.one, (X, ["a", "b", "a", "c"]))
        with pytest.raises(ValueError, match=r"^partition 1: validation_data: .*the label 'c'"):
            fit_jointly(small(RNNClassifier), self.crew(self.one), scored)

    @pytest.mark.parametrize("estimator", [RNNForecaster, RNNLanguageModel])
    def test_estimators_without_partitions(self, estimator):
        with pytest.raises(TypeError, match="classifiers, regressors and taggers can"):
            fit_jointly(estimator(), self.crew(self.one))

    def test_invalid_parameter(self):
        self.refused(self.one, match="max_iter", max_iter=0)

    def test_other_classes_than_before(self):
        X, y = self.one
        model = small(RNNClassifier, warm_start=True).fit(X, y)
        for labels in (["a", "c", "a", "a"], ["a", "b", "c", "a"]):
            with pytest.raises(ValueError, match=r"fitted model, which has classes \['a', 'b'\]"):
                fit_jointly(model, self.crew((X, labels), (X, ["a"] * 4)))
        three = small(RNNClassifier, warm_start=True).fit(X, ["a", "b", "c", "a"])
        with pytest.raises(ValueError, match=r"but y has \['a', 'b'\]"):
            fit_jointly(three, self.crew((X, y), (X, y)))

    def test_failed_fit_leaves_the_model_as_it_was(self):
        X, y = self.one
        model = small(RNNClassifier).fit(X, y)
        before = {name: id(value) for name, value in vars(model).items()}
        theta = model.network_.theta.copy()
        bad = [x[:, :2] for x in X]
        with pytest.raises(ValueError, match="partition 1"):
            fit_jointly(model, self.crew(self.one, (bad, y)))
        crew = self.crew(self.one, self.one)

        def run(*told):
            raise MemoryError("lost")

        crew.run = run
        with pytest.raises(MemoryError, match="lost"):
            fit_jointly(model, crew)
        assert {name: id(value) for name, value in vars(model).items()} == before
        np.testing.assert_array_equal(model.network_.theta, theta)


def test_partition_is_made_anew_from_what_it_is_told():
    """A crew may lose one at any time: what has read the brief answers with the same bits."""
    X, weight = make_data(20, 220, 260)
    y = targets_of(RNNRegressor, X)
    params = {"augment": 1.0, "dropout": 0.3, "stride": 4, "conv": None}
    expected = fit_jointly(small(RNNRegressor, **params), cut(X, y, weight, (12,)))
    crew = cut(X, y, weight, (12,))
    crew_run = crew.run

    def run(*told):
        lost = crew.partitions[1]
        crew.partitions[1] = Partition(1, *lost.given)
        crew.partitions[1].begin(lost.brief)
        return crew_run(*told)

    crew.run = run
    assert_same(fit_jointly(small(RNNRegressor, **params), crew), expected)
