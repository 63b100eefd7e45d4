"""Time fastrnn's layers against PyTorch, ONNX Runtime and JAX on the same arrays.

Every contender gets the same weights and the same input; that their outputs and gradients agree is
checked before anything is timed. They run in turns in one process, pinned to as many cores as it
has threads. A training step is a forward and a backward pass with the gradients of the weights and
of the input; ragged batches have lengths uniform in [T/10, T].
"""

import argparse
import importlib.util
import json
from statistics import geometric_mean, median

import numpy as np
from contenders import GATES, PEERS, Fastrnn, FastrnnLSTM, Unavailable, Work
from measuring import describe, interleave, print_description, settle

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


def run_case(work, peers, rounds, seconds, skipped):
    """Time one case; a dict of its shape, median milliseconds, GFLOP/s and ratio."""
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
    others = [value for name, value in medians.items() if name != "fastrnn"]
    return {
        "shape": work.shape,
        "milliseconds": {name: 1e3 * value for name, value in medians.items()},
        "rounds": {name: [1e3 * value for value in values] for name, values in times.items()},
        "gflops": work.flops() / medians["fastrnn"] / 1e9,
        "ratio": min(others) / medians["fastrnn"] if others else None,
    }


def run_table(cell, mode, arguments, skipped):
    """Time and print one cell in one mode at every shape."""
    print(f"\n{cell}, {mode}, {arguments.dtype}, {arguments.threads} thread(s); milliseconds")
    cases = []
    for shape in SHAPES[:4] if arguments.quick else SHAPES:
        work = Work.draw(cell, mode, arguments.dtype, arguments.threads, shape)
        rounds, seconds = (3, 0.005) if arguments.quick else (arguments.rounds, 0.03)
        case = run_case(work, arguments.peers, rounds, seconds, skipped)
        if not cases:
            names = "".join(f"{name:>14}" for name in case["milliseconds"])
            print(f"{'T':>4}{'B':>4}{'D':>5}{'H':>5}{names}{'GFLOP/s':>10}{'ratio':>8}")
        cases.append(case)
        T, B, D, H = shape
        times = "".join(f"{value:14.3f}" for value in case["milliseconds"].values())
        ratio = "" if case["ratio"] is None else f"{case['ratio']:8.2f}"
        print(f"{T:4}{B:4}{D:5}{H:5}{times}{case['gflops']:10.1f}{ratio}", flush=True)
    table = {"cell": cell, "mode": mode, "cases": cases}
    ratios = [case["ratio"] for case in cases if case["ratio"] is not None]
    if ratios:
        table |= {"geometric mean": geometric_mean(ratios), "minimum": min(ratios)}
        print(f"geometric mean {table['geometric mean']:.2f}, minimum {table['minimum']:.2f}")
    return table


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=1, help="threads of every contender")
    parser.add_argument("--cells", nargs="+", choices=GATES, default=list(GATES))
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender")
    parser.add_argument("--quick", action="store_true", help="4 shapes, 3 short rounds")
    parser.add_argument("--json", metavar="FILE", help="write all figures to FILE")
    parser.add_argument(
        "--keep-openblas-env", action="store_true", help="leave OPENBLAS_* variables in force"
    )
    arguments = parser.parse_args()
    settle(arguments.threads, arguments.keep_openblas_env)
    skipped = {
        peer: "it is not installed"
        for peer in arguments.peers
        if importlib.util.find_spec(peer) is None
    }
    arguments.peers = [peer for peer in arguments.peers if peer not in skipped]
    description = describe(arguments.threads, arguments.peers)
    print_description(description)
    print("ratio: fastest peer / fastrnn (carry_lstm: fastrnn's own lstm / carry_lstm)")
    tables = [
        run_table(cell, mode, arguments, skipped)
        for cell in arguments.cells
        for mode in arguments.modes
    ]
    for peer, reason in skipped.items():
        print(f"skipped {peer}: {reason}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"machine": description, "tables": tables}, file, indent=1)


if __name__ == "__main__":
    main()
