"""What the report of a test run says about the package under test."""

import pytest

import fastrnn
from fastrnn import threads


@pytest.fixture(autouse=True)
def small_arrays_use_threads_too(monkeypatch):
    """Let every number of threads be used, however little there is to do."""
    monkeypatch.setattr(threads, "WORTHWHILE_FLOPS", 1)


def pytest_report_header():
    """Say which fastrnn is tested: the source tree or an installed wheel."""
    return f"fastrnn: {fastrnn.__version__} from {fastrnn.__path__[0]}"
