"""Programs and forked children for tests, and who can have them."""

import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

from fastrnn.kernels import vector_math

CAN_FORK = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin", reason="forking is not safe here"
)
TEAMS = pytest.mark.skipif(vector_math.products() == "blas", reason="there are no teams on BLAS")


def run_script(script):
    """What a Python program prints, which must end well and quietly."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def answer_of_a_forked_child(target):
    """What a function sends from a forked child."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=target, args=(sender,))
    child.start()
    try:
        assert receiver.poll(60), "the child hangs"
        return receiver.recv()
    finally:
        child.kill()
        child.join()
