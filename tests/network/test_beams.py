"""Beam search: against all label sequences there are, greedy search, batch mates, lengths."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from pair_cases import make_pair, make_pairs, take

from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.network.telling import for_all_targets


def all_lists(K, max_length):
    return [
        list(labels)
        for length in range(max_length + 1)
        for labels in itertools.product(range(K), repeat=length)
    ]


def log_likelihoods(network, sequences, n, lists):
    """Of many label sequences of sequence n."""
    return network.log_likelihoods(
        sequences.take([n] * len(lists)), LabelSequences.from_lists(lists)
    )


def next_outputs(network, sequences, labels):
    """The head's outputs after these labels, of one sequence."""
    rows = []

    def collect(outputs, told, batch):
        rows.append(outputs[-1].copy())

    for_all_targets(network, sequences, LabelSequences.from_lists([labels]), None, collect)
    return rows[0]


@pytest.fixture(scope="module", name="case", params=[False, True], ids=["plain", "input feeding"])
def fixture_case(request):
    network = make_pair("additive", noise=0.9, input_feeding=request.param)
    network.decoder.head.params["b"][-1] += (
        0.8 if request.param else 1.5
    )  # some end before they must
    return SimpleNamespace(network=network, task=make_pairs())


class TestExhaustive:
    @pytest.mark.parametrize("length_normalization", [0.0, 0.7, 2.0])
    def test_a_wide_beam_finds_the_best_of_all(self, case, length_normalization):
        network, sequences = case.network, case.task.sequences
        found = network.search(
            sequences, max_length=3, beam_size=120, n_best=40,
            length_normalization=length_normalization,
        )  # fmt: skip
        lists = all_lists(3, 3)
        for n, best in enumerate(found):
            logs = log_likelihoods(network, sequences, n, lists)
            lengths = np.array([len(labels) + 1 for labels in lists])
            order = np.argsort(-logs / lengths**length_normalization)
            assert [labels.tolist() for labels, _ in best] == [lists[k] for k in order]
            np.testing.assert_allclose([log for _, log in best], logs[order], rtol=1e-10)

    def test_few_are_the_first_of_many(self, case):
        network, sequences = case.network, case.task.sequences
        many = network.search(sequences, max_length=3, beam_size=120, n_best=40)
        few = network.search(sequences, max_length=3, beam_size=120, n_best=2)
        for some, best in zip(few, many, strict=True):
            assert [labels.tolist() for labels, _ in some] == [
                labels.tolist() for labels, _ in best[:2]
            ]

    def test_a_wider_beam_finds_what_is_more_probable(self, case):
        network, sequences = case.network, case.task.sequences
        logs = [
            [best[0][1] for best in network.search(sequences, max_length=6, beam_size=beam_size)]
            for beam_size in (1, 500)
        ]
        assert (np.array(logs[1]) >= np.array(logs[0]) - 1e-12).all()
        assert (np.array(logs[1]) > np.array(logs[0]) + 1e-6).any()


def test_a_beam_of_one_is_greedy(case):
    network, task, max_length = case.network, case.task, 5
    found = network.search(task.sequences, max_length=max_length)
    some_end, some_do_not = 0, 0
    for n, ((labels, log),) in enumerate(found):
        one, said = task.sequences.take([n]), []
        while len(said) < max_length:
            label = int(next_outputs(network, one, said).argmax())
            if label == network.boundary:
                some_end += 1
                break
            said.append(label)
        else:
            some_do_not += 1
        assert labels.tolist() == said
        np.testing.assert_allclose(
            log, log_likelihoods(network, task.sequences, n, [said])[0], rtol=1e-10
        )
    assert some_end
    assert some_do_not


def test_a_sequence_is_told_the_same_alone(case):
    network, task = case.network, case.task
    options = {"max_length": 4, "beam_size": 3, "n_best": 3, "length_normalization": 1.0}
    together = network.search(task.sequences, **options)
    for n, best in enumerate(together):
        (alone,) = network.search(take(task, [n]).sequences, **options)
        assert [labels.tolist() for labels, _ in alone] == [labels.tolist() for labels, _ in best]
        np.testing.assert_allclose([log for _, log in alone], [log for _, log in best], rtol=1e-10)


def test_each_sequence_may_have_a_length_of_its_own(case):
    network, sequences = case.network, case.task.sequences
    most = np.arange(len(sequences))
    found = network.search(sequences, max_length=most, beam_size=4, length_normalization=3.0)
    for n, ((labels, _),) in enumerate(found):
        (((alone, _),),) = network.search(
            sequences.take([n]), max_length=n, beam_size=4, length_normalization=3.0
        )
        assert len(labels) <= n
        assert labels.tolist() == alone.tolist()


def test_the_same_on_any_number_of_threads(monkeypatch):
    monkeypatch.setattr("fastrnn.network.threads.WORTHWHILE_FLOPS", 0)
    network = make_pair(dtype="float32")
    rng = np.random.default_rng(4)
    task = make_pairs(rng.integers(1, 6, 150), np.zeros(150, int), dtype="float32")
    results = [
        network.search(task.sequences, max_length=5, beam_size=3, n_best=2, n_jobs=n_jobs)
        for n_jobs in (None, 3)
    ]
    for mine, its in zip(*results, strict=True):
        assert [(labels.tolist(), log) for labels, log in mine] == [
            (labels.tolist(), log) for labels, log in its
        ]
