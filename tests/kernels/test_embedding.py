"""No id leads out of a table, whatever it comes from."""

import numpy as np
import pytest

from fastrnn.estimators import RNNLanguageModel
from fastrnn.inputs.sequences import as_sequences
from fastrnn.kernels.embedding import embedding_forward
from fastrnn.network.architecture import Architecture
from fastrnn.network.network import Network

# Short trainings end at max_iter, which is not what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")

V, E = 5, 3
BEYOND = [-1, V, -(2**63), 2**63 - 1, 2**62]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("wrong", [None, *BEYOND])
def test_ids_that_are_no_rows(wrong, dtype):
    rng = np.random.default_rng(0)
    table = rng.standard_normal((V, E)).astype(dtype)
    ids = rng.integers(0, V, (7, 2))
    rows, x = np.array([6, 0, 3, 3]), np.full((4, E + 2), 9.0, dtype)
    if wrong is not None:
        ids[3, 1] = wrong
        ids[0, 0] = wrong  # not in the column that is read
    assert embedding_forward(table, ids, 1, rows, x, 1) is (wrong is None)
    n = 4 if wrong is None else 2
    np.testing.assert_array_equal(x[:n, 1:-1], table[ids[rows[:n], 1]])
    assert (x[n:] == 9).all() and (x[:, [0, -1]] == 9).all()


@pytest.mark.parametrize("wrong", BEYOND)
def test_networks_refuse_ids_that_are_no_rows(wrong):
    architecture = Architecture(
        n_features=0, n_outputs=2, hidden_layer_sizes=(4,), embeddings=((V, E),), head="log_loss"
    )
    network = Network(architecture, random_state=0)
    ids = np.array([[0, 1, 4], [2, 3, 1]])
    sequences = as_sequences(ids, dtype="float32", categorical_features="all")
    assert np.isfinite(network.predict(sequences)).all()
    sequences.ids.flags.writeable = True
    sequences.ids[4] = wrong
    target, weight = np.array([0, 1]), np.ones(2, "float32")
    for use in (
        lambda: network.final_states(sequences),
        lambda: network.predict(sequences),
        lambda: network.loss_and_grad(sequences, np.arange(2), target, weight),
        lambda: network.mean_loss(sequences, target, weight),
    ):
        with pytest.raises(ValueError, match=r"no row of the network's table, of 5"):
            use()


def _refit(model):
    model.encoder_.fit(["p p q q r r s s t t u u a"])


def _extended(model):
    size = len(model.tokens_)
    model.tokens_.append("a")
    model.encoder_.vocabulary_["a"] = size


def _below(model):
    model.encoder_.vocabulary_["a"] = -1


@pytest.mark.parametrize("is_long", [False, True])
@pytest.mark.parametrize("change", [_refit, _extended, _below])
def test_language_models_whose_encoder_was_changed(change, is_long):
    X = "a b c a c b d b c a" if is_long else ["a b c d", "b c a"]
    model = RNNLanguageModel(4, batch_size=2, tokenizer="word", max_iter=1, random_state=0).fit(X)
    theta = model.network_.theta.copy()
    change(model)
    given = "b a" if is_long else ["b a"]
    for use in (
        lambda: model.next_proba("b a"),
        lambda: model.sample("a", 2),
        lambda: model.score(given),
        lambda: model.perplexity(given),
        lambda: model.partial_fit(given),
    ):
        with pytest.raises(ValueError, match=r"but the model has learned those from 0 to \d: its"):
            use()
    np.testing.assert_array_equal(model.network_.theta, theta)
    with pytest.raises(ValueError, match="feature 0 of x is"):
        model.stream().step("a")
