"""Time fastrnn's layers against PyTorch, ONNX Runtime, OpenVINO and JAX on the same arrays.

Every contender gets the same weights and the same input; that their outputs and gradients agree is
checked before anything is timed. They run in turns in one process, pinned to as many cores as it
has threads. A training step is a forward and a backward pass with the gradients of the weights and
of the input; ragged batches have lengths uniform in [T/10, T].

With ``--dtype bfloat16`` every contender may round to it: fastrnn's layers with that precision, and
in full, beside PyTorch in float32, cast to bfloat16, with autocast, and, for inference, with
weights of int8 (``quantize_dynamic``), which is shown and does not count.

A ratio is the time of the fastest of some contenders by fastrnn's: of all peers, and of PyTorch
alone (packed or padded, cast or not, whichever is faster). carry_lstm, which no peer has, is
compared with fastrnn's own lstm. The machine's peak is the best product of large matrices so far,
measured before each table. The limit of a case is the time of its products at that rate, and of its
pointwise passes with the functions of one gate after the other in the first-level cache.
"""

import importlib.util
from statistics import geometric_mean, median

import numpy as np
from contenders import (
    BFLOAT16_PEERS,
    GATES,
    PEERS,
    Fastrnn,
    FastrnnFull,
    FastrnnLSTM,
    TorchInt8,
    Unavailable,
    Work,
    as_array,
)
from measuring import (
    argument_parser,
    begin,
    interleave,
    pointwise_rates,
    products_peak,
    save,
)

from fastrnn.kernels.vector_math import has_bfloat16

# (T, B, D, H): time steps, sequences, inputs, hidden units.
SHAPES = [
    (50, 1, 16, 64),
    (28, 32, 28, 128),
    (100, 32, 16, 64),
    (100, 64, 64, 128),
    (784, 32, 1, 128),
    (35, 20, 200, 200),
    (35, 20, 650, 650),
    (50, 64, 500, 500),
    (29, 270, 12, 32),
    (1000, 4, 6, 32),
    (150, 16, 3, 100),
    (60, 48, 40, 160),
    (24, 128, 321, 384),
]
QUICK_SHAPES = [SHAPES[0], SHAPES[2]]
MODES = ["training", "inference", "ragged"]
# How far apart the arrays of two contenders may be, as a share of the largest element; in bfloat16,
# where states are rounded or not, and sums as well, of the root of the mean square.
TOLERANCE, ROUNDED_TOLERANCE = 1e-4, 0.1
# Pointwise passes of a time step: logistic functions and hyperbolic tangents of all units.
FUNCTIONS = {"lstm": (3, 2), "gru": (2, 1), "rnn": (0, 1), "carry_lstm": (5, 1)}


def difference(work, ours, theirs):
    """How far a peer's array is from ours, as the precision of the work asks for."""
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    tiny = np.finfo(np.float32).tiny
    if work.precision == "full":
        return np.abs(a - b).max() / max(np.abs(b).max(), tiny)
    return np.linalg.norm(a - b) / max(np.linalg.norm(b), tiny)


def check_agreement(work, ours, theirs, name):
    """Exit unless a peer's arrays are ours, each within the tolerance."""
    alive = work.alive()
    tolerance = TOLERANCE if work.precision == "full" else ROUNDED_TOLERANCE
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        error = difference(work, a, b * alive if k == 0 else b)
        if not error <= tolerance:
            what = ["y", "dx", *(f"d{weight}" for weight in work.weights)][k]
            raise SystemExit(f"{name} and fastrnn disagree in {what} by {error:.1e}: {work.cell}")


def compare(seconds):
    """Return, for every group of contenders that is there, its fastest time by fastrnn's."""
    ours = seconds["fastrnn"]
    peers = [name for name in seconds if not name.startswith("fastrnn")]
    counted = [name for name in peers if name != TorchInt8.name]
    groups = {
        "peers": counted,
        "torch": [name for name in counted if name.startswith("torch")],
        "lstm": [name for name in seconds if name == FastrnnLSTM.name],
        "full": [name for name in seconds if name == FastrnnFull.name],
    }
    return {
        group: min(seconds[name] for name in names) / ours
        for group, names in groups.items()
        if names
    }


def limit(work, peak, rates):
    """Seconds that a case takes at least: products at the peak, and the pointwise passes.

    On the way back a pointwise pass has no functions, but every gate's value to multiply.
    """
    sigmoids, tanhs = FUNCTIONS[work.cell]
    units = work.B * work.T * work.H if work.lengths is None else int(work.lengths.sum()) * work.H
    pointwise = sigmoids * rates["sigmoid"] + tanhs * rates["tanh"]
    if work.mode != "inference":
        pointwise += GATES[work.cell] * rates["multiply"]
    return work.flops() / (1e9 * peak) + units * pointwise / work.threads


def contender_classes(work, peers):
    """The contenders of a case beside fastrnn."""
    if work.cell == "carry_lstm":
        return [FastrnnLSTM]
    rounded = work.precision == "bfloat16"
    table = BFLOAT16_PEERS if rounded else PEERS
    found = [each for peer in peers for each in table.get(peer, {}).get(work.mode, [])]
    return [FastrnnFull] * rounded + found


def run_case(work, peers, rounds, seconds):
    """Time one case; a dict of its shape, milliseconds, GFLOP/s and ratios.

    "empty" says why contenders have no time.
    """
    task = "infer" if work.mode == "inference" else "train"
    calls, empty = {"fastrnn": getattr(Fastrnn(work), task)}, {}
    ours = [np.array(value) for value in calls["fastrnn"]()]
    for contender_class in contender_classes(work, peers):
        try:
            contender = contender_class(work)
        except (ImportError, Unavailable) as error:
            empty[contender_class.name] = str(error)
            continue
        calls[contender.name] = getattr(contender, task)
        if contender_class is not FastrnnLSTM:
            theirs = [as_array(value) for value in calls[contender.name]()]
            check_agreement(work, ours, theirs, contender.name)
    times = interleave(calls, rounds, seconds)
    medians = {name: median(values) for name, values in times.items()}
    return {
        "shape": work.shape,
        "milliseconds": {name: 1e3 * value for name, value in medians.items()},
        "fastest": {name: 1e3 * min(values) for name, values in times.items()},
        "empty": empty,
        "gflops": work.flops() / medians["fastrnn"] / 1e9,
        "ratios": compare(medians),
    }


def summarize(cases):
    """Return the geometric mean, the least and the largest of every kind of ratio."""
    summary = {}
    for group in cases[0]["ratios"]:
        ratios = [case["ratios"][group] for case in cases]
        summary[group] = {
            "geometric mean": geometric_mean(ratios),
            "minimum": min(ratios),
            "maximum": max(ratios),
        }
    return summary


def run_table(cell, mode, peak, rates, arguments):
    """Time and print one cell in one mode at every shape."""
    print(
        f"\n{cell}, {mode}, {arguments.dtype}, {arguments.threads} thread(s); milliseconds; "
        f"peak {peak:.1f} GFLOP/s"
    )
    cases = []
    for shape in QUICK_SHAPES if arguments.quick else SHAPES:
        work = Work.draw(cell, mode, arguments.dtype, arguments.threads, shape)
        rounds, seconds = (3, 0.005) if arguments.quick else (arguments.rounds, 0.02)
        case = run_case(work, arguments.peers, rounds, seconds)
        case["limit"] = 1e3 * limit(work, peak, rates)
        times, ratios = case["milliseconds"], case["ratios"]
        names = [*times, *case["empty"]]
        if not cases:
            print(
                f"{'T':>4}{'B':>4}{'D':>5}{'H':>5}"
                + "".join(f"{name:>15}" for name in names)
                + f"{'GFLOP/s':>10}{'of peak':>9}{'of limit':>10}"
                + "".join(f"{group + ' /':>9}" for group in ratios)
            )
        cases.append(case)
        T, B, D, H = shape
        print(
            f"{T:4}{B:4}{D:5}{H:5}"
            + "".join(f"{times[name]:15.3f}" if name in times else f"{'':15}" for name in names)
            + f"{case['gflops']:10.1f}{case['gflops'] / peak:9.2f}"
            + f"{case['limit'] / times['fastrnn']:10.2f}"
            + "".join(f"{value:9.2f}" for value in ratios.values()),
            flush=True,
        )
    for name, reason in {key: why for case in cases for key, why in case["empty"].items()}.items():
        print(f"empty, {name}: {reason}")
    summary = summarize(cases)
    for group, figures in summary.items():
        print(f"{group} / fastrnn: " + ", ".join(f"{k} {v:.2f}" for k, v in figures.items()))
        if group == "lstm":
            mean, worst = 1 / figures["geometric mean"], 1 / figures["minimum"]
            print(f"carry_lstm / lstm: geometric mean {mean:.2f}, maximum {worst:.2f}")
    return {
        "cell": cell,
        "mode": mode,
        "dtype": arguments.dtype,
        "cases": cases,
        "summary": summary,
    }


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--cells", nargs="+", choices=GATES, default=list(GATES))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    dtypes = ["float32", "float64", "bfloat16"]
    parser.add_argument("--dtype", choices=dtypes, default="float32")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    arguments = parser.parse_args()
    if arguments.dtype == "bfloat16" and not has_bfloat16():
        print("skipped: fastrnn does not multiply in bfloat16 on this processor")
        return
    machine = begin(arguments, arguments.peers)
    there = [peer for peer in arguments.peers if importlib.util.find_spec(peer) is not None]
    for peer in sorted({*arguments.peers} - {*there}):
        print(f"skipped {peer}: it is not installed")
    arguments.peers = there
    tables, peak, rates = [], 0.0, pointwise_rates()
    for cell in arguments.cells:
        for mode in arguments.modes:
            peak = max(peak, products_peak(arguments.dtype, arguments.threads))
            tables.append(run_table(cell, mode, peak, rates, arguments))
    if arguments.json:
        save(arguments.json, machine=machine, peak=peak, rates=rates, tables=tables)


if __name__ == "__main__":
    main()
