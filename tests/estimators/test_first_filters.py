"""The first filters of estimators: drawn, and turned for what the first `fit` was given."""

from itertools import pairwise

import numpy as np
import pytest

from fastrnn import RNNClassifier, RNNRegressor, RNNSeq2Seq, RNNTagger
from fastrnn.estimators.joint_fitting import fit_jointly
from fastrnn.estimators.partitions import InTurn, Partition
from fastrnn.network import Network
from fastrnn.network.filters import products_of, whiten

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

CONV = ((6, 5, 2),)
STILL = {
    "hidden_layer_sizes": 3, "max_iter": 1, "random_state": 0, "learning_rate_init": 1e-30,
    "dtype": "float64", "alpha": 0.0, "conv": CONV,
}  # fmt: skip
"""So that what is fitted is what training began with."""


def make(lengths=(60, 41, 90, 52), D=2, seed=0):
    rng = np.random.default_rng(seed)
    X = [np.cumsum(rng.normal(size=(n, D)), axis=0) for n in lengths]
    return X, np.arange(len(X)) % 2


def drawn(model):
    """The filters as they are drawn."""
    network = Network(model.network_.architecture, random_state=model.random_state)
    return network.first_filters.copy()


def turned(model, X, weight=None):
    """The filters as they should be: `X` as it is read, and its products."""
    sequences = model.reader_.read(X, model.network_.dtype)
    filters = drawn(model)
    weight = np.ones(len(X)) if weight is None else weight
    whiten(filters, products_of(sequences, weight, len(filters)))
    return filters


def filters_of(model):
    return model.network_.first_filters


class TestFit:
    @pytest.mark.parametrize("cls", [RNNClassifier, RNNRegressor, RNNTagger])
    def test_they_are_turned_for_the_data(self, cls):
        X, y = make()
        if cls is RNNTagger:
            y = [np.arange(len(x)) % 2 for x in X]
        model = cls(**STILL).fit(X, y)
        np.testing.assert_allclose(filters_of(model), turned(model, X), rtol=1e-10)
        assert np.abs(filters_of(model) - drawn(model)).max() > 0.1

    def test_those_of_an_encoder(self):
        X, _ = make()
        y = [["a", "b"], ["b"], ["a"], ["b", "a"]]
        fitted = [RNNSeq2Seq(**STILL).fit([unit * x for x in X], y) for unit in (1.0, 1e3)]
        filters = [filters_of(model) for model in fitted]
        np.testing.assert_allclose(*filters, rtol=1e-6)
        others = RNNSeq2Seq(**STILL).fit([np.sign(x) for x in X], y)
        assert np.abs(filters_of(others) - filters[0]).max() > 0.01

    @pytest.mark.parametrize(("lengths", "is_turned"), [((39, 39, 90), False), ((40, 1, 40), True)])
    def test_those_of_short_sequences_stay(self, lengths, is_turned):
        X, _ = make(lengths)
        model = RNNClassifier(**STILL).fit(X, [0, 1, 0])
        assert np.array_equal(filters_of(model), drawn(model)) != is_turned

    @pytest.mark.parametrize("conv", [((6, 1, 2),), None], ids=str)
    def test_without_several_steps_there_is_nothing_to_turn(self, conv):
        X, y = make()
        model = RNNClassifier(**STILL | {"conv": conv}).fit(X, y)
        if conv:
            np.testing.assert_array_equal(filters_of(model), drawn(model))
        else:
            assert filters_of(model) is None

    def test_patches_and_ids_have_none_that_read_numbers(self):
        X, y = make()
        patched = RNNClassifier(**STILL, stride=2).fit(X, y)
        assert filters_of(patched) is None
        rng = np.random.default_rng(0)
        ids = [rng.integers(0, 4, 60) for _ in y]
        tokens = RNNClassifier(**STILL, embedding_dim=3).fit(ids, y)
        np.testing.assert_array_equal(filters_of(tokens), drawn(tokens))

    def test_ids_beside_numbers(self):
        X, y = make()
        X = [np.column_stack([x, np.arange(len(x)) % 3]) for x in X]
        model = RNNClassifier(**STILL, categorical_features=[2]).fit(X, y)
        assert filters_of(model).shape[1] > 2
        np.testing.assert_array_equal(filters_of(model)[:, 2:], drawn(model)[:, 2:])
        np.testing.assert_allclose(filters_of(model), turned(model, X), rtol=1e-10)

    def test_numbers_too_small_to_be_compared_leave_directions(self):
        X, y = make()
        model = RNNClassifier(**STILL, scaling=None).fit([1e-200 * x for x in X], y)
        factor = np.sqrt(2.0 / np.square(drawn(model)).sum(axis=(0, 1)))
        np.testing.assert_allclose(filters_of(model), factor * drawn(model), rtol=1e-10)

    def test_a_column_that_does_not_vary(self):
        X, y = make()
        X = [np.column_stack([x, np.full(len(x), 7.0)]) for x in X]
        model = RNNClassifier(**STILL).fit(X, y)
        np.testing.assert_allclose(filters_of(model), turned(model, X), rtol=1e-10)
        ratio = filters_of(model)[:, 2] / drawn(model)[:, 2]
        np.testing.assert_allclose(ratio, ratio[:1].repeat(5, axis=0), rtol=1e-10)


class TestWeights:
    def test_sequences_without_one_are_not_looked_at(self):
        X, y = make((60, 41, 90, 52, 70, 64))
        weight = np.array([1.0, 1.0, 0.0, 2.0, 1.0, 0.0])
        model = RNNClassifier(**STILL).fit(X, y, sample_weight=weight)
        kept = [0, 1, 3, 3, 4]
        copies = RNNClassifier(**STILL).fit([X[i] for i in kept], y[kept])
        np.testing.assert_allclose(filters_of(model), filters_of(copies), rtol=1e-8)
        plain = RNNClassifier(**STILL).fit(X, y)
        assert np.abs(filters_of(model) - filters_of(plain)).max() > 1e-3

    def test_of_steps(self):
        X, _ = make()
        y = [np.arange(len(x)) % 2 for x in X]
        weight = [np.full(len(x), float(k != 2)) for k, x in enumerate(X)]
        model = RNNTagger(**STILL).fit(X, y, sample_weight=weight)
        some = RNNTagger(**STILL).fit([X[i] for i in (0, 1, 3)], [y[i] for i in (0, 1, 3)])
        means = np.array([step.mean() for step in weight])
        np.testing.assert_allclose(filters_of(model), turned(model, X, means), rtol=1e-10)
        np.testing.assert_allclose(filters_of(model), filters_of(some), rtol=1e-8)

    def test_those_of_classes_do_not_count(self):
        X, y = make()
        model = RNNClassifier(**STILL, class_weight={0: 5.0, 1: 1.0}).fit(X, y)
        plain = RNNClassifier(**STILL).fit(X, y)
        np.testing.assert_array_equal(filters_of(model), filters_of(plain))


class TestGoingOn:
    def test_partial_fit_turns_them_once(self):
        X, y = make()
        model = RNNClassifier(**STILL).partial_fit(X, y, classes=[0, 1])
        first = filters_of(model).copy()
        np.testing.assert_allclose(first, turned(model, X), rtol=1e-10)
        model.partial_fit(make(seed=1)[0], y)
        np.testing.assert_allclose(filters_of(model), first, rtol=1e-10)

    def test_warm_start_leaves_them(self):
        X, y = make()
        model = RNNClassifier(**STILL, warm_start=True).fit(X, y)
        first = filters_of(model).copy()
        model.fit(make(seed=1)[0], y)
        np.testing.assert_allclose(filters_of(model), first, rtol=1e-10)


class TestPartitions:
    @pytest.mark.parametrize("sizes", [(6,), (2, 4), (3, 1, 2)], ids=str)
    def test_they_are_turned_for_all(self, sizes):
        X, y = make((60, 41, 90, 52, 70, 64))
        ends = np.cumsum([0, *sizes])
        parts = [(X[begin:end], y[begin:end], None) for begin, end in pairwise(ends)]
        crew = InTurn([Partition(k, *part) for k, part in enumerate(parts)])
        joint = fit_jointly(RNNClassifier(**STILL), crew)
        twin = RNNClassifier(**STILL).fit(X, y)
        np.testing.assert_allclose(filters_of(joint), filters_of(twin), rtol=1e-8)

    def test_how_long_sequences_are_is_that_of_all(self):
        X, y = make((60, 61, 20, 21, 22, 23))
        crew = InTurn([Partition(0, X[:2], y[:2], None), Partition(1, X[2:], y[2:], None)])
        joint = fit_jointly(RNNClassifier(**STILL), crew)
        np.testing.assert_array_equal(filters_of(joint), drawn(joint))

    def test_going_on_leaves_them(self):
        X, y = make()
        joint = RNNClassifier(**STILL, warm_start=True).fit(X, y)
        first = filters_of(joint).copy()
        others = make(seed=1)[0]
        fit_jointly(joint, InTurn([Partition(0, others, y, None)]))
        np.testing.assert_allclose(filters_of(joint), first, rtol=1e-10)
