"""The network: cells, layers, pooling and head on packed batches, and the threads that run them."""

from fastrnn.network.architecture import Architecture
from fastrnn.network.network import Network

__all__ = ["Architecture", "Network"]
