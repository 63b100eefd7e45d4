"""The documents: their Python and sh blocks run and print what is shown, their links lead to files.

``python -m pytest tests/test_docs.py --basetemp=build/docs`` leaves the pictures of the pages
there, drawn anew, in a folder for each page.

A ``text`` block right below such a block is what that block prints. Words must be the same;
numbers may differ by one in the last digit shown, as results of training do between processors.
"""

import ast
import contextlib
import io
import itertools
import os
import re
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import fastrnn
from fastrnn.cli import main

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

OPTIONAL = {
    *("dask", "distributed", "keras", "matplotlib", "mpi4py", "onnx", "onnxruntime", "pandas"),
    "polars",
    *("safetensors", "sklearn", "torch"),
}

BLOCK = re.compile(
    r"^```(?P<language>python|sh)\n(?P<code>.*?)^```$(?:\n\n```text\n(?P<shown>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)
PICTURE = re.compile(r"!\[[^\]]+\]\((?P<name>[^)]+\.png)\)")
LINK = re.compile(r"\]\(([^)#\s]+)")
NUMBER = re.compile(r"-?\d+(?:\.(\d+))?")

pytestmark = pytest.mark.skipif(
    not (ROOT / "README.md").exists(), reason="the documents are in the source tree only"
)


def find_blocks(document):
    """Return first line, language, code and shown output, or None, of every block that runs."""
    text = document.read_text(encoding="utf-8")
    blocks = [
        (text.count("\n", 0, match.start("code")), *match.group("language", "code", "shown"))
        for match in BLOCK.finditer(text)
    ]
    n_marks = len(re.findall(r"^```(python|sh)$", text, re.MULTILINE))
    assert len(blocks) == n_marks, "a block was not recognized"
    n_shown = sum(shown is not None for *_, shown in blocks)
    assert n_shown == text.count("```text"), "a text block does not follow a block that runs"
    return blocks


def optional_packages(language, code):
    """Return the packages that a block needs and that need not be there."""
    names = set()
    if language == "sh":
        words = {"--plot": "matplotlib", ".parquet": "polars", "mpiexec": "mpi4py"}
        return {package for word, package in words.items() if word in code}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
    if "fastrnn.plotting" in names:
        names.add("matplotlib")
    return OPTIONAL & {name.partition(".")[0] for name in names}


def assert_as_shown(printed, shown):
    """Compare printed text with that of a document: its words, and its numbers to their digits."""
    # Blanks may change with the width of numbers.
    words = ["".join(NUMBER.sub("#", text).split()) for text in (printed, shown)]
    assert words[0] == words[1], f"printed:\n{printed}\nshown:\n{shown}"
    for got, expected in zip(NUMBER.finditer(printed), NUMBER.finditer(shown), strict=True):
        # A whole number is a count or a label.
        tolerance = 1.01 * 10.0 ** -len(expected[1]) if expected[1] else 0.0
        error = abs(float(got[0]) - float(expected[0]))
        assert error <= tolerance, f"printed {got[0]}, shown {expected[0]}, in:\n{printed}"


def png_size(path):
    """Return width and height of a picture, which stand in the first block of the file."""
    return struct.unpack(">II", path.read_bytes()[16:24])


def run_python(document, line, code, namespace):
    """Run a Python block; return what it prints."""
    # Empty lines in front, so that a traceback has the line number of the document.
    program = compile("\n" * line + code, str(document), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(program, namespace)
    return output.getvalue()


# A command of ``fastrnn`` that leaves nothing to bash but its output.
COMMAND = re.compile(r"(?P<command>fastrnn [^|<>&;$`*?!~(){}]*)(?:(?P<sign>[|>])(?P<rest>.*))?")


def run_sh(document, line, code, folder):
    """Run commands, where ``fastrnn`` is the one that is tested; return what they print."""
    if "<<" in code:
        return run_bash(document, line, code, folder)
    printed = ""
    lines = (
        code.replace("\\\n", " ").replace(" &&\n", "\n").splitlines()
    )  # a failure ends the block
    for here, group in itertools.groupby(lines, COMMAND.fullmatch):
        if here:  # a process for each would import all anew
            output = run_command(document, line, here["command"])
            if here["sign"]:
                rest = f"cat > {here['rest']}" if here["sign"] == ">" else here["rest"]
                output = run_bash(document, line, rest, folder, output)
            printed += output
        else:
            printed += run_bash(document, line, "\n".join(group), folder)
    return printed


def run_command(document, line, command):
    """Run a command of ``fastrnn`` in this process; return what it prints."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = main(shlex.split(command, comments=True)[1:])
    told = output.getvalue() + errors.getvalue()
    assert code == 0 and not errors.getvalue(), f"{document.name}, line {line + 1}:\n{told}"
    return output.getvalue()


def run_bash(document, line, code, folder, given=""):
    """Let bash run commands that may read what is given; return what they print."""
    command = folder / "bin" / "fastrnn"
    command.parent.mkdir(parents=True, exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m fastrnn "$@"\n')
    command.chmod(0o755)
    programs = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(command.parent), programs, os.environ["PATH"]]),
        "PYTHONPATH": str(Path(fastrnn.__path__[0]).parent),
    }
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        env=environment, input=given, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, f"{document.name}, line {line + 1}:\n{run.stdout}{run.stderr}"
    assert not run.stderr, f"{document.name}, line {line + 1}:\n{run.stderr}"
    return run.stdout


# Keras' own variables know nothing of numpy's argument `copy`.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_blocks_run(document, tmp_path, tmp_path_factory, monkeypatch):
    blocks = find_blocks(document)
    packages = (optional_packages(language, code) for _, language, code, _ in blocks)
    for package in sorted(set().union(*packages)):
        pytest.importorskip(package, reason=f"the examples use {package}")
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, language, code, shown in blocks:
        if language == "python":
            printed = run_python(document, line, code, namespace)
        else:
            printed = run_sh(document, line, code, tmp_path_factory.getbasetemp())
        if shown is not None:
            assert_as_shown(printed, shown)
    for drawn in tmp_path.glob("*.png"):
        assert drawn.name in PICTURE.findall(document.read_text(encoding="utf-8"))
        assert png_size(drawn) == png_size(document.parent / drawn.name), "draw the picture anew"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files(document):
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize(
    ("printed", "shown", "same"),
    [
        ("accuracy 0.974\n", "accuracy 0.97\n", True),
        ("accuracy 0.98 of 3\n", "accuracy 0.97 of 3\n", True),
        ("accuracy 0.99\n", "accuracy 0.97\n", False),
        ("of 4\n", "of 3\n", False),
        ("[ 0.1 -0.2]", "[0.1 -0.2]", True),
        ("gru", "lstm", False),
        ("1.0 2.0", "1.0", False),
    ],
)
def test_what_counts_as_shown(printed, shown, same):
    if same:
        assert_as_shown(printed, shown)
    else:
        with pytest.raises(AssertionError):
            assert_as_shown(printed, shown)
