"""Every public name says what it does, and names every one of its parameters."""

import inspect
import re

import pytest
from public_names import public_methods, public_objects


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
