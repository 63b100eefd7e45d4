"""Classes: those that `partial_fit` is told of, and the weight of each in the loss."""

import numpy as np

from fastrnn.estimators.targets import as_labels


def read_classes(classes, fitted, kind):
    """Read the argument `classes` of `partial_fit`.

    Parameters
    ----------
    classes : array-like of shape (K,) or None
        What was given.
    fitted : ndarray of shape (K,) or None
        The classes of the model; None in the first call.
    kind : str
        What kind of model it is, for the error message.

    Returns
    -------
    ndarray of shape (K,)
        The classes, sorted.

    Raises
    ------
    ValueError
        If the first call gives none or fewer than two, or a later one others.
    """
    if fitted is not None:
        if classes is not None and not np.array_equal(np.unique(classes), fitted):
            raise ValueError(
                f"classes={np.unique(classes).tolist()} is not the same as on last call to "
                f"partial_fit, was: {fitted.tolist()}"
            )
        return fitted
    if classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    classes = np.unique(as_labels(classes))
    if len(classes) < 2:
        raise ValueError(
            f"classes={classes.tolist()} is one class only: a {kind} needs two or more"
        )
    return classes


def refuse_balanced(class_weight):
    """Refuse the weights that `partial_fit` cannot know.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter of the estimator.

    Raises
    ------
    ValueError
        If it is "balanced".
    """
    if class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' is not supported by partial_fit, which does not see all "
            "of y: give a dict of weights, or sample_weight"
        )


def weigh_classes(class_weight, classes, per_class, numbers):
    """Weight of the class of each target in the loss.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter of the estimator.
    classes : ndarray of shape (K,)
        The classes.
    per_class : ndarray of shape (K,)
        Total sample weight of each.
    numbers : ndarray of shape (n,), int
        The number of the class of each target.

    Returns
    -------
    ndarray of shape (n,), or None
        None if all have the same.

    Raises
    ------
    ValueError
        If a label in `class_weight` is not a class.
    """
    if class_weight is None:
        return None
    weights = np.ones(len(classes))
    if class_weight == "balanced":
        with np.errstate(over="ignore"):  # what does not fit is found with the sample weights
            np.divide(per_class.sum(), len(classes) * per_class, out=weights, where=per_class > 0)
    else:
        for label, weight in class_weight.items():
            if not np.any(classes == label):
                raise ValueError(
                    f"class_weight has the label {label!r}, but y has {classes.tolist()}"
                )
            weights[classes == label] = weight
    return weights[numbers]
