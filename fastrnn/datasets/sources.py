"""The bytes of a file or of standard input, decompressed, and their text."""

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

from fastrnn.typing import PathLike

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Source:
    """What a file holds: its bytes, what messages call it, and the name that tells its format."""

    data: bytes
    name: str
    file: str


def name_of(path: PathLike | IO[Any]) -> str:
    """Return what messages call a file: its path, "standard input" for "-"."""
    if isinstance(path, io.IOBase):
        return "the file"
    return "standard input" if str(path) == "-" else str(path)


def read_source(path):
    """Read a file that is named or open, or standard input if it is "-"; decompress it."""
    name = name_of(path)
    if isinstance(path, io.IOBase):
        data = path.read()
        data = data.encode() if isinstance(data, str) else data
    else:
        data = sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes()
    file = PurePath(name).name
    for mark, (decompress, ending) in _COMPRESSED.items():
        if data.startswith(mark):
            try:
                data, inner = decompress(data)
            except _FAULTS as error:
                raise ValueError(f"{name} cannot be decompressed: {error}") from None
            file = inner or file.removesuffix(ending)
            break
    return Source(data, name, file)


def compression_of(data):
    """Name the compression of bytes by their beginning, such as ".gz"; None for none."""
    return next((end for mark, (_, end) in _COMPRESSED.items() if data.startswith(mark)), None)


def text_encoding(name: str) -> str:
    """Return the name of an encoding of text as Python has it, or raise a ValueError."""
    try:
        "".encode(name)  # of codecs that are not of text, such as hex, Python refuses it
        return codecs.lookup(name).name
    except (LookupError, UnicodeError):
        raise ValueError(f"there is no encoding {name!r} of text") from None


def decode(source, form):
    """Return the text of a source."""
    return decode_bytes(source.data, source.name, form)


def encoding_of(data, form):
    """Return the encoding of bytes: the one that is given, that of their mark, or UTF-8."""
    if form.encoding is not None:
        return form.encoding
    marks = (encoding for mark, encoding in _BYTE_ORDER_MARKS.items() if data.startswith(mark))
    return next(marks, "utf-8")


def decode_bytes(data, name, form):
    """Return the text of bytes of a file of that name."""
    encoding = encoding_of(data, form)
    if b"\0" in data[:1000] and encoding == "utf-8" != form.encoding:
        raise ValueError(
            f"{name} has bytes 0 and no mark that says why; as UTF-16 it is read with "
            f"{form.option('encoding', 'utf-16-le')} or utf-16-be"
        )
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(undecodable(f"{name}, line {line}", error, form)) from None
    except UnicodeError as error:
        raise ValueError(f"{name} cannot be decoded: {error}") from None
    return text.removeprefix("\ufeff")


def undecodable(place, error, form):
    """Say which byte is not of the encoding."""
    return (
        f"{place}: byte 0x{error.object[error.start]:02x} is not {error.encoding}; "
        f"{form.option('encoding')} names another, such as latin-1"
    )


def _gzip(data):
    return gzip.decompress(data), None


def _bzip2(data):
    return bz2.decompress(data), None


def _xz(data):
    return lzma.decompress(data), None


def _zstandard(data):
    try:
        from compression.zstd import ZstdDecompressor, ZstdError  # type: ignore[import-not-found]

        start = ZstdDecompressor
    except ImportError:  # before Python 3.14
        try:
            from zstandard import ZstdDecompressor, ZstdError
        except ImportError:
            raise ImportError(
                "Files .zst are read with zstandard: pip install 'fastrnn[zstd]'"
            ) from None

        def start():
            return ZstdDecompressor().decompressobj()

    parts = []
    try:
        while data:  # a file may be several frames, one after the other
            frame = start()
            parts.append(frame.decompress(data))
            if not frame.eof:
                raise ValueError("the end is missing")
            data = frame.unused_data
    except ZstdError as error:
        raise ValueError(error) from None
    return b"".join(parts), None


def _zip(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not name.startswith("__MACOSX/")
        ]
        if "xl/workbook.xml" in names:
            raise ValueError("it is a workbook of Excel; save its sheet as CSV")
        if len(names) != 1:
            shown = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
            raise ValueError(f"expected a single file in it, got {len(names)}: {shown}")
        return archive.read(names[0]), PurePath(names[0]).name


_COMPRESSED = {
    b"\x1f\x8b": (_gzip, ".gz"),
    b"PK\x03\x04": (_zip, ".zip"),
    b"PK\x05\x06": (_zip, ".zip"),  # an empty one
    b"\x28\xb5\x2f\xfd": (_zstandard, ".zst"),
    b"BZh": (_bzip2, ".bz2"),
    b"\xfd7zXZ\x00": (_xz, ".xz"),
}
_FAULTS = (
    *(OSError, EOFError, ValueError, RuntimeError),  # RuntimeError: a password is missing
    *(NotImplementedError, zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)
