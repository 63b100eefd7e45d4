"""Weights as whole numbers of 8 bits, with a scale for each column (kernels/int8.h).

Column n of a matrix W is nearly ``q[:, n] * scale[n]``, with whole numbers from -127 to 127. Rows
that are multiplied with them become whole numbers, too, of 16 bits, with a scale for each row.
"""

import numpy as np

PANEL = 64
"""Columns that stand together in packed form."""


def to_int8(W):
    """Whole numbers (D, K), and their scale (K,), that are nearly a matrix of float32."""
    largest = np.abs(W).max(axis=0, initial=0)
    if not np.isfinite(largest).all():
        raise ValueError("weights='int8' needs weights that are finite, but the model has others")
    scale = largest / np.float32(127)
    q = np.rint(W / np.where(scale > 0, scale, 1))
    return np.clip(q, -127, 127).astype(np.int8), scale


def panels_of(q, scale):
    """Both in the form that the kernel reads: panels of columns, two rows side by side."""
    n_rows, n_columns = q.shape
    padding = -n_columns % PANEL
    q = np.pad(q, ((0, n_rows % 2), (0, padding)))
    panels = q.reshape(len(q) // 2, 2, -1, PANEL).transpose(2, 0, 3, 1)
    return np.ascontiguousarray(panels).ravel(), np.pad(scale, (0, padding))
