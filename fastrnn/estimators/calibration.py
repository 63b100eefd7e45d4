"""Quantiles that cover what they should: corrections from forecasts of what was held out.

A network's quantiles are too narrow on what it has not learned from. So it is trained on part of
the series, and forecasts the others, or their ends, from rolling origins (Stankeviciute, Alaa and
van der Schaar 2021, Conformal time-series forecasting). Of each step ahead and each level the
residuals, on the scale of the network, have the quantile of that level; added to the forecast it
makes as many of them lie below as should. Levels below the median and above are corrected each by
itself (Romano, Patterson and Candes 2019, Conformalized quantile regression). What is said of many
series holds for new ones like them, on average over them.

The corrections become part of the output layer's biases, so that files, streams and other programs
have them.
"""

import copy
import math
import warnings
from typing import Any

import numpy as np

from fastrnn.estimators.fitting import fit
from fastrnn.estimators.lessons import Cuts
from fastrnn.estimators.next_values import GivenSeries, SeriesReader, weigh_series
from fastrnn.typing import Doubles, SampleWeight

FEWEST_OF_HALF = 10
"""Series; with fewer the ends of all are held out instead."""

HELD_OUT = 1 / 3
"""Of each series, where ends are held out; the horizon at least."""

MOST_STEPS = 3_000_000
"""That are read for forecasts from rolling origins, of each part that was held out."""


def learn_corrections(estimator: Any, given: GivenSeries, sample_weight: SampleWeight) -> Doubles:
    """What is to be added to the outputs of the network, (n_ahead, n_levels)."""
    estimator.check_parameters()
    reader = SeriesReader.learn(given, estimator)[0]
    series, plan = reader.series, reader.plan
    weight = weigh_series(sample_weight, series)
    counts = np.flatnonzero(weight)
    halves = [counts[::2], counts[1::2]]
    lengths = np.array([len(values) for values in series.values])
    if len(halves[1]) >= FEWEST_OF_HALF:
        parts = [
            _residuals(estimator, reader, weight, (one, lengths[one]), other, 0 * lengths)
            for one, other in (halves, halves[::-1])
        ]
    else:
        first = _ends(series, counts, plan.n_ahead)
        known = (counts, first[counts])
        parts = [_residuals(estimator, reader, weight, known, counts, first)]
    residuals = np.concatenate(parts)
    pairs = list(enumerate(plan.quantiles))
    return np.array(
        [
            [correction_of(of_step[:, k], level) for k, level in pairs]
            for of_step in residuals.transpose(1, 0, 2)
        ]
    )


def _ends(series, which, horizon):
    """The number of steps of each series that are not held out."""
    first = np.zeros(len(series), dtype=np.int64)
    for i in which:
        n = len(series.values[i])
        second = int(np.flatnonzero(~np.isnan(series.values[i]))[1]) + 1
        first[i] = n - max(horizon, math.ceil(HELD_OUT * n))
        if first[i] <= second:
            raise ValueError(
                f"{series.name(i)} is too short for calibrate='cv': it has {n} steps, of which "
                f"the last {n - first[i]} would be held out; give longer series, or "
                f"{2 * FEWEST_OF_HALF} of them at least, whose halves forecast each other"
            )
    return first


def _residuals(estimator, reader, weight, known, held_out, first):
    """Residuals (n, n_ahead, n_levels) of a model that was trained on `known` series, and lengths.

    It forecasts series that were `held_out`, from when their `first` steps were known. What is
    "auto" is as the reader of all series has it.
    """
    series, plan = reader.series, reader.plan
    parameters = {
        **estimator.get_params(),
        **{"horizon": plan.n_ahead, "log": plan.log},
        "random_state": copy.deepcopy(estimator.random_state),
        **{"calibrate": None, "verbose": False, "warm_start": False},
    }
    model = type(estimator)(**parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit of all series has the same to say
        fit(model, GivenSeries(series.until(*known)), None, weight[known[0]], None, None)
    lengths = np.array([len(series.values[i]) for i in held_out])
    step = math.ceil((lengths.astype(np.float64) ** 2).sum() / (2 * MOST_STEPS))
    lessons = model.reader_.lessons(
        "Calibration", series.until(held_out, lengths), model.dtype, Cuts(None, step)
    )
    network, ends = model.network_, lessons.offsets[1:] - 1
    outputs = network.read_on(lessons, network.initial_states(len(lessons)), n_jobs=model.n_jobs)
    outputs = outputs.astype(np.float64).reshape(len(lessons), -1, len(plan.quantiles))
    counts = lessons.weight[ends] > 0
    counts &= lessons.place[ends] >= first[held_out][lessons.number] - 1
    return lessons.target[ends][counts][:, :, np.newaxis] - outputs[counts]


def correction_of(residuals, level):
    """The quantile of residuals (n,), NaN for none, that those to come have with this probability.

    It is a little further out than that of these alone. Medians stay as they are.
    """
    residuals = np.sort(residuals[~np.isnan(residuals)])
    n = len(residuals)
    if level == 0.5 or not n:
        return 0.0
    rank = math.floor(level * (n + 1)) if level < 0.5 else math.ceil(level * (n + 1))
    return float(residuals[min(max(rank, 1), n) - 1])
