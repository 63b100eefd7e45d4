"""Names with an underscore are read in their own file only, also through `self`; no hasattr."""

import ast
import functools
import re
from pathlib import Path

import pytest

import fastrnn

PACKAGE = Path(fastrnn.__path__[0])
FILES = sorted(PACKAGE.rglob("*.py"))
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef

# Private names of other libraries for which there are no public ones.
OF_OTHERS = {"_skl_callbacks", "_init_callback_context", "_getframe", "_fields"}

# What objects that are not fastrnn's may have: numbers, sequences, frames, layers of other
# libraries, estimators of scikit-learn, functions of the operating system.
ASKED_OF_OTHERS = {
    *("__index__", "__len__", "__name__", "ndim", "tolist", "tocsr", "iloc"),
    *("_fields", "n_fields"),
    *("categories", "state_dict", "nonlinearity", "in_features", "num_embeddings", "max_norm"),
    *("get_weights", "layers", "name", "score", "loss_curve_", "validation_scores_"),
    *("register_at_fork", "sched_getaffinity", "O_DIRECTORY", "_skl_callbacks"),
}


def is_private(name):
    return name.startswith("_") and not name.startswith("__") and name.strip("_") != ""


def is_own(node):
    """Whether a node is the object itself, or its class."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def text_of(node):
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def defined_names(tree):
    """Return the names that a file gives to something of its own."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if is_own(node.value):
                names.add(node.attr)
        elif isinstance(node, ast.Dict):
            names.update(text_of(key) for key in node.keys)
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            names.add(text_of(node.slice))
    return names


def defined_members(tree):
    """Return the names that a file gives to methods and attributes of its classes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, FUNCTIONS):
                    names.add(statement.name)
                elif isinstance(statement, ast.Assign | ast.AnnAssign):
                    inside = ast.walk(statement)
                    names.update(part.id for part in inside if isinstance(part, ast.Name))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if is_own(node.value):
                names.add(node.attr)
    return names


def private_names_of_others(tree):
    """Yield line and name of everything private that belongs to another file.

    What an object has from a class of another file belongs to that file.
    """
    of_file, of_classes = defined_names(tree) | OF_OTHERS, defined_members(tree) | OF_OTHERS
    for node in ast.walk(tree):
        found, of_self = [], False
        if isinstance(node, ast.Attribute):
            found, of_self = [node.attr], is_own(node.value)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            of_module = [getattr(node, "module", None) or ""]
            found = [*of_module, *(alias.name for alias in node.names)]
            found = [part for name in found for part in name.split(".")]
        elif isinstance(node, ast.Subscript):
            found = [text_of(node.slice)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("getattr", "setattr", "hasattr"):
                found, of_self = [text_of(node.args[1])], is_own(node.args[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("get", "pop", "attrgetter") and node.args:
                found = [text_of(node.args[0])]
                of_self = isinstance(node.func.value, ast.Call) and any(
                    map(is_own, node.func.value.args)
                )
        known = of_classes if of_self else of_file
        yield from ((node.lineno, name) for name in found if is_private(name) and name not in known)


def questions(tree):
    """Yield line and name of every attribute that an object is asked whether it has it."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id == "hasattr" or (node.func.id == "getattr" and len(node.args) == 3):
            name = text_of(node.args[1])
            # An estimator may ask itself whether it is fitted; a name in a variable is checked
            # where it comes from.
            if name and not (is_own(node.args[0]) and (name.endswith("_") or is_private(name))):
                yield node.lineno, name


@functools.cache
def look_into(path):
    """Private names of other files, questions and classes of a file; trees themselves are large."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return list(private_names_of_others(tree)), list(questions(tree)), private_members(path, tree)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_private_name_of_another_file(path):
    found, _, _ = look_into(path)
    assert not found, "line, name"


def test_no_private_name_of_another_file_in_kernels():
    for path in sorted([*PACKAGE.rglob("*.pyx"), *PACKAGE.rglob("*.pxd")]):
        text = path.read_text(encoding="utf-8")
        read = set(re.findall(r"\b(?:self|cls)\.(_[a-z]\w*)", text))
        own = set(re.findall(r"^ +(?:cp?def|def)\b[^(\n]*?(\w+)(?:\(|$)", text, re.MULTILINE))
        assert read <= own, path


def private_members(path, tree):
    """By the name of each class: its file, the names of its bases, and its private methods."""
    return {
        node.name: (
            path,
            {base.id for base in node.bases if isinstance(base, ast.Name)},
            {f.name for f in node.body if isinstance(f, ast.FunctionDef) and is_private(f.name)},
        )
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def ancestors(name, classes):
    """The names of all classes that a class is derived from, as far as they are known."""
    bases = classes[name][1] & classes.keys()
    return bases.union(*(ancestors(base, classes) for base in bases))


def replaced_methods(files):
    """Every class that replaces private methods of another file: its name, whose, and which."""
    classes = {name: found for classes in files for name, found in classes.items()}
    return [
        (name, base, own & classes[base][2])
        for name, (path, _, own) in classes.items()
        for base in ancestors(name, classes)
        if classes[base][0] != path and own & classes[base][2]
    ]


def test_no_class_replaces_a_private_method_of_another_file():
    assert not replaced_methods(look_into(path)[2] for path in FILES), "class, base, methods"
    texts = [
        "class A:\n    def _f(self): pass",
        "class B(A):\n    def _g(self): pass",
        "class C(B):\n    def _f(self): pass\n    def _h(self): pass",
    ]
    files = [private_members(number, ast.parse(text)) for number, text in enumerate(texts)]
    assert replaced_methods(files) == [("C", "A", {"_f"})]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_kinds_are_not_told_apart_by_what_they_have(path):
    _, asked, _ = look_into(path)
    found = [(line, name) for line, name in asked if name not in ASKED_OF_OTHERS]
    assert not found, "line, name: let the object say it, in a property or a class attribute"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x._a", ["_a"]),
        ("x.y._a()", ["_a"]),
        ("self._a + cls._b + super()._c()", ["_a", "_b", "_c"]),
        (
            "class A:\n    _b = 1\n    def _c(self):\n        self._a = self._b, self._a, self._c",
            [],
        ),
        ("class A(B):\n    def f(self):\n        self._a()", ["_a"]),
        ("class A(B):\n    async def _f(self):\n        await self._f()", []),
        ("def _a(): pass\nclass A(B):\n    def f(self):\n        self._a()", ["_a"]),
        ("class A:\n    _a: int\n    def f(self):\n        return self._a, super()._b", ["_b"]),
        ("self.x._a", ["_a"]),
        ("def f(self, other):\n    self._a = other._a", []),
        ("def _f(): pass\nx._f", []),
        ("from fastrnn.x import _a, b", ["_a"]),
        ("from fastrnn._x import b", ["_x"]),
        ("import fastrnn._x.y", ["_x"]),
        ("getattr(x, '_a')", ["_a"]),
        ("hasattr(self, '_a')", ["_a"]),
        ("self._a = 1\nhasattr(self, '_a')", []),
        ("vars(x)['_a']", ["_a"]),
        ("vars(x).get('_a')", ["_a"]),
        ("vars(self).get('_a')", ["_a"]),
        ("self._a = 1\nvars(self).get('_a')", []),
        ("d = {'_a': 1}\nd['_a']", []),
        ("kept = vars(self)\nkept['_a'] = 1\nkept['_a']", []),
        ("x.__len__, _, x.__class__", []),
    ],
)
def test_what_counts_as_private(text, names):
    assert [name for _, name in private_names_of_others(ast.parse(text))] == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("hasattr(est, 'tokens_')", ["tokens_"]),
        ("getattr(est, 'tokens_', None)", ["tokens_"]),
        ("getattr(est, 'tokens_'), getattr(est, name, None), hasattr(est, name)", []),
        ("hasattr(self, 'network_')", []),
        ("getattr(self, 'pooling', 'steps')", ["pooling"]),
    ],
)
def test_what_counts_as_a_question(text, names):
    assert [name for _, name in questions(ast.parse(text))] == names
