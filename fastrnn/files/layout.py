"""The layout of a file: that of safetensors, with a record in its header.

A file is the length of its header (8 bytes, little-endian), the header, and the bytes of the
tensors, one after the other. The header is a JSON object that has dtype, shape and place of every
tensor, and under "__metadata__" strings by name. Ours is "fastrnn", the record as JSON. Under
"checksums" it has the SHA-256 of every tensor; its last entry is "sha256", that of its own text up
to the comma before.

Any reader of the format, such as the `safetensors` library, sees the tensors. Here everything is
checked against the size of the file before anything of that size is taken, and what the library
would let pass is not (keys that come twice, numbers that are not finite, gaps, other checksums).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import stat
from dataclasses import dataclass
from typing import Any

import numpy as np

import fastrnn
from fastrnn.files.atomic import check_place, replacing
from fastrnn.files.codec import DictOf, ListOf, Place, Record, Text, Value, Whole
from fastrnn.files.values import ModelFileError, check_room, parse, show
from fastrnn.typing import PathLike

FORMAT = 2
"""Version of the format of records. Files of a higher one are refused."""

_METADATA, _RECORD = "__metadata__", "fastrnn"
_SEAL = ', "sha256": "{}"}}'
_MAX_HEADER = 100_000_000  # bytes, as in the safetensors library
_CHUNK = 2**20  # bytes that are read and checked at a time
_MAX_REASON = 300  # characters of a message
_DTYPES = {"F32": "float32", "F64": "float64", "I64": "int64"}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}

_METADATA_RECORD = Record({_RECORD: Text()})
_TENSOR = Record(
    {
        "dtype": Text(tuple(_DTYPES)),
        "shape": ListOf(Whole(1), tuple),
        "data_offsets": ListOf(Whole(), tuple),
    }
)
# What every record says of its file beside its sections; the first two in any format.
_WRITER = Record({"format": Whole(1), "fastrnn": Text()})
_HEAD = Record({"kind": Text(), "checksums": DictOf(Text()), "sha256": Text()})


@dataclass(frozen=True)
class TensorInfo:
    """What a file says about one of its tensors.

    Attributes
    ----------
    dtype : {"float32", "float64", "int64"}
        Kind of its numbers.
    shape : tuple of int
        Its shape.
    begin : int
        Its place in the file, in bytes from the start.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Description:
    """What is in a file of ours.

    Attributes
    ----------
    kind : str
        "classifier", "regressor", "tagger", "seq2seq", "forecaster" or "language_model" for a
        model, and "checkpoint".
    fastrnn_version : str
        Version of the package that wrote it.
    record : dict
        All that the file says, as JSON has it; docs/save-and-load.md lists the entries.
    parameters : dict
        Of a model, the parameters of its constructor by name.
    tensors : dict of str to TensorInfo
        Dtype and shape of each tensor by name, in the order of the file.
    size : int
        Size of the file in bytes.
    """

    kind: str
    fastrnn_version: str
    record: dict[str, Any]
    parameters: dict[str, Any]
    tensors: dict[str, TensorInfo]
    size: int


def read_description(path: PathLike) -> Description:
    """Read and check what a file says about itself, without building what is in it.

    Looked at are the header, the record and its checksum, and that the tensors fill the file. What
    is in them is not read: `fastrnn.load` checks that, and whether all of it makes a model.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    fastrnn.files.layout.Description
        ``kind``, ``fastrnn_version``, ``parameters``, ``record``, ``tensors`` and ``size``.

    Raises
    ------
    ModelFileError
        If it is no file of ours, is damaged, or is of a newer format.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastrnn import RNNClassifier
    >>> from fastrnn.files import read_description
    >>> model = RNNClassifier(8, max_iter=2, tol=0.5, n_iter_no_change=1, random_state=0)
    >>> _ = model.fit([[1, 2, 3], [3, 2], [2, 3, 4], [4, 3, 1]], ["up", "down", "up", "down"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "trend.fastrnn")
    ...     model.save(path)
    ...     description = read_description(path)
    >>> description.kind, description.parameters["hidden_layer_sizes"]
    ('classifier', 8)
    >>> description.tensors["layers.0.W"].shape
    (64, 24)
    """
    with open_record(path) as file:
        sections = {"parameters": {}} | file.sections
        parameters = DictOf(Value()).read(sections["parameters"], Place("parameters"))
        return Description(
            file.kind, file.version, file.record, parameters, dict(file.tensors), file.size
        )


def write_record(path, kind, sections, tensors, check=None):
    """Write a file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where; a file that is there is replaced.
    kind : str
        What is in it.
    sections : dict of str to dict
        What the `Record` of such files has written.
    tensors : dict of str to ndarray
        Arrays of float32, float64 or int64 by name, none of them empty.
    check : callable or None, default=None
        Reads the `RecordFile` that has been written, before it takes the place of another.

    Raises
    ------
    ValueError
        If the file could not be read again.
    OSError
        If the file cannot be written.
    """
    check_place(path)
    # Large numbers first, so that all are aligned, as the library has them.
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    checksums, header, end = {}, {_METADATA: {}}, 0
    for name in order:
        tensor = tensors[name]
        begin, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _NAMES[tensor.dtype.name],
            "shape": tensor.shape,
            "data_offsets": [begin, end],
        }
        checksums[name] = hashlib.sha256(_bytes(tensor)).hexdigest()
    head = {"format": FORMAT, "fastrnn": fastrnn.__version__, "kind": kind}
    text = json.dumps({**head, **sections, "checksums": checksums}, allow_nan=False)
    header[_METADATA] = {_RECORD: _seal(text)}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with replacing(path) as temporary:
        with open(temporary, "wb") as file:
            file.write(len(encoded).to_bytes(8, "little"))
            file.write(encoded)
            for name in order:
                file.write(_bytes(tensors[name]))
        with open(temporary, "rb") as file:
            try:
                written = RecordFile(file)
                if check is not None:
                    check(written)
            except ModelFileError as error:
                reason = f"it could not be loaded again: {_one_line(error)}"
                raise ValueError(f"a file cannot hold this {kind}: {reason}") from None


def _bytes(tensor):
    """The bytes of a tensor as they are in files."""
    little = np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<"))
    return memoryview(little.reshape(-1)).cast("B")


def _seal(text):
    """Put its checksum at the end of a record."""
    text = text[:-1]
    return text + _SEAL.format(hashlib.sha256(text.encode()).hexdigest())


@contextlib.contextmanager
def open_record(path):
    """Open a file, and check its form.

    Parameters
    ----------
    path : str or path-like
        The file.

    Yields
    ------
    RecordFile
        The file; a `ModelFileError` of the body gets the name of the file in front.
    """
    name = os.fsdecode(path)
    mode = os.stat(name).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe might never begin
        raise ModelFileError(f"{name}: it is no regular file")
    with open(name, "rb") as file:
        try:
            yield RecordFile(file)
        except ModelFileError as error:
            raise ModelFileError(f"{name}: {_one_line(error)}") from None


def _one_line(error):
    reason = " ".join(str(error).split())  # what is in the file may have many lines
    return reason if len(reason) <= _MAX_REASON else f"{reason[:_MAX_REASON]} ..."


class RecordFile:
    """An open file whose form has been checked.

    `kind`, `version` and `format` say what is in it, which version of the package wrote it and in
    which format. `record` is all of the record as JSON has it, `sections` what is there beside what
    all files have. `tensors` has a `TensorInfo` by name, in the order of the file, whose `size` is
    in bytes.
    """

    def __init__(self, file):
        self._file, self.size = file, os.fstat(file.fileno()).st_size
        self._wanted: set[str] = set()
        self._asked_for: set[str] = set()
        header, begin = self._read_header()
        if _METADATA not in header:
            raise ModelFileError(f"the header has no {_METADATA!r}")
        text = _METADATA_RECORD.read(header.pop(_METADATA), Place("the metadata"))[_RECORD]
        if not text.isascii() or _seal(text[: -len(_SEAL.format("0" * 64))] + "}") != text:
            raise ModelFileError("its record is damaged: the checksum is another one")
        self.tensors = self._read_table(header, begin)
        self.record = parse(text, "its record")
        self.sections = self.record
        self.version, self.format = self._check_writer()
        head = self.read(_HEAD)
        self.sections = {k: v for k, v in self.record.items() if k not in self._asked_for}
        self.kind, self._checksums = head["kind"], head["checksums"]
        if self._checksums.keys() != self.tensors.keys():
            raise ModelFileError("its tensors are not those that it has checksums of")

    def read(self, record):
        """Read the sections that a `Record` has, and its arrays."""
        names = [name for name in record if name in self.sections]
        self._asked_for.update(names)
        return record.read({name: self.sections[name] for name in names}, Place("", self))

    def replace_sections(self, sections, names):
        """Take other sections in the place of older ones; `names` are new ones of tensors."""
        tensors = {names.get(name, name): info for name, info in self.tensors.items()}
        if len(tensors) < len(self.tensors):
            raise ModelFileError("it has a tensor under two names")
        self.sections, self.tensors = sections, tensors
        self._checksums = {names.get(name, name): text for name, text in self._checksums.items()}

    def _read_header(self):
        length = int.from_bytes(self._read(8), "little")
        begin = 8 + length
        if begin > self.size or length > _MAX_HEADER:
            raise ModelFileError(
                f"its header should have {length} bytes, more than the file of {self.size} has"
            )
        text = self._read(length)
        check_room(text, self.size)
        return parse(text, "its header"), begin

    def _read(self, n_bytes):
        data = self._file.read(n_bytes)
        if len(data) < n_bytes:
            raise ModelFileError("it ends too early to be a file of fastrnn")
        return data

    def _read_table(self, header, begin):
        """Read where the tensors are; they fill what follows the header."""
        tensors = {}
        for name, entry in header.items():
            what = f"the tensor {show(name)}"
            entry = _TENSOR.read(entry, Place(what))
            shape, place = entry["shape"], entry["data_offsets"]
            if len(place) != 2 or place[0] > place[1]:
                raise ModelFileError(f"{what} has the place {show(place)}")
            info = TensorInfo(_DTYPES[entry["dtype"]], shape, begin + place[0])
            if place[1] - place[0] != info.nbytes:
                raise ModelFileError(
                    f"{what} has {show(place[1] - place[0])} bytes, which does not suit its shape"
                )
            tensors[name] = info
        tensors = dict(sorted(tensors.items(), key=lambda item: item[1].begin))
        for name, info in tensors.items():
            if info.begin != begin:
                raise ModelFileError(f"the tensor {show(name)} does not begin where it should")
            begin += info.nbytes
        if begin != self.size:
            raise ModelFileError(f"it should have {begin} bytes, but has {self.size}")
        return tensors

    def _check_writer(self):
        writer = self.read(_WRITER)
        version = writer["fastrnn"]
        if writer["format"] > FORMAT:
            raise ModelFileError(
                f"it was written by fastrnn {show(version)} in format {writer['format']}, but this "
                f"version reads formats up to {FORMAT}: upgrade fastrnn"
            )
        return version, writer["format"]

    def expect(self, name, dtype, shape):
        """Check that there is a tensor of this name, dtype and shape."""
        found = self.shape(name)
        info = self.tensors[name]
        if (info.dtype, found) != (dtype, tuple(shape)):
            raise ModelFileError(
                f"the tensor {name!r} has the dtype {info.dtype} and shape {show(info.shape)}, "
                f"expected {dtype} and {show(tuple(shape))}"
            )
        self._wanted.add(name)

    def shape(self, name):
        """Return the shape of a tensor that must be there."""
        if name not in self.tensors:
            raise ModelFileError(f"it has no tensor {name!r}")
        return self.tensors[name].shape

    def end(self):
        """Refuse sections and tensors that nobody has asked for."""
        for name in self.sections:
            if name not in self._asked_for:
                raise ModelFileError(f"the record has the unknown entry {show(name)}")
        for name in self.tensors:
            if name not in self._wanted:
                raise ModelFileError(f"it has the unknown tensor {show(name)}")

    def array(self, name, dtype, shape, *, finite=True):
        """Read a tensor into a new array; with `finite` NaN and infinity are an error."""
        self.expect(name, dtype, shape)
        array = np.empty(shape, dtype)
        self.read_into(name, array, finite=finite)
        return array

    def read_into(self, name, array, *, finite=True):
        """Read a tensor that is expected into a C-contiguous array of its dtype and shape."""
        flat = array.reshape(-1)
        little = array.dtype.newbyteorder("<")
        per_chunk = _CHUNK // array.itemsize
        checksum = hashlib.sha256()
        self._file.seek(self.tensors[name].begin)
        for begin in range(0, len(flat), per_chunk):
            part = flat[begin : begin + per_chunk]
            data = self._read(part.nbytes)
            checksum.update(data)
            part[:] = np.frombuffer(data, little)
            if finite and array.dtype.kind == "f" and not np.isfinite(part).all():
                raise ModelFileError(f"the tensor {name!r} has numbers that are not finite")
        if checksum.hexdigest() != self._checksums[name]:
            raise ModelFileError(f"the tensor {name!r} is damaged: its checksum is another one")
