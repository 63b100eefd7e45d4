"""The story of a prediction: read, see that memory will do, ask the network."""

from fastrnn.estimators.needs import refuse_to_predict


def read(estimator, X, *, per_step=0, refuse=refuse_to_predict):
    """Sequences for the network, if there is memory; `per_step` is that of results by step."""
    estimator.check_fitted()
    sequences = estimator.reader_.read(X, estimator.network_.architecture.dtype)
    refuse(estimator, sequences, per_step)
    return sequences


def outputs(estimator, sequences):
    """What the network says of sequences that were read, such as probabilities."""
    return estimator.network_.predict(sequences, n_jobs=estimator.n_jobs)
