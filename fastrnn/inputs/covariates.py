"""What is known beside time series: which covariates are ids, and how the others are scaled.

The covariates of a step are numbered as they are read: those known beforehand first, then those
known for the past only. Ids, also those of categories, stand among the other numbers, in columns of
their own, until a network reads them.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from fastrnn.inputs.columns import Columns, choose

FUTURE, PAST, STATIC = "future_covariates", "past_covariates", "static_covariates"


def learn_columns(future, past, wanted, name, names=None, categories=None, static=range(0)):
    """Learn which covariates are ids, and how many ids there are: a `Columns`.

    `future` and `past` have an array (S_i, F) and (T_i, P) for each series; ``name(i)`` is what
    messages call series i; `categories` has the values of columns that hold some, already numbered,
    `static` are the numbers of those that do not change within a series.
    """
    categories = categories or {}
    width = future[0].shape[1] + past[0].shape[1]
    chosen = choose(wanted, width, names, categories, of="the table of covariates")
    for j in categories:
        if j not in chosen:
            column = j if names is None else repr(names[j])
            raise TypeError(
                f"column {column} holds categories, expected numbers: name it in "
                "categorical_features to have them read as ids"
            )
    known = tuple(categories.get(j) for j in chosen)
    columns = Columns(width, names, chosen, (np.inf,) * len(chosen), known)
    check_ids(future, FUTURE, columns, name, static)
    check_ids(past, PAST, columns, name, static)
    largest = np.concatenate([np.concatenate(values).max(axis=0) for values in (future, past)])
    n_categories = tuple(
        int(largest[j]) + 1 if values is None else len(values)
        for j, values in zip(chosen, known, strict=True)
    )
    return replace(columns, n_categories=n_categories)


def check_covariates(array, name, columns=None):
    """Check that the covariates of a series are finite.

    Messages call them `name`, and each by its name in `columns` or by its number.
    """
    wrong = np.argwhere(~(np.abs(array) < 1e150))
    if wrong.size:
        t, j = wrong[0]
        column = j if columns is None else repr(columns[j])
        raise ValueError(
            f"{name} have {array[t, j]} at step {t} of column {column}, expected finite numbers "
            "below 1e150"
        )


def check_ids(covariates, kind, columns, name, static=range(0)):
    """Check that ids are whole numbers >= 0, and among those of `columns`.

    `covariates` are those of one kind, `FUTURE` or `PAST`; ``name(i)`` is for messages, and so are
    the numbers of those that are `static`.
    """
    n = covariates[0].shape[1]
    first = 0 if kind == FUTURE else columns.width - n
    for j, limit in zip(columns.ids, columns.n_categories, strict=True):
        if not first <= j < first + n:
            continue
        for i, values in enumerate(covariates):
            ids = values[:, j - first]
            wrong = np.flatnonzero((ids < 0) | (ids >= limit) | (ids != np.floor(ids)))
            if not wrong.size:
                continue
            value = ids[wrong[0]]
            kind, begin = (STATIC, static.start) if j in static else (kind, first)
            column = j - begin if columns.names is None else repr(columns.names[j])
            expected = "a whole number >= 0"
            if value >= limit and value == np.floor(value):
                expected = f"one from 0 to {limit - 1}, the ids that fit learned"
            raise ValueError(
                f"{kind} of {name(i)} have the id {value:.15g} at step {wrong[0]} of column "
                f"{column}, expected {expected}"
            )


class Moments(NamedTuple):
    """What is known of the covariates of some series, arrays (F + P,)."""

    n: np.ndarray  # steps; of those that do not change within a series the series
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, series):
        """Look at all steps of the series, not at those that follow."""
        pairs = zip(series.future, series.values, strict=True)
        future = [known[: len(values)] for known, values in pairs]
        rows = [np.concatenate(future), np.concatenate(series.past)]
        mean = np.concatenate([values.mean(axis=0) for values in rows])
        deviation = np.concatenate([values.std(axis=0) for values in rows])
        n = np.full(len(mean), float(len(rows[0])))
        static = list(series.of_static)  # of each series once
        of_each = np.array([series.static_row(i) for i in range(len(series))])
        mean[static], deviation[static] = of_each.mean(axis=0), of_each.std(axis=0)
        n[static] = len(series)
        return cls(n, mean, deviation)

    @classmethod
    def join(cls, moments):
        """What is known of the covariates of several places."""
        if len(moments) == 1:
            return moments[0]
        n, means, deviations = map(np.array, zip(*moments, strict=True))
        total = n.sum(axis=0)
        mean = (n / total * means).sum(axis=0)
        variance = (n / total * (np.square(deviations) + np.square(means - mean))).sum(axis=0)
        return cls(total, mean, np.sqrt(variance))


@dataclass(frozen=True, eq=False)
class CovariateScale:
    """How covariates are scaled; those that are ids are not.

    Attributes
    ----------
    mean, deviation : ndarray of shape (F + P,)
        Of each covariate, those known beforehand first; of ids and features of dates 0 and 1.
    columns : Columns
        Which are ids.
    n_future : int
        F.
    of_dates : tuple of str
        Names of the features of dates, the last of these.
    """

    mean: np.ndarray
    deviation: np.ndarray
    columns: Columns
    n_future: int
    of_dates: tuple[str, ...] = ()

    @classmethod
    def of(cls, moments, series):
        """Learn from what is known of the covariates of series."""
        _, mean, deviation = map(np.copy, moments)
        as_they_are = [*series.covariates.ids, *series.of_dates]
        deviation[deviation <= 1e-12 * np.abs(mean)] = 1.0  # one that does not vary
        mean[as_they_are], deviation[as_they_are] = 0.0, 1.0
        n_future, _ = series.n_covariates
        return cls(mean, deviation, series.covariates, n_future, series.names_of_dates)

    @property
    def unknown(self):
        """Row (F,) of covariates that are not known yet, on the scale of the network.

        It has means, and of ids the first that `fit` has not seen.
        """
        row = np.zeros(len(self.mean))
        row[list(self.columns.ids)] = self.columns.n_categories
        return row[: self.n_future]

    @property
    def n_rows(self):
        """Number of rows that each column of ids needs in a table of vectors.

        Ids known beforehand need one more, where they are not known yet.
        """
        pairs = zip(self.columns.ids, self.columns.n_categories, strict=True)
        return tuple(n + (j < self.n_future) for j, n in pairs)

    def scale(self, future, past):
        """Scale the covariates of a series, arrays (S, F) and (T, P)."""
        means = np.split(self.mean, [self.n_future])
        deviations = np.split(self.deviation, [self.n_future])
        return tuple(
            (values - mean) / deviation
            for values, mean, deviation in zip((future, past), means, deviations, strict=True)
        )
