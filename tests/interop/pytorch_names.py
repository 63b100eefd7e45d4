"""Modules of PyTorch, and their names and arrays for tests that need no PyTorch."""

import numpy as np

# Number of gates, our layer with its options, and PyTorch's module.
KINDS = {
    "rnn-tanh": (1, "RNN", {"nonlinearity": "tanh"}),
    "rnn-relu": (1, "RNN", {"nonlinearity": "relu"}),
    "gru": (3, "GRU", {}),
    "lstm": (4, "LSTM", {}),
}


def state_dict(n_gates=4, D=3, H=4, *, n_layers=1, ways=1, prefix="", K=None, V=None, seed=0):
    """Names and random arrays of a recurrent module, and of `fc` and `emb` if asked."""
    rng = np.random.default_rng(seed)
    shapes = {} if V is None else {"emb.weight": (V, D)}
    for k in range(n_layers):
        for way in ("", "_reverse")[:ways]:
            for kind, width in (("ih", ways * H if k else D), ("hh", H)):
                shapes[f"{prefix}weight_{kind}_l{k}{way}"] = (n_gates * H, width)
            for kind in ("ih", "hh"):
                shapes[f"{prefix}bias_{kind}_l{k}{way}"] = (n_gates * H,)
    if K is not None:
        shapes |= {"fc.weight": (K, ways * H), "fc.bias": (K,)}
    return {name: rng.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def make_network(torch, kind, D, H, *, K, V=None, pooling="last", ways=1, dtype="float32"):
    """A module as docs/coming-from-pytorch.md shows it, with what it reads of ragged sequences."""
    _, name, options = KINDS[kind]

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            if V is not None:
                self.embedding = torch.nn.Embedding(V, D)
            self.recurrent = getattr(torch.nn, name)(
                D, H, num_layers=2, bidirectional=ways == 2, **options
            )
            self.head = torch.nn.Linear(ways * H * (1 + pooling.count("+")), K)

        def forward(self, sequences):
            """Outputs of each sequence by itself, (K,) or (T, K)."""
            results = []
            for x in sequences:
                x = torch.as_tensor(x)
                x = x if V is None else self.embedding(x)
                states, h = self.recurrent(x)
                h = h[0] if name == "LSTM" else h
                read = {
                    "last": torch.cat(tuple(h[-ways:])),
                    "mean": states.mean(0),
                    "max": states.max(0).values,
                    "steps": states,
                }
                read = torch.cat([read[part] for part in pooling.split("+")], dim=-1)
                results.append(self.head(read).detach())
            return results

    return Network().to(getattr(torch, dtype))
