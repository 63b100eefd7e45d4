"""The stubs of the kernels say what the compiled modules have: names, parameters and defaults."""

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import fastrnn.kernels

FOLDER = Path(fastrnn.kernels.__path__[0])
MODULES = [
    module.name
    for module in pkgutil.iter_modules(fastrnn.kernels.__path__)
    if not module.name.startswith("_")
]


def own_names(module):
    """What is defined in a compiled module for Python."""
    return {
        name: member
        for name, member in vars(module).items()
        if not name.startswith("_")
        and not inspect.ismodule(member)
        and getattr(member, "__module__", None) in (module.__name__, None)
    }


def in_stub(body):
    """What a stub, or a class of it, names: definitions, and None for what is no function."""
    named = {}
    for statement in body:
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            named[statement.name] = statement
        elif isinstance(statement, ast.AnnAssign):
            named[statement.target.id] = None
    return {
        name: node
        for name, node in named.items()
        if not name.startswith("_") or name.endswith("__")
    }


def parameters(function):
    """The parameters of a compiled function, as the stub has them."""
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
    ]


def parameters_of_stub(function):
    """Those of a definition."""
    arguments = function.args
    assert not arguments.posonlyargs and not arguments.kwonlyargs and not arguments.kwarg
    ordinary = inspect.Parameter.POSITIONAL_OR_KEYWORD
    n_without = len(arguments.args) - len(arguments.defaults)
    defaults = [inspect.Parameter.empty] * n_without + list(
        map(ast.literal_eval, arguments.defaults)
    )
    found = [
        (argument.arg, ordinary, default)
        for argument, default in zip(arguments.args, defaults, strict=True)
    ]
    if arguments.vararg:
        kind = inspect.Parameter.VAR_POSITIONAL
        found.append((arguments.vararg.arg, kind, inspect.Parameter.empty))
    return found


def is_property(node):
    return any(isinstance(item, ast.Name) and item.id == "property" for item in node.decorator_list)


def check(member, node):
    """Whether one name is the same in both."""
    if isinstance(node, ast.ClassDef):
        names = in_stub(node.body)
        public = {name for name in vars(member) if not name.startswith("_")}
        assert {name for name in names if not name.startswith("_")} == public
        for name, inner in names.items():
            if inner is None or is_property(inner):
                assert inspect.isgetsetdescriptor(vars(member)[name])
            elif name == "__init__" or name == "__call__":  # which do not tell what they take
                assert callable(getattr(member, name))
            else:
                check(vars(member)[name], inner)
    elif node is not None:
        assert parameters(member) == parameters_of_stub(node)


@pytest.mark.parametrize("name", MODULES)
def test_stub_is_what_was_compiled(name):
    module = importlib.import_module(f"fastrnn.kernels.{name}")
    stub = in_stub(ast.parse((FOLDER / f"{name}.pyi").read_text(encoding="utf-8")).body)
    members = own_names(module)
    assert {key for key in stub if not key.startswith("_")} == set(members)
    for key, member in members.items():
        check(member, stub[key])


def test_every_stub_has_its_module():
    assert {path.stem for path in FOLDER.glob("*.pyi")} == set(MODULES)
