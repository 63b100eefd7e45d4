"""Pieces of pages in Markdown that programs of this folder write."""

MODES = {
    "training": "training",
    "inference": "inference",
    "ragged": "training, unequal lengths",
}
GROUPS = {
    "peers": "fastest peer /",
    "torch": "torch /",
    "lstm": "lstm /",
    "full": "own float32 /",
}


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
