"""Draw the figures of `bench/run.py`: ratios shape by shape, and growth."""

from pathlib import Path

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot
from matplotlib.ticker import NullLocator

COLORS = {"lstm": "#1b6ca8", "gru": "#d1782c", "rnn": "#3a8f5c", "carry_lstm": "#8a4f9e"}
MODES = {
    "training": "training",
    "ragged": "training, unequal lengths",
    "inference": "inference",
}
AXES = {
    "T": ("time steps T", 1),
    "B": ("sequences B", 1),
    "H": ("hidden units H", 2),
    "ΣT": ("sum of the lengths", 1),
}


def plain_numbers(axis, ticks):
    """Put ticks on a logarithmic axis, with ordinary numbers of at most three digits or whole."""
    axis.set_ticks(ticks, [f"{tick:.3g}" if tick < 1000 else f"{tick:.0f}" for tick in ticks])
    axis.set_minor_locator(NullLocator())


def draw_ratios(tables, file):
    """Draw how many times as long the fastest peer takes, for every shape."""
    figure, axes = pyplot.subplots(
        1, len(MODES), figsize=(12, 4.4), sharey=True, layout="constrained"
    )
    for axis, (mode, title) in zip(axes, MODES.items(), strict=True):
        for table in tables:
            if table["mode"] != mode or "peers" not in table["summary"]:
                continue
            labels = [", ".join(map(str, case["shape"])) for case in table["cases"]]
            ratios = [case["ratios"]["peers"] for case in table["cases"]]
            color = COLORS[table["cell"]]
            axis.plot(labels, ratios, "o-", color=color, label=table["cell"].upper(), lw=1.2)
        axis.axhline(1, color="black", lw=1)
        axis.set_yscale("log")
        axis.set_title(title)
        axis.set_xticks(axis.get_xticks(), axis.get_xticklabels(), rotation=45, ha="right")
        axis.grid(alpha=0.3)
    plain_numbers(axes[0].yaxis, [0.25, 0.5, 1, 2, 4, 8])
    axes[0].set_ylabel("fastest peer's time / fastrnn's\n(above 1: fastrnn is faster)")
    axes[0].legend()
    figure.supxlabel("T, B, D, H: time steps, sequences, inputs, hidden units", fontsize=10)
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def draw_threads(part, axis):
    """Draw bars of the speed-up by several threads, a group for each shape."""
    shapes = list(dict.fromkeys(tuple(case["shape"]) for case in part["threads"]))
    cells = list(dict.fromkeys(case["cell"] for case in part["threads"]))
    width = 1 / (len(cells) + 1)
    for k, cell in enumerate(cells):
        cases = [case for case in part["threads"] if case["cell"] == cell]
        places = [shapes.index(tuple(case["shape"])) + (k + 0.5) * width for case in cases]
        heights = [case["speed-up"] for case in cases]
        axis.bar(places, heights, width, color=COLORS[cell], label=cell, align="edge")
    axis.set_xticks(
        [place + 0.5 for place in range(len(shapes))],
        [", ".join(map(str, shape)) for shape in shapes],
    )
    threads = part["machine"]["threads"]
    axis.axhline(threads, color="black", lw=1)
    axis.set_ylim(0, 1.25 * threads)
    axis.set_title(f"speed-up by {threads} threads, T, B, D, H")
    axis.legend(ncols=len(cells), loc="upper left")


def draw_growth(part, file):
    """Draw time against every quantity, with a line of the slope that the work has."""
    figure, axes = pyplot.subplot_mosaic(
        [["T", "B", "H"], ["ΣT", "threads", "threads"]], figsize=(12, 7), layout="constrained"
    )
    for series in part["series"]:
        axis = axes[series["quantity"]]
        values, times = series["values"], series["milliseconds"]
        title, slope = AXES[series["quantity"]]
        line = [times[-1] * (value / values[-1]) ** slope for value in values]
        axis.loglog(values, line, "--", color="gray", lw=1, label=f"slope {slope}")
        axis.loglog(values, times, "o-", color=COLORS["lstm"], lw=1.2, label="measured")
        axis.set_title(f"{title}: slope {series['slope']:.2f} from {values[2]} on")
        axis.set_ylabel("milliseconds a training step")
        plain_numbers(axis.xaxis, values)
        plain_numbers(axis.yaxis, times)
        axis.grid(alpha=0.3)
        axis.legend()
    if part["threads"]:
        draw_threads(part, axes["threads"])
    else:
        axes["threads"].set_axis_off()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def draw(parts, stem):
    """Draw what the parts have, to files named from `stem`; return their paths."""
    written = []
    for name, draw_part, ending in [
        ("layers-1", lambda part, file: draw_ratios(part["tables"], file), ""),
        ("growth", draw_growth, "-growth"),
    ]:
        if name in parts:
            written.append(Path(f"{stem}{ending}.png"))
            draw_part(parts[name], written[-1])
    return written
