"""Layers stacked, pooled and read by a head: outputs, loss and exact gradient.

A step's features are its numbers, and for each of its ids a row of a table that is learned. A
minibatch is cut into shards, by the lengths alone. Each shard goes forward and backward on one of
several threads if asked, each of which has memory and a gradient of the layers of its own, and
these are added in the order of the shards. Where there are more threads than shards, a direction
of a layer takes several, or each direction its own. It is the same bits on any number of threads.
The gradients of the head and of the tables, which may be large, are taken once for the whole
minibatch.
"""

import math

import numpy as np

from fastrnn.inputs.sequences import Sequences
from fastrnn.kernels.solvers import clear
from fastrnn.network import prediction, threads
from fastrnn.network.cells import CELLS
from fastrnn.network.decay import Decay
from fastrnn.network.front import Front
from fastrnn.network.minibatches import Kept, Lesson, Routine, cut, penalize
from fastrnn.network.pooling import Pooling
from fastrnn.network.recurrent import UNBOUND, ZEROS
from fastrnn.network.shards import LayerGradients, Seeds, running_totals
from fastrnn.network.trainable import Trainable
from fastrnn.typing import Ints


class Network(Trainable):
    """Recurrent layers, pooling over time and a head, with its loss.

    ``theta`` (P,) has all parameters, ``grad`` (P,) the gradient of the last `loss_and_grad`, and
    ``decayed`` (P,) is true for weights. ``layers`` stand from the input up; ``embeddings`` are the
    tables (V, E), which start normal with variance 1, or 1 / E if tied; both, and the parameters of
    the head, are views of ``theta``.

    In training ``dropout`` is the fraction of the outputs of each layer that are set to 0, before
    the next layer and before the head, and ``recurrent_dropout`` that of the units whose state is
    set to 0 where it enters the recurrent products, the same units at all steps of a sequence (Gal
    and Ghahramani 2016, arXiv 1512.05287). The L2 penalty ``0.5 * alpha * sum(weights ** 2) /
    total`` is added to the loss of a minibatch whose sequences (or steps, if the head sees every
    one) have that total weight. With `ZEROS` for ``random_state`` all parameters are 0.
    ``vectors`` are where theta, grad and decayed of a part of another network live.
    """

    made_of = ("architecture", "dropout", "recurrent_dropout", "alpha")

    def __init__(
        self, architecture, *, dropout=0.0, recurrent_dropout=0.0, alpha=0.0, random_state=None,
        vectors=None,
    ):  # fmt: skip
        self.architecture = architecture
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.alpha = alpha
        self.dtype = np.dtype(architecture.dtype)
        rng = ZEROS if random_state is ZEROS else np.random.default_rng(random_state)
        self.layers = [
            CELLS[architecture.cell](
                width,
                size,
                bidirectional=architecture.bidirectional,
                dtype=self.dtype,
                precision=architecture.precision,
                random_state=UNBOUND,
                **architecture.cell_options,
            )
            for width, size in zip(
                architecture.widths, architecture.hidden_layer_sizes, strict=True
            )
        ]
        self._join(vectors)
        if rng is not ZEROS:
            self._start(rng)

    def _start(self, rng):
        """Draw the first weights."""
        for layer in self.layers:
            layer.start(rng)
        for part in (self.decay, self.front):
            if part:
                part.start(rng)
        architecture = self.architecture
        scale = architecture.embeddings[0][1] ** -0.5 if architecture.tied else 1.0
        for table in self.embeddings:
            table[...] = scale * rng.standard_normal(table.shape)
        self.head.start(rng)

    @property
    def first_filters(self):
        """Weights (kernel, D, K) of a convolution that reads what is given, or None."""
        return self.front and self.front.stages[0].filters

    def _join(self, vectors):
        """Let all parameters live in one vector."""
        architecture = self.architecture
        self._shapes = architecture.shapes()
        sizes = {name: math.prod(shape) for name, shape in self._shapes.items()}
        if vectors is None:
            n, dtypes = sum(sizes.values()), (self.dtype, self.dtype, bool)
            vectors = [self.make_vector(n, dtype) for dtype in dtypes]
        self.theta, self.grad, self.decayed = vectors
        theta = self.theta
        self._bounds = running_totals([layer.n_parameters for layer in self.layers])
        # With the decays or stages before and the pooling after them, whose gradient is added up as
        # theirs.
        self.n_layer_parameters = sum(
            size
            for name, size in sizes.items()
            if name.startswith(("layers.", "decay.", "conv.", "pooling."))
        )
        self.decay = self.front = None
        if architecture.means:
            self.decay = Decay(architecture, self.views_of("decay", theta))
        if architecture.stages:
            self.front = Front(architecture.stages, self.views_of("conv", theta))
        for layer, begin, end in self._layer_ranges():
            layer.bind(theta[begin:end], self.grad[begin:end])
        of_pooling = self.views_of("pooling", theta)
        self.pooling = Pooling(architecture.pooling, self.layers[-1], of_pooling)
        self.input_width = architecture.input_width
        # The table of each column of ids, and its first column in the input of the first layer.
        widths = [architecture.embeddings[k][1] for k in architecture.id_tables]
        firsts = running_totals([architecture.n_features, *widths])[1:-1]
        self.columns = list(zip(architecture.id_tables, firsts, strict=True))
        self.embeddings = self._table_views(theta)
        self.table_gradients = self._table_views(self.grad)
        self.head = architecture.make_head()
        tables = (*self.embeddings[:1], *self.table_gradients[:1])
        self.head.bind(self.views_of("head", theta), self.views_of("head", self.grad), tables)
        # Whether what was made of several steps is said of each of them; or how many share it.
        joins = self.head.joins_steps
        self.spreads = self.front is not None and self.pooling.every_step and not joins
        self.steps_said = self.front.stride if self.front and joins else 1
        # A window of steps would be none of whole patches, and read beyond its ends.
        self.can_cut_time = (
            self.front is None
            and self.one_way
            and self.pooling.time_may_be_cut
            and self.head.time_may_be_cut
        )

        self.mark_decayed()
        self.layer_gradients = LayerGradients(self, self.grad[: self.n_layer_parameters])
        self.release_memory()

    def mark_decayed(self):
        """Say which parameters are weights."""
        for name, view in self.named_views(self.decayed).items():
            part, _, name = name.rpartition(".")
            if part.startswith("layers."):
                view[...] = self.layers[0].cell.is_decayed(name.removesuffix("_reverse"))
            else:
                view[...] = not name.startswith("b")

    def _layer_ranges(self):
        """Each layer with the range of its parameters in theta."""
        return zip(self.layers, self._bounds[:-1], self._bounds[1:], strict=True)

    def layer_views(self, flat):
        """Named views of a vector that begins as theta, for each layer."""
        return [layer.views(flat[begin:end]) for layer, begin, end in self._layer_ranges()]

    def named_views(self, flat):
        """Named views of a vector (P,) laid out as theta.

        They are "layers.0.W", "layers.0.U_reverse", "embeddings.0", "head.W" and the like, as
        `Architecture.shapes` names them. Of a vector that ends sooner, those that are in it.
        """
        views, begin = {}, 0
        for name, shape in self._shapes.items():
            end = begin + math.prod(shape)
            if end > len(flat):
                break
            views[name] = flat[begin:end].reshape(shape)
            begin = end
        return views

    def _table_views(self, flat):
        """Views of the tables in a vector laid out as theta."""
        views = self.named_views(flat)
        return [views[f"embeddings.{k}"] for k in range(len(self.architecture.embeddings))]

    def views_of(self, part, flat):
        """Named views of one part, such as the head, in a vector laid out as theta."""
        return {
            name.removeprefix(f"{part}."): view
            for name, view in self.named_views(flat).items()
            if name.startswith(f"{part}.")
        }

    @property
    def one_way(self):
        """Whether every layer reads forward, so that states can be carried on."""
        return not self.layers[0].bidirectional

    def places_of_targets(self, batch):
        """Where the targets of a packed batch stand, and their weights: of sequences, or steps."""
        return batch.order if self.head.joins_steps else self.pooling.places(batch)

    def n_head_rows(self, batch):
        """How many rows the head reads of a packed batch."""
        if self.steps_said == 1:
            return self.pooling.n_rows(batch)
        return int((-(-batch.lengths // self.steps_said)).sum())

    def offsets_said(self, sequences):
        """Where the outputs of each sequence begin, for a head that reads every step: (n + 1,)."""
        return self.offsets_read(sequences) if self.steps_said > 1 else sequences.offsets

    def offsets_read(self, sequences: Sequences) -> Ints:
        """Where the steps of each sequence begin as the layers read them, and end: (n + 1,)."""
        if self.front is None:
            return sequences.offsets
        return np.cumsum([0, *-(-sequences.lengths // self.front.stride)])

    def initial_states(self, n):
        """States before the first step: for each layer (h,) or (h, c), (1, n, H) each."""
        return [
            tuple(np.zeros((layer.n_states, 1, n, layer.hidden_size), dtype=self.dtype))
            for layer in self.layers
        ]

    def loss_and_grad(
        self,
        sequences,
        indices,
        target,
        weight,
        *,
        theta=None,
        rng=None,
        seed=None,
        window=None,
        states=None,
        bptt_steps=None,
        n_jobs=None,
        total=None,
    ):
        """Loss of a minibatch; its gradient goes to ``grad``.

        Parameters
        ----------
        sequences : Sequences
            Values of the network's dtype.
        indices : ndarray of shape (B,), int64
            The sequences of the minibatch.
        target : ndarray of shape (n,), int64, or (n, K)
            Of all sequences, not the minibatch alone (or of all steps as they stand in
            ``sequences``, if the head sees every one): class numbers for "log_loss", otherwise
            values of the network's dtype.
        weight : ndarray of shape (n,)
            Weight of each sequence (or step), of the network's dtype.
        theta : ndarray of shape (P,), optional
            Where to evaluate: these become the network's parameters. By default they stay.
        rng : numpy.random.Generator, optional
            Draws dropout and zones; without it there is no dropout, and of zones the mean.
        seed : (int, int), optional
            Drawn already, by `draw_seed`, in the place of ``rng``.
        window : (int, int), optional
            Only these steps of each sequence, from the first number up to the second; sequences
            that have none are left out. All by default.
        states : list of tuple of ndarray, optional
            From `initial_states`, for all sequences: where they begin, and on return where they
            end. Only for networks that read in one direction.
        bptt_steps : int, optional
            Truncated backpropagation: time is cut into windows of so many steps, as the layers
            read them, counted from where
            each direction starts to read; states cross from window to window, gradients do not.
        n_jobs : int or None, default=None
            Threads.
        total : callable, optional
            ``total(own)`` says what the weights of the minibatch are a part of, whose sum is
            ``own``: then the loss and its gradient are that part of those of the whole. It is
            called once, even if all weights are 0.

        Returns
        -------
        float
            ``sum(weight * loss) / sum(weight)`` and the L2 penalty; 0 if all weights are 0.
        """
        if theta is not None:
            self.theta[...] = theta
        team = threads.form_parameter_team(n_jobs, self.grad.size)
        team.call(clear, self.grad)
        if self.kept is None:
            self.kept = Kept(self)
        kept, routine, repeats = self.kept, None, False
        if seed is None:
            seed = self.draw_seed(rng)
        if window is None and states is None and bptt_steps is None and n_jobs is None:
            # Whether what is done stays the same, but for the data.
            repeats = seed is None and Routine.is_possible(self, sequences, indices)
        if repeats and kept.routine and kept.routine.suits(sequences, indices, target, weight):
            routine = kept.routine
            own = routine.read(indices)
        else:
            if repeats:
                indices = indices.copy()  # others will be written there
            minibatch = cut(self, sequences, indices, weight, window)
            own = minibatch.total
        whole = own if total is None else total(own)
        if not own and states is None:
            return 0.0
        whole = whole or 1.0  # of weights 0, but states are carried on
        if routine:
            loss = routine.run(whole)
        else:
            minibatch.total = whole
            n_shards = len(minibatch.shards)
            seeds = self.draw_seeds(seed, n_shards)
            kept.weights.pack(n_jobs)
            lesson = Lesson(
                self, sequences, target, weight, states, bptt_steps, minibatch, seeds,
                threads.share(n_jobs, n_shards),
            )  # fmt: skip
            loss = kept.teach(lesson, n_jobs, repeats and n_shards == 1)
        if self.alpha and own:
            strength = self.alpha / whole * (own / whole)
            loss += penalize(self, strength, team)
        return loss

    def constant_loss(self, sequences, target, weight):
        """Lowest loss of a head whose outputs are the same everywhere; None if it is not known."""
        lengths = np.diff(self.offsets_said(sequences))
        return self.head.constant_loss(target, weight, lengths)

    def total_weight(self, target, weight):
        """What the sum of weight times loss is divided by."""
        return weight.sum(dtype=np.float64)

    def draw_seed(self, rng):
        """Draw what the masks of a minibatch come from, and the place of its share: the first.

        None where nothing is drawn.
        """
        return (int(rng.integers(2**63)), 0) if rng is not None and self.draws else None

    def draw_seeds(self, seed, n_shards):
        """The `Seeds` of each layer, of each shard; None where nothing was drawn."""
        if seed is None:
            return [None] * n_shards
        rng = np.random.default_rng(seed)
        shape = (n_shards, len(self.layers))
        seeds = rng.integers(2**63, size=(*shape, 2)).tolist()
        if not self.layers[0].zoneout:
            return [[Seeds(*of_layer) for of_layer in of_shard] for of_shard in seeds]
        zones = rng.integers(2**63, size=shape).tolist()
        return [
            [Seeds(*pair, zone) for pair, zone in zip(*of_shard, strict=True)]
            for of_shard in zip(seeds, zones, strict=True)
        ]

    def regularize(self, **values):
        """Train on with another dropout, recurrent dropout or alpha."""
        vars(self).update(values)

    @property
    def draws(self):
        """Whether training draws masks."""
        return bool(self.dropout or self.recurrent_dropout or self.layers[0].zoneout)

    predict = prediction.predict
    best_outputs = prediction.best_outputs
    mean_loss = prediction.mean_loss
    log_likelihoods = prediction.log_likelihoods
    label_log_likelihoods = prediction.label_log_likelihoods
    best_paths = prediction.best_paths
    read_on = prediction.read_on
    final_states = prediction.final_states
    hidden_states = prediction.hidden_states
    attention_weights = prediction.attention_weights
    input_gradients = prediction.input_gradients
