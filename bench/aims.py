"""What the figures of `bench/run.py` are to be, and whether they are: sections of its page."""

from collections import Counter
from statistics import geometric_mean

from pieces import MODES, number, ratio, shape_text, table, threads_of

# Shapes (T, B, D, H) that an aim is for.
SHAPES = {
    "": lambda T, B, D, H: True,
    ", B ≥ 16, H ≥ 128": lambda T, B, D, H: B >= 16 and H >= 128,
    ", B ≥ 32, H ≥ 256": lambda T, B, D, H: B >= 32 and H >= 256,
}
ALL, WIDE, WIDEST = SHAPES
WORK = {"training": "training", "inference": "inference", "ragged": "ragged training"}
AGAINST = {"peers": "", "torch": ", PyTorch", "full": ", own float32"}
# Numbers, mode, contenders, shapes, and by the cell what is aimed at: mean, and least ratio.
ALL_TRAINING = {"lstm": (1.45, 1.05), "gru": (2.1, 1.3), "rnn": (1.7, 1.15)}
TRAINING = [
    ("float32", "training", "peers", ALL, ALL_TRAINING),
    ("bfloat16", "training", "peers", WIDE, {"lstm": (1.3, 1.0), "gru": (1.5, 1.1)}),
]
ALL_INFERENCE = {"lstm": (1.15, 1.0), "gru": (1.4, 1.0), "rnn": (1.5, 1.0)}
INFERENCE = [
    ("float32", "inference", "peers", ALL, ALL_INFERENCE),
    ("bfloat16", "inference", "peers", WIDE, {"lstm": (1.15, 0.95), "gru": (1.15, 0.95)}),
]
OTHERS = [
    ("float32", "ragged", "torch", ALL, {"lstm": (2.3, 1.6), "gru": (5.0, 1.6), "rnn": (4.5, 1.6)}),
    ("bfloat16", "training", "full", WIDEST, {"lstm": (1.75, 1.6), "gru": (1.75, 1.6)}),
    ("float64", "training", "torch", ALL, {"lstm": (2.0, 1.2)}),
]
# What streams of small weights are to be, times as fast as those of full, H = 256 and 512.
SMALL_WEIGHTS = {"int8": 2.0, "bfloat16": 1.5}


def find(parts, name, cell, mode):
    """The table of a cell and mode in a part that may be missing."""
    for found in parts.get(name, {}).get("tables", []):
        if (found["cell"], found["mode"]) == (cell, mode):
            return found
    return None


def all_ratio_aims():
    """Yield (work, part, cell, mode, contenders, shapes, aims) of one thread, two, and the rest."""
    for threads, rows in ((1, TRAINING + INFERENCE + OTHERS), (2, TRAINING + INFERENCE)):
        for dtype, mode, group, shapes, cells in rows:
            for cell, (mean, least) in cells.items():
                if threads == 2:
                    mean, least = (mean, 1.0) if mode == "training" else (None, None)
                work = f"{dtype} {cell} {WORK[mode]}{AGAINST[group]}{shapes}, {threads} thread"
                part = f"{'layers' if dtype == 'float32' else dtype}-{threads}"
                yield work + "s" * (threads > 1), part, cell, mode, group, shapes, mean, least
    lstm = "lstm", "training"
    yield "float32 lstm training, AVX2, PyTorch", "avx2", *lstm, "torch", ALL, 1.5, 1.0
    haswell = "openblas-haswell"
    yield "float32 lstm training, OpenBLAS as on Haswell", haswell, *lstm, "peers", ALL, 1.3, None


def ratio_aims(parts):
    """Rows of the table of aims that are a geometric mean and a least ratio."""
    for work, part, cell, mode, group, shapes, mean_aim, least_aim in all_ratio_aims():
        found = find(parts, part, cell, mode) or {"cases": []}
        ratios = [
            (case["ratios"][group], case["shape"])
            for case in found["cases"]
            if group in case["ratios"] and SHAPES[shapes](*case["shape"])
        ]
        if ratios:
            least, shape = min(ratios)
            yield (
                work,
                ratio(geometric_mean(value for value, _ in ratios), mean_aim or 0),
                f"{mean_aim:.2f}" if mean_aim else "",
                ratio(least, least_aim or 0),
                f"{least_aim:.2f}" if least_aim else "",
                shape_text(shape),
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
    for cell in ("lstm", "gru", "rnn"):
        found = find(parts, "layers-1", cell, "training") or {"cases": []}
        shares = [
            case["limit"] / case["milliseconds"]["fastrnn"]
            for case in found["cases"]
            if "limit" in case and case["shape"][1] >= 4 and case["shape"][3] >= 32
        ]
        if shares:
            what = f"{cell} training, float32, B ≥ 4, H ≥ 32: least share of its own limit"
            yield what, f"{min(shares):.2f}", "≥ 0.75", min(shares) >= 0.75
    for weights, aim in SMALL_WEIGHTS.items():
        for cell in ("lstm", "gru"):
            faster = [
                case["times as fast"][weights]
                for case in parts.get("stream", {}).get("small", [])
                if case["cell"] == cell and case["H"] >= 256
            ]
            if faster:
                value = geometric_mean(faster)
                what = f"a step of one {cell} stream, H ≥ 256, weights {weights}: times as fast"
                yield what, f"{value:.2f}", f"≥ {aim:g}", value >= aim
    if value := parts.get("language-model", {}).get("ratio"):
        what = "Penn Treebank: an epoch of PyTorch's fastest by fastrnn's fastest"
        yield what, f"{value:.2f}", "≥ 1.5", value >= 1.5
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
        yield what, f"{value:.0f}", "≤ 30", value <= 30
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
        yield from table(["work", "geometric mean", "aim", "least", "aim", "at T, B, D, H"], ratios)
    others = [
        (what, figure if reached else f"**{figure}**", aim)
        for what, figure, aim, reached in other_aims(parts)
    ]
    if others:
        yield from table(["figure", "measured", "aim"], others)


def counted(case, ours=True):
    """The milliseconds by contender of those that count, with our own or without."""
    return {
        name: value
        for name, value in case["milliseconds"].items()
        if name != "torch int8" and (ours or not name.startswith("fastrnn"))
    }


def winners_section(parts):
    """Who is the fastest how often, and every case in which it is a peer."""
    tables = [
        (work_of(name, part, found), found["cases"])
        for name, part in parts.items()
        for found in part.get("tables", [])
        if "cell" in found and "peers" in found["summary"]
    ]
    lost = [(work, case) for work, cases in tables for case in cases if case["ratios"]["peers"] < 1]
    total = sum(len(cases) for _, cases in tables)
    yield "## Who is faster, and where"
    yield ""
    yield f"In {len(lost)} of {total} cases of the layers' tables a peer is faster. By work:"
    rows = []
    for work, cases in tables:
        times = map(counted, cases)
        fastest = Counter(min(each, key=each.get) for each in times).most_common()
        ratios = [case["ratios"]["peers"] for case in cases]
        figures = min(ratios), geometric_mean(ratios), max(ratios)
        names = ", ".join(f"{name} {times}" for name, times in fastest)
        rows.append((work, names, *map(ratio, figures)))
    header = ["work", "the fastest, in so many cases", "least ratio", "mean", "largest"]
    yield from table(header, rows)
    if lost:
        yield "The cases in which a peer is faster:"
        rows = []
        for work, case in lost:
            times = counted(case, ours=False)
            rows.append(
                (
                    work,
                    shape_text(case["shape"]),
                    number(case["milliseconds"]["fastrnn"]),
                    min(times, key=times.get),
                    f"{case['ratios']['peers']:.2f}",
                )
            )
        header = ["work", "T, B, D, H", "fastrnn, ms", "fastest", "its time / fastrnn's"]
        yield from table(header, rows)


def work_of(name, part, found):
    """What a table is of, in the part of that name."""
    where = {"avx2": ", AVX2", "openblas-haswell": ", OpenBLAS as on Haswell"}.get(name, "")
    return f"{found['cell']}, {MODES[found['mode']]}, {found['dtype']}, {threads_of(part)}{where}"
