"""Connectionist temporal classification as a head, and what is read from its probabilities.

`fastrnn.kernels.ctc` has the formulas. The last output is the blank.
"""

import numpy as np

from fastrnn.inputs.label_sequences import LabelSequences
from fastrnn.kernels.ctc import ctc_best_path, ctc_loss
from fastrnn.network.batches import pack
from fastrnn.network.linear_head import LinearHead

__all__ = [
    "CTC",
    "best_labels",
    "best_prefixes",
    "places_of_labels",
    "search",
    "steps_needed",
]


AT_ONCE = 16
"""Sequences whose loss is found together."""


class CTC(LinearHead):
    """Label sequences of unknown alignment: target is `LabelSequences` of numbers below K - 1.

    Predictions are the probabilities of each step. The loss of a sequence is minus the logarithm of
    the probability of its labels.
    """

    kind = "ctc"
    link = "softmax"
    time_may_be_cut = False
    needs_every_step = True
    joins_steps = True

    def loss_and_grad(self, outputs, target, weight, places, total, batch=None, room=None):
        loss, _ = self._losses(outputs, target, weight, places, total, batch)
        return loss

    def log_likelihoods(self, outputs, target, batch):
        """The logarithm of the probability of the labels of each sequence of a batch, (B,)."""
        weight = np.zeros(len(target), outputs.dtype)
        return -self._losses(outputs, target, weight, batch.order, 1.0, batch)[1]

    @staticmethod
    def _losses(outputs, target, weight, places, total, batch):
        """The loss, whose gradient takes the place of the outputs, and that of each sequence."""
        room, losses = _room_for(batch.lengths, target.lengths[places]), np.empty(len(places))
        loss = ctc_loss(
            outputs, batch.first, batch.lengths, places, target.labels, target.offsets, weight,
            total, room, outputs, losses,
        )  # fmt: skip
        return loss, losses

    def constant_loss(self, target, weight, lengths=None):
        """That of outputs which say each label as often as it is there, and the blank otherwise.

        It is above the lowest by some thousandths, where there are many more steps than labels.
        """
        weight = weight.astype(np.float64)
        n_steps, of_labels = weight @ lengths, np.repeat(weight, target.lengths)
        counts = np.bincount(target.labels, of_labels, minlength=self.n_outputs)
        counts[-1] = max(n_steps - counts.sum(), weight.max())  # where each step says a label
        row = np.log(np.maximum(counts, np.finfo(float).tiny))
        kept = np.flatnonzero(weight)
        kept = kept[np.argsort(lengths[kept], kind="stable")]
        loss = 0.0
        for some in np.split(kept, range(AT_ONCE, len(kept), AT_ONCE)):
            batch = pack(np.zeros(len(some), dtype=np.int64), lengths[some], 1)
            outputs = np.tile(row, (len(batch.rows), 1))
            likelihoods = self.log_likelihoods(outputs, target.take(some), batch)
            loss -= weight[some[batch.order]] @ likelihoods
        return float(loss / weight.sum())

    def best_path(self, outputs, target, batch):
        """The likeliest output of each packed step of those whose labels are the target's.

        It is -1 where there are more labels than steps for them.
        """
        path = np.empty(len(outputs), dtype=np.int64)
        room = _room_for(batch.lengths, target.lengths[batch.order])
        ctc_best_path(
            outputs, batch.first, batch.lengths, batch.order, target.labels, target.offsets, room,
            path,
        )  # fmt: skip
        return path


def _room_for(n_steps, n_labels):
    """Memory for the largest sequence."""
    n_states = 2 * n_labels + 1
    return np.empty(int((n_steps * (n_labels + 2 + n_states) + 2 * n_states).max()))


def steps_needed(target):
    """How many steps the labels of each sequence need: a blank stands between equal ones, (n,)."""
    labels, offsets = target.labels, target.offsets
    repeats = np.zeros(len(labels) + 1, dtype=np.int64)
    repeats[1:-1] = labels[1:] == labels[:-1]
    repeats[offsets[:-1]] = 0  # what stands before belongs to another sequence
    totals = np.concatenate([[0], np.cumsum(repeats[:-1])])
    return target.lengths + np.diff(totals[offsets])


def best_labels(probabilities, offsets):
    """What the likeliest output of each step says: `LabelSequences`.

    The rows of probabilities (N, K) of sequence n begin at ``offsets[n]``. Other labels than these
    may be likelier, which `best_prefixes` looks for.
    """
    blank = probabilities.shape[1] - 1
    best = probabilities.argmax(axis=1)
    is_new = np.ones(len(best), dtype=bool)
    is_new[1:] = best[1:] != best[:-1]
    is_new[offsets[:-1]] = True
    said = is_new & (best != blank)
    ends = np.concatenate([[0], np.cumsum(said)])[offsets]
    return LabelSequences(best[said].astype(np.int64), ends)


def places_of_labels(path, offsets, blank):
    """Which label of its sequence stands at each step of paths (N,), counted from 0; -1 for none.

    The steps of sequence n begin at ``offsets[n]``.
    """
    begins = np.ones(len(path), dtype=bool)
    begins[1:] = path[1:] != path[:-1]
    begins[offsets[:-1]] = True
    begins &= path != blank
    number = np.cumsum(begins) - 1
    before = np.concatenate([[0], np.cumsum(begins)])[offsets[:-1]]
    number -= np.repeat(before, np.diff(offsets))
    return np.where(path == blank, -1, number)


def search(probabilities, beam_size):
    """What `best_prefixes` finds, in order of the probabilities that all paths have together."""
    prefixes, _ = best_prefixes(probabilities, beam_size)
    n, (T, K) = len(prefixes), probabilities.shape
    with np.errstate(divide="ignore"):
        outputs = np.log(probabilities.astype(np.float64))
    batch = pack(np.zeros(n, dtype=np.int64), np.full(n, T), 1)
    target = LabelSequences.from_lists(prefixes)
    values = CTC(K).log_likelihoods(np.ascontiguousarray(outputs[batch.rows]), target, batch)
    order = np.argsort(-values, kind="stable")
    return [(prefixes[i], float(values[i])) for i in order]


def best_prefixes(probabilities, beam_size):
    """The likeliest label sequences of one sequence of steps, best first, with logarithms.

    After each step of probabilities (T, K) as many beginnings are kept as the beam is wide, by the
    sum over those of their paths that were kept (Graves 2012, Supervised sequence labelling with
    recurrent neural networks, section 7.5.3; Hannun et al. 2014, arXiv 1408.2873). So the
    logarithms are lower bounds, and exact where the beam holds all there are.
    """
    with np.errstate(divide="ignore"):
        log_p = np.log(probabilities.astype(np.float64))
    n_labels = log_p.shape[1] - 1
    prefixes, by_blank, by_label = [()], np.zeros(1), np.full(1, -np.inf)
    for row in log_p:
        last = np.array([prefix[-1] if prefix else -1 for prefix in prefixes])
        total = np.logaddexp(by_blank, by_label)
        # The same labels again, and one more: after itself a label needs a blank between.
        again = np.where(last < 0, -np.inf, by_label + row[last])
        more = total[:, np.newaxis] + row[:n_labels]
        repeated = np.flatnonzero(last >= 0)
        more[repeated, last[repeated]] = by_blank[repeated] + row[last[repeated]]
        place = {prefix: i for i, prefix in enumerate(prefixes)}
        for i, prefix in enumerate(prefixes):
            shorter = place.get(prefix[:-1]) if prefix else None
            if shorter is not None:
                again[i] = np.logaddexp(again[i], more[shorter, prefix[-1]])
                more[shorter, prefix[-1]] = -np.inf
        stay = total + row[n_labels]
        scores = np.concatenate([np.logaddexp(stay, again), more.ravel()])
        kept = np.argsort(-scores, kind="stable")[:beam_size]
        kept = kept[scores[kept] > -np.inf]
        old, new = kept[kept < len(prefixes)], kept[kept >= len(prefixes)] - len(prefixes)
        longer = [(*prefixes[k // n_labels], k % n_labels) for k in new.tolist()]
        by_blank = np.concatenate([stay[old], np.full(len(new), -np.inf)])
        by_label = np.concatenate([again[old], more.ravel()[new]])
        prefixes = [prefixes[i] for i in old] + longer
    scores = np.logaddexp(by_blank, by_label)
    order = np.argsort(-scores, kind="stable")
    return [prefixes[i] for i in order], scores[order]
