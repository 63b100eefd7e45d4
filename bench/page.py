"""Write the page of the figures that `bench/run.py` measured: ``python bench/page.py FILE``.

The page stands beside the JSON file, under its name with the ending .md, the plots likewise. The
same figures give the same text.
"""

import importlib.util
import json
import sys
from pathlib import Path

from aims import aims_section, winners_section
from pieces import GROUPS, MODES, number, ratio, shape_text, table, threads_of

HEAD = """\
# Performance

How long fastrnn takes, and what it needs, beside PyTorch, ONNX Runtime, OpenVINO and JAX on the
same machine. All figures come from one program, `python bench/run.py`, which also writes this page.

- The contenders get the same arrays and weights. That their outputs and gradients agree is checked
  before anything is timed. They run in turns in one process, pinned to as many cores as it has
  threads, warmed up, PyTorch's inference under `inference_mode` and also compiled by
  `torch.compile`, OpenVINO with its hint of latency and one stream, JAX compiled; the median of the
  turns counts.
- A ratio is the other's time divided by fastrnn's: above 1 fastrnn is faster. **Bold** is a ratio
  below 1, where fastrnn is slower, and a figure that misses what this project aims at.
- A cell is empty where a contender cannot do it; why is said below the table.
- Absolute times hold for this machine alone, and so do ratios: PyTorch, OpenVINO and ONNX Runtime
  have kernels for some processors that they have not for others.
"""

AIMS = """\
## Aims, and what is reached

Ratios over the shapes of each table below, against the fastest of PyTorch, ONNX Runtime, OpenVINO
(these two for inference) and JAX; where PyTorch is named, against PyTorch alone (ragged: the faster
of packed and padded). In bfloat16 all of PyTorch's precisions count, float32 as well.
"""

PARTS = {
    "layers": """\
A training step is a forward and a backward pass with the gradients of weights and input; ragged
batches have lengths uniform in [T/10, T], which PyTorch takes packed or padded. carry_lstm, which
no peer has, is compared with fastrnn's own lstm. "Of peak" is the share of what the product of two
square matrices of 2048 rows reaches on as many threads, by NumPy or by fastrnn, whichever is
faster, the best of one trial a table. "Of limit" is the share of the time that the products would
take at that rate, and the functions of the gates one after the other in the first-level cache.
""",
    "bfloat16": """\
`precision="bfloat16"`, beside fastrnn's own float32 ("fastrnn full") and PyTorch in float32, with
module and data cast to bfloat16, and with autocast; for inference also OpenVINO told to compute in
bfloat16, and PyTorch's `quantize_dynamic` to int8, which is shown and counts in no ratio. ONNX
Runtime has no recurrent layers but those in float32. The peak is that of PyTorch's product of
matrices of bfloat16, or of fastrnn's, whichever is faster.
""",
    "stream": """\
A step of one stream of a classifier with as many inputs as units, one thread; microseconds. The
streams of fastrnn have their weights as they are, in bfloat16 or in int8, which halves and quarters
the bytes that a step reads. A ratio is that of the fastest peer whose weights are of the same kind
or larger.
""",
    "language-model": """\
An epoch of the language model of `bench/language_model.py` on the Penn Treebank: two LSTM layers of
200 units, 10 000 words, windows of 20 steps on 20 streams, SGD. All contenders learn a part of the
text in turns; an epoch is told from the words that they read in a second. The perplexity of the
last turn says whether all learn alike: who is off by more than a twentieth does not count.
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
median (99.9th percentile). fastrnn: `layer.forward`. "torch cell" is LSTMCell, GRUCell or RNNCell,
which take one step.
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


def reasons(cases):
    """Why cells are empty."""
    found = {name: why for case in cases for name, why in case.get("empty", {}).items()}
    if found:
        yield "Empty: " + "; ".join(f"{name}, for {why}" for name, why in found.items()) + "."
        yield ""


def layers_tables(part):
    for found in part["tables"]:
        cases = found["cases"]
        groups = list(cases[0]["ratios"])
        names = list(dict.fromkeys(name for case in cases for name in case["milliseconds"]))
        names += [name for name in cases[0].get("empty", {}) if name not in names]
        shares = ["of peak", "of limit"] if "limit" in cases[0] else ["of peak"]
        title = f"{found['cell']}, {MODES[found['mode']]}, {found['dtype']}, {threads_of(part)}"
        yield f"**{title}** (milliseconds; peak {part['peak']:.0f} GFLOP/s)"
        rows = []
        for case in cases:
            times = case["milliseconds"]
            share = {
                "of peak": case["gflops"] / part["peak"],
                "of limit": case.get("limit", 0) / times["fastrnn"],
            }
            rows.append(
                (
                    shape_text(case["shape"]),
                    *(number(times[name]) if name in times else "" for name in names),
                    number(case["gflops"]),
                    *(f"{share[name]:.2f}" for name in shares),
                    *(ratio(case["ratios"][group]) for group in groups),
                )
            )
        if groups:
            means = (ratio(found["summary"][group]["geometric mean"]) for group in groups)
            blank = [""] * (len(names) + 1 + len(shares))
            rows.append(("geometric mean", *blank, *means))
        header = ["T, B, D, H", *names, "GFLOP/s", *shares, *(GROUPS[name] for name in groups)]
        yield from table(header, rows)
        yield from reasons(cases)


def stream_tables(part):
    cases = part["small"]
    names = list(dict.fromkeys(name for case in cases for name in case["microseconds"]))
    kinds = list(cases[0]["times as fast"])
    rows = [
        (
            f"{case['cell']}, {case['H']}",
            *(
                number(case["microseconds"][name]) if name in case["microseconds"] else ""
                for name in names
            ),
            *(f"{case['times as fast'][kind]:.2f}" for kind in kinds[1:]),
            *(ratio(case["peers"][kind]) if kind in case["peers"] else "" for kind in kinds),
        )
        for case in cases
    ]
    header = [
        "cell, D = H",
        *names,
        *(f"{kind}: times as fast as full" for kind in kinds[1:]),
        *(f"{kind}: fastest peer /" for kind in kinds),
    ]
    yield from table(header, rows)
    yield from reasons(cases)


def language_model_tables(part):
    rows = [
        (name, number(rate), number(part["words"] / rate), f"{part['perplexities'][name]:.1f}")
        for name, rate in part["words/s"].items()
    ]
    header = [threads_of(part), "words a second", "seconds an epoch", "perplexity of the last turn"]
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
    ("Layers in bfloat16", "bfloat16", ["bfloat16-1", "bfloat16-2"], layers_tables),
    ("Layers on AVX2", "avx2", ["avx2"], layers_tables),
    ("OpenBLAS as on Haswell", "openblas-haswell", ["openblas-haswell"], layers_tables),
    ("Training with fit", "fit", ["fit-1", "fit-2"], fit_tables),
    ("The loop around the kernels", "loop", ["loop"], loop_tables),
    ("A wide head", "language-model", ["language-model"], language_model_tables),
    ("Latency", "latency", ["latency"], latency_tables),
    ("Streams of large layers", "stream", ["stream"], stream_tables),
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
    lines += [AIMS, *aims_section(parts), *winners_section(parts)]
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
        "python bench/run.py                       # or --quick: four minutes, to build/",
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
