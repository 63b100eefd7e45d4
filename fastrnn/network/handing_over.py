"""The bridge between an encoder and a decoder: where a decoder starts, from where an encoder ends.

A layer of the decoder reads the final states of the layer of the encoder that is as far from the
top, or of the lowest: e, those of all its directions and kinds side by side. Its own initial states
of all kinds are, side by side, ``tanh(e W + b)``. So any cell may follow on any other.
"""

import numpy as np

from fastrnn.network.affine import Affine, named, through_tanh
from fastrnn.network.cells import CELLS

__all__ = ["Bridge", "shapes"]


def _source(k, encoder, decoder):
    """The layer of the encoder that layer k of the decoder begins with."""
    return max(0, k + len(encoder.hidden_layer_sizes) - len(decoder.hidden_layer_sizes))


def _n_states(architecture):
    return len(CELLS[architecture.cell].cell.states)


def shapes(encoder, decoder):
    """Name the parameters, with their shapes, for two architectures."""
    of_all = {}
    for k, size in enumerate(decoder.hidden_layer_sizes):
        n = encoder.hidden_layer_sizes[_source(k, encoder, decoder)]
        width = _n_states(decoder) * size
        of_all[f"{k}.W"] = (encoder.n_directions * _n_states(encoder) * n, width)
        of_all[f"{k}.b"] = (width,)
    return of_all


class Bridge:
    """The bridge between two networks' layers, with parameters that are `views` by name."""

    def __init__(self, encoder, decoder, views):
        self.encoder, self.decoder = encoder.layers, decoder.layers
        pair = encoder.architecture, decoder.architecture
        layers = range(len(self.decoder))
        self.sources = [_source(k, *pair) for k in layers]
        self.maps = [Affine(k, named(k, views)) for k in layers]

    def start(self, rng):
        """Draw the first weights."""
        for one in self.maps:
            one.start(rng)

    def plan_forward(self, work):
        """Room for packed weights, and the calls (function, arguments) that fill it."""
        planned = [one.plan_forward(work) for one in self.maps]
        return [room for room, _ in planned], [call for _, calls in planned for call in calls]

    def plan_backward(self, work):
        """Likewise for the way back."""
        planned = [one.plan_backward(work) for one in self.maps]
        return [room for room, _ in planned], [call for _, calls in planned for call in calls]

    def forward(self, final, weights, order, work):
        """From the final states of each layer (directions, B, H) to initial ones, (1, B, H) each.

        Sequence n of the decoder is number ``order[n]`` of the encoder.
        """
        states, n_sequences = [], len(order)
        for k, one in enumerate(self.maps):
            parts = [part for array in final[self.sources[k]] for part in array]  # h, c; directions
            ends = work.take((k, "ends"), (n_sequences, len(one.W)))
            work.call(np.concatenate, parts, 1, ends)
            start = one.forward(ends, weights[k], work)
            work.call(np.tanh, start, start)
            size = self.decoder[k].hidden_size
            states.append(
                tuple(
                    np.ascontiguousarray(start[order, begin : begin + size])[np.newaxis]
                    for begin in range(0, start.shape[1], size)
                )
            )
        return states

    def backward(self, dstates, weights, order, grads, work):
        """From the gradient of the initial states to that of the final ones, by layer.

        That of the parameters is added to ``grads``. It follows on `forward`.
        """
        dfinal, n_sequences = {}, len(order)
        for k, one in enumerate(self.maps):
            ends = work.take((k, "ends"), (n_sequences, len(one.W)))
            start = work.take((k, "y"), (n_sequences, one.W.shape[1]))
            dstart = work.take((k, "dstart"), start.shape)
            work.call(_put_side_by_side, dstates[k], order, dstart)
            work.call(through_tanh, start, dstart)
            one.add_gradients(ends, dstart, named(k, grads), work)
            dends = one.backward(dstart, weights[k], work)
            layer = self.encoder[self.sources[k]]
            shape = (n_sequences, layer.n_states, layer.n_directions, layer.hidden_size)
            of_layer = dends.reshape(shape).transpose(1, 2, 0, 3)  # [h, c], (directions, B, H) each
            dfinal[self.sources[k]] = of_layer + dfinal.get(self.sources[k], 0)
        return {source: tuple(of_layer) for source, of_layer in dfinal.items()}


def _put_side_by_side(states, order, target):
    target[order] = np.concatenate([array[0] for array in states], axis=1)
