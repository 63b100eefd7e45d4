"""Files of ours: models and checkpoints, in the layout of safetensors.

A file has a *record*, which is one JSON string, and tensors. This package knows how they are
written and read, and what every such file must be like (`fastrnn.files.layout`); what stands in the
record, and with which bounds, every object that is recorded says itself, in the words of
`fastrnn.files.codec`. Nothing in a file is ever run, imported or unpickled.

`ModelFileError` is the one error of a file that is not as it should be. `read_description` says
what is in a file without building anything.
"""

from fastrnn.files.layout import read_description
from fastrnn.files.values import ModelFileError

__all__ = ["ModelFileError", "read_description"]
