"""What users import: classes, functions and methods, and how they are called.

``python tests/public_names.py > tests/data/signatures.txt`` writes the list that
`tests/test_signatures.py` compares with. The parts of `EXTRAS` need what pyproject.toml says of the
extra of that name, and have lists of their own: ``python tests/public_names.py dask``.
"""

import importlib
import inspect
import sys

import fastrnn
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
EXTRAS = {"dask": "fastrnn.dask", "mpi": "fastrnn.mpi"}


def public_objects(modules=MODULES):
    """Return all public classes and functions of some modules, by their full name."""
    objects = {}
    for module_name in modules:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            objects[f"{module_name}.{name}"] = getattr(module, name)
    return objects


def public_methods(modules=MODULES):
    """Return all methods and properties that are there for users, by their full name.

    What all layers have is for the rest of fastrnn, but for the calls with padded arrays.
    """
    methods, of_all_layers = {}, vars(RecurrentLayer)
    for class_name, cls in public_objects(modules).items():
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


def signatures(modules=MODULES):
    """Return lines: the name of each of them, and below it its parameters with their defaults."""
    callables = {"fastrnn.show_versions": fastrnn.show_versions} if modules is MODULES else {}
    callables |= public_objects(modules) | public_methods(modules)
    lines = []
    for name, callable_ in sorted(callables.items()):
        lines.append(name)
        if isinstance(callable_, type) and issubclass(callable_, Exception):
            continue  # it takes its message
        star = ["    *"]  # before the first that is given by its name alone
        for parameter in inspect.signature(callable_).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY:
                lines += star
                star = []
            lines.append(f"    {parameter.replace(annotation=parameter.empty)}")
    return lines


if __name__ == "__main__":
    print("\n".join(signatures(*[[EXTRAS[extra]] for extra in sys.argv[1:]])))
