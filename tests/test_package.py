"""The package as such: its names, its version, and the advice it gives when it is not built."""

import importlib.metadata
import importlib.util
import pkgutil
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

import fastrnn
from fastrnn import estimators
from fastrnn.estimators.base import ESTIMATORS

PACKAGE = Path(fastrnn.__path__[0])
SETUP = Path(__file__).parents[1] / "setup.py"


def test_version_is_that_of_the_installed_package():
    try:
        version = importlib.metadata.version("fastrnn")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("fastrnn is built in place, not installed")
    assert fastrnn.__version__ == version


@pytest.mark.skipif(not SETUP.exists(), reason="the file is in the source tree only")
def test_version_is_that_which_is_cited():
    cited = SETUP.with_name("CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {fastrnn.__version__}\n" in cited


@pytest.mark.parametrize("name", fastrnn.__all__)
def test_public_classes_are_found_and_listed(name):
    assert getattr(fastrnn, name).__name__ == name
    assert name in dir(fastrnn)


def test_files_have_a_word_for_every_estimator():
    known = {cls.__name__ for cls in ESTIMATORS.values()}
    assert known == set(estimators.__all__) - {"load"}


def test_submodules_are_found_without_importing_them():
    names = ["datasets", "estimators", "inspection", "interop", "layers", "metrics", "plotting"]
    found = "; ".join(f"assert fastrnn.{name}.__name__ == 'fastrnn.{name}'" for name in names)
    subprocess.run([sys.executable, "-c", f"import fastrnn; {found}"], check=True)
    assert set(names) <= set(dir(fastrnn))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'RNNOracle'"):
        fastrnn.RNNOracle  # noqa: B018


def test_package_is_typed():
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a GIL")
def test_no_module_asks_for_the_gil():
    names = [
        module.name
        for module in pkgutil.walk_packages(fastrnn.__path__, "fastrnn.")
        if module.name.startswith(("fastrnn.kernels", "fastrnn.network", "fastrnn.streams"))
    ]
    script = f"import sys\nfor name in {names}: __import__(name)\nassert not sys._is_gil_enabled()"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_public_names_are_all_listed():
    """Those of the package itself: the estimators, and two functions."""
    assert set(fastrnn.__all__) == {cls.__name__ for cls in ESTIMATORS.values()} | {
        "load",
        "show_versions",
    }


def test_what_is_offered_for_completion_is_public():
    offered = {name for name in dir(fastrnn) if not name.startswith("__")}
    assert set(fastrnn.__all__) < offered
    for name in offered - set(fastrnn.__all__):
        assert getattr(fastrnn, name).__name__ == f"fastrnn.{name}"
        assert getattr(fastrnn, name).__all__


@pytest.mark.parametrize("statement", ["import fastrnn.layers", "import fastrnn.training"])
def test_missing_kernels_give_advice(tmp_path, statement):
    without_kernels = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "fastrnn", ignore=without_kernels)
    run = subprocess.run(
        [sys.executable, "-c", statement], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    last_line = run.stderr.splitlines()[-1]
    assert last_line.startswith("ImportError")
    assert "pip install -e ." in last_line


@pytest.fixture(scope="module")
def build():
    """Return setup.py as a module."""
    if not SETUP.is_file():
        pytest.skip("setup.py is not here: the tests run outside of the source tree")
    pytest.importorskip("setuptools", reason="setup.py needs setuptools")
    spec = importlib.util.spec_from_file_location("fastrnn_setup", SETUP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compiler(*command):
    """Return what setup.py sees of a C compiler, here any program."""
    return SimpleNamespace(compiler_type="unix", compiler_so=list(command), include_dirs=[])


NO_HEADER = "import sys; sys.exit('x.c:1:10: fatal error: Python.h: No such file or directory')"


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["/nonexistent/gcc"], "'/nonexistent/gcc' was not found"),
        ([sys.executable, "-c", NO_HEADER], "fatal error: Python.h: No such file"),
        ([sys.executable, "-c", "raise SystemExit(1)"], "no message"),
    ],
)
def test_advice_without_toolchain(build, command, problem):
    advice = build.advice_without_toolchain(compiler(*command))
    assert problem in advice
    assert "sudo apt-get install build-essential python3-dev" in advice
    assert "\n" not in advice


def test_no_advice_with_toolchain(build):
    assert build.advice_without_toolchain(compiler(sys.executable, "-c", "pass")) is None


def test_build_without_toolchain_stops_with_the_advice(build):
    from setuptools import Distribution

    command = build.BuildKernels(Distribution())
    command.compiler = compiler("/nonexistent/gcc")
    command.extensions = build.kernels()
    with pytest.raises(SystemExit, match="apt-get install build-essential"):
        command.build_extensions()


class MicrosoftCompiler(SimpleNamespace):
    """What setup.py sees of Microsoft's compiler."""

    compiler_type, initialized = "msvc", False

    def initialize(self):
        self.initialized, self.cc = True, "cl.exe"
        self.compile_options, self.compile_options_debug = ["/O2", "/GL", "/MD"], ["/Od", "/MDd"]


def test_clang_compiles_in_place_of_microsoft_s_compiler(build, monkeypatch):
    monkeypatch.setattr(shutil, "which", {"clang-cl": "LLVM/clang-cl.exe"}.get)
    compiler = MicrosoftCompiler()
    for _ in range(2):
        build.use_clang(compiler)
        assert compiler.cc == "LLVM/clang-cl.exe"
        assert compiler.compile_options == ["/O2", "/MD"]


def test_advice_without_clang(build, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="clang-cl was not found; it comes with LLVM"):
        build.use_clang(MicrosoftCompiler())


@pytest.mark.skipif(not SETUP.exists(), reason="the files are in the source tree only")
def test_the_recipe_asks_for_what_pyproject_asks():
    project = tomllib.loads(SETUP.with_name("pyproject.toml").read_text(encoding="utf-8"))
    recipe = (SETUP.parent / "recipe" / "recipe.yaml").read_text(encoding="utf-8")
    parts = re.split(r"^  (build|host|run):$", recipe, flags=re.MULTILINE)
    asked = {
        part: {line.strip("- ") for line in text.partition("\n\n")[0].splitlines()}
        for part, text in zip(parts[1::2], parts[2::2], strict=True)
    }

    def spelled(requirements):
        return {re.sub(r"(?<=\w)(?=>=)", " ", name).lower() for name in requirements}

    assert asked["host"] >= spelled(project["build-system"]["requires"])
    assert asked["run"] - {""} == spelled(project["project"]["dependencies"]) | {"python"}
    assert f'version: "{fastrnn.__version__}"' in recipe
    minor = project["project"]["requires-python"].removeprefix(">=")
    assert f'python_min: "{minor}"' in recipe
