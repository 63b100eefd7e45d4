"""Quantiles as ONNX nodes: sorted, and the median between them."""

import numpy as np


def add_quantiles(graph, outputs, n_values, levels):
    """Sort the quantiles of several levels, and find the median.

    Parameters
    ----------
    graph : Graph
        Where the nodes go.
    outputs : str
        What the network says, of shape (n, n_values * Q), float64.
    n_values : int
        Of how many values.
    levels : tuple of float
        The Q levels that were learned.

    Returns
    -------
    median : str
        Of shape (n, n_values).
    rising : str
        The quantiles, of shape (n, n_values, Q).
    """
    n = len(levels)
    outputs = graph.add("Reshape", outputs, np.array([0, n_values, n]))
    options = {"axis": 2, "largest": 0, "sorted": 1}
    rising, _ = graph.add("TopK", outputs, np.array([n]), n_outputs=2, **options)
    shares = [np.interp(0.5, levels, one) for one in np.eye(n)]
    return graph.add("MatMul", rising, np.array(shares)), rising
