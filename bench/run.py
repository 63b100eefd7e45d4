"""Run all benchmarks, each in a process of its own; write figures, page and plots.

The figures go to docs/performance.json, the page and the plots that show them beside it; with
``--quick`` (four minutes instead of thirty) to build/performance.json. Parts that are not run keep
the figures that the file has, so that a part can be repeated alone.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import page
from measuring import save

ROOT = Path(__file__).parents[1]


@dataclass
class Part:
    """A program of this folder and how it is called."""

    program: str
    threads: int = 1
    arguments: list = field(default_factory=list)
    environment: dict = field(default_factory=dict)
    quick_arguments: list = field(default_factory=list)


CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
LSTM_TRAINING = ["--cells", "lstm", "--modes", "training"]
AGAINST_TORCH = [*LSTM_TRAINING, "--peers", "torch"]
NO_CARRY = ["--cells", "lstm", "gru", "rnn"]
BFLOAT16 = ["--dtype", "bfloat16", *NO_CARRY, "--modes", "training", "inference"]
PARTS = {
    "layers-1": Part("layers.py"),
    "layers-2": Part("layers.py", 2, NO_CARRY, quick_arguments=LSTM_TRAINING),
    "bfloat16-1": Part("layers.py", 1, BFLOAT16),
    "bfloat16-2": Part("layers.py", 2, BFLOAT16, quick_arguments=LSTM_TRAINING),
    "float64-1": Part("layers.py", 1, ["--dtype", "float64", *AGAINST_TORCH]),
    "float64-2": Part("layers.py", 2, ["--dtype", "float64", *AGAINST_TORCH]),
    "avx2": Part("layers.py", 1, ["--isa", "avx2", *AGAINST_TORCH]),
    "openblas-haswell": Part(
        "layers.py", 1, ["--keep-openblas-env", *LSTM_TRAINING], {"OPENBLAS_CORETYPE": "Haswell"}
    ),
    "fit-1": Part("fit.py"),
    "fit-2": Part("fit.py", 2),
    "loop": Part("loop.py"),
    "language-model": Part("language_model.py", 1, ["--compare"]),
    "latency": Part("latency.py"),
    "stream": Part("stream.py", 1, ["--small"]),
    "memory": Part("memory.py"),
    "install": Part("install.py"),
    "growth": Part("growth.py", min(2, CORES)),
}


def run(part, quick):
    """Run one part; return what it wrote, {} if that is nothing, or None if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figures.json")
        command = [sys.executable, Path(__file__).with_name(part.program), "--json", file]
        command += ["--threads", str(part.threads), *part.arguments]
        command += ["--quick", *part.quick_arguments] if quick else []
        start = time.perf_counter()
        process = subprocess.run(command, env={**os.environ, **part.environment}, check=False)
        if process.returncode:
            return None
        if not file.exists():  # the part has said why it cannot be run here
            return {}
        return {
            "date": datetime.date.today().isoformat(),
            "quick": quick,
            "took": round(time.perf_counter() - start),
            **json.loads(file.read_text(encoding="utf-8")),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything: four minutes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    arguments = parser.parse_args()
    folder = ROOT / ("build" if arguments.quick else "docs")
    file = arguments.json or folder / "performance.json"
    parts = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    failed = []
    for name in arguments.parts:
        print(f"\n===== {name}", flush=True)
        if PARTS[name].threads > CORES:
            print(f"skipped: it needs {PARTS[name].threads} cores")
            continue
        figures = run(PARTS[name], arguments.quick)
        if figures:
            parts[name] = figures
            parts = {name: parts[name] for name in PARTS if name in parts}
            file.parent.mkdir(parents=True, exist_ok=True)
            save(file, **parts)
        elif figures is None:
            failed.append(name)
    if parts:
        for written in page.write(file):
            print(f"wrote {written}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
