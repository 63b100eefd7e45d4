"""Models for other programs, and weights from them."""

from fastrnn.interop.c import export_c

__all__ = ["export_c"]
