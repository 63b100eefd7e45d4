"""Vector functions for the processor at hand: the choice of instruction set, and the activations.

The functions stand in C with compiler vector extensions (vector_math.h, and a header for each cell
in the folder cells), compiled for several instruction sets; this module chooses at import the
highest one that the processor has. The environment variable FASTRNN_LEVEL forces a lower one:
"v4+amx" (AVX-512, with tiles of bfloat16), "v4+bf16" (with AVX-512's own instructions for
bfloat16), "v4" (AVX-512), "v3" (AVX2 and FMA) or "baseline". Matrix products are those of product.h
from v3 on and BLAS below; FASTRNN_PRODUCTS=blas forces BLAS (products.pxd).
"""

import os

from cython cimport floating

cdef extern from "levels.h":
    int highest_level()
    const Table* float_table(int level)
    const void* double_table(int level)
    const void* bfloat16_table(int level)
    int64_t bfloat16_tile_pairs(int level)
    bint bfloat16_is_fast(int level)
    RoundRows bfloat16_round_rows(int level)
    Int8Product int8_product_of(int level)

LEVELS = {"baseline": 1, "v3": 3, "v4": 4, "v4+bf16": 5, "v4+amx": 6}


def _choose_level():
    """The level to use: the highest of the processor, or the lower one that FASTRNN_LEVEL names."""
    wanted = os.environ.get("FASTRNN_LEVEL")
    if not wanted:
        return highest_level()
    if wanted not in LEVELS:
        raise ImportError(f"FASTRNN_LEVEL must be one of {list(LEVELS)}, got {wanted!r}")
    if LEVELS[wanted] > highest_level():
        raise ImportError(f"FASTRNN_LEVEL={wanted!r} asks for more than this processor has")
    return LEVELS[wanted]


cdef int chosen = _choose_level()
table_f = float_table(chosen)
table_d = double_table(chosen)
panel_bytes = float_table(chosen).panel * sizeof(float)


if os.environ.get("FASTRNN_PRODUCTS", "packed") not in ("packed", "blas"):
    raise ImportError("FASTRNN_PRODUCTS must be 'packed' or 'blas'")
use_blas = chosen < 3 or os.environ.get("FASTRNN_PRODUCTS") == "blas"

rounds_to_pairs = bfloat16_table(chosen) != NULL and not use_blas
table_b = bfloat16_table(chosen) if rounds_to_pairs else table_f
tile_pairs = bfloat16_tile_pairs(chosen)
round_rows_f = bfloat16_round_rows(chosen if rounds_to_pairs else 1)
int8_product = int8_product_of(chosen)


def packed_size(K, N):
    """Elements of a (K, N) second factor when packed: whole panels, of the widest kind."""
    return K * ((N + 63) // 64 * 64)


def packed_left_size(K, M):
    """Elements of a (K, M) first factor that enters transposed when packed: whole panels of six."""
    return K * ((M + LEFT_PANEL - 1) // LEFT_PANEL * LEFT_PANEL)


def products():
    """Which matrix products are in use: "packed" or "blas"."""
    return "blas" if use_blas else "packed"


def has_bfloat16():
    """Whether products of factors rounded to bfloat16 have instructions of their own; elsewhere
    they are rounded and multiplied as floats."""
    return rounds_to_pairs


def prefers_bfloat16():
    """Whether these instructions are faster than those for floats."""
    return rounds_to_pairs and bfloat16_is_fast(chosen)


def level():
    """Name of the instruction set in use: "v4+amx", "v4+bf16", "v4", "v3" or "baseline"."""
    return next(name for name, number in LEVELS.items() if number == chosen)


def sigmoid_array(
    const floating[::1] x,  # IN   (n,)
    floating[::1] y,        # OUT  (n,), may be x
):
    """Logistic function 1 / (1 + exp(-x)) of every element."""
    with nogil:
        if x.shape[0] > 0:
            sigmoid(x.shape[0], &x[0], &y[0])


def exp_array(
    const floating[::1] x,  # IN   (n,)
    floating[::1] y,        # OUT  (n,), may be x
):
    """Exponential of every element."""
    with nogil:
        if x.shape[0] > 0:
            exp(x.shape[0], &x[0], &y[0])


def tanh_array(
    const floating[::1] x,  # IN   (n,)
    floating[::1] y,        # OUT  (n,), may be x
):
    """Hyperbolic tangent of every element."""
    with nogil:
        if x.shape[0] > 0:
            tanh(x.shape[0], &x[0], &y[0])
