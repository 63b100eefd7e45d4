"""An encoder and a decoder with attention between them: outputs, loss and exact gradient.

The encoder reads a sequence of any kind; the bridge makes the decoder's first states of its last
(`fastrnn.network.handing_over`), and the decoder tells another sequence label by label, paying
attention to the encoder's states (`fastrnn.network.attending`). In training it reads the true
labels (teacher forcing), so all steps of all sequences go through it at once, as packed batches.

A minibatch is cut into shards by its number of sequences alone, and their gradients are added in
order: the same bits on any number of threads.
"""

import math

import numpy as np

from fastrnn.inputs.sequences import Sequences
from fastrnn.kernels.solvers import clear
from fastrnn.network import beams, passes, telling, threads
from fastrnn.network.affine import named
from fastrnn.network.attending import Attending
from fastrnn.network.handing_over import Bridge
from fastrnn.network.minibatches import penalize
from fastrnn.network.network import Network
from fastrnn.network.pair_lessons import PairKept, PairLesson, PairMinibatch
from fastrnn.network.pair_parts import PairGradients
from fastrnn.network.recurrent import ZEROS
from fastrnn.network.shards import running_totals
from fastrnn.network.teaching import constant_loss
from fastrnn.network.trainable import Trainable
from fastrnn.typing import Ints

__all__ = ["EncoderDecoderNetwork"]


class EncoderDecoderNetwork(Trainable):
    """What `fastrnn.network.network.Network` is, for an architecture `EncoderDecoder`.

    ``theta`` (P,) has all parameters, ``grad`` (P,) the gradient of the last `loss_and_grad`, and
    ``decayed`` (P,) is true for weights. ``encoder`` and ``decoder`` are networks whose parameters
    are views of ``theta``. ``dropout``, ``recurrent_dropout`` and ``alpha`` are as there; dropout
    also of what attention sees, and of the attentional states.

    ``label_smoothing`` is the share of every label's weight in the loss that is spread over all.
    ``scheduled_sampling`` is the probability that in training the decoder reads in the place of a
    true label one that it would have said itself (Bengio et al. 2015, arXiv 1506.03099), having
    read true ones (Duckworth et al. 2019, arXiv 1906.04331).
    """

    made_of = (*Network.made_of, "label_smoothing", "scheduled_sampling")

    def __init__(
        self,
        architecture,
        *,
        dropout=0.0,
        recurrent_dropout=0.0,
        alpha=0.0,
        label_smoothing=0.0,
        scheduled_sampling=0.0,
        random_state=None,
    ):
        self.architecture = architecture
        self.dropout, self.recurrent_dropout, self.alpha = dropout, recurrent_dropout, alpha
        self.label_smoothing, self.scheduled_sampling = label_smoothing, scheduled_sampling
        self.dtype = np.dtype(architecture.dtype)
        self.boundary = architecture.n_labels
        rng = ZEROS if random_state is ZEROS else np.random.default_rng(random_state)
        n = architecture.n_parameters
        self.theta, self.grad, self.decayed = (
            self.make_vector(n, dtype) for dtype in (self.dtype, self.dtype, bool)
        )
        sizes = [sum(map(math.prod, part.values())) for part in architecture.parts().values()]
        self._bounds = running_totals(sizes)
        self.n_between = self._bounds[3] - self._bounds[1]
        self._join(rng)
        self.shard_gradients = PairGradients(
            self, [self.grad[part] for part in self.layer_ranges()]
        )
        self.release_memory()

    def _join(self, rng):
        """Let all parts live in the vectors."""
        architecture, vectors = self.architecture, (self.theta, self.grad, self.decayed)
        self.encoder, self.decoder = (
            self.make_part(
                part, [vector[self._bounds[k] : self._bounds[k + 1]] for vector in vectors], rng
            )
            for k, part in ((0, architecture.encoder), (3, architecture.decoder))
        )
        theta, _, decayed = (self.between_views(vector[self._bounds[1] :]) for vector in vectors)
        self.bridge = Bridge(self.encoder, self.decoder, theta["bridge"])
        self.attending = Attending(
            architecture.attention, architecture.encoder.width, architecture.decoder.width,
            theta["attention"],
        )  # fmt: skip
        if rng is not ZEROS:
            self.bridge.start(rng)
            self.attending.start(rng)
        self.mark_decayed(decayed)

    @property
    def first_filters(self):
        """Those of the encoder, as `Network.first_filters`."""
        return self.encoder.first_filters

    def mark_decayed(self, between):
        """Say which parameters between the networks are weights, in views by part and name."""
        for views in between.values():
            for name, view in views.items():
                view[...] = not name.rpartition(".")[2].startswith("b")

    def layer_ranges(self):
        """Where in theta the parameters are whose gradient is taken shard by shard."""
        end = self._bounds[3] + self.decoder.n_layer_parameters
        return slice(0, self.encoder.n_layer_parameters), slice(self._bounds[1], end)

    def between_views(self, flat):
        """Named views of what lies between the networks, by part, in a vector that begins there."""
        parts, begin, of_parts = self.architecture.parts(), 0, {}
        for part in ("bridge", "attention"):
            views = of_parts[part] = {}
            for name, shape in parts[part].items():
                end = begin + math.prod(shape)
                views[name] = flat[begin:end].reshape(shape)
                begin = end
        return of_parts

    def named_views(self, flat):
        """Named views of a vector (P,) laid out as theta, by `EncoderDecoder.shapes`."""
        views, begin = {}, 0
        for name, shape in self.architecture.shapes().items():
            end = begin + math.prod(shape)
            views[name] = flat[begin:end].reshape(shape)
            begin = end
        return views

    def views_of(self, part, flat):
        """Those of one part, such as the bridge."""
        return named(part, self.named_views(flat))

    def make_part(self, architecture, vectors, rng):
        """Make the encoder or the decoder, whose parameters live in these vectors."""
        dropout, recurrent_dropout = self.dropout, self.recurrent_dropout
        return Network(
            architecture, dropout=dropout, recurrent_dropout=recurrent_dropout, random_state=rng,
            vectors=vectors,
        )  # fmt: skip

    def flops(self, n_read, n_told):
        """Floating-point operations of a forward pass over so many steps of both, roughly."""
        of_networks = passes.forward_flops(self.encoder, n_read)
        of_networks += passes.forward_flops(self.decoder, n_told)
        return of_networks + self.attending.flops(n_read, n_told)

    def loss_and_grad(
        self,
        sequences,
        indices,
        target,
        weight,
        *,
        theta=None,
        rng=None,
        bptt_steps=None,
        n_jobs=None,
        total=None,
    ):
        """Loss of a minibatch; its gradient goes to ``grad``.

        Parameters
        ----------
        sequences : Sequences
            What the encoder reads, with values of the network's dtype.
        indices : ndarray of shape (B,), int64
            The sequences of the minibatch.
        target : LabelSequences
            What is to be told of all n sequences, not the minibatch alone.
        weight : ndarray of shape (n,)
            Weight of each sequence, which all its labels and its end have; of the network's dtype.
        theta, rng, bptt_steps, n_jobs, total : object, optional
            As for `Network.loss_and_grad`; ``rng`` also draws samples.

        Returns
        -------
        float
            ``sum(weight * loss) / sum(weight)`` over labels and ends, and the L2 penalty; 0 if all
            weights are 0.
        """
        if theta is not None:
            self.theta[...] = theta
        team = threads.form_parameter_team(n_jobs, self.grad.size)
        team.call(clear, self.grad)
        minibatch = PairMinibatch.cut(self, sequences, indices, target, weight)
        own = minibatch.total
        if total is not None:
            minibatch.total = total(own)
        if not own:
            return 0.0
        n_shards = len(minibatch.shards)
        seeds = [
            self.encoder.draw_seeds(self.encoder.draw_seed(rng), n_shards),
            self.decoder.draw_seeds(self.decoder.draw_seed(rng), n_shards),
            self._draw_samples(rng, n_shards),
        ]
        if self.kept is None:
            self.kept = PairKept(self)
        self.kept.weights.pack(n_jobs)
        seeds = list(zip(*seeds, strict=True))
        n_threads = threads.share(n_jobs, n_shards)
        lesson = PairLesson(self, sequences, minibatch, seeds, bptt_steps, n_threads)
        loss = lesson.run(n_jobs)
        lesson.add_gradients(n_jobs)
        if self.alpha:
            strength = self.alpha / minibatch.total * (own / minibatch.total)
            loss += penalize(self, strength, team)
        return loss

    def constant_loss(self, sequences, target, weight):
        """Lowest loss of what reads neither the source nor labels; None if it says too little."""
        return constant_loss(target, weight, self.boundary, self.label_smoothing)

    def total_weight(self, target, weight):
        """What the sum of weight times loss is divided by."""
        return weight.astype(np.float64) @ (target.lengths + 1)

    def regularize(self, **values):
        """Train on with other values of what the constructor is told of training."""
        vars(self).update(values)
        for part in (self.encoder, self.decoder):
            part.regularize(dropout=self.dropout, recurrent_dropout=self.recurrent_dropout)

    def final_states(self, sequences, *, n_jobs=None):
        """Those of the encoder, as `Network.final_states`."""
        return self.encoder.final_states(sequences, n_jobs=n_jobs)

    def hidden_states(self, sequences, *, n_jobs=None):
        """Those of the encoder, as `Network.hidden_states`."""
        return self.encoder.hidden_states(sequences, n_jobs=n_jobs)

    def offsets_read(self, sequences: Sequences) -> Ints:
        """Where the steps of each sequence begin as the encoder reads them, and end: (n + 1,)."""
        return self.encoder.offsets_read(sequences)

    def _draw_samples(self, rng, n_shards):
        """For each shard the seed of what the decoder reads of its own; None if nothing is."""
        if rng is None or not self.scheduled_sampling:
            return [None] * n_shards
        return rng.integers(2**63, size=n_shards).tolist()

    mean_loss = telling.mean_loss
    log_likelihoods = telling.log_likelihoods
    attention_weights = telling.attention_weights
    input_gradients = telling.input_gradients
    search = beams.search
