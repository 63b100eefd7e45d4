"""What is in a model file, printed without making the model.

What strings in the file say is shown as Python writes it: a file from a stranger does not get to
talk to the terminal.
"""

import math

from fastrnn.files import ModelFileError
from fastrnn.files.layout import open_record
from fastrnn.files.values import decode

SECTIONS = ("architecture", "reader", "task", "history", "training", "parameters")
_WIDTH = 60


def info(options):
    """Print what is in a file, after a look at all of its checksums."""
    with open_record(options.model) as file:
        for name, tensor in file.tensors.items():
            file.array(name, tensor.dtype, tensor.shape, finite=False)  # compares its checksum
    print(f"{_show(file.kind)}, written by fastrnn {_show(file.version)}")
    numbers = sum(math.prod(tensor.shape) for tensor in file.tensors.values())
    print(
        f"{file.size} bytes, {len(file.tensors)} tensors of {numbers} numbers; all checksums are "
        "right"
    )
    known = [name for name in SECTIONS if name in file.record]
    rest = [name for name in file.record if isinstance(file.record[name], dict)]
    for section in dict.fromkeys([*known, *rest]):
        if section != "checksums":
            _print_table(section, _entries(file.record[section]))
    tensors = {
        name: (tensor.dtype, " x ".join(map(str, tensor.shape)) or "-")
        for name, tensor in file.tensors.items()
    }
    _print_table("tensors", ((name, "  ".join(what)) for name, what in tensors.items()))


def _print_table(title, entries):
    entries = list(entries)
    if entries:
        print(f"\n{_show(title)}")
        width = max(len(_show(name)) for name, _ in entries)
        for name, value in entries:
            print(f"  {_show(name):{width}}  {value}")


def _entries(part, prefix=""):
    """Yield the name of every value of a part of a record, and the value in short."""
    for name, value in part.items() if isinstance(part, dict) else [("", part)]:
        try:
            yield prefix + name, _short(decode(value, name))
        except ModelFileError:
            if isinstance(value, dict):
                yield from _entries(value, f"{prefix}{name}.")
            else:
                yield prefix + name, _short(value)


def _short(value):
    """Show a value, and of many as many as fit."""
    if isinstance(value, float):
        return str(value)
    if isinstance(value, str) or not hasattr(value, "__len__"):
        text, count = repr(value), ""
    elif isinstance(value, dict):
        text = ", ".join(f"{key!r}: {item!r}" for key, item in value.items())
        count = f" ({len(value)})"
    else:
        text = ", ".join(map(repr, getattr(value, "tolist", lambda: value)()))
        count = f" ({len(value)})"
    text = text or "none"
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}...{count}"


def _show(text):
    """Show a name as it is, unless it has characters that are not for terminals."""
    return text if text.isprintable() else repr(text)
