"""Data in partitions on a cluster, in all forms in which they may be given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import dask.array
import dask.bag
import distributed
from dask.base import is_dask_collection
from dask.delayed import Delayed
from dask.utils import is_dataframe_like, is_series_like


@dataclass(frozen=True)
class Data:
    """For each partition what a task is given, futures or delayed objects, and how it reads them.

    ``reading(*data)`` gives sequences, targets and weights.
    """

    reading: Callable
    partitions: list


def is_long(X):
    """Whether X is a Dask data frame, a row for each step of each sequence."""
    return is_dask_collection(X) and is_dataframe_like(X)


def as_data(X, y, sample_weight, form):
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


def beside(**given):
    """Names of the arguments that are given, and what each partition has of them, in this order."""
    parts = {name: parts_of(part, name) for name, part in given.items() if part is not None}
    first = next(iter(parts))
    for name, found in parts.items():
        if len(found) != len(parts[first]):
            raise ValueError(f"{first} has {len(parts[first])} partitions, {name} has {len(found)}")
    return tuple(parts), list(zip(*parts.values(), strict=True))


def _read(X, y, sample_weight=None):
    return as_whole(X), as_whole(y), as_whole(sample_weight)


def as_whole(data):
    """What a partition has; bags may have iterators."""
    return list(data) if isinstance(data, Iterator) else data


def parts_of(given, name):
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


def _expected(name, got):
    return (
        f"{name} must be a list of delayed objects or futures, one for each partition, or a Dask "
        f"bag, array or data frame, got {got}: what is in this process is for estimators that are "
        "not on Dask"
    )
