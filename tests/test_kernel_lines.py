"""tools/kernel_lines.py tells which lines of Cython have run from the lines of C that have."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "tools" / "kernel_lines.py"

pytestmark = [
    pytest.mark.skipif(not PROGRAM.exists(), reason="the program is in the source tree only"),
    pytest.mark.skipif(
        not (shutil.which("gcc") and shutil.which("gcov")), reason="gcc and gcov are not there"
    ),
]

CODE = """
#include "part.h"
static int twice(int x) {
  int made;

  /* "fastrnn/kernels/some.pyx":4
 *     comment
*/
  made = 2 * x;
  if (made > 10) {

    /* "fastrnn/kernels/some.pyx":5
*/
    made = 10;
  }

  /* "fastrnn/kernels/some.pyx":6
*/
  return half(made);
}

int main(void) {
  return twice(0);
}
"""
HEADER = """static int half(int x) {
  if (x > 2)
    return x / 2;
  return x;
}
"""


@pytest.fixture
def built(tmp_path):
    """A program, built where and as kernels are, that has run."""
    kernels = tmp_path / "build" / "fastrnn" / "kernels"
    kernels.mkdir(parents=True)
    (kernels / "some.c").write_text(CODE, encoding="utf-8")
    (kernels / "part.h").write_text(HEADER, encoding="utf-8")
    source = "build/fastrnn/kernels/some.c"
    for command in (
        ["gcc", "-O0", "--coverage", "-c", source, "-o", "build/some.o"],
        ["gcc", "--coverage", "build/some.o", "-o", "some"],
        ["./some"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path / "build"


def test_lines_that_have_run(built):
    have_run = runpy.run_path(str(PROGRAM))["have_run"]
    assert have_run(built) == {
        "some.pyx": {4: True, 5: False, 6: True},
        "part.h": {1: True, 2: True, 3: False, 4: True},
    }


def test_the_table(built):
    def run(*arguments):
        command = [sys.executable, PROGRAM, built, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run()
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        ["part.h", "4", "3", "75.0", "%", "3"],
        ["some.pyx", "3", "2", "66.7", "%", "5"],
        ["all", "7", "5", "71.4", "%"],
    ]
    assert run("--at-least", "71").returncode == 0
    done = run("--at-least", "72")
    assert (done.returncode, done.stderr) == (1, "fewer than 72 % of the lines have run\n")


def test_nothing_to_count(tmp_path):
    command = [sys.executable, PROGRAM, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "was built with --coverage" in done.stderr
