"""Attention (attention.pyx has the formulas) as streams need it: a step at a time."""

from cython cimport floating
from libc.math cimport exp, sqrt
from libc.stdint cimport int64_t

cdef enum:
    LANES = 16  # sums side by side, so that one need not wait for the other


cdef inline floating dot(
    int64_t n,
    const floating* x,   # IN  (n,)
    const floating* y,   # IN  (n,)
) noexcept nogil:
    """x . y"""
    cdef:
        floating[LANES] sums
        floating total = 0
        int64_t k = 0, lane
    for lane in range(LANES):
        sums[lane] = 0
    while k + LANES <= n:
        for lane in range(LANES):
            sums[lane] += x[k + lane] * y[k + lane]
        k += LANES
    while k < n:
        total += x[k] * y[k]
        k += 1
    for lane in range(LANES):
        total += sums[lane]
    return total


cdef inline void attention_step(
    int64_t F,
    const floating* y,   # IN     (F,), the states of the step
    const floating* q,   # IN     (F,)
    bint is_first,       # whether nothing stands yet in what follows
    double* largest,     # INOUT  (1,), the largest score so far
    double* weight,      # INOUT  (1,), sum of exp(s - largest)
    double* total,       # INOUT  (F,), sum of exp(s - largest) y
    floating* pooled,    # OUT    (F,)
) noexcept nogil:
    """The mean of all steps so far, of which only sums are kept; nothing overflows."""
    cdef:
        double score = dot(F, y, q) * (1 / sqrt(<double>F)), before = 0, now = 1
        int64_t k
    if not is_first:
        before, now = exp(min(0, largest[0] - score)), exp(min(0, score - largest[0]))
        score = max(score, largest[0])
    largest[0] = score
    weight[0] = before * weight[0] + now
    for k in range(F):
        total[k] = before * total[k] + now * y[k]
        pooled[k] = <floating>(total[k] / weight[0])
