"""Measure the memory that one training step or one inference takes, fastrnn against PyTorch.

Each contender runs each case in a process of its own. It imports what it needs, makes weights,
input and output gradient, runs a tiny case, so that what libraries load at their first call is
there, and has Linux forget the highest resident size so far (5 written to /proc/self/clear_refs).
Two calls follow. The figure is the highest resident size during them less that before: the memory
of the step itself, its results included; imports, weights and input count on neither side.
"""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import contenders
from measuring import argument_parser, begin, save

# (cell, mode, (T, B, D, H)).
CASES = [
    ("lstm", "training", (784, 32, 1, 128)),
    ("gru", "training", (784, 32, 1, 128)),
    ("rnn", "training", (784, 32, 1, 128)),
    ("lstm", "training", (100, 64, 64, 128)),
    ("lstm", "training", (50, 64, 500, 500)),
    ("lstm", "ragged", (784, 32, 1, 128)),
    ("lstm", "inference", (784, 32, 1, 128)),
]
TINY = (2, 1, 1, 4)


def status(field):
    """Bytes that /proc/self/status gives for the field."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"^{field}:\s+(\d+) kB$", text, re.MULTILINE)[1])


def measure_here(contender_class, work):
    """Return (name, bytes): of the contender, and what its call takes at its peak."""
    task = "infer" if work.mode == "inference" else "train"
    tiny = contenders.Work.draw(work.cell, work.mode, work.dtype, work.threads, TINY)
    warm = getattr(contender_class(tiny), task)
    contender = contender_class(work)
    call = getattr(contender, task)
    for _ in range(2):
        warm()
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    for _ in range(2):
        call()
    return contender.name, status("VmHWM") - before


def measure_in_child(case, contender_class, threads):
    """Return what `measure_here` says in a process that does nothing else."""
    command = [sys.executable, __file__, "--threads", str(threads)]
    command += ["--here", str(case), contender_class.__name__]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main():
    parser = argument_parser(__doc__)
    parser.add_argument(
        "--here", nargs=2, metavar=("CASE", "CONTENDER"), help="one figure, in this process"
    )
    arguments = parser.parse_args()
    if arguments.here:
        cell, mode, shape = CASES[int(arguments.here[0])]
        work = contenders.Work.draw(cell, mode, "float32", arguments.threads, shape)
        print(json.dumps(measure_here(getattr(contenders, arguments.here[1]), work)))
        return
    if not Path("/proc/self/clear_refs").exists():
        sys.exit("bench/memory.py reads /proc, which only Linux has")
    machine = begin(arguments, ["torch"])
    torch_is_there = importlib.util.find_spec("torch") is not None
    print("\nmegabytes that one call takes at its peak")
    cases = []
    for case, (cell, mode, shape) in enumerate(CASES[:1] if arguments.quick else CASES):
        theirs = contenders.PEERS["torch"][mode] if torch_is_there else []
        compiled = contenders.TorchCompiled
        classes = [contenders.Fastrnn, *(each for each in theirs if each is not compiled)]
        measured = dict(measure_in_child(case, each, arguments.threads) for each in classes)
        ours, *others = measured.values()
        cases.append(
            {
                "cell": cell,
                "mode": mode,
                "shape": shape,
                "megabytes": {name: value / 1e6 for name, value in measured.items()},
                "fraction": ours / min(others) if others else None,
            }
        )
        row = "".join(f"{name:>14} {value / 1e6:7.1f}" for name, value in measured.items())
        fraction = f"  fastrnn / least {cases[-1]['fraction']:.2f}" if others else ""
        print(f"{cell:5}{mode:10} T, B, D, H {shape!s:20}{row}{fraction}", flush=True)
    if arguments.json:
        save(arguments.json, machine=machine, cases=cases)


if __name__ == "__main__":
    main()
