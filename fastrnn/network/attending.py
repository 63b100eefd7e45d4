"""Attention of a decoder to the steps of its source, and the states that come of it.

For a step t of the target, with the state h_t of the decoder's top layer, the source gives a mean
c_t of its states, whose weights are by the scores of `KINDS` (kernels/attending.pyx); the head
reads the attentional state

    a_t = tanh([c_t, h_t] W + b)

of as many units as h_t (Luong et al. 2015, eq. 5). Rows are those of all steps here, sequence after
sequence; `Pairs` says where they are.
"""

from dataclasses import dataclass

import numpy as np

from fastrnn.kernels import attending
from fastrnn.network.affine import Affine, add, named, through_tanh

__all__ = ["KINDS", "Attending", "Pairs"]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Where the steps of pairs of sequences are: row n of ``table`` is that of pair n.

    It has the first step of the source and how many, the first of the target and how many, and the
    first of the weights, of which there are ``n_weights``.
    """

    table: np.ndarray
    n_weights: int

    @classmethod
    def of(cls, source_starts, source_lengths, target_starts, target_lengths):
        """Pairs of sequences that begin and are long as said."""
        sizes = source_lengths * target_lengths
        ends = np.cumsum(sizes)
        columns = source_starts, source_lengths, target_starts, target_lengths, ends - sizes
        return cls(np.ascontiguousarray(np.stack(columns, axis=1), dtype=np.int64), int(ends[-1]))


class Dot:
    """The product q_t . k_s, where keys are the source's states, as wide as the decoder's."""

    maps: tuple[str, ...] = ()

    @staticmethod
    def shapes(width, size):
        """Name the parameters, with their shapes, for sources F and decoders H wide."""
        if width != size:
            raise ValueError(
                "attention='dot' needs an encoder whose top layer has as many outputs as the "
                f"decoder's has units, got {width} (both directions together) and {size}; "
                "attention='general' is without that need"
            )
        return {}

    def __init__(self, maps, params):
        self.maps_by_name, self.params = maps, params

    def start(self, rng):
        """Draw the first parameters beside those of the maps."""

    def keys(self, y, weights, work):
        """What steps of the source are known by, (N, A)."""
        return y

    def scores(self, q, column, keys, pairs, weights, work):
        """The scores of all pairs of steps, for queries that begin at a column of q."""
        scores = work.take("weights", (pairs.n_weights,))
        work.call(attending.dot_scores, q, column, keys, pairs.table, scores)
        return scores

    def scores_backward(self, dscores, q, column, keys, pairs, weights, dq, dkeys, grads, work):
        """Add the gradients of queries, keys, and parameters beside those of the keys."""
        work.call(attending.dot_scores_backward, dscores, q, column, keys, pairs.table, dq, dkeys)

    def make_dkeys(self, dy, work):
        """Where the gradient of the keys is added up: of keys that are states, with theirs."""
        return dy

    def keys_backward(self, dkeys, y, weights, dy, grads, work):
        """Add the gradients of what keys were made of."""


class General(Dot):
    """The product q_t . k_s with keys ``y_s W``: "keys.W" (F, H)."""

    maps: tuple[str, ...] = ("keys",)

    @staticmethod
    def shapes(width, size):
        return {"keys.W": (width, size)}

    def keys(self, y, weights, work):
        return self.maps_by_name["keys"].forward(y, weights["keys"], work)

    def make_dkeys(self, dy, work):
        return work.zeros("dkeys", (len(dy), self.maps_by_name["keys"].W.shape[1]))

    def keys_backward(self, dkeys, y, weights, dy, grads, work):
        keys = self.maps_by_name["keys"]
        keys.add_gradients(y, dkeys, named("keys", grads), work)
        work.call(add, keys.backward(dkeys, weights["keys"], work), dy)


class Additive(General):
    """A layer, v . tanh(q_t + k_s): keys with "keys.b" (H,), q_t = h_t W with "queries.W" (H, H).

    And "v" (H,).
    """

    maps: tuple[str, ...] = ("keys", "queries")

    @staticmethod
    def shapes(width, size):
        return {
            "keys.W": (width, size),
            "keys.b": (size,),
            "queries.W": (size, size),
            "v": (size,),
        }

    def start(self, rng):
        v = self.params["v"]
        v[...] = rng.uniform(-1, 1, len(v)) * np.sqrt(3 / len(v))

    def scores(self, q, column, keys, pairs, weights, work):
        size = len(self.params["v"])
        h = work.take("h", (len(q), size))
        work.call(np.copyto, h, q[:, column:])
        queries = self.maps_by_name["queries"].forward(h, weights["queries"], work)
        scores, scratch = work.take("weights", (pairs.n_weights,)), work.take("scratch", (size,))
        work.call(
            attending.additive_scores,
            queries, keys, self.params["v"], pairs.table, scratch, scores,
        )  # fmt: skip
        return scores

    def scores_backward(self, dscores, q, column, keys, pairs, weights, dq, dkeys, grads, work):
        size, of_queries = len(self.params["v"]), self.maps_by_name["queries"]
        h = work.take("h", (len(q), size))
        queries = work.take((of_queries.name, "y"), h.shape)
        dqueries, scratch = work.zeros("dqueries", h.shape), work.take("scratch", (size,))
        work.call(
            attending.additive_scores_backward,
            dscores, queries, keys, self.params["v"], pairs.table, scratch, dqueries, dkeys,
            grads["v"],
        )  # fmt: skip
        of_queries.add_gradients(h, dqueries, named("queries", grads), work)
        work.call(add, of_queries.backward(dqueries, weights["queries"], work), dq[:, column:])


KINDS = {"dot": Dot, "general": General, "additive": Additive}


def shapes(kind, width, size):
    """Name all parameters, with their shapes, for sources F and decoders H wide."""
    of_kind = KINDS[kind].shapes(width, size)
    return {**of_kind, "state.W": (width + size, size), "state.b": (size,)}


class Attending:
    """Attention of one kind, with parameters that are `views` by name."""

    def __init__(self, kind, width, size, views):
        self.width, self.size = width, size
        self.maps = {
            name: Affine(name, named(name, views)) for name in (*KINDS[kind].maps, "state")
        }
        self.kind = KINDS[kind](self.maps, views)
        self.state = self.maps["state"]

    def start(self, rng):
        """Draw the first weights."""
        for one in self.maps.values():
            one.start(rng)
        self.kind.start(rng)

    def flops(self, n_source, n_target):
        """Floating-point operations of a forward pass over so many steps, roughly."""
        of_target = [one.flops(n_target) for name, one in self.maps.items() if name != "keys"]
        return sum(of_target) + ("keys" in self.maps) * 2 * n_source * self.width * self.size

    def plan_forward(self, work):
        """Room for packed weights by map, and the calls (function, arguments) that fill it."""
        return self._plan({name: one.plan_forward(work) for name, one in self.maps.items()})

    def plan_backward(self, work):
        """Likewise for the way back."""
        return self._plan({name: one.plan_backward(work) for name, one in self.maps.items()})

    def _plan(self, planned):
        calls = [call for _, calls in planned.values() for call in calls]
        return {name: room for name, (room, _) in planned.items()}, calls

    def room(self, n_rows, work):
        """For so many steps of targets [c, h], of which the caller fills h."""
        return work.take("joined", (n_rows, self.width + self.size))

    def forward(self, joined, y, keys, pairs, weights, work):
        """Attentional states (M, H) from what `room` gave, and the weights, one after the other."""
        attention = self.kind.scores(joined, self.width, keys, pairs, weights, work)
        work.call(attending.attend_forward, attention, y, pairs.table, joined)
        a = self.state.forward(joined, weights["state"], work)
        work.call(np.tanh, a, a)
        return a, attention

    def backward(self, da, tape, weights, dy, dkeys, grads, work):
        """The gradient of [c, h], from that of the attentional states, which is used up.

        ``tape`` has what `forward` was given and what it returned: joined, y, keys, pairs, a and
        attention. Gradients of the source's states and keys are added to, and those of parameters.
        """
        joined, y, keys, pairs, a, attention = tape
        work.call(through_tanh, a, da)
        self.state.add_gradients(joined, da, named("state", grads), work)
        djoined = self.state.backward(da, weights["state"], work)
        dscores = work.take("dscores", attention.shape)
        work.call(attending.attend_backward, djoined, attention, y, pairs.table, dscores, dy)
        self.kind.scores_backward(
            dscores, joined, self.width, keys, pairs, weights, djoined, dkeys, grads, work
        )
        return djoined
