"""Time layers of small shapes against their own limit.

The limit of a call is the time of its products at the machine's peak, which is the best so far of
NumPy's product of two 512 x 512 matrices, and of the pointwise passes of its cell at the rate that
is measured here, with everything in a near cache. What is left is of the layer's own
making: products that are slower than the peak, copies, packing, loops and, in "call", Python.
"kernels" is the time of the compiled functions that run the steps, forward and backward, alone.
The shortest times of all turns are shown.
"""

import ctypes
import time

import numpy as np
from contenders import GATES, Fastrnn, Work
from loop import timed
from measuring import argument_parser, begin, products_peak, save

from fastrnn.kernels import recurrence, vector_math

# (T, B, D, H): time steps, sequences, inputs, hidden units.
SHAPES = [
    (29, 270, 12, 32),
    (1000, 4, 6, 32),
    (200, 16, 16, 32),
    (96, 1, 7, 48),
    *((100, B, 16, 64) for B in range(1, 7)),
    (100, 32, 16, 64),
    (150, 16, 3, 100),
    (60, 48, 40, 160),
    (512, 8, 2, 256),
]
QUICK_SHAPES = [(20, 4, 6, 32), (20, 16, 16, 32)]
UNITS = 2048  # in a pointwise pass that is measured
MAX_EXTRA = 4
clock = time.perf_counter


class Step(ctypes.Structure):
    """The struct "step" of fastrnn/kernels/cell.h."""

    _fields_ = (
        *[(name, ctypes.c_int64) for name in ("rows", "H", "begin", "end", "count", "stride")],
        ("option", ctypes.c_int),
        ("b", ctypes.c_void_p),
        ("extra", ctypes.c_void_p * MAX_EXTRA),
        *[
            (name, ctypes.c_void_p)
            for name in "gates recurrent kept h_in h_prev c_prev h c dy dh dc dreset db".split()
        ],
        ("dextra", ctypes.c_void_p * MAX_EXTRA),
    )


PointwisePass = ctypes.CFUNCTYPE(None, ctypes.POINTER(Step))


class Record(ctypes.Structure):
    """The struct "cell" of the same file."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("sayings", ctypes.c_int * 8),
        ("forward", PointwisePass),
        ("backward", PointwisePass),
    )


class Table(ctypes.Structure):
    """The beginning of the struct of all vector functions, in fastrnn/kernels/table.h."""

    _fields_ = (
        ("panel", ctypes.c_int64),
        ("cells", ctypes.POINTER(ctypes.POINTER(Record))),
    )


def record_of(cell):
    """The functions in float32 of a cell, where vector_math.pyx has them for other modules."""
    capsule = ctypes.py_object(vector_math.__pyx_capi__["table_f"])
    # Prototypes of our own: other packages change those that all share.
    take = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)
    name = take(("PyCapsule_GetName", ctypes.pythonapi))(capsule)
    take = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    variable = take(("PyCapsule_GetPointer", ctypes.pythonapi))(capsule, name)
    cells = ctypes.cast(variable, ctypes.POINTER(ctypes.POINTER(Table)))[0][0].cells
    k = 0
    while cells[k][0].name.decode() != cell:
        k += 1
    return cells[k][0]


def pointwise_seconds(cell, H, turns):
    """Seconds of a unit's time step in the pointwise passes of a cell, forward and backward."""
    record, rng, rows = record_of(cell), np.random.default_rng(0), max(1, UNITS // H)
    functions = {"forward": record.forward, "backward": record.backward}
    G, arrays = GATES[cell], {}
    for name in "gates recurrent kept h_prev c_prev h c dy dh dc".split():
        width = G * H if name in ("gates", "recurrent") else H
        arrays[name] = rng.standard_normal((rows, width), dtype="float32")
    bias = np.zeros(G * H, "float32")
    step = Step(H=H, end=H, count=1, b=bias.ctypes.data, db=bias.ctypes.data)
    step.extra[0] = step.dextra[0] = bias.ctypes.data
    for name, array in arrays.items():
        setattr(step, name, array.ctypes.data)
    arrays["dc"].fill(1)
    fresh = {name: array.copy() for name, array in arrays.items()}
    seconds = {}
    for _ in range(turns):
        for name in ("gates", "h_prev", "c_prev", "dh", "dc"):
            arrays[name][...] = fresh[name]
        for name, function in functions.items():
            for step.rows in (0, rows):
                start = clock()
                function(step)
                key = name, step.rows
                seconds[key] = min(seconds.get(key, np.inf), clock() - start)
    return [(seconds[name, rows] - seconds[name, 0]) / (rows * H) for name in functions]


def run_case(cell, mode, shape, peak, turns):
    """Time one case; a dict of its shape, milliseconds, and what part of them is the limit."""
    work = Work.draw(cell, mode, "float32", 1, shape)
    forward, backward = pointwise_seconds(cell, work.H, turns)
    units = work.T * work.B * work.H
    products = work.flops() / peak / 1e9
    pointwise = units * (forward + (backward if mode == "training" else 0))
    layer, spent, seconds = Fastrnn(work), {}, []
    call = layer.train if mode == "training" else layer.infer
    kernels = {name: getattr(recurrence, name) for name in ("cell_forward", "cell_backward")}
    try:
        for name, kernel in kernels.items():
            setattr(recurrence, name, timed(kernel, spent))
        for _ in range(turns):
            for account in spent.values():
                account[0] = 0.0
            start = clock()
            call()
            seconds.append((clock() - start, sum(own for own, _ in spent.values())))
    finally:
        for name, kernel in kernels.items():
            setattr(recurrence, name, kernel)
    whole, own = (min(times) for times in zip(*seconds, strict=True))
    limit = products + pointwise
    figures = {"products": products, "pointwise": pointwise, "kernels": own, "call": whole}
    return {
        "shape": shape,
        "milliseconds": {name: 1e3 * value for name, value in figures.items()},
        "of limit": {"kernels": limit / own, "call": limit / whole},
    }


def main():
    parser = argument_parser(__doc__)
    parser.add_argument("--cells", nargs="+", choices=GATES, default=["lstm", "gru", "rnn"])
    parser.add_argument("--modes", nargs="+", choices=["training", "inference"], default=None)
    parser.add_argument("--turns", type=int, default=300, help="calls of each case")
    arguments = parser.parse_args()
    machine = begin(arguments, [])
    tables, peak, turns = [], 0.0, 3 if arguments.quick else arguments.turns
    for cell in arguments.cells:
        for mode in arguments.modes or ["training", "inference"]:
            peak = max(peak, products_peak("float32", size=512))
            print(f"\n{cell}, {mode}, float32; milliseconds; peak {peak:.1f} GFLOP/s")
            print(
                f"{'T':>4}{'B':>4}{'D':>4}{'H':>4}{'products':>10}{'pointwise':>10}{'kernels':>10}"
                f"{'call':>10}  limit / kernels, call"
            )
            cases = []
            for shape in QUICK_SHAPES if arguments.quick else SHAPES:
                cases.append(run_case(cell, mode, shape, peak, turns))
                T, B, D, H = shape
                print(
                    f"{T:4}{B:4}{D:4}{H:4}"
                    + "".join(f"{value:10.4f}" for value in cases[-1]["milliseconds"].values())
                    + "".join(f"{value:9.2f}" for value in cases[-1]["of limit"].values()),
                    flush=True,
                )
            tables.append({"cell": cell, "mode": mode, "cases": cases})
    if arguments.json:
        save(arguments.json, machine=machine, peak=peak, tables=tables)


if __name__ == "__main__":
    main()
