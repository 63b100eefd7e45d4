"""Write the page of the figures that `bench/run.py` measured: ``python bench/page.py FILE``.

The page stands beside the JSON file, under its name with the ending .md, the plots likewise. The
same figures give the same text.
"""

import importlib.util
import json
import sys
from pathlib import Path

HEAD = """\
# Performance

How long fastrnn takes, and what it needs, beside PyTorch, ONNX Runtime and JAX on the same machine.
All figures come from one program, `python bench/run.py`, which also writes this page.

- The contenders get the same arrays and weights. That their outputs and gradients agree is checked
  before anything is timed. They run in turns in one process, pinned to as many cores as it has
  threads, warmed up, PyTorch's inference under `inference_mode`, JAX compiled; the median of the
  turns counts.
- A ratio is the other's time divided by fastrnn's: above 1 fastrnn is faster. **Bold** is a ratio
  below 1, where fastrnn is slower, and a figure that misses what this project aims at.
- Absolute times hold for this machine alone. PyTorch's products run through oneMKL, which has more
  for Intel's processors than for others: expect smaller ratios there.
"""

AIMS = """\
## Aims, and what is reached

Ratios over the shapes of each table below, against the fastest of PyTorch, ONNX Runtime (inference)
and JAX; where PyTorch is named, against PyTorch alone (ragged: the faster of packed and padded).
"""

# Work, parts (one thread, two threads), cell, mode, contenders, aims for mean and least ratio.
RATIO_AIMS = [
    ("LSTM training", "layers", "lstm", "training", "peers", 1.6, 1.0),
    ("GRU training", "layers", "gru", "training", "peers", 2.0, 1.0),
    ("RNN training", "layers", "rnn", "training", "peers", 1.8, 1.0),
    ("LSTM inference", "layers", "lstm", "inference", "peers", 1.2, 0.95),
    ("GRU inference", "layers", "gru", "inference", "peers", 1.4, 1.0),
    ("RNN inference", "layers", "rnn", "inference", "peers", 1.2, 0.95),
    ("LSTM ragged training, PyTorch", "layers", "lstm", "ragged", "torch", 2.5, 1.5),
    ("GRU ragged training, PyTorch", "layers", "gru", "ragged", "torch", 4, 2),
    ("RNN ragged training, PyTorch", "layers", "rnn", "ragged", "torch", 4, 2),
    ("float64 LSTM training, PyTorch", "float64", "lstm", "training", "torch", 2.0, 1.2),
]

PARTS = {
    "layers": """\
A training step is a forward and a backward pass with the gradients of weights and input; ragged
batches have lengths uniform in [T/10, T], which PyTorch takes packed or padded. carry_lstm, which
no peer has, is compared with fastrnn's own lstm. "Of peak" is the share of what NumPy's product of
two square matrices of 2048 rows reaches on as many threads, the best of one trial a table.
""",
    "avx2": """\
PyTorch, fastrnn and NumPy held to AVX2, as on most processors.
""",
    "openblas-haswell": """\
`OPENBLAS_CORETYPE=Haswell` left in force, which holds fastrnn's BLAS to AVX2, and the peers at
their best.
""",
    "fit": """\
Whole `fit` calls of `RNNClassifier` against the same training in PyTorch: an LSTM of 64 units,
Adam, clipping. Japanese Vowels: both directions, minibatches of 16. Ragged: 10 to 100 steps of 8
features, one direction, minibatches of 32. PyTorch's data are padded once, outside of the timing;
minibatches are cut from them and trimmed to their longest sequence, then packed or not.
""",
    "loop": """\
What a minibatch costs beside the kernels, in a network so small that it shows: 16 units, 20 steps,
16 sequences, one thread. "other kernels" are the compiled functions of packing, head, loss, norm
and solver, a call of which takes half a microsecond even if there is nothing to do. Every kernel is
timed where it is called.
""",
    "latency": """\
Single calls on one sequence, one thread, with the state carried from call to call: microseconds,
median (99.9th percentile). fastrnn: `layer.forward`. "torch cell" is LSTMCell, GRUCell or RNNCell.
""",
    "memory": """\
Megabytes that a call takes at its peak, results included, in a process of its own; imports, weights
and input are not counted on either side.
""",
    "install": """\
Imports in a new process, files already in the machine's memory, without the start of Python. Sizes
are those of the installed files without `__pycache__`.
""",
    "growth": """\
A training step of an LSTM on one thread, one quantity doubled at a time around T=100, B=32, D=16,
H=64 (for the sum of the lengths ΣT: 64 sequences). A slope of 1 means that twice the work takes
twice the time; in H, the work itself grows as its square. The fastest turn counts. Below it what a
second thread gives: where the batch can be cut, and where it cannot, so that two threads run each
kernel as a team, each for half of the units.
""",
}

MODES = {
    "training": "training",
    "inference": "inference",
    "ragged": "training, unequal lengths",
}
GROUPS = {"peers": "fastest peer /", "torch": "torch /", "lstm": "lstm /"}


def table(header, rows):
    """Lines of a Markdown table; all columns but the first are numbers."""
    yield ""
    yield "| " + " | ".join(header) + " |"
    yield "|---" + "|---:" * (len(header) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def number(value):
    """Three digits, never in scientific form."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def ratio(value, least=1.0):
    """Two decimals, bold if these are below `least`."""
    text = f"{value:.2f}"
    return f"**{text}**" if float(text) < least else text


def shape_text(shape):
    return ", ".join(map(str, shape))


def threads_of(part):
    threads = part["machine"]["threads"]
    return f"{threads} thread" + "s" * (threads > 1)


def find(parts, name, cell, mode):
    """The table of a cell and mode in a part that may be missing."""
    for found in parts.get(name, {}).get("tables", []):
        if (found["cell"], found["mode"]) == (cell, mode):
            return found
    return None


def ratio_aims(parts):
    """Rows of the table of aims that are a geometric mean and a least ratio."""
    aims = [
        (f"{work}, {threads} thread{'s' * (threads > 1)}", f"{part}-{threads}", *aim)
        for threads in (1, 2)
        for work, part, *aim in RATIO_AIMS
    ]
    aims += [
        ("LSTM training, AVX2, PyTorch", "avx2", "lstm", "training", "torch", 1.5, 1.0),
        (
            "LSTM training, OpenBLAS as on Haswell",
            "openblas-haswell",
            "lstm",
            "training",
            "peers",
            1.3,
            None,
        ),
    ]
    for work, part, cell, mode, group, mean_aim, least_aim in aims:
        found = find(parts, part, cell, mode)
        if found is None or group not in found["summary"]:
            continue
        summary = found["summary"][group]
        mean, least = summary["geometric mean"], summary["minimum"]
        yield (
            work,
            ratio(mean, mean_aim),
            f"{mean_aim:.1f}",
            ratio(least, least_aim or 0),
            f"{least_aim:.2f}" if least_aim else "",
        )


def other_aims(parts):
    """Rows (what, figure, aim, whether it is reached) of all other aims."""
    for mode in ("training", "inference"):
        if found := find(parts, "layers-1", "lstm", mode):
            shares = [
                case["gflops"] / parts["layers-1"]["peak"]
                for case in found["cases"]
                if case["shape"][1] >= 32 and case["shape"][3] >= 128
            ]
            if shares:
                what = f"LSTM {mode}, B ≥ 32, H ≥ 128: least share of the peak"
                yield what, f"{min(shares):.2f}", "≥ 0.75", min(shares) >= 0.75
    if found := find(parts, "layers-1", "carry_lstm", "training"):
        times = 1 / found["summary"]["lstm"]["geometric mean"]
        yield "carry_lstm training, time by lstm's", f"{times:.2f}", "≤ 1.35", times <= 1.35
    for task in parts.get("fit-1", {}).get("tables", []):
        if task["task"] == "Japanese Vowels" and "torch packed" in task["ratios"]:
            value = task["ratios"]["torch packed"]
            what = "`fit` on Japanese Vowels, PyTorch packed, one thread: ratio"
            yield what, f"{value:.1f}", "≥ 8", value >= 8
    for case in parts.get("loop", {}).get("cases", [])[:1]:
        value = case["loop"]
        what = "an LSTM of 16 units, T=20, B=16: µs of a minibatch outside the kernels"
        yield what, f"{value:.0f}", "≤ 60", value <= 60
    for case in parts.get("memory", {}).get("cases", [])[:1]:
        if (value := case["fraction"]) is not None:
            what = "memory of an LSTM training step, T=784, B=32, D=1, H=128, by PyTorch's"
            yield what, f"{value:.2f}", "≤ 0.70", value <= 0.7
    if part := parts.get("install"):
        seconds, size = part["seconds"]["import fastrnn"], part["megabytes"]["fastrnn"]["alone"]
        yield "`import fastrnn`, seconds", f"{seconds:.2f}", "≤ 0.35", seconds <= 0.35
        yield "installed size, MB", f"{size:.1f}", "≤ 5", size <= 5
    for series in parts.get("growth", {}).get("series", []):
        if series["quantity"] != "H":
            value, what = series["slope"], f"growth with {series['quantity']}: slope"
            yield what, f"{value:.2f}", "0.9 to 1.1", 0.9 <= round(value, 2) <= 1.1
    cases = [case for case in parts.get("growth", {}).get("threads", []) if case["threads"] == 2]
    if cases:
        least = min(case["speed-up"] for case in cases)
        yield "two threads by one, B ≥ 32: least", f"{least:.2f}", "≥ 1.7", least >= 1.7
    cases = [case for case in parts.get("growth", {}).get("small", []) if case["threads"] == 2]
    if cases:
        least = min(case["speed-up"] for case in cases)
        yield "two threads by one, B ≤ 8, H ≥ 128: least", f"{least:.2f}", "≥ 1.0", least >= 1.0


def aims_section(parts):
    ratios = list(ratio_aims(parts))
    if ratios:
        yield from table(["work", "geometric mean", "aim", "least", "aim"], ratios)
    others = [
        (what, figure if reached else f"**{figure}**", aim)
        for what, figure, aim, reached in other_aims(parts)
    ]
    if others:
        yield from table(["figure", "measured", "aim"], others)


def losses_section(parts):
    """Every case in which the fastest peer is faster."""
    cases = [
        (part, found, case)
        for part in parts.values()
        for found in part.get("tables", [])
        if "cell" in found
        for case in found["cases"]
        if "peers" in case["ratios"]
    ]
    lost = [(*each, each[2]["ratios"]["peers"]) for each in cases if each[2]["ratios"]["peers"] < 1]
    yield "## Where fastrnn is slower"
    yield ""
    yield f"In {len(lost)} of {len(cases)} cases of the layers' tables a peer is faster."
    if lost:
        rows = [
            (
                f"{found['cell']}, {MODES[found['mode']]}, {found['dtype']}, {threads_of(part)}",
                shape_text(case["shape"]),
                min(
                    (name for name in case["milliseconds"] if not name.startswith("fastrnn")),
                    key=case["milliseconds"].get,
                ),
                f"{value:.2f}",
            )
            for part, found, case, value in lost
        ]
        yield from table(["case", "T, B, D, H", "fastest", "its time / fastrnn's"], rows)
    else:
        yield ""


def layers_tables(part):
    for found in part["tables"]:
        first = found["cases"][0]
        names, groups = list(first["milliseconds"]), list(first["ratios"])
        title = f"{found['cell']}, {MODES[found['mode']]}, {found['dtype']}, {threads_of(part)}"
        yield f"**{title}** (milliseconds; peak {part['peak']:.0f} GFLOP/s)"
        rows = [
            (
                shape_text(case["shape"]),
                *(number(case["milliseconds"][name]) for name in names),
                number(case["gflops"]),
                f"{case['gflops'] / part['peak']:.2f}",
                *(ratio(case["ratios"][group]) for group in groups),
            )
            for case in found["cases"]
        ]
        if groups:
            means = (ratio(found["summary"][group]["geometric mean"]) for group in groups)
            blank = [""] * (len(names) + 2)
            rows.append(("geometric mean", *blank, *means))
        header = ["T, B, D, H", *names, "GFLOP/s", "of peak", *(GROUPS[name] for name in groups)]
        yield from table(header, rows)


def fit_tables(part):
    for task in part["tables"]:
        yield (
            f"**{task['task']}, {threads_of(part)}**: {task['sequences']} sequences, "
            f"{task['steps']} steps, {task['epochs']} epochs"
        )
        rows = []
        for name, seconds in task["seconds"].items():
            seconds, scores = sorted(seconds), task["test accuracy"][name]
            rows.append(
                (
                    name,
                    number(seconds[len(seconds) // 2]),
                    number(seconds[0]),
                    f"{sum(scores) / len(scores):.3f}",
                    ratio(task["ratios"][name]) if name in task["ratios"] else "",
                )
            )
        yield from table(["", "median s", "fastest s", "test accuracy", "ratio"], rows)


LOOP_FIGURES = ["minibatch", "cell kernels", "other kernels", "loop"]


def loop_tables(part):
    rows = [
        (case["cell"], *(number(case[name]) for name in LOOP_FIGURES)) for case in part["cases"]
    ]
    yield from table(["cell", *(f"{name}, µs" for name in LOOP_FIGURES)], rows)


def latency_tables(part):
    names = list(dict.fromkeys(name for case in part["cases"] for name in case["median"]))
    rows = [
        (
            f"{case['cell']}, {shape_text(case['shape'])}",
            *(
                f"{number(case['median'][name])} ({number(case['99.9 %'][name])})"
                if name in case["median"]
                else ""
                for name in names
            ),
            *(ratio(value) for value in case["ratios"].values()),
        )
        for case in part["cases"]
    ]
    ratios = [GROUPS[group] for group in part["cases"][0]["ratios"]]
    yield from table(["cell, T, D, H", *names, *ratios], rows)


def memory_tables(part):
    names = list(dict.fromkeys(name for case in part["cases"] for name in case["megabytes"]))
    rows = []
    for case in part["cases"]:
        fraction = case["fraction"]
        text = "" if fraction is None else f"{fraction:.2f}"
        rows.append(
            (
                f"{case['cell']} {case['mode']}, {shape_text(case['shape'])}",
                *(
                    number(case["megabytes"][name]) if name in case["megabytes"] else ""
                    for name in names
                ),
                f"**{text}**" if fraction is not None and fraction > 1 else text,
            )
        )
    yield from table(["case, T, B, D, H", *names, "fastrnn / least"], rows)


def install_tables(part):
    rows = [(f"`{name}`", f"{seconds:.3f}") for name, seconds in part["seconds"].items()]
    yield from table(["", "seconds"], rows)
    rows = [
        (name, number(sizes["alone"]), number(sizes["with what it requires"]))
        for name, sizes in part["megabytes"].items()
    ]
    yield from table(["", "MB alone", "MB with what it requires"], rows)


def growth_tables(part):
    rows = [
        (
            series["quantity"],
            f"{series['values'][0]} to {series['values'][-1]}",
            f"{number(series['milliseconds'][0])} to {number(series['milliseconds'][-1])}",
            " ".join(f"{slope:.2f}" for slope in series["slopes"]),
            f"{series['slope']:.2f}",
        )
        for series in part["series"]
    ]
    header = ["", "from, to", "milliseconds", "slope of each doubling", "slope from the third on"]
    yield from table(header, rows)
    threads = threads_of(part)
    for cases, title in [
        (part["threads"], f"**Training steps on {threads}**"),
        (part.get("small", []), f"**Batches too small to be cut, by a team of {threads}**"),
    ]:
        rows = [
            (
                f"{case['cell']}, {MODES[case.get('mode', 'training')]}",
                shape_text(case["shape"]),
                *(number(value) for value in case["milliseconds"]),
                ratio(case["speed-up"]),
            )
            for case in cases
        ]
        if rows:
            yield title
            header = ["cell, work", "T, B, D, H", "1 thread, ms", f"{threads}, ms", "speed-up"]
            yield from table(header, rows)


def machine_section(parts):
    """What the figures were measured on, and what differs from part to part."""
    yield "## Machine"
    yield ""
    for name, describe in [
        ("Processor", lambda machine: machine["cpu"]),
        ("BLAS", lambda machine: "; ".join(sorted(machine["blas"]))),
    ]:
        seen = dict.fromkeys(describe(part["machine"]) for part in parts.values())
        yield from (f"- {name}: {value}" for value in seen)
    versions = {}
    for part in parts.values():
        for package, version in part["machine"]["versions"].items():
            versions.setdefault(package, {})[version] = None
    listed = (f"{package} {' / '.join(found)}" for package, found in versions.items())
    yield f"- Versions: {', '.join(listed)}"
    rows = []
    for name, part in parts.items():
        machine, variables = part["machine"], part["machine"]["environment"]
        if isinstance(variables, dict):
            variables = ", ".join(f"`{key}={value}`" for key, value in variables.items())
        rows.append(
            (
                f"`{name}`" + " (quick)" * part["quick"],
                str(machine["threads"]),
                machine["fastrnn level"],
                part["date"],
                str(part["took"]),
                variables,
            )
        )
    header = ["part", "threads", "fastrnn's level", "measured on", "took, s", "environment"]
    yield from table(header, rows)


# Title, text, names of the parts, what makes their tables.
SECTIONS = [
    ("Layers", "layers", ["layers-1", "layers-2", "float64-1", "float64-2"], layers_tables),
    ("Layers on AVX2", "avx2", ["avx2"], layers_tables),
    ("OpenBLAS as on Haswell", "openblas-haswell", ["openblas-haswell"], layers_tables),
    ("Training with fit", "fit", ["fit-1", "fit-2"], fit_tables),
    ("The loop around the kernels", "loop", ["loop"], loop_tables),
    ("Latency", "latency", ["latency"], latency_tables),
    ("Memory", "memory", ["memory"], memory_tables),
    ("Import and size", "install", ["install"], install_tables),
    ("Growth", "growth", ["growth"], growth_tables),
]
PLOTS = {
    "layers-1": ("Ratios of the layers, shape by shape", ""),
    "growth": ("Growth of time, and speed-up by threads", "-growth"),
}


def render(parts, stem):
    """Return the page of the parts, whose plots are named from `stem`."""
    lines = [HEAD]
    if quick := [f"`{name}`" for name, part in parts.items() if part["quick"]]:
        lines += [f"Measured in a hurry, so roughly: {', '.join(quick)}.", ""]
    lines += [AIMS, *aims_section(parts), *losses_section(parts)]
    for title, text, names, make_tables in SECTIONS:
        there = [name for name in names if name in parts]
        if there:
            lines += [f"## {title}", "", PARTS[text]]
            for name in there:
                if name in PLOTS:
                    description, ending = PLOTS[name]
                    lines += [f"![{description}]({stem}{ending}.png)", ""]
                lines += make_tables(parts[name])
    lines += machine_section(parts)
    lines += [
        "To repeat all or a part of it:",
        "",
        "```bash",
        'pip install ".[bench]"',
        "python bench/run.py                       # or --quick: two minutes, to build/",
        "python bench/run.py --parts fit-1 growth  # these alone; the others stay",
        "```",
    ]
    text = "\n".join(lines) + "\n"
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def write(file):
    """Write page and plots of the figures in the JSON file; return the paths written."""
    file = Path(file)
    parts = json.loads(file.read_text(encoding="utf-8"))
    written = [file.with_suffix(".md")]
    written[0].write_text(render(parts, file.stem), encoding="utf-8")
    if importlib.util.find_spec("matplotlib") is None:
        print("no plots: matplotlib is not installed")
    else:
        import plots

        written += plots.draw(parts, file.with_suffix(""))
    return written


if __name__ == "__main__":
    write(sys.argv[1])
