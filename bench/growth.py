"""Show how the time of a training step of `layers.LSTM` grows, and what a second thread gives.

One quantity at a time is doubled, the others stay. Slopes are those of the logarithms: 1 means that
twice the work takes twice the time. The last slope is that of a line through all points from the
third on, where what a call costs beside its work no longer counts. Sizes are timed in turns and the
fastest time of each is taken, as everything else on a machine only ever adds to it.

With ``--threads`` above 1 the step of every cell is also timed on one thread and on that many, in
turns; and so are training steps and inference of wide layers on batches too small to be cut.
"""

import numpy as np
from contenders import GATES, Fastrnn, Work
from measuring import argument_parser, begin, interleave, save

# Quantity, its values, the case (T, B, D, H) of a value, and the mode.
SERIES = {
    "T": ([25, 50, 100, 200, 400, 800], lambda T: ((T, 32, 16, 64), "training")),
    "B": ([4, 8, 16, 32, 64, 128, 256], lambda B: ((100, B, 16, 64), "training")),
    "H": ([16, 32, 64, 128, 256, 512], lambda H: ((100, 32, 16, H), "training")),
    "ΣT": ([25, 50, 100, 200, 400, 800], lambda T: ((T, 64, 16, 64), "ragged")),
}
SETTLED = 2  # index of the first value that counts for the last slope
# (T, B, D, H) of the steps that are run on several threads.
THREADED = [(28, 32, 28, 128), (100, 32, 16, 64), (100, 64, 64, 128), (784, 32, 1, 128)]
SMALL_BATCHES = [(50, B, 64, H) for H in (128, 256, 512, 1024) for B in (1, 4, 8)]
SMALL_WORK = [("lstm", "training"), ("lstm", "inference"), ("gru", "training")]


def step(cell, mode, shape, threads=1):
    """Return a function that makes one step of a mode, and the number of its time steps."""
    work = Work.draw(cell, mode, "float32", threads, shape)
    steps = shape[0] * shape[1] if work.lengths is None else int(work.lengths.sum())
    layer = Fastrnn(work)
    return layer.infer if mode == "inference" else layer.train, steps


def slopes(values, seconds):
    """Return the slope of every doubling and that of a line through all from SETTLED on."""
    x, y = np.log(values), np.log(seconds)
    overall = np.polyfit(x[SETTLED:], y[SETTLED:], 1)[0]
    return (np.diff(y) / np.diff(x)).tolist(), float(overall)


def run_series(name, quick):
    """Time and print one series."""
    values, case = SERIES[name]
    values = values[: SETTLED + 2] if quick else values
    made = [step("lstm", mode, shape) for shape, mode in map(case, values)]
    calls = {str(value): call for value, (call, _) in zip(values, made, strict=True)}
    times = interleave(calls, *((3, 0.005) if quick else (9, 0.03)))
    seconds = [min(times[key]) for key in calls]
    if name == "ΣT":
        values = [steps for _, steps in made]
    each, overall = slopes(values, seconds)
    print(f"\n{name:12}" + "".join(f"{value:10}" for value in values))
    print(f"{'milliseconds':12}" + "".join(f"{1e3 * value:10.3f}" for value in seconds))
    print(f"{'slope':12}{'':10}" + "".join(f"{slope:10.2f}" for slope in each))
    print(f"slope from {values[SETTLED]} on: {overall:.2f}", flush=True)
    return {
        "quantity": name,
        "values": values,
        "milliseconds": [1e3 * value for value in seconds],
        "slopes": each,
        "slope": overall,
    }


def run_threads(threads, cases, quick):
    """Time and print steps of cases (cell, mode, shape) on one thread and on several."""
    results = []
    print(f"\nspeed-up by {threads} threads: cell, mode, (T, B, D, H), milliseconds")
    for cell, mode, shape in cases:
        calls = {str(n): step(cell, mode, shape, n)[0] for n in (1, threads)}
        times = interleave(calls, *((3, 0.005) if quick else (9, 0.03)))
        one, several = (1e3 * min(times[key]) for key in calls)
        results.append(
            {
                "cell": cell,
                "mode": mode,
                "shape": shape,
                "threads": threads,
                "milliseconds": [one, several],
                "speed-up": one / several,
            }
        )
        row = f"{one:10.3f}{several:10.3f}{one / several:8.2f}"
        print(f"{cell:12}{mode:12}{shape!s:20}{row}", flush=True)
    return results


def main():
    arguments = argument_parser(__doc__).parse_args()
    machine = begin(arguments, [])
    series = [run_series(name, arguments.quick) for name in SERIES]
    threaded, small = [], []
    if arguments.threads > 1:
        quick = arguments.quick
        cells, shapes = (["lstm"], THREADED[:2]) if quick else (GATES, THREADED)
        cases = [(cell, "training", shape) for cell in cells for shape in shapes]
        threaded = run_threads(arguments.threads, cases, quick)
        shapes = SMALL_BATCHES[:2] if quick else SMALL_BATCHES
        cases = [(cell, mode, shape) for cell, mode in SMALL_WORK for shape in shapes]
        small = run_threads(arguments.threads, cases, quick)
    if arguments.json:
        save(arguments.json, machine=machine, series=series, threads=threaded, small=small)


if __name__ == "__main__":
    main()
