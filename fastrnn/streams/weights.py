"""The weights of a network in packed form, as steps of streams multiply by them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastrnn.kernels.recurrence import Cell
from fastrnn.kernels.stream import pack_factor
from fastrnn.kernels.workspace import Workspace
from fastrnn.network.shards import fill_packed

__all__ = ["HeadWeights", "LayerWeights", "StageWeights", "pack_layer", "pack_stages"]


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
    W: np.ndarray
    U: np.ndarray
    U_last: np.ndarray | None = None


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
    W: np.ndarray | None
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

    @classmethod
    def of(cls, network):
        """Pack its weights."""
        packed, calls = network.head.plan_forward(network.pooling.width, network.make_workspace())
        fill_packed(calls)
        return cls(network, packed)

    def predict(self, states):
        """What the network predicts (..., K), where the states (..., F) are read."""
        head = self.network.head
        rows = states.reshape(-1, states.shape[-1])
        outputs = np.empty((len(rows), head.n_outputs), self.network.dtype)
        head.forward(rows, self.packed, outputs, self.network.make_workspace())
        head.decode(outputs)
        return outputs.reshape(*states.shape[:-1], -1)


def pack_layer(layer):
    """The weights of a layer in packed form."""
    weights, factors = layer.plan_forward(Workspace(layer.dtype, layer.rounds))
    for factor in factors:
        pack_factor(*factor)
    return LayerWeights(
        layer.kernel,
        layer.kernel_option,
        layer.zoneout,
        layer.input_size,
        layer.hidden_size,
        layer.params["b"],
        layer.of_cell(layer.params),
        *weights[0],
    )


def pack_stages(stages, work):
    """The stages before the first layer, with their weights in packed form."""
    packed, most = [], 0
    for k, stage in enumerate(stages):
        most = stage.count_others(most)
        W, calls = stage.plan_forward(work.part(k))
        for _, factor in calls:
            pack_factor(*factor)
        packed.append(
            StageWeights(
                *(stage.input_size, stage.output_size, stage.kernel, stage.left, stage.stride),
                *(stage.span, stage.depth, most, W, stage.params.get("b")),
            )
        )
    return packed
