"""The weights of a network, packed as steps of streams multiply by them: as they are, or small."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.kernels.recurrence import Cell
from fastrnn.kernels.stream import pack_factor, pack_factor_transposed
from fastrnn.kernels.workspace import Workspace
from fastrnn.network.shards import fill_packed
from fastrnn.streams.int8 import panels_of, to_int8

SMALL_WEIGHTS = ("int8", "bfloat16")
"""What weights may be rounded to."""


@dataclass(frozen=True, eq=False)
class Factor:
    """A matrix in packed form, or as a table; the scales are those of whole numbers."""

    packed: np.ndarray
    scale: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """A layer as the kernel takes it: its cell, and its weights in packed form."""

    cell: Cell
    option: int
    zoneout: float
    input_size: int
    hidden_size: int
    b: np.ndarray
    extra: tuple[np.ndarray, ...]  # parameters of the cell
    W: Factor
    U: Factor
    U_last: Factor | None = None


@dataclass(frozen=True, eq=False)
class StageWeights:
    """A stage (`fastrnn.network.front`) as the kernel takes it, its weights in packed form.

    At most so many rows that it makes are not final.
    """

    input_size: int
    output_size: int
    kernel: int
    left: int
    stride: int
    span: int
    depth: int
    most: int
    W: Factor | None
    b: np.ndarray | None

    def count_rows(self, n_final, n_rows):
        """How many rows that it makes of so many are final, and how many there are."""
        made = np.maximum(0, (n_final - self.span) // self.stride + 1)
        return made, (n_rows - 1) // self.stride + 1


@dataclass(frozen=True, eq=False)
class HeadWeights:
    """The head of a network as it predicts, for what the kernel leaves of the rows of a step."""

    network: Any
    packed: np.ndarray
    rounds: bool

    @classmethod
    def of(cls, network, rounds):
        """Pack its weights, rounded to bfloat16 or not."""
        work = Workspace(network.dtype, rounds)
        packed, calls = network.head.plan_forward(network.pooling.width, work)
        fill_packed(calls)
        return cls(network, packed, rounds)

    def predict(self, states):
        """What the network predicts (..., K), where the states (..., F) are read."""
        head, work = self.network.head, Workspace(self.network.dtype, self.rounds)
        rows = states.reshape(-1, states.shape[-1])
        outputs = np.empty((len(rows), head.n_outputs), self.network.dtype)
        head.forward(rows, self.packed, outputs, work)
        head.decode(outputs)
        return outputs.reshape(*states.shape[:-1], -1)


@dataclass(frozen=True, eq=False)
class Int8Head:
    """Likewise a head whose weights are whole numbers; rows are as they are."""

    W: np.ndarray
    b: np.ndarray

    def predict(self, states):
        """Scores (..., K), which rank as what the network predicts."""
        return states @ self.W + self.b


class Packing:
    """How the weights of a network are packed.

    Parameters
    ----------
    network : Network
        The network.
    weights : {"int8", "bfloat16"} or None
        What they are rounded to; None for what its products round to anyway.
    """

    def __init__(self, network, weights):
        check_weights(weights, network.dtype)
        self._network, self._dtype = network, network.dtype
        self._is_int8 = weights == "int8"
        self.rounds = weights == "bfloat16" or (network.rounds and not self._is_int8)

    def workspace(self):
        """Memory for what steps read, and work in."""
        return Workspace(self._dtype, self.rounds)

    def room(self, n_rows, width):
        """Room for rows that are first factors; None where they are read as they are."""
        if not self.rounds and not self._is_int8:
            return None
        return self.workspace().take("rounded", (n_rows * (width + 4),))

    def layers(self):
        """The weights of the layers."""
        return [self._layer(layer) for layer in self._network.layers]

    def _layer(self, layer):
        weights, factors = layer.plan_forward(self.workspace())
        packed = {id(room): self._pack(W, column, n, room) for W, column, n, room, _ in factors}
        none = np.empty(0, self._dtype)
        return LayerWeights(
            layer.kernel,
            layer.kernel_option,
            layer.zoneout,
            layer.input_size,
            layer.hidden_size,
            layer.params["b"],
            layer.of_cell(layer.params),
            *(None if w is None else packed.get(id(w), Factor(none)) for w in weights[0][:-1]),
        )

    def _pack(self, W, column, n_columns, room):
        """Columns of a matrix, in room that there is for floats."""
        if self._is_int8:
            return Factor(*panels_of(*to_int8(W[:, column : column + n_columns])))
        pack_factor(W, column, n_columns, room, self.rounds)
        return Factor(room)

    def stages(self):
        """The stages before the first layer."""
        packed, most, work = [], 0, self.workspace()
        for k, stage in enumerate(self._network.front.stages if self._network.front else []):
            most = stage.count_others(most)
            _, calls = stage.plan_forward(work.part(k))
            W = None
            for _, (matrix, column, n, room, _) in calls:
                W = self._pack(matrix, column, n, room)
            packed.append(
                StageWeights(
                    *(stage.input_size, stage.output_size, stage.kernel, stage.left, stage.stride),
                    *(stage.span, stage.depth, most, W, stage.params.get("b")),
                )
            )
        return packed

    def tables(self):
        """The vectors of ids of each table."""
        return [self._table(table) for table in self._network.embeddings]

    def _table(self, table):
        if not self._is_int8:
            return Factor(table)
        q, scale = to_int8(table.T)
        return Factor(np.ascontiguousarray(q.T), scale)

    def head(self):
        """The weights of the head."""
        network, width = self._network, self._network.pooling.width
        of_head, is_tied = network.head.point_params(), network.head.tied
        if self._is_int8:
            return Factor(
                *panels_of(*to_int8(network.embeddings[0].T if is_tied else of_head["W"]))
            )
        room = self.workspace().packed("head", width, len(of_head["b"]))
        if not is_tied:
            return self._pack(of_head["W"], 0, len(of_head["b"]), room)
        pack_factor_transposed(network.embeddings[0], room, self.rounds)
        return Factor(room)

    def head_of_rows(self):
        """The same, of an affine head, for rows outside the kernel."""
        if not self._is_int8:
            return HeadWeights.of(self._network, self.rounds)
        params = self._network.head.params
        q, scale = to_int8(params["W"])
        return Int8Head(q * scale, params["b"])


def check_weights(weights, dtype):
    """Refuse weights that there is no such form of."""
    if weights is not None and weights not in SMALL_WEIGHTS:
        allowed = ", ".join(map(repr, SMALL_WEIGHTS))
        raise ValueError(f"weights must be None or one of {allowed}, got {weights!r}")
    if weights is not None and dtype != np.float32:
        raise ValueError(f"weights={weights!r} is for models of dtype='float32', not {dtype}")
