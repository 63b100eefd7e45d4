"""Recurrent layers: padded arrays in, arrays out, exact gradients."""

from fastrnn.network import cells
from fastrnn.network.cells import *  # noqa: F403

__all__ = list(cells.__all__)
