"""Which format a file has: as is said, by the ending of its name, or by how it begins."""

from pathlib import PurePath

from fastrnn.datasets.csv_files import read_csv_file
from fastrnn.datasets.form import Form
from fastrnn.datasets.parquet_files import read_parquet_file
from fastrnn.datasets.sources import read_source

FORMATS = {
    "csv": read_csv_file,
    "parquet": read_parquet_file,
}
"""What reads a format, by its name."""

ENDINGS = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def read_rows(path, form=None):
    """Read a file of rows, or standard input if it is "-"; compressed ones are decompressed."""
    form = form or Form()
    source = read_source(path)
    rows = FORMATS[form.format or find_format(source)](source, form)
    if not len(rows):
        raise ValueError(f"{rows.name} has no rows")
    return rows


def find_format(source):
    """Return the format of a file by its name, or by its first bytes."""
    by_name = ENDINGS.get(PurePath(source.file).suffix.lower())
    if by_name is not None:
        return by_name
    return "parquet" if source.data[:4] == b"PAR1" else "csv"
