"""An encoder and a decoder with attention, ours and one of PyTorch, for those that compare them."""

import warnings
from dataclasses import dataclass

import numpy as np

from fastrnn import RNNSeq2Seq


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What shapes and trains a model, of either contender."""

    hidden: int | tuple[int, ...]  # in each direction; several layers of fastrnn
    decoder: int
    embedding: int
    dropout: float
    batch: int
    learning_rate: float
    epochs: int
    cell: str = "lstm"  # of fastrnn
    label_smoothing: float = 0.0
    precision: str = "full"  # of fastrnn
    longest: int = 60


class FastrnnAttention:
    """fastrnn's estimator; ids and labels are whole numbers from 0 on."""

    name = "fastrnn"

    def __init__(self, setting, n_ids, n_labels, threads, seed):
        self.setting, self.n_labels = setting, n_labels
        self.model = RNNSeq2Seq(
            setting.hidden,
            cell=setting.cell,
            decoder_layer_sizes=setting.decoder,
            embedding_dim=setting.embedding,
            label_embedding_dim=setting.embedding,
            dropout=setting.dropout,
            label_smoothing=setting.label_smoothing,
            batch_size=setting.batch,
            max_iter=setting.epochs,
            learning_rate="cosine",
            learning_rate_init=setting.learning_rate,
            clip_norm=1.0,
            alpha=0.0,
            max_length=setting.longest,
            precision=setting.precision,
            random_state=seed,
            n_jobs=threads,
        )

    @property
    def n_parameters(self):
        return self.model.network_.architecture.n_parameters

    def run_epoch(self, X, y):
        """Train for an epoch."""
        self.model.partial_fit(X, y, classes=np.arange(self.n_labels))

    def fit(self, X, y):
        """Train for all epochs."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the number of epochs is fixed, converged or not
            self.model.fit(X, y)

    def predict(self, X, beam_size=1):
        """A list of labels for each."""
        self.model.set_params(beam_size=beam_size)
        return [one.tolist() for one in self.model.predict(X)]


class TorchAttention:
    """A bidirectional LSTM reads ids, an LSTM tells labels, and looks at projected states.

    Minibatches are of sequences of equal length, so that the encoder reads no padding; Adam along a
    cosine, gradients clipped to a norm of 1.
    """

    name = "torch"

    def __init__(self, setting, n_ids, n_labels, threads, seed):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.torch, self.setting, self.rng = torch, setting, np.random.default_rng(seed)
        self.end, nn = n_labels, torch.nn
        E, H, D = setting.embedding, setting.hidden, setting.decoder
        self.model = nn.ModuleDict(
            {
                "source": nn.Embedding(n_ids, E),
                "target": nn.Embedding(n_labels + 1, E),
                "encoder": nn.LSTM(E, H, bidirectional=True, batch_first=True),
                "bridge": nn.Linear(4 * H, 2 * D),
                "decoder": nn.LSTM(E, D, batch_first=True),
                "to_keys": nn.Linear(2 * H, D, bias=False),
                "state": nn.Linear(2 * H + D, D),
                "head": nn.Linear(D, n_labels + 1),
            }
        )
        rate = setting.learning_rate
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=rate, fused=True)
        self.schedule = None

    @property
    def n_parameters(self):
        return sum(parameter.numel() for parameter in self.model.parameters())

    def encode(self, ids, drop):
        torch, model = self.torch, self.model
        y, (h, c) = model["encoder"](drop(model["source"](ids)))
        ends = torch.cat([h[0], h[1], c[0], c[1]], dim=1)
        state = torch.tanh(model["bridge"](ends))[None].chunk(2, dim=2)
        y = drop(y)
        return y, model["to_keys"](y), tuple(part.contiguous() for part in state)

    def decode(self, read, y, keys, state, drop):
        torch, model = self.torch, self.model
        h, state = model["decoder"](drop(model["target"](read)), state)
        context = torch.softmax(h @ keys.transpose(1, 2), dim=-1) @ y
        attentional = torch.tanh(model["state"](torch.cat([context, h], dim=2)))
        return model["head"](drop(attentional)), state

    def run_epoch(self, X, y):
        """Train for an epoch."""
        torch, functional, setting = self.torch, self.torch.nn.functional, self.setting
        batches = self.batches(X)

        def drop(values):
            return functional.dropout(values, setting.dropout)

        for chosen in [batches[k] for k in self.rng.permutation(len(batches))]:
            ids = torch.tensor(np.stack([X[k] for k in chosen]))
            said = [torch.tensor([*y[k], self.end]) for k in chosen]
            said = torch.nn.utils.rnn.pad_sequence(said, batch_first=True, padding_value=-100)
            read = torch.roll(said, 1, dims=1).clamp(min=0)
            read[:, 0] = self.end
            logits, _ = self.decode(read, *self.encode(ids, drop), drop)
            loss = functional.cross_entropy(
                logits.flatten(0, 1), said.flatten(), label_smoothing=setting.label_smoothing
            )
            self.optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            if self.schedule:
                self.schedule.step()

    def batches(self, X):
        """Numbers of sequences, of equal length in each minibatch, drawn anew."""
        lengths = np.array([len(x) for x in X])
        parts = []
        for length in np.unique(lengths):
            members = self.rng.permutation(np.flatnonzero(lengths == length))
            parts += np.array_split(members, -(-len(members) // self.setting.batch))
        return parts

    def fit(self, X, y):
        """Train for all epochs."""
        n_steps = self.setting.epochs * len(self.batches(X))
        self.schedule = self.torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, n_steps)
        for _ in range(self.setting.epochs):
            self.run_epoch(X, y)

    def predict(self, X):
        """The likeliest label, one after the other, up to the end: a list of labels for each."""
        torch = self.torch
        told = [None] * len(X)
        with torch.inference_mode():
            for chosen in self.batches(X):
                ids = torch.tensor(np.stack([X[k] for k in chosen]))
                y, keys, state = self.encode(ids, lambda values: values)
                read, labels = torch.full((len(chosen), 1), self.end), []
                for _ in range(self.setting.longest):
                    logits, state = self.decode(read, y, keys, state, lambda values: values)
                    read = logits.argmax(dim=2)
                    labels.append(read[:, 0].tolist())
                for k, one in zip(chosen, zip(*labels, strict=True), strict=True):
                    told[k] = list(one[: one.index(self.end)] if self.end in one else one)
        return told
