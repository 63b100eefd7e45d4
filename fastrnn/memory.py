"""How much memory training and prediction need, known before it is taken, and how much there is.

What is counted is what the network allocates: parameters, gradients and the solver's vectors, for
each thread the activations that one shard of a minibatch keeps for the way back, packed weights,
and the indices of packed rows. `fastrnn.network` says when each is taken and given back.
"""

import math
import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from fastrnn.network.batches import count_shards
from fastrnn.network.cells import CELLS
from fastrnn.network.heads import CHUNK_SIZE
from fastrnn.network.prediction import PREDICT_OUTPUTS, PREDICT_SIZE
from fastrnn.network.recurrent import CHUNK_BYTES, CHUNK_MIN_ROWS
from fastrnn.network.threads import count_threads

__all__ = ["MemoryLimitError", "available_memory", "estimate_memory", "refuse_if_too_large"]

# Vectors of all parameters that solvers keep, in the network's dtype.
_SOLVER_VECTORS = {"adam": 2, "adamw": 3, "sgd": 1, "rmsprop": 1, "lbfgs": 1}
_LBFGS_VECTORS = 43  # float64: 10 pairs of corrections, and what scipy keeps around them (18 to 29)
_INDEX_BYTES = 8
_SMALL = 64 * 2**20  # less is not worth asking how much there is


class MemoryLimitError(MemoryError):
    """Raised before work begins that needs more memory than there is."""


def estimate_memory(
    lengths,
    architecture,
    *,
    training=True,
    keep_outputs=True,
    dropout=0.0,
    solver="adam",
    batch_size=200,
    bptt_steps=None,
    momentum=0.9,
    n_jobs=None,
):
    """Return the bytes that a network takes at its peak, in training or in prediction.

    The sequences themselves are not counted, nor what Python and its libraries take.

    Parameters
    ----------
    lengths : array-like of int of shape (n,)
        Steps of each sequence.
    architecture : Architecture
        Of the network.
    training : bool, default=True
        Whether the network is trained; else it predicts.
    keep_outputs : bool, default=True
        Where it predicts: whether the outputs of all sequences are kept, or only looked at.
    dropout : float, default=0.0
        Share of the outputs that are dropped in training.
    solver : {"adam", "adamw", "sgd", "rmsprop", "lbfgs"}, default="adam"
        How it is trained; "lbfgs" takes all sequences as one batch.
    batch_size : int, default=200
        Sequences in a minibatch. A minibatch is worked through in shards of 8 to 31 sequences,
        so that only a smaller one needs less memory.
    bptt_steps : int or None, default=None
        Steps of truncated backpropagation. They save memory with ``pooling="last"`` or
        "steps" in one direction; otherwise all steps are kept.
    momentum : float, default=0.9
        Momentum of "sgd", which keeps nothing without.
    n_jobs : int or None, default=None
        Threads. Each keeps a shard.

    Returns
    -------
    int
        Bytes. For sequences of unequal length a likely value, since it is by chance which of them
        come together.

    Examples
    --------
    >>> from fastrnn.memory import estimate_memory
    >>> from fastrnn.network import Architecture
    >>> network = Architecture(n_features=1, hidden_layer_sizes=(128,), n_outputs=10)
    >>> whole = estimate_memory([784] * 1000, network, batch_size=32)
    >>> cut = estimate_memory([784] * 1000, network, batch_size=32, bptt_steps=50)
    >>> 30e6 < whole < 60e6, cut < 0.2 * whole
    (True, True)
    """
    sizes, lengths = architecture.hidden_layer_sizes, np.asarray(lengths)
    cell, bidirectional = CELLS[architecture.cell].cell, architecture.bidirectional
    embeddings, tied = architecture.embeddings, architecture.tied
    pooling, n_outputs = architecture.pooling, architecture.n_outputs
    itemsize = np.dtype(architecture.dtype).itemsize
    n_directions = architecture.n_directions
    widths = [*architecture.widths, architecture.width]
    gates, (kernel, _) = len(cell.gates), cell.kernel(architecture.cell_options)
    shapes = architecture.shapes()
    n_layers = sum(math.prod(shapes[name]) for name in shapes if name.startswith("layers."))
    flops = 2 * n_layers  # of a step forward

    n_shards, rows, n_sequences = _shard(lengths, batch_size, training, solver, flops)
    indices = 2 * _INDEX_BYTES * rows  # of packed rows: where they come from, and reversed
    every_step = pooling == "steps"
    head_rows = n_shards * (rows if every_step else n_sequences)  # of a minibatch
    embedded_rows = n_shards * rows
    apart = pooling in ("last", "steps") and not bidirectional
    if training and bptt_steps and apart:
        rows = min(rows, n_sequences * bptt_steps)
    if not training and every_step and apart:
        rows = min(rows, max(n_sequences, PREDICT_OUTPUTS // n_outputs))
    n_threads = min(count_threads(n_jobs), n_shards)

    # Rows of width 1 that one thread holds, layer by layer: every step has a row in `per_row`.
    per_row, fixed, weights = widths[0], 0, 0
    for k, (width, size) in enumerate(zip(widths, sizes, strict=False)):
        top = k == len(sizes) - 1
        state = size * len(cell.states)
        if bidirectional:
            per_row += width  # the input in the other order
        if training:
            per_row += n_directions * size * (1 + cell.n_kept)
            if k > 0 or embeddings:
                per_row += n_directions * width  # dx
            if not top:
                per_row += n_directions * size * (bidirectional + bool(dropout))
            if bidirectional if not top or every_step else pooling not in ("last", "steps"):
                per_row += n_directions * size  # dy
        elif not top or pooling != "last":
            joined = bidirectional and (not top or every_step)
            per_row += n_directions * size * (1 + joined)
        room = max(CHUNK_MIN_ROWS, CHUNK_BYTES // (gates * size * itemsize), n_sequences)
        room = room if training else min(room, rows)
        fixed += n_sequences * n_directions * state * (3 if training else 1)
        weights += n_directions * (width + size) * _panels(gates * size)
        if training:
            weights += (
                n_directions
                * gates
                * size
                * (_panels(size) + (_panels(width) if k or embeddings else 0))
            )
            fixed += n_directions * room * (_panels(gates * size) + max(width, size))
        if not training or kernel.drops_gates:
            fixed += n_directions * room * size * max(1, cell.n_kept)
        if kernel.is_apart:
            fixed += n_directions * n_sequences * gates * size
    width = widths[-1]
    weights += width * _panels(n_outputs)
    if every_step and bidirectional:
        per_row += width  # both directions side by side
    if not training:
        read = rows if every_step else n_sequences
        one_thread = itemsize * (rows * per_row + fixed + read * (width + n_outputs))
        outputs = keep_outputs * (lengths.sum() if every_step else len(lengths)) * n_outputs
        return int(n_threads * (one_thread + indices) + itemsize * (weights + outputs))

    per_row += width * every_step  # the gradient of what the head reads
    fixed += n_sequences * width * (1 + bidirectional) * (not every_step)
    one_thread = itemsize * (rows * per_row + fixed)
    weights += n_outputs * _panels(width)
    # What the head reads and its outputs, each also in packed form for the head's gradient, but of
    # one of them a chunk at a time.
    head = head_rows * (2 * width + n_outputs)
    if tied:
        head += head_rows * _panels(n_outputs)
    else:
        head += (
            n_threads
            * head_rows
            * min(_panels(n_outputs), max(1, CHUNK_SIZE // (64 * head_rows)) * 64)
        )
    if embeddings:
        head += embedded_rows * widths[0]
    n_parameters = architecture.n_parameters
    kept = 0 if solver == "sgd" and momentum == 0 else _SOLVER_VECTORS[solver]
    parameters = n_parameters * ((2 + kept) * itemsize + 1)
    if n_shards > 1:
        parameters += n_threads * n_layers * itemsize
    if solver == "lbfgs":
        parameters += 8 * _LBFGS_VECTORS * n_parameters
    targets = (lengths.sum() if every_step else len(lengths)) * itemsize * 2
    targets += len(lengths) * 4 * _INDEX_BYTES
    shared = itemsize * (weights + head) + n_shards * indices + parameters + targets
    return int(n_threads * one_thread + shared)


def _shard(lengths, batch_size, training, solver, flops):
    """How many shards a batch has, and rows and sequences of the largest shard of all batches."""
    n = len(lengths)
    falling = np.sort(lengths)[::-1]
    if not training:
        lot = falling[:PREDICT_SIZE]
        return math.ceil(n / PREDICT_SIZE), int(lot.sum()), len(lot)
    size = n if solver == "lbfgs" else min(batch_size, n)
    shards = []
    for batch in {size, n % size or size}:  # the last batch of an epoch may have larger shards
        n_shards = count_shards(batch, flops * batch * lengths.mean())
        rows = int(falling[:batch:n_shards].sum())
        if batch < n:
            # The batches are drawn: the largest of many has some deviations more than the mean.
            drawn = batch * lengths.mean() + 3.0 * lengths.std() * math.sqrt(batch)
            spread = (falling[0] - falling[-1]) / 2 if n_shards > 1 else 0
            rows = min(rows, int(drawn / n_shards + spread))
        shards.append((rows, math.ceil(batch / n_shards)))
    return count_shards(size, flops * size * lengths.mean()), *max(shards)


def _panels(n_columns):
    """Columns of a packed factor: whole panels (fastrnn.kernels.vector_math.packed_size)."""
    return math.ceil(n_columns / 64) * 64


def refuse_if_too_large(needed, work, advice=()):
    """Raise an error if there is less memory than wanted.

    Parameters
    ----------
    needed : int
        Bytes.
    work : str
        What they are for, as the subject of a sentence.
    advice : iterable of (str, int)
        What could be changed, and the bytes needed then; it is read only where memory is short,
        and what would not help is left out.

    Raises
    ------
    MemoryLimitError
        If they are not available.
    """
    if needed < _SMALL:
        return
    available = available_memory()
    if available is None or needed <= available:
        return
    cures = [f"{change} would need {_size(then)}" for change, then in advice if then < 0.9 * needed]
    raise MemoryLimitError(
        f"{work} needs about {_size(needed)} of memory, but only {_size(available)} are available"
        + (f"; {', '.join(cures)}" if cures else "")
    )


def _size(n_bytes):
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def available_memory(root="/"):
    """Return the bytes that this process may still take.

    The least of what the machine, the control groups (version 1 or 2) and the limit on address
    space leave.

    Parameters
    ----------
    root : str or Path, default="/"
        Where proc and sys are found.

    Returns
    -------
    int or None
        None where nothing says it.
    """
    root = Path(root)
    limits = [_of_machine(root), *_of_groups(root), _of_address_space(root)]
    known = [limit for limit in limits if limit is not None]
    return max(0, min(known)) if known else None


def _of_machine(root):
    """Free memory of the machine, and what the system would give up for it; else all it has."""
    with suppress(OSError, ValueError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_groups(root):
    """What each control group of this process, and each above it, leaves."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
                inactive = "inactive_file"
            elif "memory" in controllers.split(","):
                base = root / "sys/fs/cgroup/memory"
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
                inactive = "total_inactive_file"
            else:
                continue
            folder = base / path.lstrip("/")
            for group in (folder, *folder.parents):
                if group.is_relative_to(base):
                    yield _of_group(group, *names, inactive)


def _of_group(group, limit_name, usage_name, inactive):
    """Limit less usage, but for pages of files that the system would drop."""
    with suppress(OSError, ValueError):
        limit = int((group / limit_name).read_text())  # "max" is no number: no limit
        usage = int((group / usage_name).read_text())
        for line in (group / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == inactive:
                usage -= int(value)
        return limit - usage
    return None


def _of_address_space(root):
    """What RLIMIT_AS leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    with suppress(OSError, ValueError):
        pages = int((root / "proc/self/statm").read_text().split()[0])
        return limit - pages * resource.getpagesize()
    return limit
