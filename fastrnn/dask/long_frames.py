"""Data frames in long form, a row for each step, whose sequences may be split over partitions."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


def check_columns(frame, names, what):
    """Check that a data frame has one column of each name."""
    there = list(frame.columns)
    for name in names:
        if there.count(name) != 1:
            raise ValueError(f"{what} has {there.count(name)} columns {name!r}, expected one")


@dataclass(frozen=True)
class LongForm:
    """Which columns hold what; of `X` the features, None for all others.

    With `every_step` there is a target for each step, else they must be the same in all rows of a
    sequence.
    """

    id: str
    time: str
    features: tuple[str, ...] | None
    every_step: bool
    has_time_feature: bool
    y: str | list[str] | None = None
    sample_weight: str | None = None

    def gather(self, frame: Any) -> list[Any]:
        """Bring all rows of an id into one partition, which is that of its hash: delayed frames."""
        names = list(frame.columns)
        check_columns(frame, self._names(), "X")
        features = self._features(names)
        wanted = [name for name in names if name in {*self._names(), *features}]
        return frame[wanted].shuffle(on=self.id).to_delayed()

    def _targets(self):
        return [self.y] if isinstance(self.y, str) else list(self.y or ())

    def _names(self):
        weight = [] if self.sample_weight is None else [self.sample_weight]
        return list(dict.fromkeys([self.id, self.time, *self._targets(), *weight]))

    def _features(self, names):
        if self.features is not None:
            lacking = [name for name in self.features if name not in names]
            if lacking:
                raise ValueError(f"X has no column {lacking[0]!r}, which it had in fit")
            return list(self.features)
        others = {*self._names()} - ({self.time} if self.has_time_feature else set())
        features = [name for name in names if name not in others]
        if not features:
            raise ValueError(f"X has no columns of features beside {sorted(others)}")
        return features

    def read(self, frame: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Sequences, targets and weights of a partition, by id, and the ids and times of all rows.

        The sequences are data frames, sorted by time.
        """
        names = list(frame.columns)
        frame = frame.sort_values([self.id, self.time], kind="stable", ignore_index=True)
        ids, times = frame[self.id], frame[self.time]
        for name, column in ((self.id, ids), (self.time, times)):
            if column.isna().any():
                raise ValueError(f"column {name!r} has no value in {int(column.isna().sum())} rows")
        begins = ~ids.duplicated().to_numpy()
        starts = np.flatnonzero(begins)
        twice = np.flatnonzero(~begins[1:] & (times[1:].to_numpy() == times[:-1].to_numpy()))
        if twice.size:
            raise ValueError(
                f"id {ids[twice[0]]!r} has several rows of time {times[twice[0]]}, expected one "
                "for each step"
            )
        bounds = [*starts.tolist(), len(frame)]
        of_features = frame[self._features(names)]
        X = [of_features.iloc[a:b] for a, b in itertools.pairwise(bounds)]
        y = None if self.y is None else self._of_sequences(frame, self.y, bounds)
        weight = self.sample_weight
        weight = None if weight is None else self._of_sequences(frame, weight, bounds)
        return X, y, weight, ids, times

    def __call__(self, frame: Any) -> tuple[Any, Any, Any]:
        """Sequences, targets and weights of a partition."""
        return self.read(frame)[:3]

    def _of_sequences(self, frame, name, bounds):
        """What one or several columns have for each sequence."""
        columns = frame[name]
        if self.every_step:
            return [columns.iloc[a:b].to_numpy() for a, b in itertools.pairwise(bounds)]
        first = columns.iloc[bounds[:-1]]
        repeated = first.iloc[np.repeat(np.arange(len(first)), np.diff(bounds))]
        differs = np.atleast_2d((columns.to_numpy() != repeated.to_numpy()).T).any(axis=0)
        differs &= np.atleast_2d(columns.notna().to_numpy().T).all(axis=0)
        if differs.any():
            row = int(differs.argmax())
            raise ValueError(
                f"id {frame[self.id][row]!r} has several values in column {name!r}, expected the "
                "same in all of its rows"
            )
        return first

    def frame_of(self, answers: Any, names: Sequence[Any], ids: Any, times: Any) -> Any:
        """A data frame of answers: for each id, or for each of its steps with the time."""
        import pandas as pd

        if self.every_step:
            columns = {self.id: ids, self.time: times}
            answers = np.concatenate(answers) if len(ids) else answers
        else:
            columns = {self.id: ids.drop_duplicates().reset_index(drop=True)}
        answers = answers.reshape(len(answers), len(names))
        columns |= {name: answers[:, j] for j, name in enumerate(names)}
        return pd.DataFrame(columns)
