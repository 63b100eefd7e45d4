"""Models for other programs, and weights from them and for them."""

from fastrnn.interop.c import export_c
from fastrnn.interop.keras import from_keras, to_keras_weights
from fastrnn.interop.pytorch import from_torch, to_torch_state_dict

__all__ = ["export_c", "from_keras", "from_torch", "to_keras_weights", "to_torch_state_dict"]
