"""What is wrong in a partition of data, or with several of them, is named."""

import numpy as np
import pytest
from partition_cases import few_epochs_do_not_converge, make_data, small  # noqa: F401, a fixture

from fastrnn import RNNClassifier, RNNLanguageModel, RNNRegressor, RNNTagger
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.partitions import InTurn, Partition


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

    def test_estimators_without_partitions(self):
        with pytest.raises(TypeError, match="classifiers, regressors, taggers and forecasters can"):
            fit_jointly(RNNLanguageModel(), self.crew(self.one))

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
