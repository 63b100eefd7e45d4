"""What the head sees of the top layer: its last states, their mean or maximum, or every one."""

import numpy as np

from fastrnn.kernels import packing
from fastrnn.network import both_directions


class Pooling:
    """From the states of the top layer to the rows that the head reads, and gradients back.

    The kind is "last", the state after each sequence's own last step (for the second direction,
    after its first), "mean" or "max" of the states over all steps, or "steps", a row for each.
    """

    def __init__(self, kind, layer):
        self.kind = kind
        self.layer = layer
        self.every_step = kind == "steps"
        self.needs_outputs = kind != "last"
        self.width = layer.output_size

    def n_rows(self, batch):
        """How many rows the head reads of a packed batch."""
        return len(batch.rows) if self.every_step else len(batch.order)

    def places(self, batch):
        """What each row of a packed batch that the head reads is for: a sequence, or a step."""
        return batch.rows if self.every_step else batch.order

    def forward(self, tapes, batch, work, pooled):
        """Fill ``pooled`` (rows, F): a row for each sequence in packed order, or for each step.

        ``work`` keeps what `backward` needs.
        """
        if self.every_step:
            y = both_directions.outputs(self.layer, tapes, batch, work)
            work.call(np.copyto, pooled, y)
            return
        for tape, column in self._columns(tapes):
            if self.kind == "last":
                work.call(packing.last_forward, tape.h, batch.last, column, pooled)
            elif self.kind == "mean":
                work.call(packing.mean_forward, tape.h, batch.alive, batch.lengths, column, pooled)
            else:
                row_of = work.take("row_of", pooled.shape, dtype=np.int64)
                work.call(packing.max_forward, tape.h, batch.alive, column, pooled, row_of)

    def backward(self, dpooled, batch, work):
        """From the gradient of what was pooled, used up, to ``dy`` and ``dstate`` of the layer."""
        layer = self.layer
        if self.every_step:
            return dpooled, None
        if self.kind == "last" and layer.n_directions == 1:
            return None, (dpooled[np.newaxis],)
        if self.kind == "last":
            shape = (layer.n_directions, len(batch.order), layer.hidden_size)
            dh = work.take("dh", shape)
            for dh_of_direction, column in self._columns(dh):
                work.call(packing.last_backward, dpooled, column, dh_of_direction)
            return None, (dh,)

        def dy(direction):
            column = direction * layer.hidden_size
            dy = work.take(("dy", direction), (len(batch.rows), layer.hidden_size))
            if self.kind == "mean":
                work.call(packing.mean_backward, dpooled, batch.alive, batch.lengths, column, dy)
            else:
                row_of = work.take("row_of", dpooled.shape, dtype=np.int64)
                work.call(packing.max_backward, dpooled, row_of, column, dy)
            return dy

        return dy, None

    def _columns(self, of_directions):
        """Something of each direction, with its first column in what is pooled."""
        return zip(of_directions, range(0, self.width, self.layer.hidden_size), strict=True)
