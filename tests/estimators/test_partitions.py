"""Estimators trained on partitions of data: one is the twin to the bit, several learn the same."""

import numpy as np
import pytest
from partition_cases import (  # noqa: F401, a fixture
    ESTIMATORS,
    assert_same,
    cut,
    few_epochs_do_not_converge,
    make_data,
    small,
    targets_of,
)

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.partitions import InTurn, Partition
from fastrnn.network import rounding
from fastrnn.network.partitioned import Share, Step, Walk
from fastrnn.training.budget import Budget
from fastrnn.training.state import Settings

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

    def test_another_course(self, monkeypatch):
        budget = Budget(n_sequences=100, fewest_epochs=1, most_epochs=9, again_between=(0.1, 1.0))
        monkeypatch.setattr(RNNClassifier, "budget", budget)
        X, _ = make_data()
        y, params = targets_of(RNNClassifier, X), {"max_iter": "auto"}
        joint = fit_jointly(small(RNNClassifier, **params), cut(X, y))
        assert_same(joint, small(RNNClassifier, **params).fit(X, y))
        assert joint.n_iter_ == 4

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


class TestLocalSteps:
    """Partitions step by themselves, and take the mean: another model, but always the same."""

    CASES = (
        {}, {"solver": "sgd"}, {"solver": "sgd", "momentum": 0.0}, {"solver": "rmsprop"},
        {"solver": "adamw", "learning_rate": "cosine"}, {"dropout": 0.3, "clip_norm": 0.05},
        {"alpha": 1.0, "dtype": "float64"},
    )  # fmt: skip

    @pytest.mark.parametrize("params", CASES, ids=str)
    @pytest.mark.parametrize("estimator", [RNNClassifier, RNNTagger])
    def test_of_one_partition_they_are_those_of_the_twin(self, estimator, params):
        X, weight = make_data()
        y = targets_of(estimator, X)
        params = {"batch_size": 7, "max_iter": 2, **params}
        twin = small(estimator, **params).fit(X, y, sample_weight=weight)
        for steps in (1, 3):
            joint = fit_jointly(small(estimator, **params), cut(X, y, weight), local_steps=steps)
            np.testing.assert_array_equal(joint.network_.theta, twin.network_.theta)
            assert joint.loss_curve_ == pytest.approx(twin.loss_curve_, rel=1e-6)
            assert joint.gradient_norms_ == pytest.approx(twin.gradient_norms_, rel=1e-6)

    def test_one_of_several_partitions_is_a_step_of_all(self):
        X, weight = make_data()
        y = targets_of(RNNRegressor, X)
        one, other = (
            fit_jointly(small(RNNRegressor), cut(X, y, weight, [5, 30]), **options)
            for options in ({}, {"local_steps": 1})
        )
        assert_same(one, other)

    @pytest.mark.parametrize("params", CASES, ids=str)
    def test_by_hand(self, params):
        """Unshuffled, each minibatch is of one partition, which goes as if it were alone."""
        X, weight = make_data(80)
        y = targets_of(RNNClassifier, X)
        params = {
            **params, "dropout": 0.0, "batch_size": 20, "shuffle": False, "max_iter": 1,
            "dtype": "float64", "learning_rate": "constant", "scaling": None, "conv": None,
        }  # fmt: skip
        joint, again = (
            fit_jointly(small(RNNClassifier, **params), cut(X, y, weight, [40]), local_steps=4)
            for _ in range(2)
        )
        assert_same(joint, again)
        total = expected = 0.0
        for own in (slice(40), slice(40, None)):
            alone = small(RNNClassifier, **params).fit(X[own], y[own], sample_weight=weight[own])
            expected = expected + weight[own].sum() * alone.network_.theta
            total += weight[own].sum()
        np.testing.assert_allclose(joint.network_.theta, expected / total, rtol=1e-12, atol=1e-14)
        together = fit_jointly(small(RNNClassifier, **params), cut(X, y, weight, [40]))
        assert np.abs(together.network_.theta - joint.network_.theta).max() > 1e-6

    def test_a_share_is_all_that_a_partition_knows(self):
        """Its loss and gradient are means over the share, whatever others have of the minibatch."""
        X, weight = make_data(20)
        crew = cut(X, targets_of(RNNRegressor, X), weight)
        fit_jointly(small(RNNRegressor, dtype="float64", alpha=0.0), crew)
        (partition,), indices = crew.partitions, np.arange(5, 12)
        own, settings = weight[indices].sum(), Settings(solver="sgd", momentum=0.0, clip_norm=0.1)
        start = partition.network.theta[np.newaxis].copy()
        ends = []
        for total in (None, 10 * own):
            step = Step(Share(indices, None, total), own, 0.5, 0.5)
            told = Walk([step, step], 0.25), None, settings, [], {}
            ends.append(partition.walk(start, *told))
        for one, other in zip(*ends, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
        assert np.abs(4 * ends[0][1] - start).max() > 1e-3
        assert np.linalg.norm(4 * ends[0][1] - start) <= 2 * 0.5 * 0.1 + 1e-12  # it is clipped

    def test_it_learns(self):
        X, _ = make_data(90, 4, 9)
        y = targets_of(RNNRegressor, X)
        params = {"batch_size": 9, "max_iter": 40, "learning_rate_init": 0.01}
        for steps in (2, 5):
            joint = fit_jointly(
                small(RNNRegressor, **params), cut(X, y, None, [20, 55]), local_steps=steps
            )
            twin = small(RNNRegressor, **params).fit(X, y)
            assert joint.loss_ < 0.2 * joint.loss_curve_[0]
            assert joint.score(X, y) > twin.score(X, y) - 0.1

    def test_lost_is_named(self):
        X, _ = make_data()
        y = targets_of(RNNRegressor, X)
        model = small(RNNRegressor, solver="sgd", learning_rate_init=1e30, clip_norm=None)
        with pytest.raises(ValueError, match="of epoch 1"):
            fit_jointly(model, cut(X, y, None, [20]), local_steps=2)


class TestPartitionsThatDoNotCount:
    """One whose weights are all 0 adds nothing to a score; where all are, there is none."""

    @ESTIMATORS
    def test_scores_while_training(self, estimator):
        X, _ = make_data()
        y = targets_of(estimator, X)
        nothing = Partition(0, X[:5], y[:5], np.zeros(5))
        counts = cut(X[5:30], y[5:30], np.arange(25.0), [11]).partitions
        one, other = (
            fit_jointly(small(estimator), cut(X, y, None, [20]), InTurn(scored))
            for scored in (counts, [counts[0], nothing, counts[1]])
        )
        assert_same(one, other)
        assert all(map(np.isfinite, one.validation_scores_))
        with pytest.raises(ValueError, match="nothing to score in any partition"):
            fit_jointly(small(estimator), cut(X, y), InTurn([nothing]))

    def test_labels_that_are_left_out(self):
        X, _ = make_data()
        y = targets_of(RNNTagger, X)
        none = Partition(0, X[:5], [[None] * len(x) for x in X[:5]])
        counts = cut(X[5:], y[5:]).partitions
        one, other = (
            fit_jointly(small(RNNTagger), cut(X, y), InTurn(scored))
            for scored in (counts, [none, *counts])
        )
        assert one.validation_scores_ == other.validation_scores_
