"""Every public name says what it does, and names every one of its parameters."""

import importlib
import inspect
import re

import pytest

from fastrnn.network.recurrent import RecurrentLayer

MODULES = [
    "fastrnn.estimators",
    "fastrnn.files",
    "fastrnn.layers",
    "fastrnn.datasets",
    "fastrnn.inspection",
    "fastrnn.interop",
    "fastrnn.metrics",
    "fastrnn.plotting",
    "fastrnn.preprocessing",
    "fastrnn.streams",
]


def public_objects():
    """Return all public classes and functions, by their full name."""
    objects = {}
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            objects[f"{module_name}.{name}"] = getattr(module, name)
    return objects


def public_methods():
    """Return all methods and properties that are there for users, by their full name.

    What all layers have is for the rest of fastrnn, but for the calls with padded arrays.
    """
    methods, of_all_layers = {}, vars(RecurrentLayer)
    for class_name, cls in public_objects().items():
        if inspect.isclass(cls):
            for name, member in inspect.getmembers(cls):
                function = member.fget if isinstance(member, property) else member
                module = getattr(function, "__module__", None) or ""
                if issubclass(cls, RecurrentLayer) and name in of_all_layers:
                    continue
                is_method = inspect.isroutine(function)  # else a record, such as that of its cell
                if is_method and not name.startswith("_") and module.startswith("fastrnn"):
                    methods[f"{class_name}.{name}"] = function
    return methods


def undocumented_parameters(callable_):
    """Return the parameters of the callable that have no entry in its docstring."""
    if inspect.isclass(callable_) and issubclass(callable_, Exception):
        return set()  # it takes its message
    entries = re.findall(r"^([\w, *]+?)(?: :.*)?$", inspect.getdoc(callable_), re.MULTILINE)
    documented = {name.strip(" *") for entry in entries for name in entry.split(",")}
    return inspect.signature(callable_).parameters.keys() - documented - {"self", "cls"}


@pytest.mark.parametrize("name", public_objects())
def test_public_objects_are_documented(name):
    public = public_objects()[name]
    assert public.__doc__, f"{name} has no docstring"
    assert not undocumented_parameters(public)
    assert ">>>" in public.__doc__, f"{name} has no example"


@pytest.mark.parametrize("name", public_methods())
def test_public_methods_are_documented(name):
    method = public_methods()[name]
    assert inspect.getdoc(method), f"{name} has no docstring"
    assert not undocumented_parameters(method)
