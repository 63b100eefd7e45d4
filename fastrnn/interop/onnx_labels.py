"""Label sequences as ONNX nodes: what the likeliest output of each row says, and how much."""

import numpy as np


def add_label_sequences(graph, probabilities, steps, classes, nothing):
    """Find the labels of sequences, as `predict` does without a search.

    Parameters
    ----------
    graph : Graph
        Where the nodes go.
    probabilities : str
        Of shape (n, R, K), of which the last is the blank.
    steps : Steps
        Which of the rows there are.
    classes : ndarray of shape (K - 1,)
        The labels.
    nothing : ndarray of shape ()
        What stands behind them.

    Returns
    -------
    labels : str
        Those of each sequence first, of shape (n, R).
    n_labels : str
        How many there are, of shape (n,), int64.
    """
    add, blank = graph.add, np.int64(len(classes))
    best = add("ArgMax", probabilities, axis=-1, keepdims=0)
    before = add("Pad", best, np.array([0, 1, 0, -1]), blank)
    repeats = add("Or", add("Equal", best, before), add("Equal", best, blank))
    is_said = add("And", add("Not", repeats), steps.are_there)
    n_labels = add("ReduceSum", graph.cast(is_said, np.int64), np.array([1]), keepdims=0)
    # Rows that say a label first, in their order; then all others.
    n_rows = add("Squeeze", steps.n_steps, np.array([0]))
    rows = add("Range", np.int64(0), n_rows, np.int64(1))
    places = add("Where", is_said, rows, add("Add", rows, n_rows))
    options = {"axis": 1, "largest": 0, "sorted": 1}
    _, order = add("TopK", places, steps.n_steps, n_outputs=2, **options)
    said = add("GatherElements", best, order, axis=1)
    labels = add("Gather", classes, add("Min", said, blank - 1), axis=0)
    is_label = add("Less", rows, add("Unsqueeze", n_labels, np.array([1])))
    return add("Where", is_label, labels, nothing), n_labels
