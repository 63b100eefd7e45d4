"""Print which lines of the kernels have run since they were built to count them.

    CFLAGS=--coverage FASTRNN_DEBUG=1 python setup.py build_ext --inplace
    python -m pytest tests/kernels
    python tools/kernel_lines.py build/temp.*

gcov knows lines of C. Before the C of each statement Cython writes, as a comment, where the
statement stands; it has run if the first of its C has. What stands in a .pxd or .h is compiled into
several modules, or for several processors, and has run if one of them has.
"""

import argparse
import json
import re
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

STATEMENT = re.compile(r'\s*/\* "fastrnn/kernels/(\w+\.(?:pyx|pxd))":(\d+)$')


def statements(code):
    """Yield, of each statement in C code of Cython, where it stands and its lines of C."""
    place, begin = None, 0
    for number, line in enumerate(code.splitlines(), 1):
        found = STATEMENT.match(line)
        if found or line.startswith("}"):
            if place:
                yield place, range(begin, number)
            place = (found[1], int(found[2])) if found else None
            begin = number


def counts_of(compiled):
    """Return how often each line of each source has run, of one compiled module."""
    with tempfile.TemporaryDirectory() as folder:  # where gcov writes nothing, if all is well
        command = ["gcov", "--json-format", "--stdout", compiled.resolve()]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    report, counts = json.loads(done.stdout), {}
    for source in report["files"]:
        path = Path(report["current_working_directory"], source["file"])
        of_source = counts.setdefault(path, defaultdict(int))
        for line in source["lines"]:
            of_source[line["line_number"]] += line["count"]
    return counts


def have_run(folder):
    """Return of each file of the kernels its lines, and whether they have run."""
    ran = defaultdict(lambda: defaultdict(bool))
    for compiled in sorted(folder.rglob("*.gcda")):
        for source, counts in counts_of(compiled).items():
            if source.name == f"{compiled.stem}.c":
                for (file, number), lines in statements(source.read_text(encoding="utf-8")):
                    counted = [counts[line] for line in lines if line in counts]
                    if counted:
                        ran[file][number] |= counted[0] > 0
            elif source.suffix == ".h" and "kernels" in source.parts:
                for number, count in counts.items():
                    ran[source.name][number] |= count > 0
    return ran


def as_ranges(numbers):
    """Return numbers in a row as text: 3-5 8."""
    ranges = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return " ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in ranges)


def main():
    """Print a row for each file, and their sum; exit with 1 if that is too little."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path, help="where setup.py has built the kernels")
    parser.add_argument("--at-least", type=float, default=0, help="per cent of all lines")
    arguments = parser.parse_args()
    ran = have_run(arguments.folder)
    if not ran:
        raise SystemExit(f"nothing in {arguments.folder} was built with --coverage, and has run")
    n_lines = n_run = 0
    print(f"{'kernel':24}{'lines':>7}{'run':>7}{'':8} not run")
    for name, lines in sorted(ran.items()):
        n_lines, n_run = n_lines + len(lines), n_run + sum(lines.values())
        share = 100 * sum(lines.values()) / len(lines)
        missed = as_ranges(sorted(number for number, has in lines.items() if not has))
        print(f"{name:24}{len(lines):7}{sum(lines.values()):7}{share:6.1f} %  {missed}".rstrip())
    share = 100 * n_run / n_lines
    print(f"{'all':24}{n_lines:7}{n_run:7}{share:6.1f} %")
    if share < arguments.at_least:
        raise SystemExit(f"fewer than {arguments.at_least:g} % of the lines have run")


if __name__ == "__main__":
    main()
