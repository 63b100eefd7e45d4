"""Arrays of Keras' layers, read one after the other: what each is, its shape tells.

A recurrent layer has for each direction a kernel (D, G·H), a recurrent kernel (H, G·H) and a bias
(https://keras.io/api/layers/recurrent_layers). The records of the cells say in which order its
gates stand. A GRU with ``reset_after=True`` has two rows of biases, (2, 3H), which are added, but
for those of the candidate, between which the reset gate stands.
"""

import itertools
import math
from dataclasses import replace

import numpy as np

from fastrnn.interop.weights import (
    Weights,
    as_weight,
    cells_of,
    check_shape,
    head_width,
    in_order_here,
    what_is_read,
)
from fastrnn.network.cells import CELLS


def _or(words):
    return ", ".join(words[:-1]) + " or " + words[-1]


class Misfit(ValueError):
    """Arrays cannot be read in a certain way."""

    def __init__(self, place, message):
        super().__init__(message)
        self.place = place


class Arrays:
    """A list of arrays that is read from its beginning to its end; messages call it `source`."""

    def __init__(self, arrays, source):
        self.arrays, self.source, self.place = arrays, source, 0

    def __len__(self):
        """How many are left."""
        return len(self.arrays) - self.place

    def peek(self, k=0):
        """Shape of the next array but k; () at the end."""
        rest = self.arrays[self.place + k :]
        return rest[0].shape if rest else ()

    def take(self, what, *shapes):
        """Take the next array, which must have one of these shapes."""
        place = self.place
        if not len(self):
            raise Misfit(place, f"{self.source} ends after {place} arrays: {what} is missing")
        array = self.arrays[place]
        try:
            check_shape(f"array {place} of {self.source}", array, *shapes, what=what)
        except ValueError as error:
            raise Misfit(place, str(error)) from None
        self.place += 1
        return array

    def end(self):
        """Check that there is nothing left."""
        if len(self):
            shapes = ", ".join(str(array.shape) for array in self.arrays[self.place :])
            raise Misfit(
                self.place, f"{self.source} goes on, where it should end, with shapes {shapes}"
            )


def _read_direction(arrays, width, reset_after):
    """Read the cell, its convention, and the parameters of one direction of a layer."""
    kernel, recurrent = arrays.peek(), arrays.peek(1)
    n_columns = kernel[1] if len(kernel) == 2 else "G·H"
    W = arrays.take("the kernel of a recurrent layer", (width, n_columns))
    H = recurrent[0] if len(recurrent) == 2 and recurrent[0] else "H"
    U = arrays.take("the recurrent kernel of a layer", (H, n_columns))
    cells = cells_of("keras")
    cell = cells.get(n_columns / H)
    if cell is None:
        columns = [str(n * H) for n in sorted(cells)]
        names = [cells[n].keras.name for n in sorted(cells)]
        raise Misfit(
            arrays.place - 1,
            f"array {arrays.place - 1} of {arrays.source} has shape {U.shape}, a recurrent kernel: "
            f"expected {_or(columns)} columns for {H} units of {_or(names)}",
        )
    one, two = (n_columns,), (2, n_columns)
    shapes = [one]
    if cell.chooser == "reset_after":
        shapes = {None: [two, one], True: [two], False: [one]}[reset_after]
    b = np.zeros(n_columns, W.dtype)
    following = arrays.peek()
    # Two rows that are not wanted are refused, but above two units they may be the next kernel.
    is_other_bias = cell.chooser == "reset_after" and following == two and H != 2
    if len(following) == 1 or following in shapes or is_other_bias:
        b = arrays.take("the bias of a layer", *shapes)
        reset_after = b.ndim == 2
    order = cell.blocks_of(cell.keras)
    W, U, b = (in_order_here(array, order) for array in (W, U, b))
    biases = cell.split_bias(*(b if b.ndim == 2 else (b, np.zeros_like(b))))
    convention = reset_after if cell.chooser == "reset_after" else None
    return cell.name, convention, {"W": W, "U": U, **biases}


def read_layer(arrays, width, n_directions, reset_after):
    """Read the cell, its convention and the parameters of a layer."""
    begin = arrays.place
    cell, convention, params = _read_direction(arrays, width, reset_after)
    if n_directions == 2:
        forward = arrays.arrays[begin : arrays.place]
        begin = arrays.place
        for array in forward:
            arrays.take("the same of the backward direction", array.shape)
        arrays.place = begin
        _, _, backward = _read_direction(arrays, width, convention)
        params |= {f"{name}_reverse": array for name, array in backward.items()}
    return cell, convention, params


def read_head(arrays, width, source="states of the top layer"):
    """Read the head, which reads so many numbers."""
    W = arrays.take(f"the kernel of the head, which reads {source}", (width, "K"))
    b = np.zeros(W.shape[1], W.dtype)
    if len(arrays):
        b = arrays.take("the bias of the head", (W.shape[1],))
    return {"W": W, "b": b}


def join(layers, activation):
    """Join layers that were read one by one, which must be of one kind."""
    cells = sorted({cell for cell, _, _ in layers})
    conventions = {convention for _, convention, _ in layers}
    if len({"W_reverse" in params for _, _, params in layers}) > 1:
        raise Misfit(
            math.inf, "some layers are Bidirectional and some not: a network here has one kind"
        )
    if len(cells) > 1:
        raise Misfit(
            math.inf, f"the layers are of different cells, {cells}: a network here has one kind"
        )
    if len(conventions) > 1:
        raise Misfit(
            math.inf, "some GRUs have reset_after=True and some not: a network here has one kind"
        )
    if activation is not None and CELLS[cells[0]].cell.chooser != "activation":
        raise Misfit(
            math.inf,
            f"activation={activation!r} is for SimpleRNN, but the weights are of {cells[0]}",
        )
    options = {"reset_after": conventions.pop(), "activation": activation}
    options = {name: value for name, value in options.items() if value is not None}
    return Weights(cells[0], options, [params for _, _, params in layers])


def read_list(weights, estimator, *, bidirectional, reset_after, activation):
    """Read a list of arrays by their shapes."""
    if not isinstance(weights, list | tuple):
        raise TypeError(
            "weights must be a list of arrays, as get_weights gives it, or a model or layer of "
            f"Keras, got {type(weights).__name__}"
        )
    arrays = [as_weight(f"array {place} of the list", w) for place, w in enumerate(weights)]
    n_tables, n_directions = [0], [1, 2]
    if estimator is not None:
        if estimator.bidirectional != type(estimator).bidirectional:  # a default says nothing
            bidirectional = estimator.bidirectional
        n_tables = [0, 1] if estimator.categorical_features is None else range(len(arrays))
    if bidirectional is not None:
        n_directions = [1 + bool(bidirectional)]
    readings, misfits = [], []
    for k, directions in itertools.product(n_tables, n_directions):
        try:
            readings.append(_read_as(arrays, k, directions, reset_after, activation, estimator))
        except Misfit as misfit:
            misfits.append(misfit)
    if not readings:
        furthest = max(misfit.place for misfit in misfits)
        messages = [str(misfit) for misfit in misfits if misfit.place == furthest]
        raise ValueError("; or ".join(dict.fromkeys(messages)))
    if len(readings) > 1:
        raise ValueError(
            "the arrays may be those of layers that read in both directions, or of twice as many "
            "that read in one: say which with bidirectional"
        )
    return readings[0]


def _read_as(arrays, n_tables, n_directions, reset_after, activation, estimator):
    """Read arrays as so many tables, layers of so many directions and, for an estimator, a head."""
    arrays = Arrays(arrays, "the list")
    tables = [arrays.take("the vectors of ids", ("V", "E")) for _ in range(n_tables)]
    width = sum(table.shape[1] for table in tables) if tables else "D"
    kernel = arrays.peek()
    if tables and estimator.categorical_features is not None and len(kernel) == 2:
        width = max(width, kernel[0])  # numbers come before the vectors
    layers = []
    # What is left may be a head: one matrix, or a matrix and a bias.
    while not layers or len(arrays) > 2 or len(arrays.peek(1)) == 2:
        layers.append(read_layer(arrays, width, n_directions, reset_after))
        width = n_directions * len(layers[-1][-1]["U"])
    head = None
    if estimator is not None:
        head = read_head(arrays, head_width(estimator, width), what_is_read(estimator))
    arrays.end()
    return replace(join(layers, activation), tables=tables, head=head)
