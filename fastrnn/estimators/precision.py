"""What the network's kind of number holds: what is too large, or too small, is refused by name."""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from fastrnn.estimators.parameters import in_effect, parameters_of
from fastrnn.network import rounding


def check_precision(estimator: Any, here: bool = True) -> None:
    """Check that what kernels rely on of parameters holds in the network's numbers, too.

    And, with ``here``, that this processor has instructions to round them as asked.
    """
    rounding.check_precision(estimator.precision, np.dtype(estimator.dtype), here)
    for name, parameter in parameters_of(type(estimator)).items():
        if not parameter.stays:
            continue
        value = in_effect(estimator, name)
        if isinstance(value, Mapping):
            for label, entry in value.items():
                _check_number(f"{name}[{label!r}]", entry, estimator.dtype, parameter.stays)
        elif isinstance(value, Real) and value != 0:
            _check_number(name, value, estimator.dtype, parameter.stays)


def _check_number(name, value, dtype, stays):
    with np.errstate(over="ignore", under="ignore"):
        kept = np.dtype(dtype).type(float(value))
    if ("finite" in stays and not np.isfinite(kept)) or ("positive" in stays and kept == 0):
        low, high = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
        raise ValueError(
            f"{name} is {value!r}, but {dtype} has numbers from {low:.3g} to {high:.3g} only"
        )


def narrow(values, dtype, what, place, counts=True):
    """Turn numbers (n, ...), float64, into those of the network; refuse those that are too large.

    `what` and ``place(i)`` name row i in the message; rows that do not count need not fit.
    """
    with np.errstate(over="ignore", under="ignore"):
        narrowed = values.astype(dtype)
    fit = np.isfinite(narrowed).reshape(len(values), -1)
    wrong = np.flatnonzero(~fit.all(axis=1) & counts)
    if wrong.size:
        i = wrong[0]
        value = values.reshape(len(values), -1)[i, np.argmin(fit[i])]
        raise ValueError(
            f"{what} of {place(i)} is {value:.6g}, which does not fit into {narrowed.dtype}, whose "
            f"largest number is {np.finfo(dtype).max:.3g}"
        )
    return narrowed


def narrow_weight(weight, dtype, factors=None, place="sequence {}".format):
    """Turn sample weights, times those of the classes if there are any, into the network's numbers.

    Their sum is a number, too, and it is not 0 unless all of them are.
    """
    what, product, counts = "sample_weight", weight, weight > 0
    if factors is not None:
        what, counts = f"{what} times class_weight", counts & (factors > 0)
        with np.errstate(over="ignore", under="ignore"):
            product = weight * factors
    narrowed = narrow(product, dtype, what, place)
    with np.errstate(over="ignore"):
        total = narrowed.sum(dtype=np.float64)
    if counts.any() and (total == 0 or not np.isfinite(total)):
        fault = "too small for" if total == 0 else "too large to be added in"
        raise ValueError(f"{what} is {fault} {narrowed.dtype}: the largest is {product.max():.6g}")
    return narrowed
