"""Data in partitions on a cluster, in all forms in which they may be given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import dask.array
import dask.bag
import distributed
import numpy as np
from dask.base import is_dask_collection
from dask.delayed import Delayed
from dask.utils import is_dataframe_like, is_series_like

from fastrnn.dask.long_frames import LongForm
from fastrnn.typing import AnyArray

Partitions: TypeAlias = Any
"""Data on a cluster: a list of Delayed or Future, a Bag, an Array, a DataFrame or names of its
columns. Dask has no types that a checker could know of all versions."""


@dataclass(frozen=True)
class Data:
    """For each partition what a task is given, futures or delayed objects, and how it reads them.

    ``reading(*data)`` gives sequences, targets and weights.
    """

    reading: Any
    partitions: list[Sequence[Any]]


def is_long(X: Partitions) -> bool:
    """Whether X is a Dask data frame, a row for each step of each sequence."""
    return is_dask_collection(X) and is_dataframe_like(X)


def as_data(X: Partitions, y: Partitions, sample_weight: Partitions | None, form: LongForm) -> Data:
    """Data of a fit or a score, as users give them; a data frame has the form of a `LongForm`."""
    if is_long(X):
        for name, of in (("y", y), ("sample_weight", sample_weight)):
            if is_dask_collection(of) or isinstance(of, Delayed | distributed.Future):
                raise TypeError(
                    f"{name} must name a column of X, a data frame whose rows are sorted by id, "
                    f"got {type(of).__name__}"
                )
        form = replace(form, y=y, sample_weight=sample_weight)
        return Data(form, [[part] for part in form.gather(X)])
    _, partitions = beside(X=X, y=y, sample_weight=sample_weight)
    return Data(_read, partitions)


def beside(**given: Partitions | None) -> tuple[tuple[str, ...], list[Sequence[Any]]]:
    """Names of the arguments that are given, and what each partition has of them, in this order."""
    parts = {name: parts_of(part, name) for name, part in given.items() if part is not None}
    first = next(iter(parts))
    for name, found in parts.items():
        if len(found) != len(parts[first]):
            raise ValueError(f"{first} has {len(parts[first])} partitions, {name} has {len(found)}")
    return tuple(parts), list(zip(*parts.values(), strict=True))


def _read(X, y, sample_weight=None):
    return as_whole(X), as_whole(y), as_whole(sample_weight)


def as_whole(data: Any) -> Any:
    """What a partition has; bags may have iterators."""
    return list(data) if isinstance(data, Iterator) else data


def parts_of(given: Partitions, name: str) -> list[Any]:
    """The partitions of an argument, as futures or delayed objects."""
    if isinstance(given, dask.array.Array):
        if any(n > 1 for n in given.numblocks[1:]):
            raise ValueError(
                f"{name} is an array with chunks along several axes, expected them along the first "
                "alone"
            )
        return given.to_delayed().ravel().tolist()
    is_table = is_dask_collection(given) and (is_series_like(given) or is_dataframe_like(given))
    if isinstance(given, dask.bag.Bag) or is_table:
        return given.to_delayed()
    parts = [given] if isinstance(given, Delayed | distributed.Future) else given
    if not isinstance(parts, list | tuple) or not parts:
        raise TypeError(_expected(name, type(given).__name__))
    for part in parts:
        if not isinstance(part, Delayed | distributed.Future):
            raise TypeError(_expected(name, f"a {type(given).__name__} of {type(part).__name__}"))
    return list(parts)


def as_array(parts: Sequence[Any], empty: AnyArray) -> Partitions:
    """An array made of delayed ones, which are like an empty one."""
    shape = (np.nan, *empty.shape[1:])
    arrays = [dask.array.from_delayed(part, shape, empty.dtype) for part in parts]
    return dask.array.concatenate(arrays)


def as_bag(parts: Sequence[Any]) -> Partitions:
    """A bag made of delayed lists."""
    return dask.bag.from_delayed(parts)


def as_frame(parts: Sequence[Any], empty: Any) -> Partitions:
    """A data frame made of delayed ones, which are like an empty one."""
    from dask.dataframe import from_delayed

    return from_delayed(parts, meta=empty, verify_meta=False)


def _expected(name, got):
    return (
        f"{name} must be a list of delayed objects or futures, one for each partition, or a Dask "
        f"bag, array or data frame, got {got}: what is in this process is for estimators that are "
        "not on Dask"
    )
