"""Every accepted ``X`` becomes one ragged container, and every fault of ``X`` is found here.

Whoever holds a `Sequences` may trust it: at least one feature or id column, no empty sequence,
nothing but finite float32 or float64 numbers and ids that have a row in an embedding, C-contiguous.
Where values may be missing, NaN stands for a number, and the id after the last for an id.

Whether ``X`` is ragged is never guessed from its shape as an array. A list is read item by item,
so its sequences mean the same whether or not they happen to agree in length.
"""

import operator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fastrnn.free_memory import refuse_if_too_large
from fastrnn.inputs.arrays import NUMERIC, kernel_array
from fastrnn.inputs.column_scaling import NO_SCALING, Scaling
from fastrnn.inputs.columns import Columns, check_shape, count_features, name_place
from fastrnn.inputs.containers import open_container
from fastrnn.inputs.frames import MISSING, is_frame
from fastrnn.inputs.items import GAPS, SEQUENCES, open_array, open_items, read_item
from fastrnn.inputs.list_cells import cells_of_lists
from fastrnn.inputs.missing import Times
from fastrnn.inputs.padding import ADVICE, cut_padding, padded_steps
from fastrnn.inputs.sequence_frames import Frames

_BLOCK = 2**18
"""Numbers that are float64 at a time, where they are scaled."""


@dataclass(frozen=True, eq=False, repr=False)
class Sequences:
    """Sequences of unequal length, one after the other in one array.

    `as_sequences` makes them and does all the checking.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_features), float32 or float64
        The numbers of the time steps of all sequences, C-contiguous; ``n_features`` may be 0 if
        there are ids. `as_sequences` and `take` make it read-only, for it may share memory with the
        ``X`` it came from.
    offsets : ndarray of shape (n_sequences + 1,), int64
        Sequence ``i`` is ``values[offsets[i]:offsets[i + 1]]``.
    n_columns : int or None, default=None
        Number of columns of the table that the sequences came from, where each row was one
        univariate sequence; None if they did not come from a table. These columns are what
        scikit-learn calls features.
    ids : ndarray of shape (n_steps, n_id_columns), int64, or None, default=None
        The ids of the time steps, whole numbers >= 0, C-contiguous and read-only; None if no column
        is one of ids.
    columns : Columns or None, default=None
        What was learned about the columns of ``X``.
    padded_lengths : ndarray of shape (n_sequences,) or None, default=None
        How many steps each sequence had before its padding was cut off.
    times : Times or None, default=None
        The times of the steps, where a column has them; it is not among the numbers.
    scaling : Scaling, default=NO_SCALING
        How the numbers were brought to the scale they have.

    Examples
    --------
    >>> from fastrnn.inputs.sequences import as_sequences
    >>> sequences = as_sequences([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]])
    >>> sequences
    <2 sequences, lengths 1 to 2, 2 features, float64>
    >>> sequences[1]
    array([[5., 6.]])
    >>> sequences.take([1, 0, 1]).lengths
    array([1, 2, 1])
    >>> as_sequences([[4, 2, 4], [0, 1]], categorical_features="all")
    <2 sequences, lengths 2 to 3, 0 features, ids below 5, float64>
    """

    values: np.ndarray
    offsets: np.ndarray
    n_columns: int | None = None
    ids: np.ndarray | None = None
    columns: Columns | None = None
    padded_lengths: np.ndarray | None = None
    times: Times | None = None
    scaling: Scaling = NO_SCALING

    @property
    def lengths(self) -> np.ndarray:
        """Number of time steps of each sequence, shape (n_sequences,), int64."""
        # Not functools.cached_property: before Python 3.12 that holds a lock of the class, which a
        # process forked meanwhile would find held for ever.
        kept = vars(self)
        if "_lengths" not in kept:
            kept["_lengths"] = np.diff(self.offsets)
        return kept["_lengths"]

    @property
    def n_features(self) -> int:
        """Number of numeric features of each time step."""
        return self.values.shape[1]

    @property
    def nbytes(self) -> int:
        """Size in bytes of numbers and ids."""
        return self.values.nbytes + (0 if self.ids is None else self.ids.nbytes)

    def __len__(self) -> int:
        """Number of sequences."""
        return len(self.offsets) - 1

    def __getitem__(self, index) -> np.ndarray:
        """The numbers of sequence `index`, as a view of shape (T, n_features)."""
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"there is no sequence {i} among {len(self)}")
        i %= len(self)
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def __repr__(self) -> str:
        lengths = self.lengths
        extent = f"lengths {lengths.min()} to {lengths.max()}, " if len(self) else ""
        content = count_features(self.n_features)
        if self.columns is not None and self.columns.ids:
            content += f", ids below {', '.join(map(str, self.columns.n_categories))}"
        return f"<{len(self)} sequences, {extent}{content}, {self.values.dtype}>"

    def take(self, indices) -> "Sequences":
        """Copy the chosen sequences, in the order of `indices`: numbers of them, or a mask."""
        indices = np.asarray(indices)
        if indices.size == 0:
            indices = indices.astype(np.intp)
        lengths = self.lengths[indices]
        offsets = _offsets(lengths)
        rows = np.repeat(self.offsets[:-1][indices] - offsets[:-1], lengths)
        rows += np.arange(offsets[-1])
        values, ids, times = self.values.take(rows, axis=0), self.ids, self.times
        if ids is not None:
            ids = _read_only(ids.take(rows, axis=0))
        if times is not None:
            times = replace(times, numbers=times.numbers.take(rows))
        return Sequences(
            _read_only(values), offsets, self.n_columns, ids, self.columns, times=times,
            scaling=self.scaling,
        )  # fmt: skip


def as_sequences(
    X,
    dtype=None,
    *,
    n_features=None,
    n_columns=None,
    categorical_features=None,
    columns=None,
    allow_nan=False,
    padding=None,
    time_feature=None,
    scaling=NO_SCALING,
    weigh=None,
) -> Sequences:
    """Read sequences from everything that fastrnn accepts, and refuse everything else.

    Parameters
    ----------
    X : list, array or data frame
        The sequences, as one of

        - a list or tuple, or an object array of one dimension, of arrays or nested lists of shape
          (T_i, n_features), or of shape (T_i,) for univariate sequences;
        - an array of shape (n_sequences, T, n_features);
        - a list of data frames of T_i rows, one column for each feature, all with the same names;
        - a table, that is an array or a data frame of shape (n_sequences, T), each row one
          univariate sequence.

        Real numbers of every kind will do, booleans and integers too.
    dtype : {"float32", "float64"} or None, default=None
        Kind of number wanted. None keeps float32 and makes everything else float64.
    n_features : int or None, default=None
        Number of columns that each time step must have, ids included; None for any.
    n_columns : int or None, default=None
        Number of columns that ``X`` must have if it is a table, None for any. Lists are not asked:
        their sequences may have any length.
    categorical_features : "all", "from_dtype", array-like or None, default=None
        Which columns are ids, as `fastrnn.inputs.columns.choose` takes it; "from_dtype" are those
        of data frames that hold categories, which get ids by the order of the sorted values.
    columns : Columns or None, default=None
        What was learned from an earlier ``X``, its ``sequences.columns``: names, ids and categories
        must be among those. `n_features` and `categorical_features` are not used then.
    allow_nan : bool, default=False
        Whether values may be missing: NaN, None, pandas' NA and NaT, or masked. Numbers are NaN
        then, and ids the one after the last that there is.
    padding : {"nan"} or None, default=None
        "nan" cuts off the time steps at the end of each sequence that are NaN in every column; the
        rows of a table are then sequences of any length.
    time_feature : int, str or None, default=None
        Number or name of the column that has the time of each step: numbers, or in data frames
        dates. Nothing is checked but that they are numbers or dates.
    scaling : Scaling, default=NO_SCALING
        How numbers are scaled, in float64, before they become those of `dtype`.
    weigh : callable or None, default=None
        If it is given, `scaling` says only by which method, and the rest is learned of the numbers.
        It is called before numbers are copied, with the sequences, whose numbers are all 0 as yet
        and take no memory, and returns the weights of the steps, or None if they all weigh the
        same.

    Returns
    -------
    Sequences
        The sequences in the order of ``X``. An array that a kernel can read is not copied, and
        float32 is never widened on its way to float32.

    Examples
    --------
    >>> import numpy as np
    >>> from fastrnn.inputs.sequences import as_sequences
    >>> as_sequences(np.zeros((3, 5, 2), dtype=np.float32))
    <3 sequences, lengths 5 to 5, 2 features, float32>
    >>> as_sequences([np.zeros((4, 2)), np.zeros((5, 3))])
    Traceback (most recent call last):
        ...
    ValueError: sequence 1 has 3 features, expected 2 as in sequence 0
    """
    if dtype is not None:
        if dtype not in ("float32", "float64", np.float32, np.float64):
            raise ValueError(f"dtype is {dtype!r}, expected 'float32', 'float64' or None")
        dtype = np.dtype(dtype)
    if columns is not None:
        n_features = columns.width
    X = open_container(X, "X", SEQUENCES)
    may_be_ids = categorical_features is not None or (columns is not None and columns.ids)
    _refuse_if_too_large(X, dtype, scaling.method is not None, may_be_ids)
    if is_frame(X):
        X = cells_of_lists(X)
    if is_frame(X):
        wants_ids = bool(columns.ids) if columns is not None else categorical_features is not None
        was_table = n_columns is not None or padding is not None
        source = Frames.of_table(X, columns, wants_ids, was_table)
        X = open_array(source.encode(), allow_nan)
    else:
        X = open_items(open_array(X, allow_nan))
        source = Frames.of_list(X, columns, n_features, time_feature)
        X = source.encode() if source.frames else X
    is_table = isinstance(X, np.ndarray) and X.ndim == 2
    if is_table:
        _check_table(X.shape, n_features, n_columns)

    if isinstance(X, np.ndarray) and X.ndim > 1 and X.dtype.kind in NUMERIC:
        arrays: np.ndarray | list = X if X.ndim == 3 else X[:, :, np.newaxis]
        check_shape(0, arrays[0].shape, n_features)
        lengths = np.full(len(X), X.shape[1])
        kinds = {(X.dtype.kind, X.dtype.itemsize)}
    else:
        items = [read_item(i, item, source.name, allow_nan) for i, item in enumerate(X)]
        arrays = [item if item.ndim == 2 else item[:, np.newaxis] for item in items]
        for i, array in enumerate(arrays):
            check_shape(i, array.shape, n_features, first=arrays[0].shape)
        lengths = np.array([len(array) for array in arrays])
        kinds = {(array.dtype.kind, array.dtype.itemsize) for array in arrays}
        # scikit-learn takes nested lists of numbers for a table, where they can be one.
        if all(isinstance(level, list | tuple) for level in (X, *X)):
            is_table = len({item.shape for item in items}) == 1 and items[0].ndim == 1

    padded_lengths = None
    if padding is not None:
        arrays, padded_lengths, is_table = cut_padding(arrays), lengths, False
        lengths = np.array([len(array) for array in arrays])
    if dtype is None:
        dtype = np.dtype(np.float32 if kinds == {("f", 4)} else np.float64)
    offsets = _offsets(lengths)
    width = arrays[0].shape[1]
    chosen = columns.ids if columns is not None else source.choose(categorical_features, width)
    numeric = [j for j in range(width) if j not in chosen]
    times = None
    if time_feature is not None:
        time = source.choose_time(time_feature, width, chosen)
        numeric.remove(time)
        numbers = _join(arrays, [time], np.dtype(np.float64))[:, 0]
        times = Times(numbers, time, source.has_dates)
    length = int(lengths[0]) if is_table else None
    check = partial(_check_finite, offsets=offsets, arrays=arrays, nan=allow_nan, source=source)
    weight = None
    if weigh is not None:
        # Of the shape of the numbers to come, and of none of their memory.
        nothing = np.broadcast_to(dtype.type(0), (offsets[-1], len(numeric)))
        weight = weigh(Sequences(nothing, offsets, length, padded_lengths=padded_lengths))
    if scaling.method is not None and weigh is not None:
        found = _columns(arrays, numeric, offsets[-1], check)
        scaling = Scaling.learn(scaling.method, found, weight)
    with np.errstate(over="ignore"):  # reported by the check, with its place
        if scaling.method is None:
            values = _join(arrays, numeric, dtype)
        else:
            values = np.empty((offsets[-1], len(numeric)), dtype)
            _join_scaled(arrays, numeric, scaling, values)
    check(values, numeric)
    ids = missing = None
    if chosen:
        ids, missing = _read_ids(arrays, offsets, chosen, columns, source, allow_nan)
    if columns is None:
        columns = source.learned(width, chosen, ids)
    if chosen:
        if missing is not None:
            ids = np.where(missing, columns.n_categories, ids)
        ids = _read_only(ids)
    values = _read_only(values)
    return Sequences(values, offsets, length, ids, columns, padded_lengths, times, scaling)


def _refuse_if_too_large(X, dtype, is_scaled, may_be_ids):
    """Refuse arrays whose numbers there is no memory for, before any is touched.

    An array that shows few numbers as many takes no memory itself. Whether ids are read where they
    are is not known as yet.
    """
    if isinstance(X, np.ndarray) and X.dtype != object:
        is_read_there = may_be_ids or (not is_scaled and dtype in (None, X.dtype))
        if is_read_there and X.flags.c_contiguous:
            return
        n_numbers = X.size
    elif isinstance(X, np.ndarray | list | tuple):
        if isinstance(X, np.ndarray):
            refuse_if_too_large(X.nbytes, "Reading X")
        n_numbers = sum(item.size for item in X if isinstance(item, np.ndarray))
    else:
        return
    refuse_if_too_large(n_numbers * (4 if dtype is None else dtype.itemsize), "Reading X")


def _join(arrays, columns, dtype=None):
    """Return some columns of all sequences, one after the other."""
    width = arrays[0].shape[1]
    if isinstance(arrays, np.ndarray):
        if len(columns) < width:
            arrays = arrays[:, :, columns]
        n_rows = arrays.shape[0] * arrays.shape[1]
        return kernel_array(arrays, dtype).reshape(n_rows, len(columns))
    if len(columns) < width:
        arrays = [array[:, columns] for array in arrays]
    if dtype is None:
        return np.concatenate(arrays)
    values = np.empty((sum(map(len, arrays)), len(columns)), dtype)
    return np.concatenate(arrays, out=values, casting="unsafe")


def _columns(arrays, columns, n_rows, check):
    """Yield the numbers of each column as float64, which may belong to others, after a check."""
    at_once = max(1, _BLOCK // n_rows)
    for begin in range(0, len(columns), at_once):
        some = columns[begin : begin + at_once]
        block = _join(arrays, some, np.float64)
        check(block, some)
        yield from block.T


def _join_scaled(arrays, columns, scaling, values):
    """Write what `_join` returns, scaled, to values, without a copy of it all in float64."""
    place = 0
    for block in _blocks(arrays, columns):
        scaling.apply(block, values[place : place + len(block)])
        place += len(block)


def _blocks(arrays, columns):
    """Yield some columns of all sequences, some rows after the other, as new arrays of float64."""
    width = arrays[0].shape[1]
    n_rows, n, parts = max(1, _BLOCK // width), 0, []
    if isinstance(arrays, np.ndarray) and arrays.flags.c_contiguous:
        arrays = [arrays.reshape(-1, width)]
    for array in arrays:
        for begin in range(0, len(array), n_rows):
            parts.append(array[begin : begin + n_rows])
            n += len(parts[-1])
            if n >= n_rows:
                yield _join(parts, columns, np.float64)
                n, parts = 0, []
    if parts:
        yield _join(parts, columns, np.float64)


def _read_ids(arrays, offsets, chosen, columns, source, allow_nan):
    """Return the id columns as whole numbers, all of them valid, and which are missing or None.

    A missing one is -1.
    """
    given, missing = _join(arrays, list(chosen)), None
    if allow_nan:
        # Of categories the number of what is missing is one of its own.
        missing = np.stack(
            [
                column == MISSING if j in source.numbers else np.isnan(column)
                for j, column in zip(chosen, given.T, strict=True)
            ],
            axis=1,
        )
        missing = missing if missing.any() else None
    limits = np.iinfo(np.int64).max if columns is None else np.array(columns.n_categories)
    with np.errstate(invalid="ignore"):
        valid = (given >= 0) & (given < limits)
        if given.dtype.kind == "f":
            valid &= given == np.floor(given)
    if missing is not None:
        valid |= missing
        given = np.where(missing, -1, given)
    if not valid.all():
        row, k = divmod(int(valid.argmin()), len(chosen))
        i, step = _locate(row, offsets)
        place = source.place(i, step, chosen[k])
        if chosen[k] in source.numbers:
            value = source.value_at(i, step, chosen[k])
            known = ", ".join(map(repr, source.numbers[chosen[k]]))
            raise ValueError(
                f"{place} is {value}, expected one of the categories of fit: "
                f"{known if len(known) < 200 else known[:200] + ' ...'}"
            )
        value = given[row, k]
        if columns is not None and value == np.floor(value):
            raise ValueError(
                f"{place} is the id {value:.0f}, expected one from 0 to "
                f"{columns.n_categories[k] - 1}, the ids that fit learned"
            )
        raise ValueError(f"{place} is {value!s}, expected an id: a whole number >= 0")
    return kernel_array(given, np.int64), missing


def _check_table(shape, n_features, n_columns):
    if n_columns is not None and shape[1] != n_columns:
        raise ValueError(
            f"X has {shape[1]} features, but fastrnn is expecting {n_columns} features as input: "
            "the columns of the table given to fit; pass list(X) for sequences of another length"
        )
    if shape[1] == 0:
        raise ValueError(
            f"X has 0 feature(s) (shape={shape}) while a minimum of 1 is required: "
            "each sequence needs at least one time step"
        )
    if n_features not in (None, 1):
        raise ValueError(
            f"sequence 0 has 1 feature, expected {n_features}: each row of a table is one "
            "univariate sequence; if X is one sequence of shape (time, feature), pass [X]"
        )


def _check_finite(values, numeric, offsets, arrays, nan, source):
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):  # one pass without temporary; it may overflow, so look again
            return
    finite = np.isfinite(values)
    if nan:
        finite |= np.isnan(values)
    if finite.all():
        return
    row, k = divmod(int(finite.argmin()), values.shape[1])
    i, step = _locate(row, offsets)
    feature = numeric[k]
    original = arrays[i][step, feature]
    if np.isfinite(original):
        fault = f"{original!s}, which does not fit into {values.dtype}"
        with np.errstate(over="ignore"):
            fault += " when it is scaled" * bool(np.isfinite(values.dtype.type(original)))
    else:
        fault = "NaN" if np.isnan(original) else str(original)
    expected = "or NaN (not inf)" if nan else "(neither NaN nor inf)"
    place, n_last = source.name(i, step, feature), padded_steps(arrays[i])
    advice = f": {GAPS}" if np.isnan(original) else ""
    if 0 < n_last == len(arrays[i]) - step and len(set(map(len, arrays))) == 1:
        advice = f"; the last {n_last} time steps of {name_place(i)} are all NaN: {ADVICE}"
    raise ValueError(f"{place} is {fault}, expected a finite number {expected}{advice}")


def _locate(row, offsets):
    """Return the sequence and the time step of a row."""
    i = int(np.searchsorted(offsets, row, side="right")) - 1
    return i, row - int(offsets[i])


def _offsets(lengths):
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _read_only(values):
    values = values.view()
    values.flags.writeable = False
    return values
