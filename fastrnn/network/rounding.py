"""What `precision` says: whether the factors of matrix products are rounded to bfloat16.

That is where most time goes, and processors with AMX or AVX512-BF16 multiply such numbers at a
higher rate: 8 bits of their digits are left, of a range as that of float32. Sums are taken in
float32, and so is all else: activations, states, losses, and the parameters themselves, which are
rounded anew for every call. Nothing is rounded of float64.
"""

from fastrnn.kernels.vector_math import has_bfloat16, level, prefers_bfloat16, products

__all__ = ["PRECISIONS", "check_precision", "is_rounded"]

PRECISIONS = ("full", "bfloat16", "auto")


def check_precision(precision, dtype, here=True):
    """The precision, if there is such a one; with ``here`` it must be at home on this processor.

    Elsewhere the same rounded numbers are multiplied as float32, which takes longer than without
    rounding: good enough for the predictions of a model that comes from another machine.
    """
    if not isinstance(precision, str) or precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {list(PRECISIONS)}, got {precision!r}")
    if precision == "bfloat16" and dtype != "float32":
        raise ValueError(f"precision='bfloat16' needs dtype='float32', got {str(dtype)!r}")
    if precision == "bfloat16" and here and not has_bfloat16():
        raise ValueError(
            "precision='bfloat16' needs a processor with AMX or AVX512-BF16, and products that use "
            f"it; here they are {products()!r} at level {level()!r}: 'full' runs everywhere, and "
            "'auto' rounds where that is faster"
        )
    return precision


def is_rounded(precision, dtype):
    """Whether a checked precision rounds on this processor."""
    if precision == "auto":
        return dtype == "float32" and prefers_bfloat16()
    return precision == "bfloat16"
