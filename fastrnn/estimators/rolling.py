"""Forecasts and samples of how series go on, in their units: all steps at once, or fed back."""

from contextlib import closing

import numpy as np

from fastrnn.estimators.distributions import DISTRIBUTIONS
from fastrnn.estimators.quantiles import at_levels
from fastrnn.inputs.sequences import as_sequences
from fastrnn.training.progress import Bar

ROWS = 2**13
"""Copies of series that are read side by side, roughly."""


def forecast(plan, network, series, covariates, horizon, levels, n_jobs, verbose):
    """Forecast series: for each an array (horizon, n_levels); one column without levels.

    Without levels it is the point that is expected: mean or median. Beyond `n_ahead` steps points
    are fed back.
    """
    readings = _read(plan, series, covariates, range(len(series)))
    unit = _units(readings)
    law = DISTRIBUTIONS.get(plan.likelihood)

    def say(outputs):
        if plan.quantiles is not None:
            return at_levels(outputs, plan.quantiles, (0.5,) if levels is None else levels)
        if law is None:
            return outputs
        if levels is None:
            return outputs[..., :1]
        return law.quantiles(outputs, np.asarray(levels), unit)

    scaled = _roll(plan, network, readings, covariates, horizon, say, n_jobs, verbose)
    whole = law is not None and law.counts and levels is not None
    return [_undo(reading, part, whole) for reading, part in zip(readings, scaled, strict=True)]


def sample(plan, network, series, covariates, horizon, n_samples, rng, n_jobs, verbose):
    """Draw how series may go on: for each an array (horizon, n_samples).

    Where forecasts are fed back each sample is a path: what was drawn is read as if it had been
    observed.
    """
    law = DISTRIBUTIONS[plan.likelihood]
    rngs = [np.random.default_rng(seed) for seed in rng.integers(2**63, size=len(series))]
    size, samples = max(1, ROWS // n_samples), []
    for begin in range(0, len(series), size):
        which = range(begin, min(begin + size, len(series)))
        readings = _read(plan, series, covariates, which)
        units = _units(readings)

        def say(outputs, which=which, units=units):
            of_series = outputs.reshape(len(which), n_samples, *outputs.shape[1:])
            drawn = [
                law.draw(parameters, unit, rngs[i])
                for i, parameters, unit in zip(which, of_series, units, strict=True)
            ]
            return np.concatenate(drawn)[..., np.newaxis]

        scaled = _roll(
            plan, network, readings, covariates, horizon, say, n_jobs, verbose, n_samples
        )
        paths = scaled.reshape(len(which), n_samples, horizon).transpose(0, 2, 1)
        for reading, path in zip(readings, paths, strict=True):
            samples.append(_undo(reading, path, law.counts))
    return samples


def _read(plan, series, covariates, which):
    return [plan.read(series, i, covariates) for i in which]


def _units(readings):
    """What one on the scale of the network is, (n, 1); distributions of counts ask."""
    return np.array([[reading.scale.factor or 1.0] for reading in readings])


def _undo(reading, scaled, whole):
    """Scaled forecasts in the units of their series; counts are whole numbers."""
    values = reading.scale.undo(scaled, len(reading.scaled))
    return np.rint(values) if whole else values


def _roll(plan, network, readings, covariates, horizon, say, n_jobs, verbose, copies=1):
    """Forecast series, each in some copies: (rows, horizon, n), scaled.

    ``say`` makes forecasts (rows, n_ahead, n) of outputs (rows, n_ahead, m), of which the first are
    fed back. With `verbose` a bar shows how far it is.
    """
    states = network.initial_states(len(readings))
    base = np.repeat([reading.base[-1] for reading in readings], copies)
    lagged = np.repeat([reading.lagged[::-1] for reading in readings], copies, axis=0)
    columns, _ = plan.columns(covariates)
    inputs, forecasts = [reading.inputs for reading in readings], []
    with closing(Bar(verbose)) as bar:
        for begin in range(0, horizon, plan.n_ahead):
            sequences = as_sequences(inputs, dtype=network.dtype, columns=columns)
            outputs = network.read_on(sequences, states, n_jobs=n_jobs).astype(np.float64)
            if begin == 0 and copies > 1:  # all go on from where their series ends
                outputs = np.repeat(outputs, copies, axis=0)
                states = [
                    tuple(np.repeat(rows, copies, axis=1) for rows in layer) for layer in states
                ]
            outputs = say(outputs.reshape(len(outputs), plan.n_ahead, -1))
            forecasts.append(base[:, np.newaxis, np.newaxis] + outputs)
            if begin + plan.n_ahead < horizon:
                seen = outputs[:, :, 0]
                if plan.is_relative:
                    base = forecasts[-1][:, -1, 0]
                    seen = np.diff(seen, axis=1, prepend=0.0)
                history = np.hstack([lagged, forecasts[-1][:, :, 0]])
                before, lagged = plan.look_back(history), history[:, plan.n_ahead :]
                marks = np.zeros((*seen.shape, int(plan.mask)))
                ahead = [_ahead(plan, reading, begin, covariates) for reading in readings]
                fixed = [np.tile(reading.fixed, (plan.n_ahead, 1)) for reading in readings]
                known, fixed = (
                    np.repeat(of_series, copies, axis=0) for of_series in (ahead, fixed)
                )
                own = [seen[:, :, np.newaxis], marks]
                inputs = list(np.concatenate([*own, known, before, fixed], axis=2))
                bar.draw("forecast", begin + plan.n_ahead, horizon)
    return np.concatenate(forecasts, axis=1)[:, :horizon]


def _ahead(plan, reading, begin, covariates):
    """What is known beforehand at the steps that are fed back, so many after the end."""
    step = len(reading.scaled) + begin
    return plan.look_ahead(reading.future, step, step + plan.n_ahead, covariates.unknown)
