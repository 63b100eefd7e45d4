"""Time fastrnn's layers against PyTorch, ONNX Runtime and JAX on the same arrays.

Every contender gets the same weights and the same input; that their outputs and gradients agree is
checked before anything is timed. They run in turns in one process, pinned to as many cores as it
has threads. A training step is a forward and a backward pass with the gradients of the weights and
of the input; ragged batches have lengths uniform in [T/10, T].

A ratio is the time of the fastest of some contenders by fastrnn's: of all peers, and of PyTorch
alone (packed or padded, whichever is faster). carry_lstm, which no peer has, is compared with
fastrnn's own lstm. The machine's peak is the best so far of NumPy's product of two 2048 x 2048
matrices on as many threads, measured before each table.
"""

import importlib.util
from statistics import geometric_mean, median

import numpy as np
from contenders import GATES, PEERS, Fastrnn, FastrnnLSTM, Unavailable, Work
from measuring import argument_parser, begin, interleave, products_peak, save

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
]
QUICK_SHAPES = [SHAPES[0], SHAPES[2]]
MODES = ["training", "inference", "ragged"]
TOLERANCE = 1e-4


def check_agreement(work, ours, theirs, name):
    """Exit unless a peer's arrays are ours, each within TOLERANCE of its largest element."""
    alive = work.alive()
    for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        if k == 0:
            b = b * alive
        error = np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(np.float32).tiny)
        if not error <= TOLERANCE:
            what = ["y", "dx", *(f"d{weight}" for weight in work.weights)][k]
            raise SystemExit(f"{name} and fastrnn disagree in {what} by {error:.1e}: {work.cell}")


def compare(seconds):
    """Return, for every group of contenders that is there, its fastest time by fastrnn's."""
    ours = seconds["fastrnn"]
    groups = {
        "peers": [name for name in seconds if not name.startswith("fastrnn")],
        "torch": [name for name in seconds if name.startswith("torch")],
        "lstm": [name for name in seconds if name == FastrnnLSTM.name],
    }
    return {
        group: min(seconds[name] for name in names) / ours
        for group, names in groups.items()
        if names
    }


def run_case(work, peers, rounds, seconds, skipped):
    """Time one case; a dict of its shape, milliseconds, GFLOP/s and ratios."""
    task = "infer" if work.mode == "inference" else "train"
    calls = {"fastrnn": getattr(Fastrnn(work), task)}
    ours = [np.array(value) for value in calls["fastrnn"]()]
    if work.cell == "carry_lstm":
        calls[FastrnnLSTM.name] = getattr(FastrnnLSTM(work), task)
    else:
        for peer in peers:
            for contender_class in PEERS[peer].get(work.mode, []):
                try:
                    contender = contender_class(work)
                except (ImportError, Unavailable) as error:
                    skipped[peer] = str(error)
                    continue
                calls[contender.name] = getattr(contender, task)
                check_agreement(work, ours, calls[contender.name](), contender.name)
    times = interleave(calls, rounds, seconds)
    medians = {name: median(values) for name, values in times.items()}
    return {
        "shape": work.shape,
        "milliseconds": {name: 1e3 * value for name, value in medians.items()},
        "fastest": {name: 1e3 * min(values) for name, values in times.items()},
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


def run_table(cell, mode, peak, arguments, skipped):
    """Time and print one cell in one mode at every shape."""
    print(
        f"\n{cell}, {mode}, {arguments.dtype}, {arguments.threads} thread(s); milliseconds; "
        f"peak {peak:.1f} GFLOP/s"
    )
    cases = []
    for shape in QUICK_SHAPES if arguments.quick else SHAPES:
        work = Work.draw(cell, mode, arguments.dtype, arguments.threads, shape)
        rounds, seconds = (3, 0.005) if arguments.quick else (arguments.rounds, 0.03)
        case = run_case(work, arguments.peers, rounds, seconds, skipped)
        times, ratios = case["milliseconds"], case["ratios"]
        if not cases:
            print(
                f"{'T':>4}{'B':>4}{'D':>5}{'H':>5}"
                + "".join(f"{name:>14}" for name in times)
                + f"{'GFLOP/s':>10}{'of peak':>9}"
                + "".join(f"{group + ' /':>9}" for group in ratios)
            )
        cases.append(case)
        T, B, D, H = shape
        print(
            f"{T:4}{B:4}{D:5}{H:5}"
            + "".join(f"{value:14.3f}" for value in times.values())
            + f"{case['gflops']:10.1f}{case['gflops'] / peak:9.2f}"
            + "".join(f"{value:9.2f}" for value in ratios.values()),
            flush=True,
        )
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
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender")
    arguments = parser.parse_args()
    machine = begin(arguments, arguments.peers)
    skipped = {
        peer: "it is not installed"
        for peer in arguments.peers
        if importlib.util.find_spec(peer) is None
    }
    arguments.peers = [peer for peer in arguments.peers if peer not in skipped]
    tables, peak = [], 0.0
    for cell in arguments.cells:
        for mode in arguments.modes:
            peak = max(peak, products_peak(arguments.dtype))
            tables.append(run_table(cell, mode, peak, arguments, skipped))
    for peer, reason in skipped.items():
        print(f"skipped {peer}: {reason}")
    if arguments.json:
        save(arguments.json, machine=machine, peak=peak, tables=tables)


if __name__ == "__main__":
    main()
