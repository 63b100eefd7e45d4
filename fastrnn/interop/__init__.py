"""Models for other programs, and weights from them and for them."""

from fastrnn.interop.c import export_c
from fastrnn.interop.keras import from_keras, to_keras_weights
from fastrnn.interop.onnx_export import export_onnx, to_onnx
from fastrnn.interop.onnx_import import OnnxLayer, from_onnx
from fastrnn.interop.pytorch import from_torch, to_torch_state_dict

__all__ = [
    "OnnxLayer",
    "export_c",
    "export_onnx",
    "from_keras",
    "from_onnx",
    "from_torch",
    "to_keras_weights",
    "to_onnx",
    "to_torch_state_dict",
]
