"""The dry run of an encoder-decoder network takes what the real one takes, but no memory."""

import tracemalloc

import numpy as np
import pytest
from pair_cases import ATTENTIONS, make_pair, make_pairs

from fastrnn.network.network import Network
from fastrnn.network.pair_counting import CountedEncoderDecoder
from fastrnn.network.pair_network import EncoderDecoderNetwork

OPTIONS = {
    "plain": {},
    "dropout": {"dropout": 0.2, "recurrent_dropout": 0.3},
    "tied": {"tied": True, "dtype": "float32"},
    "front": {"front": {"stride": 2, "conv": ((4, 3, 2),)}},
    "feeding": {"input_feeding": True},
}
OF_TRAINING = ("dropout", "recurrent_dropout")


@pytest.fixture
def workspaces(monkeypatch):
    """All workspaces that networks make."""
    made = []
    for kind in (Network, EncoderDecoderNetwork):
        make = kind.make_workspace

        def record(network, make=make):
            made.append(make(network))
            return made[-1]

        monkeypatch.setattr(kind, "make_workspace", record)
    return made


def indices_nbytes(n, T):
    return 8 * (2 * n + T + T + n * T + n * T + n)


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(("n", "n_shards"), [(1, 1), (5, 1), (64, 2)])
def test_a_lesson(attention, name, n, n_shards, workspaces):
    S, T = 6, 4
    options = OPTIONS[name]
    real = make_pair(attention, **options)
    of_training = {key: options[key] for key in OF_TRAINING if key in options}
    counted = CountedEncoderDecoder(real.architecture, **of_training)
    assert counted.nbytes == real.theta.nbytes + real.grad.nbytes + real.decayed.nbytes
    workspaces.clear()
    task = make_pairs([S] * n, [T - 1] * n, dtype=options.get("dtype", "float64"))
    indices = np.arange(n)
    real.loss_and_grad(
        task.sequences, indices, task.target, task.weight, rng=np.random.default_rng(0)
    )
    taken = sum(workspace.nbytes for workspace in workspaces)
    size = n // n_shards
    expected = counted.count_lesson((size, size * S, size * T), n_shards, 1)
    assert taken == expected - n_shards * (indices_nbytes(size, S) + indices_nbytes(size, T))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_search(name, workspaces):
    n, S, beam_size = 5, 6, 3
    options = OPTIONS[name]
    real = make_pair(**options)
    counted = CountedEncoderDecoder(real.architecture)
    workspaces.clear()
    task = make_pairs([S] * n, [0] * n, dtype=options.get("dtype", "float64"))
    real.search(task.sequences, max_length=4, beam_size=beam_size)
    taken = sum(workspace.nbytes for workspace in workspaces)
    assert 0.9 * taken <= counted.count_prediction(n, n * S, beam_size, 1) <= 2 * taken + 10000


def test_counting_takes_no_memory_however_much_is_counted():
    architecture = make_pair().architecture
    counted = CountedEncoderDecoder(architecture)
    counted.count_lesson((10, 100, 100), 1, 1)
    tracemalloc.start()
    try:
        one, two = (counted.count_lesson((16, 10**8, 10**7), 2, n) for n in (1, 2))
        assert two - one > 10**8 * 10 * 8
        assert counted.count_prediction(16, 10**8, 4, 1) > 10**8 * 6 * 8
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
