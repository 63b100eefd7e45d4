"""What is asked of the parameters of an estimator: are they right, are they used, what are they.

`check_parameters` is called by `fit`, never by a constructor, as scikit-learn asks. A parameter
that the chosen cell, solver or option makes no use of is checked, and then acts as its default.
"""

import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

import numpy as np

from fastrnn.network.cells import CELLS
from fastrnn.training.budget import ITERATIONS

WIDEST_TABLE = 64
"""Numbers in the vector of an id, at most, where nobody says how many. On a treebank's words and
affixes, 222, 144 and 137 take twice the time, and 2.8 times the memory, for 0.003 of accuracy."""


def _collect(cls):
    """The parameters of a class and its bases, also before `dataclass` has seen the class."""
    known = {}
    for base in reversed(cls.__mro__):
        known |= vars(base).get("__dataclass_fields__", {})
    return {
        name: replace(field.metadata["parameter"], name=name)
        for name, field in known.items()
        if "parameter" in field.metadata
    }


def parameters_of(cls: Any) -> Mapping[str, Any]:
    """The parameters of a class of estimators: a mapping from the name to the record of each."""
    return _known(cls)


@cache
def _known(cls):
    return MappingProxyType(_collect(cls))


def check_parameters(estimator: Any) -> None:
    """Refuse a wrong type (TypeError) or value (ValueError) of any parameter, used or not."""
    for name, parameter in parameters_of(type(estimator)).items():
        parameter.check(getattr(estimator, name))


def is_used(estimator, name):
    """Whether what is chosen in other parameters makes use of one."""
    parameter = parameters_of(type(estimator))[name]
    if parameter.used_by is None:
        return True
    chooser, choices = parameter.used_by
    return in_effect(estimator, chooser) in choices


def in_effect(estimator: Any, name: str) -> Any:
    """The value that a parameter acts with, without numpy's scalar types: unused, its default."""
    parameter = parameters_of(type(estimator))[name]
    value = getattr(estimator, name) if is_used(estimator, name) else parameter.default
    if parameter.auto is not None and isinstance(value, str) and value == "auto":
        chooser, choices = parameter.auto
        value = choices[in_effect(estimator, chooser)]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def plain_values(estimator, names):
    """The values that some parameters act with, by their names."""
    return {name: in_effect(estimator, name) for name in names}


def batch_size(estimator, n):
    """How many sequences make a minibatch, of n that have a weight."""
    size = in_effect(estimator, "batch_size")
    return estimator.budget.course(n)[0] if size == "auto" else size


def max_iter(estimator, n):
    """How many epochs, or iterations, there are at most, with n sequences that have a weight."""
    most = in_effect(estimator, "max_iter")
    if most != "auto":
        return most
    return ITERATIONS if estimator.solver == "lbfgs" else estimator.budget.course(n)[1]


def again_between(estimator, n):
    """What shares of the first loss make another course, where the budget says how long one is."""
    decides = in_effect(estimator, "max_iter") == "auto" and estimator.solver != "lbfgs"
    if not decides or in_effect(estimator, "early_stopping"):
        return None
    return estimator.budget.goes_again_between(n)


def cell_options(estimator):
    """The parameters that belong to the chosen cell, as keyword arguments of its layer."""
    return plain_values(estimator, [option.name for option in CELLS[estimator.cell].cell.options])


def course_of_training(estimator):
    """The names of the parameters that decide the course of training, as a checkpoint has them."""
    return {
        name
        for name, parameter in parameters_of(type(estimator)).items()
        if is_used(estimator, name)
        # The learning rate of "cosine" ends at max_iter.
        and (not parameter.is_free or (name, estimator.learning_rate) == ("max_iter", "cosine"))
    }


def complete_docstring(cls: Any, shared: str) -> str:
    """The docstring of a class with its parameters, and the attributes of `shared`, another."""
    doc = inspect.cleandoc(cls.__doc__)
    parameters, attributes = (f"{t}\n{'-' * len(t)}\n" for t in ("Parameters", "Attributes"))
    if parameters not in doc:
        doc = doc.replace(attributes, f"{parameters}\n{attributes}")
    doc = doc.replace(parameters, parameters + _entries(cls))
    shared = inspect.cleandoc(shared).partition(attributes)[2]
    doc = doc.replace(attributes, f"{attributes}{shared}\n")
    return f"\n{doc}\n"


def _entries(cls):
    """The entries of a docstring of numpydoc for the parameters of a class."""
    entries = []
    for name, parameter in _collect(cls).items():
        default = parameter.default
        default = f'"{default}"' if isinstance(default, str) else repr(default)
        help = textwrap.indent(textwrap.dedent(parameter.help).strip(), "    ")
        entries.append(f"{name} : {parameter.values.written}, default={default}\n{help}\n")
    return "".join(entries)


def embedding_sizes(embedding_dim, n_categories):
    """For each column of ids its number of ids V and the length of their vectors.

    `embedding_dim` is one for all, or one each; None leaves it to the rule of thumb of fastai (its
    ``emb_sz_rule``), which was found by trial and error, up to `WIDEST_TABLE`.
    """
    if embedding_dim is None:
        sizes = [min(WIDEST_TABLE, round(1.6 * n**0.56)) for n in n_categories]
    elif not n_categories:
        raise ValueError(
            f"embedding_dim={embedding_dim!r} has no effect: categorical_features chooses no "
            "column of X"
        )
    elif isinstance(embedding_dim, Integral):
        sizes = [int(embedding_dim)] * len(n_categories)
    else:
        sizes = [int(size) for size in embedding_dim]
    if len(sizes) != len(n_categories):
        raise ValueError(
            f"embedding_dim={embedding_dim!r} has {len(sizes)} entries, but X has "
            f"{len(n_categories)} columns of ids"
        )
    return tuple(zip(n_categories, sizes, strict=True))
