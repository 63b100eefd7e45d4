"""Containers of other libraries: each is opened as what it is, or refused with what to do.

No such library is imported: a container is known by the name of its class.
"""

import reprlib
from collections.abc import Iterator, Mapping, MappingView, Set
from functools import lru_cache
from typing import Any

import numpy as np

PLAIN = frozenset({np.ndarray, list, tuple, str, float, int, bool, type(None)})
"""Types that need no opening; numpy's scalars need none either."""

_REFUSED = {
    "polars.LazyFrame": "call its collect()",
    "polars.GroupBy": "pass [part for _, part in groups], with the columns of features alone",
    "pandas.GroupBy": "pass [part for _, part in groups], with the columns of features alone",
    "narwhals.LazyFrame": "call its collect() and to_native()",
    "narwhals.DataFrame": "call its to_native()",
    "narwhals.Series": "call its to_native()",
    "dask.FrameBase": "call its compute()",
    "dask.DataFrame": "call its compute()",
    "dask.Series": "call its compute()",
    "dask.Array": "call its compute()",
    "pyspark.DataFrame": "call its toPandas()",
    "duckdb.DuckDBPyRelation": "call its df()",
    "cudf.DataFrame": "call its to_pandas()",
    "cudf.Series": "call its to_pandas()",
    "cupy.ndarray": "call its get()",
    "xarray.DataArray": "its axes have names, so bring them in the order (sequence, time, feature) "
    "with its transpose(...), and pass the values of that",
    "xarray.Dataset": "pass arrays, the values of its variables, with axes in the order "
    "(sequence, time, feature)",
    "awkward.Array": "call its to_list()",
    "tensorflow.RaggedTensor": "call its to_list()",
    "torch.PackedSequence": "torch.nn.utils.rnn.unpack_sequence makes a list of it",
    "torch.Dataset": "make a list of what it has, without the targets",
    "torch.DataLoader": "make a list of what it has, without the targets",
    "datasets.Dataset": "take one of its columns",
    "scipy.sparray": "it is sparse, call its toarray()",
    "scipy.spmatrix": "it is sparse, call its toarray()",
}  # fmt: skip
"""By class what to do instead."""

_TYPED = {"polars.Series": "dtype", "pyarrow.Array": "type", "pyarrow.ChunkedArray": "type"}
"""By class the attribute that says what the values are."""


def open_container(X: Any, place: str, expected: str) -> Any:
    """Return `X` as an array, a list or a data frame, or whatever else it is if it is none.

    What has a meaning that this package does not know is a TypeError that names the `place`, what
    was `expected` there, and what to do.
    """
    kind: Any = type(X)  # mypy takes no class for hashable
    if kind in PLAIN or issubclass(kind, np.generic):
        return X
    for name in _names(kind):
        if name in _REFUSED:
            _refuse(X, place, expected, _REFUSED[name])
        if name == "torch.Tensor":
            return _of_tensor(X, place, expected)
        if name in _TYPED and "struct" in str(getattr(X, _TYPED[name])).lower():
            _refuse(X, place, expected, "it has structs, take their fields apart into columns")
        if name in ("pyarrow.Array", "pyarrow.ChunkedArray"):
            return np.asarray(X)
    if issubclass(kind, tuple):
        _refuse_fields(X, place, expected)
    return X


def open_list(values, place, expected):
    """Open what has something for each sequence, in their order; refuse what has no order."""
    values = open_container(values, place, expected)
    if isinstance(values, Iterator):
        _refuse(values, place, expected, "make a list of it")
    if isinstance(values, Mapping | Set | MappingView | str | bytes | bytearray):
        _refuse(values, place, expected, "give a list in the order of the sequences")
    return values


def open_text(X, place, expected):
    """Return what has texts, tokens or ids: arrays of Arrow become lists."""
    if type(X) in PLAIN:
        return X
    X = open_container(X, place, expected)
    return X.to_pylist() if is_a(X, "pyarrow.Array", "pyarrow.ChunkedArray") else X


def is_a(X: object, *names: str) -> bool:
    """Tell whether the class of X, or one that it inherits from, is among `names`.

    A name is that of the library and of the class, such as "pyarrow.Table".
    """
    kind: Any = type(X)  # mypy takes no class for hashable
    return any(name in names for name in _names(kind))


def open_steps(steps, name_step):
    """Return a list of time steps with each of them opened; ``name_step(t)`` names one."""
    if all(kind in PLAIN or issubclass(kind, np.generic) for kind in set(map(type, steps))):
        return steps
    opened = []
    for t, step in enumerate(steps):
        expected = "a number, or numbers for the features"
        if is_a(step, "pandas.Series") and any(isinstance(name, str) for name in step.index):
            _refuse(step, name_step(t), expected, "pass data frames, whose columns have names")
        if is_a(step, "pandas.DataFrame", "polars.DataFrame", "pyarrow.Table"):
            advice = "a data frame is a sequence by itself"
            _refuse(step, name_step(t), expected, advice)
        if isinstance(step, Mapping):
            advice = "pass data frames, or dicts of columns that are arrays of one length"
            _refuse(step, name_step(t), expected, advice)
        opened.append(open_container(step, name_step(t), expected))
    return opened


def as_array(values, place, expected):
    """Return an array of what has a value for each sequence, or a row of them, in their order.

    Strings beside other things, numbers and what is missing, stay what they are; `expected` says
    what the values should be. A masked one is missing: None.
    """
    values = open_list(values, place, expected)
    if isinstance(values, list | tuple):
        if any(isinstance(value, np.ma.MaskedArray) for value in values):
            values = [
                _without_mask(value) if isinstance(value, np.ma.MaskedArray) else value
                for value in values
            ]
        values = open_steps(values, lambda i: f"{place} of sequence {i}")
        kinds = set(map(type, values))
        texts = {kind for kind in kinds if issubclass(kind, str | bytes)}
        if texts and (len(texts) > 1 or len(kinds) > len(texts)):  # numpy would make text of all
            array = np.empty(len(values), object)
            array[:] = values
            return array
    if isinstance(values, np.ma.MaskedArray):
        return _without_mask(values)
    try:
        return np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"{place} must be an array with one entry for each sequence, got "
            f"{_difference(values, error)}"
        ) from None


def _difference(values, error):
    """Say what numpy could not make an array of."""
    first = np.shape(values[0]) if len(values) else ()
    for i, value in enumerate(values):
        try:
            shape = np.shape(value)
        except ValueError:
            return f"{show(value)} for sequence {i}"
        if shape != first:
            return (
                f"entries of unequal length: {show(values[0])} for sequence 0, {show(value)} for "
                f"sequence {i}"
            )
    return f"what numpy makes none of: {error}"


def show(value):
    """Say what was got, as Python writes it, shortened."""
    return _REPR.repr(value.item() if isinstance(value, np.generic) else value)


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = 60


def _without_mask(values):
    """An array with None where an entry is masked."""
    if not np.ma.is_masked(values):
        return np.asarray(values)
    array = np.array(values, dtype=object)
    array[np.ma.getmaskarray(values)] = None
    return array if array.ndim else None


@lru_cache(maxsize=256)
def _names(kind):
    """The names of a class and of those that it inherits from, each after that of its library."""
    return [f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in kind.__mro__]


def _of_tensor(tensor, place, expected):
    """The numbers of a tensor of PyTorch, wherever they are and whatever is recorded of them."""
    if tensor.is_nested:
        return list(tensor.unbind())
    if str(tensor.layout) != "torch.strided":
        _refuse(tensor, place, expected, "it is sparse, call its to_dense()")
    if tensor.device.type == "meta":
        _refuse(tensor, place, expected, "it is on the device 'meta', which has no numbers")
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if tensor.is_floating_point() and tensor.itemsize < 4:
        tensor = tensor.float()  # of which numpy has not all kinds
    return tensor.numpy()


def _refuse_fields(X, place, expected):
    """Refuse a tuple whose entries have names, which says that they are no list."""
    fields = getattr(type(X), "_fields", None)
    if fields is None and getattr(type(X), "n_fields", None) is None:
        return
    names = f" with the fields {', '.join(fields)}" if fields else ""
    raise TypeError(
        f"{place} is a named tuple {type(X).__name__}{names}, expected {expected}: pass the field "
        "that is meant, or a list"
    )


def _refuse(X, place, expected, advice):
    raise TypeError(f"{place} is of type {type(X).__name__}, expected {expected}: {advice}")
