"""A part of the cases, for a run beside another that takes the rest or all."""

import zlib
from collections import defaultdict

import pytest


def in_part(names, part):
    """The names of the cases in a part I/N: by chance, but always the same; one of each test at
    least."""
    which, n = map(int, part.split("/"))
    if not 1 <= which <= n:
        raise pytest.UsageError(f"--part must be I/N with I from 1 to N, got {part}")
    cases = defaultdict(list)
    for name in sorted(names, key=lambda name: zlib.crc32(name.encode())):
        cases[name.partition("[")[0]].append(name)
    return {
        name
        for of_test in cases.values()
        for name in of_test[which - 1 :: n] or [of_test[which % len(of_test)]]
    }
