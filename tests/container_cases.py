"""Containers as people have them; what becomes of each stands in docs/containers.md.

``python tests/container_cases.py`` writes the tables of that page anew.
"""

import collections
import datetime
import decimal
import importlib
import re
import warnings
from pathlib import Path

import numpy as np

from fastrnn import RNNClassifier, RNNForecaster, RNNLanguageModel, RNNRegressor, RNNTagger

PAGE = Path(__file__).parents[1] / "docs" / "containers.md"
SMALL = {"max_iter": 1, "learning_rate": "cosine", "random_state": 0}
rng = np.random.default_rng(0)
LENGTHS = (5, 4, 6)
SEQUENCES = [rng.normal(size=(length, 2)) for length in LENGTHS]
SERIES = [rng.normal(size=4 * length).cumsum() for length in LENGTHS]
IDS = [rng.integers(0, 3, length) for length in LENGTHS]
LABELS, NUMBERS = [0, 1, 0], [0.0, 1.0, 0.0]
TAGS = [[t % 2 for t in range(length)] for length in LENGTHS]
MISSING = [[None if t == 1 else tag for t, tag in enumerate(tags)] for tags in TAGS]
Batch = collections.namedtuple("Batch", "one two three")
Step = collections.namedtuple("Step", "a b")
Means = collections.namedtuple("Means", "container plain")
"""A container, and the list of arrays that it means."""


class Library:
    """A package that is imported when it is asked for something."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, name):
        if name.startswith("__"):  # as doctest asks, of whatever it finds
            raise AttributeError(name)
        return getattr(importlib.import_module(self.name), name)


pandas, polars, arrow, torch = map(Library, ["pandas", "polars", "pyarrow", "torch"])
sparse = Library("scipy.sparse")


def stub(library, name):
    """An object of a class of this name, as if it were of the library."""
    return type(name, (), {"__module__": f"{library}.core", "__len__": lambda self: 3})()


def objects(items):
    """An object array of them."""
    array = np.empty(len(items), object)
    array[:] = items
    return array


def flat(data):
    """Sequences of one feature."""
    return [x if x.ndim == 1 else x[:, 0] for x in data]


def cut(data):
    """Sequences of one length, in an array."""
    return np.stack([x[: min(map(len, data))] for x in data])


def lists(data):
    """Sequences as lists."""
    return [x.tolist() for x in data]


# Containers of sequences, of series or of ids: each is made of a list of arrays.

CONTAINERS = {
    "list of arrays": lambda data: Means(data, data),
    "tuple of arrays": lambda data: Means(tuple(data), data),
    "list of lists": lambda data: Means(lists(data), data),
    "object array of arrays": lambda data: Means(objects(data), data),
    "object array of lists": lambda data: Means(objects(lists(data)), data),
    "one array": lambda data: Means(cut(data), list(cut(data))),
    "list of memoryviews": lambda data: Means([*map(memoryview, data)], data),
    "masked arrays, nothing masked": lambda data: Means([np.ma.MaskedArray(x) for x in data], data),
    "masked arrays": lambda data: [np.ma.masked_equal(x, x.flat[1]) for x in data],
    "PyTorch tensors": lambda data: Means([torch.tensor(x) for x in data], data),
    "PyTorch tensors with gradient": lambda data: Means(
        [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in data], data
    ),
    "one PyTorch tensor": lambda data: Means(torch.tensor(cut(data)), list(cut(data))),
    "sparse PyTorch tensors": lambda data: [torch.tensor(x).to_sparse() for x in data],
    "PyTorch PackedSequence": lambda data: torch.nn.utils.rnn.pack_sequence(
        [torch.tensor(x) for x in data], enforce_sorted=False
    ),
    "PyTorch Dataset": lambda data: stub("torch", "Dataset"),
    "pandas Series of arrays, any index": lambda data: Means(
        pandas.Series(data, index=[7, 0, 3]), data
    ),
    "list of pandas Series": lambda data: Means([*map(pandas.Series, flat(data))], flat(data)),
    "polars Series of lists": lambda data: Means(polars.Series(lists(flat(data))), flat(data)),
    "polars Series of lists of lists": lambda data: Means(
        polars.Series(lists([x.reshape(len(x), -1) for x in data])), data
    ),
    "list of polars Series": lambda data: Means([*map(polars.Series, flat(data))], flat(data)),
    "Arrow array of lists": lambda data: Means(arrow.array(lists(data)), data),
    "Arrow chunked array of lists": lambda data: Means(arrow.chunked_array([lists(data)]), data),
    "list of Arrow arrays": lambda data: Means([*map(arrow.array, flat(data))], flat(data)),
    "polars LazyFrame": lambda data: polars.DataFrame({"a": [1.0]}).lazy(),
    "named tuple": lambda data: Batch(*data),
    "dict of sequences": lambda data: {f"s{i}": x for i, x in enumerate(data)},
    "set": lambda data: {1, 2, 3},
    "generator": lambda data: (x for x in data),
    "bytes": lambda data: b"abc",
    "xarray DataArray": lambda data: stub("xarray", "DataArray"),
    "Awkward Array": lambda data: stub("awkward", "Array"),
    "Dask DataFrame": lambda data: stub("dask", "DataFrame"),
    "narwhals DataFrame": lambda data: stub("narwhals", "DataFrame"),
    "SciPy sparse matrix": lambda data: sparse.csr_array(np.ones((3, 4))),
}


# Data frames: one for each sequence, with the columns a and b, or what is not so.


def make_frame(library, columns):
    """A data frame of a library."""
    makers = {"Arrow": lambda c: arrow.table(c), "dicts of arrays": dict}
    others = {"pandas": lambda c: pandas.DataFrame(c), "polars": lambda c: polars.DataFrame(c)}
    return {**makers, **others}[library](columns)


def frames(library="pandas", names="ab"):
    """A list of data frames with these columns."""
    values = [{"a": x[:, 0], "b": x[:, 1], "c": x[:, 0]} for x in SEQUENCES]
    return [make_frame(library, {name: of[name] for name in names}) for of in values]


def cells(library):
    """A data frame with a row for each sequence."""
    return make_frame(
        library, {name: lists([x[:, j] for x in SEQUENCES]) for j, name in enumerate("ab")}
    )


def altered(change):
    """Frames of pandas whose column b is another."""
    return [frame.assign(b=change(frame["b"])) for frame in frames()]


def same(change):
    """Frames of pandas whose column b has the same numbers in another form."""
    return Means(altered(change), SEQUENCES)


def constant(value):
    """Frames of polars whose column b is always the same."""
    return [polars.DataFrame({"a": x[:, 0], "b": [value] * len(x)}) for x in SEQUENCES]


def words(column):
    """A column of strings."""
    return (column > 0).map({True: "u", False: "v"})


def stacked():
    """One data frame with an index of two levels."""
    return pandas.concat(frames(), keys=range(3), names=["id", "step"])


FRAMES = {}
for library in ("pandas", "polars", "Arrow", "dicts of arrays"):
    FRAMES |= {
        library: lambda name=library: Means(frames(name), SEQUENCES),
        f"{library}, columns in another order": lambda name=library: Means(
            [*frames(name)[:1], *frames(name, "ba")[1:]], SEQUENCES
        ),
        f"{library}, a column is missing": lambda name=library: frames(name, "a"),
        f"{library}, one column too many": lambda name=library: frames(name, "abc"),
        f"{library}, one data frame": lambda name=library: frames(name)[0],
    }
    if library != "dicts of arrays":
        FRAMES[f"{library}, a row for each sequence, with lists"] = lambda name=library: Means(
            cells(name), SEQUENCES
        )
FRAMES |= {
    "pandas, any index": lambda: Means(
        [frame.set_index("a", drop=False) for frame in frames()], SEQUENCES
    ),
    "pandas, an index of two levels": stacked,
    "pandas, groupby": lambda: stacked().groupby(level=0),
    "pandas, groupby in a list": lambda: list(stacked().groupby(level=0)),
    "pandas, to_dict('records')": lambda: [frame.to_dict("records") for frame in frames()],
    "pandas, itertuples()": lambda: [list(frame.itertuples()) for frame in frames()],
    "pandas, to_records()": lambda: [frame.to_records(index=False) for frame in frames()],
    "pandas, nullable": lambda: same(lambda c: c.astype("Float64")),
    "pandas, Arrow": lambda: same(lambda c: c.astype("double[pyarrow]")),
    "pandas, decimals": lambda: same(lambda c: c.map(lambda v: decimal.Decimal(float(v)))),
    "pandas, sparse": lambda: same(lambda c: c.astype("Sparse[float]")),
    "pandas, bool": lambda: altered(lambda c: c > 0),
    "pandas, NaN": lambda: altered(lambda c: c.mask(c.index == 1)),
    "pandas, NA": lambda: altered(lambda c: c.astype("Float64").mask(c.index == 1)),
    "pandas, None": lambda: altered(lambda c: c.astype(object).where(c.index != 1, None)),
    "pandas, categories": lambda: altered(lambda c: words(c).astype("category")),
    "pandas, strings": lambda: altered(words),
    "pandas, timedelta": lambda: altered(lambda c: pandas.to_timedelta(c.index, "h")),
    "pandas, datetime": lambda: altered(lambda c: pandas.Timestamp("2024-01-01")),
    "pandas, complex": lambda: altered(lambda c: c + 1j),
    "polars, LazyFrames": lambda: [frame.lazy() for frame in frames("polars")],
    "polars, date": lambda: constant(datetime.date(2024, 1, 1)),
    "polars, duration": lambda: constant(datetime.timedelta(hours=1)),
    "polars, null": lambda: constant(None),
    "polars, strings": lambda: constant("u"),
    "Arrow, null": lambda: [arrow.table({"a": [1.0, 2.0], "b": [1.0, None]})] * 3,
}  # fmt: skip


# Targets: made of a list of labels, of numbers, of the tags of a sequence, or of weights.


def without_second(values, nothing):
    """The values, of which the second is missing."""
    return [values[0], nothing, *values[2:]]


def named(values):
    """A named tuple of them."""
    return collections.namedtuple("Row", [f"f{i}" for i in range(len(values))])(*values)


TARGETS = {
    "list": list,
    "array": np.array,
    "array of bool": lambda values: np.array(values, bool),
    "pandas Series, any index": lambda v: pandas.Series(v, index=range(len(v), 0, -1)),
    "pandas Series, nullable": lambda v: pandas.Series(v).convert_dtypes(),
    "pandas Series, Arrow": lambda v: pandas.Series(v).convert_dtypes(dtype_backend="pyarrow"),
    "pandas Series, category": lambda v: pandas.Series(v, dtype="category"),
    "polars Series": lambda v: polars.Series(v),
    "Arrow array": lambda v: arrow.array(v),
    "PyTorch tensor": lambda v: torch.tensor(v),
    "PyTorch tensor with gradient": lambda v: torch.tensor([*map(float, v)], requires_grad=True),
    "named tuple": named,
    "dict": lambda v: dict(enumerate(v)),
    "set": set,
    "generator": lambda v: (value for value in v),
    "string": lambda v: "abc",
    "polars LazyFrame": lambda v: polars.DataFrame({"y": v}).lazy(),
    "object array of strings": lambda v: objects([*map(str, v)]),
    "a string among numbers": lambda v: ["0", *v[1:]],
    "timedelta": lambda v: np.arange(len(v)).astype("m8[h]"),
    "datetime": lambda v: np.arange(len(v)).astype("M8[h]"),
    "missing: NaN": lambda v: without_second(v, np.nan),
    "missing: None": lambda v: without_second(v, None),
    "missing: NA": lambda v: without_second(v, pandas.NA),
    "missing: NaT": lambda v: without_second(v, pandas.NaT),
    "missing: masked": lambda v: np.ma.MaskedArray(v, np.arange(len(v)) == 1),
    "missing: null of polars": lambda v: polars.Series(without_second(v, None)),
    "missing: null of Arrow": lambda v: arrow.array(without_second(v, None)),
    "NaN among strings": lambda v: without_second(["u", "v"] * len(v), np.nan)[: len(v)],
}


# What becomes of them.


def outcome(read, container, expected):
    """Say "read" if the result is what is expected, any if that is None, else what is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names, where a model was fitted with others
        try:
            got = read(container)
        except (TypeError, ValueError) as error:
            return f"`{' '.join(str(error).split())}`".replace("|", "or")
    assert expected is None or np.array_equal(got, expected), "it is read for something else"
    return "read"


def theta(estimator, *arguments, **options):
    """The parameters of a model fitted on these."""
    return estimator(2, **SMALL).fit(*arguments, **options).network_.theta


def of_container(make):
    """What estimators of sequences, of series and of texts make of a container."""
    told = []
    for data, estimators in (
        (SEQUENCES, (RNNClassifier, RNNRegressor, RNNTagger)),
        (SERIES, (RNNForecaster,)),
        (IDS, (RNNLanguageModel,)),
    ):
        said = set()
        for estimator in estimators:
            made = make(data)
            container, plain = made if isinstance(made, Means) else (made, None)
            lengths = map(len, data if plain is None else plain)
            tags = [[t % 2 for t in range(length)] for length in lengths]
            y = {RNNClassifier: (LABELS,), RNNRegressor: (NUMBERS,), RNNTagger: (tags,)}
            targets = y.get(estimator, ())
            expected = None if plain is None else theta(estimator, plain, *targets)
            said.add(outcome(lambda X: theta(estimator, X, *targets), container, expected))  # noqa: B023
        assert len(said) == 1, said
        told += said
    return told


def of_frames(make):
    """What becomes of data frames in fit, and in predict after a fit on others."""
    model = RNNRegressor(2, **SMALL).fit(frames(), NUMBERS)
    told = []
    for read in (lambda X: theta(RNNRegressor, X, NUMBERS), model.predict):
        made = make()
        container, plain = made if isinstance(made, Means) else (made, None)
        told.append(outcome(read, container, None if plain is None else read(frames())))
    return told


def of_target(make):
    """What becomes of labels, of numbers, of tags and of weights."""
    lacks = make is TARGETS["NaN among strings"] or make in [
        of for text, of in TARGETS.items() if text.startswith("missing")
    ]
    plain = MISSING if lacks else TAGS
    weights = [1.0, 0.0, 1.0]
    cases = (
        (lambda y: theta(RNNClassifier, SEQUENCES, y), make(LABELS), LABELS),
        (lambda y: theta(RNNRegressor, SEQUENCES, y), make(NUMBERS), NUMBERS),
        (lambda y: theta(RNNTagger, SEQUENCES, y), [*map(make, TAGS)], plain),
        (
            lambda w: theta(RNNRegressor, SEQUENCES, NUMBERS, sample_weight=w),
            make(weights),
            weights,
        ),
    )
    return [outcome(read, given, read(meant)) for read, given, meant in cases]


TABLES = {
    "containers": (
        CONTAINERS,
        of_container,
        "Container, classifier / regressor / tagger, forecaster, language model",
    ),
    "frames": (FRAMES, of_frames, "Data frames, fit, predict after `fit` on frames of pandas"),
    "targets": (TARGETS, of_target, "Container, classifier, regressor, tagger, sample_weight"),
}
"""By name: the cases of a table, what tells their outcomes, and its head."""


def write_table(name):
    """A table in Markdown."""
    cases, tell, head = TABLES[name]
    titles = head.split(", ")
    rows = [titles, ["---"] * len(titles), *([text, *tell(make)] for text, make in cases.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def read_table(name):
    """Of a table of the page, by the words in its first column: what the others say."""
    text = PAGE.read_text(encoding="utf-8")
    table = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- end -->", text, re.DOTALL)[1]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {row[0]: row[1:] for row in rows}


def write_page():
    """Write the tables of the page anew."""
    text = PAGE.read_text(encoding="utf-8")
    for name in TABLES:
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        table = write_table(name)
        text = re.sub(pattern, lambda m: f"{m[1]}{table}\n{m[2]}", text, flags=re.DOTALL)  # noqa: B023
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_page()
