"""Which format a file has: as is said, by the ending of its name, or by how it begins."""

import re
from collections.abc import Callable
from pathlib import PurePath
from typing import IO, Any

from fastrnn.datasets.arff_files import read_arff_file
from fastrnn.datasets.conll_files import read_conll_file, read_conllu_file
from fastrnn.datasets.csv_files import read_csv_file
from fastrnn.datasets.form import Form
from fastrnn.datasets.json_files import read_json_file
from fastrnn.datasets.parquet_files import read_parquet_file
from fastrnn.datasets.rows import Rows
from fastrnn.datasets.sources import Source, encoding_of, read_source
from fastrnn.datasets.ts_files import read_ts_file
from fastrnn.datasets.tsf_files import read_tsf_file
from fastrnn.datasets.ucr_files import looks_like_ucr, read_ucr_file
from fastrnn.typing import PathLike

FORMATS: dict[str, Callable[[Source, Form], Rows]] = {
    "csv": read_csv_file,
    "parquet": read_parquet_file,
    "json": read_json_file,
    "conll": read_conll_file,
    "conllu": read_conllu_file,
    "ucr": read_ucr_file,
    "ts": read_ts_file,
    "tsf": read_tsf_file,
    "arff": read_arff_file,
}
"""What reads a format, by its name."""

_ENDINGS = {
    **dict.fromkeys((".csv",), "csv"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
    **dict.fromkeys((".conll", ".iob", ".iob2", ".bio"), "conll"),
    ".conllu": "conllu",
    ".ts": "ts",
    ".tsf": "tsf",
    ".arff": "arff",
}
_OF_TSF = re.compile(
    r"^\s*@(frequency|horizon|missing|equallength)\b", re.IGNORECASE | re.MULTILINE
)
_BEGINNINGS = {"@relation": "arff", "@problemname": "ts", "{": "json", "[{": "json"}


def read_rows(path: PathLike | IO[Any], form: Form | None = None) -> Rows:
    """Read a file of rows, or standard input if it is "-"; compressed ones are decompressed."""
    form = form or Form()
    source = read_source(path)
    if not source.data.strip():
        raise ValueError(f"{source.name} is empty")
    rows = FORMATS[form.format or find_format(source, form)](source, form)
    if not len(rows):
        raise ValueError(f"{rows.name} has no rows")
    return rows


def find_format(source, form):
    """Return the format of a file by its name, or by how it begins."""
    ending = PurePath(source.file).suffix.lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if source.data[:4] == b"PAR1":
        return "parquet"
    text = source.data[:100_000].decode(encoding_of(source.data, form), "replace")
    if ending in (".tsv", ".tab") and looks_like_ucr(text):
        return "ucr"
    lines = (line.strip().lower() for line in text.lstrip("\ufeff").split("\n"))
    first = next((line for line in lines if line and not line.startswith(("#", "%"))), "")
    for begin, format in _BEGINNINGS.items():
        if first.startswith(begin):
            return "tsf" if format == "arff" and _OF_TSF.search(text) else format
    return "csv"
