"""Networks whose sequences lie in partitions: sums in a tree, shares, gradients of the whole."""

import numpy as np
import pytest
from gradient_cases import (
    LOSS,
    POOLING,
    loss_and_grad,
    make_network,
    make_task,
    places_of,
    relative_error,
)

from fastrnn.network.partitioned import Directory, PartitionedNetwork, Share, add_in_tree


class TestTree:
    @pytest.mark.parametrize(
        ("n", "expected"),
        [
            (1, "0"),
            (2, "(0+1)"),
            (3, "((0+1)+2)"),
            (4, "((0+1)+(2+3))"),
            (5, "(((0+1)+(2+3))+4)"),
            (7, "(((0+1)+(2+3))+((4+5)+6))"),
        ],
    )
    def test_shape(self, n, expected):
        values = {k: str(k) for k in range(n)}
        assert add_in_tree(values, n, "({}+{})".format) == expected

    def test_shape_where_some_places_have_nothing(self):
        """What is there is added where it would be: nobody moves up because others are missing."""
        add = "({}+{})".format
        assert add_in_tree({1: "1", 2: "2", 5: "5"}, 8, add) == "((1+2)+5)"
        assert add_in_tree({3: "3"}, 4, add) == "3"
        assert add_in_tree({}, 4, add) is None

    def test_order_in_which_values_come_does_not_matter(self):
        values = {4: "4", 0: "0", 3: "3", 1: "1"}
        add = "({}+{})".format
        assert add_in_tree(values, 5, add) == add_in_tree(dict(sorted(values.items())), 5, add)
        assert len(values) == 4, "the values of the caller were taken away"


class TestDirectory:
    directory = Directory([np.array([3, 1]), np.array([], int), np.array([2, 2, 9]), np.array([7])])

    def test_all_sequences_in_order(self):
        assert len(self.directory) == 6
        assert self.directory.lengths.tolist() == [3, 1, 2, 2, 9, 7]

    def test_minibatch_is_split_in_the_order_of_its_sequences(self):
        split = dict(self.directory.split(np.array([5, 4, 0, 2, 1])))
        assert {k: own.tolist() for k, own in split.items()} == {0: [0, 1], 2: [2, 0], 3: [0]}
        assert list(split) == [0, 2, 3]

    def test_all_partitions_are_mixed_as_one_process_does(self):
        kept = np.array([0, 2, 3, 5])
        mixed = self.directory.mix(kept, np.random.default_rng(0))
        assert mixed.tolist() == np.random.default_rng(0).permutation(kept).tolist()

    @pytest.mark.parametrize("at_once", [1, 2, 4])
    def test_so_many_at_once_are_mixed(self, at_once):
        """In another order in every epoch; one of the partitions has no weight, and is left out."""
        lengths, rng = [np.ones(n, int) for n in (4, 4, 2, 4, 4)], np.random.default_rng(0)
        directory, kept = Directory(lengths, at_once), np.delete(np.arange(18), [8, 9])
        orders = [directory.mix(kept, rng).tolist() for _ in range(20)]
        assert len({tuple(order) for order in orders}) == 20
        for order in orders:
            assert sorted(order) == kept.tolist()
            of_each = (np.searchsorted(directory.starts, order, side="right") - 1).tolist()
            last, most = {k: n for n, k in enumerate(of_each)}, 0
            for n in range(len(order)):
                begun = {k for k in of_each[: n + 1] if last[k] >= n}
                most = max(most, len(begun))
            assert 1 <= most <= at_once
        if at_once > 1:
            assert any(order[0] // 4 != order[1] // 4 for order in orders), "nothing is mixed"


def in_partitions(network, task, ends, pooling, *, alike=True):
    """The same network on sequences cut after some numbers; `run` is what a crew does."""
    n = len(task.sequences.lengths)
    members = np.split(np.arange(n), ends)
    own_networks = [
        make_network("lstm", pooling=pooling, loss=network.loss, alpha=network.alpha,
                     dropout=network.dropout) for _ in members
    ]  # fmt: skip
    rows = [
        np.concatenate([np.atleast_1d(places_of(task, i, pooling)) for i in own]) for own in members
    ]

    def run(theta, shares, variation, bptt_steps, n_jobs):
        assert variation is None
        found = {}
        for k, share in shares.items():
            loss = own_networks[k].loss_and_grad(
                task.sequences.take(members[k]), share.indices, task.target[rows[k]],
                task.weight[rows[k]], theta=theta, seed=share.seed, bptt_steps=bptt_steps,
                n_jobs=n_jobs,
                total=None if share.total is None else lambda own, total=share.total: total,
            )  # fmt: skip
            found[k] = (loss, own_networks[k].grad.copy())
        return add_in_tree(found, len(members), lambda a, b: (a[0] + b[0], a[1] + b[1]))

    directory = Directory([task.sequences.lengths[own] for own in members])
    per_sequence = np.array([task.weight[places_of(task, i, pooling)].sum() for i in range(n)])
    return PartitionedNetwork(network, run), directory, per_sequence


def cases(pooling, loss, **options):
    network = make_network("lstm", pooling=pooling, loss=loss, **options)
    network.loss, network.alpha = loss, options.get("alpha", 0.0)
    network.dropout = options.get("dropout", 0.0)
    return network, make_task(B=6, pooling=pooling, loss=loss)


class TestGradients:
    @LOSS
    @POOLING
    @pytest.mark.parametrize("bptt_steps", [None, 2])
    def test_those_of_partitions_are_that_of_the_whole(self, loss, pooling, bptt_steps):
        network, task = cases(pooling, loss, alpha=0.3)
        value, grad = loss_and_grad(network, task, bptt_steps=bptt_steps)
        for ends in ([], [3], [1, 4], [2, 3, 7]):
            joint, directory, weight = in_partitions(network, task, ends, pooling)
            actual = joint.loss_and_grad(
                directory, task.indices, None, weight, bptt_steps=bptt_steps
            )
            assert actual == pytest.approx(value, rel=1e-13)
            assert relative_error(joint.grad, grad) < 1e-13
            assert joint.grad is network.grad

    def test_minibatch_in_one_partition_has_the_bits_of_one_process(self):
        """Masks too: the share at the first place draws them as one process does."""
        network, task = cases("last", "log_loss", dropout=0.5)
        for indices in (np.array([1, 0, 2]), np.array([5, 3])):
            task.indices = indices
            value, grad = loss_and_grad(network, task, seed=3)
            joint, directory, weight = in_partitions(network, task, [3], "last")
            rng = np.random.default_rng(3)
            assert joint.loss_and_grad(directory, indices, None, weight, rng=rng) == value
            np.testing.assert_array_equal(joint.grad, grad)

    def test_partitions_are_told_masks_of_their_own_and_the_weight_of_all(self):
        network, _ = cases("last", "log_loss", dropout=0.5)
        told = []

        def run(theta, shares, *others):
            told.append(shares)
            return 1.5, np.ones_like(theta)

        joint = PartitionedNetwork(network, run)
        directory, weight = Directory([np.array([3, 1]), np.array([2, 2])]), np.arange(1.0, 5.0)
        rng, theta = np.random.default_rng(0), np.arange(network.theta.size) / 7.0
        indices = np.array([3, 0, 1])
        loss = joint.loss_and_grad(directory, indices, None, weight, theta=theta, rng=rng)
        joint.loss_and_grad(directory, np.array([3]), None, weight, rng=rng)
        joint.loss_and_grad(directory, np.array([3]), None, weight)
        assert loss == 1.5
        np.testing.assert_array_equal(network.theta, theta)
        np.testing.assert_array_equal(network.grad, 1.0)
        both, one, without = told
        assert all(isinstance(share, Share) for share in both.values())
        assert [share.indices.tolist() for share in both.values()] == [[0, 1], [1]]
        assert [share.total for share in both.values()] == [7.0, 7.0]
        assert both[0].seed[0] == both[1].seed[0]
        assert [share.seed[1] for share in both.values()] == [0, 1]
        assert one[1].total is None
        assert one[1].seed[1] == 0
        assert one[1].seed[0] != both[0].seed[0]
        assert without[1].seed is None
