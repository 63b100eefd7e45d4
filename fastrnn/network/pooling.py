"""What the head sees of the top layer: its last states, their mean or maximum, or every one."""

import numpy as np

from fastrnn.kernels import packing
from fastrnn.network import both_directions


class Pooling:
    """From the states of a layer to the rows that the head reads, and gradients back.

    Parameters
    ----------
    kind : {"last", "mean", "max", "steps"}
        The state after each sequence's own last step (for the second direction, after its first),
        mean or maximum of the states over all steps, or the states of all steps, a row for each.
    layer : RecurrentLayer
        The top layer.
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

    def forward(self, tapes, batch, work, pooled):
        """Pool a packed batch.

        Parameters
        ----------
        tapes : list of Tape
            Of the top layer.
        batch : PackedBatch
            Its layout.
        work : Workspace
            Where `backward` finds what it needs.
        pooled : ndarray of shape (rows, F)
            Filled: a row for each sequence in packed order, or for each packed step.
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
        """Turn the gradient of what was pooled into those of the layer's results.

        Parameters
        ----------
        dpooled : ndarray of shape (rows, F)
            Gradient of what `forward` filled, used up.
        batch : PackedBatch
            As in `forward`.
        work : Workspace
            As in `forward`.

        Returns
        -------
        dy, dstate
            Arguments of `both_directions.backward`.
        """
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
