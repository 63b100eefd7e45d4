"""Encoder-decoder networks and pairs of sequences for their tests."""

from types import SimpleNamespace

import numpy as np
from gradient_cases import CELLS

from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.inputs.sequences import Sequences
from fastrnn.network import Architecture
from fastrnn.network.encoder_decoder import EncoderDecoder, Layers
from fastrnn.network.pair_network import EncoderDecoderNetwork

ATTENTIONS = ("dot", "general", "additive")


def make_pair(
    attention="general",
    *,
    cells=("lstm", "gru"),
    bidirectional=True,
    sizes=((4, 3), (5, 4)),
    D=2,
    E=3,
    K=3,
    ids=True,
    tied=False,
    dtype="float64",
    front=None,
    input_feeding=False,
    noise=0.5,
    **options,
):
    """An architecture of both, and a network whose parameters are far from those of the start."""
    of_encoder, of_decoder = sizes
    width = of_encoder[-1] * (2 if bidirectional else 1)
    if attention == "dot":
        of_decoder = (*of_decoder[:-1], width)
    parts = [{"cell": CELLS[cell][0], "cell_options": CELLS[cell][1]} for cell in cells]
    encoder = Layers(
        n_features=D,
        embeddings=((6, 3),) if ids else (),
        hidden_layer_sizes=of_encoder,
        bidirectional=bidirectional,
        dtype=dtype,
        **parts[0],
        **(front or {}),
    )
    decoder = Architecture(
        n_features=of_decoder[-1] if input_feeding else 0,
        embeddings=((K + 1, of_decoder[-1] if tied else E),),
        tied=tied,
        hidden_layer_sizes=of_decoder,
        pooling="steps",
        n_outputs=K + 1,
        dtype=dtype,
        **parts[1],
    )
    architecture = EncoderDecoder(
        encoder=encoder, decoder=decoder, attention=attention, input_feeding=input_feeding
    )
    network = EncoderDecoderNetwork(architecture, random_state=0, **options)
    network.theta += noise * np.random.default_rng(1).standard_normal(network.theta.shape)
    if "rnn-relu" in cells:
        network.theta += noise * ~network.decayed
    return network


def make_pairs(
    lengths=(3, 1, 5, 2, 4, 2), label_lengths=(2, 1, 3, 4, 0, 1), D=2, K=3, dtype="float64"
):
    """Sequences of numbers and ids, with labels and weights; all but the last are a minibatch."""
    rng = np.random.default_rng(2)
    n = len(lengths)
    values = rng.standard_normal((sum(lengths), D)).astype(dtype)
    ids = rng.integers(6, size=(sum(lengths), 1))
    sequences = Sequences(values, np.cumsum([0, *lengths]), ids=ids)
    target = LabelSequences.from_lists([rng.integers(K, size=size) for size in label_lengths])
    weight = rng.uniform(0.2, 2.0, n).astype(dtype)
    indices = rng.permutation(max(1, n - 1))
    return SimpleNamespace(sequences=sequences, indices=indices, target=target, weight=weight)


def take(task, which):
    """Some of the pairs, all of them a minibatch."""
    return SimpleNamespace(
        sequences=task.sequences.take(which),
        indices=np.arange(len(which)),
        target=task.target.take(which),
        weight=task.weight[which],
    )
