"""Bytes of files: compression and encodings."""

import bz2
import gzip
import io
import lzma
import sys
import zipfile

import pytest

from fastrnn.datasets import read_csv
from fastrnn.datasets.form import Form
from fastrnn.datasets.formats import find_format, read_rows
from fastrnn.datasets.sources import compression_of, decode, decode_bytes, read_source

TEXT = "id,x\né,1\n"


def zipped(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files.items():
            archive.writestr(name.replace("_", "."), text)
    return file.getvalue()


def gzip_parts(data):
    return gzip.compress(data[:4]) + gzip.compress(data[4:])


# Compressors and not their bytes, which hold the time: workers are to collect the same names.
@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        (".gz", gzip.compress),
        (".gz", gzip_parts),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zip", lambda data: zipped(d_csv=data)),
        ("", gzip.compress),
    ],
)
def test_compressed(tmp_path, ending, compress):
    data = compress(TEXT.encode())
    path = tmp_path / f"d.csv{ending}"
    path.write_bytes(data)
    assert read_rows(path).columns == {"id": ["é"], "x": ["1"]}
    assert compression_of(data[:6]) in (ending, ".gz")
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"d\.csv.* cannot be decompressed: "):
        read_rows(path)


def test_zstandard(tmp_path, monkeypatch):
    path = tmp_path / "d.csv.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd")
    with monkeypatch.context() as patch:
        for module in ("zstandard", "compression", "compression.zstd"):
            patch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=r"pip install 'fastrnn\[zstd\]'"):
            read_source(path)
    zstandard = pytest.importorskip("zstandard")
    data = b"".join(zstandard.compress(part.encode()) for part in (TEXT[:4], TEXT[4:]))
    path.write_bytes(data)
    assert read_rows(path).columns["id"] == ["é"]
    path.write_bytes(data[:-3])
    with pytest.raises(ValueError, match="the end is missing"):
        read_source(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped(), "expected a single file in it, got 0"),
        (zipped(a_csv="", b_csv=""), "expected a single file in it, got 2: 'a.csv', 'b.csv'"),
    ],
)
def test_archives_that_are_no_file(tmp_path, data, message):
    path = tmp_path / "d.zip"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_source(path)


def test_workbooks_are_called_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "d.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")
    with pytest.raises(ValueError, match="a workbook of Excel; save its sheet as CSV"):
        read_source(tmp_path / "d.xlsx")


def test_an_archive_knows_the_format(tmp_path):
    (tmp_path / "d.zip").write_bytes(zipped(d_parquet=b""))
    assert find_format(read_source(tmp_path / "d.zip"), Form()) == "parquet"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marks_tell_the_encoding(encoding):
    assert decode_bytes(TEXT.encode(encoding), "d", Form()) == TEXT


@pytest.mark.parametrize(
    ("encoding", "given"),
    [("utf-8-sig", "utf-8"), ("utf-16-le", "utf-16-le"), ("latin-1", "latin-1")],
)
def test_encodings_that_are_given(encoding, given):
    data = TEXT.encode(encoding)
    assert decode_bytes(data, "d", Form(encoding=given)) == TEXT
    marked = ("\ufeff" + TEXT).encode("utf-16-le")
    assert decode_bytes(marked, "d", Form(encoding="utf-16-le")) == TEXT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"id,x\na,1\n\xe9,2\n", r"d, line 3: byte 0xe9 is not utf-8; --encoding names another"),
        (TEXT.encode("utf-16-le"), "d has bytes 0 .* with --encoding utf-16-le or utf-16-be"),
    ],
)
def test_faults_of_encodings(data, message):
    with pytest.raises(ValueError, match=message):
        decode_bytes(data, "d", Form(of_command=True))


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TEXT.encode()))))
    source = read_source("-")
    assert (source.name, decode(source, Form())) == ("standard input", TEXT)


@pytest.mark.parametrize("encoding", ["rot13", "hex", "zip", "undefined", "klingon"])
def test_encodings_that_are_none_of_text(encoding):
    with pytest.raises(ValueError, match=f"there is no encoding '{encoding}' of text"):
        read_csv(io.StringIO("id,x\n1,2\n"), encoding=encoding)
