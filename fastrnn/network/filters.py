"""The first filters of a network, turned for the numbers that they will read.

A number that is measured is much the same at neighbouring steps. Of filters that are drawn step by
step nearly all then say how high it is, and hardly any how it changes. So they are whitened: with R
the matrix (kernel, kernel) of the correlations of a number with itself, so many steps later, what
was drawn for it is multiplied by ``(R + 0.1 I)^(-1/2)``, and each filter then by such a factor that
the mean square of what it says is what is expected where numbers are not alike at all. (Of patches:
Coates, Ng and Lee 2011, An analysis of single-layer networks in unsupervised feature learning; of
first weights: Krähenbühl et al. 2016, Data-dependent initializations of convolutional neural
networks, arXiv 1511.06856.)
"""

import numpy as np

FLOOR = 0.1
"""Beside a spectrum whose mean is 1: what lies below is hardly more than noise."""

LEAST = np.finfo(np.float64).tiny
"""A sum of squares that is lower is not exact enough to be compared."""

LOOKED_AT = 2**18
"""Most numbers that are looked at, roughly: of more sequences some, evenly, and of a longer one its
beginning."""


def products_of(sequences, weight, kernel):
    """How alike the numbers of sequences are to those some steps later: (kernel, n_features).

    Products of each number with itself, so many steps later, summed over all steps, times the
    weight (n,) of the sequence; beyond its end there are zeros.
    """
    D = sequences.n_features
    lengths = np.minimum(sequences.lengths, max(kernel, LOOKED_AT // D))
    chosen = np.flatnonzero(weight > 0)
    chosen = chosen[:: 1 + int(lengths[chosen].sum()) * D // LOOKED_AT]
    weight, lengths = weight[chosen], lengths[chosen]
    ends, numbers = np.cumsum(lengths), np.arange(lengths.sum())
    places = numbers + np.repeat(sequences.offsets[chosen] - ends + lengths, lengths)
    x = sequences.values[places] * np.sqrt(np.repeat(weight, lengths))[:, np.newaxis]
    left = np.repeat(ends, lengths) - numbers
    products = np.empty((kernel, D))
    with np.errstate(over="ignore", invalid="ignore"):  # they are not used then
        for lag in range(kernel):
            rows = np.flatnonzero(left > lag)
            products[lag] = np.einsum("td,td->d", x[rows], x[rows + lag])
    return products


def whiten(filters, products):
    """Turn filters (kernel, D, K), of which the first columns read numbers of such products."""
    kernel, n_numbers = products.shape
    lags = np.abs(np.subtract.outer(np.arange(kernel), np.arange(kernel)))
    squares = np.zeros(filters.shape[2])
    for d in range(n_numbers):
        drawn = filters[:, d].astype(np.float64)
        correlations = np.eye(kernel)
        if products[0, d] >= LEAST and np.isfinite(products[:, d]).all():
            correlations = (products[:, d] / products[0, d])[lags]
            spectrum, basis = np.linalg.eigh(correlations)
            drawn = basis @ ((basis.T @ drawn).T / np.sqrt(np.maximum(spectrum, 0.0) + FLOOR)).T
            filters[:, d] = drawn
        squares += np.einsum("ik,ij,jk->k", drawn, correlations, drawn)
    expected = 2.0 * n_numbers / filters.shape[1]  # as ConvolutionStage.start draws them
    filters[:, :n_numbers] *= np.sqrt(expected / squares)
