"""What all tests share: small arrays use threads, pictures are drawn without a screen."""

import importlib.util
import os

import pytest

import fastrnn
from fastrnn import threads

os.environ["MPLBACKEND"] = "Agg"  # of matplotlib, which is not imported yet


@pytest.fixture(autouse=True)
def small_arrays_use_threads_too(monkeypatch):
    """Let every number of threads be used, however little there is to do."""
    monkeypatch.setattr(threads, "WORTHWHILE_FLOPS", 1)


def pytest_report_header():
    """Say which fastrnn is tested: the source tree or an installed wheel."""
    return f"fastrnn: {fastrnn.__version__} from {fastrnn.__path__[0]}"


def pytest_collection_modifyitems(items):
    """Skip the examples that draw where matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        skip = pytest.mark.skip(reason="the example draws with matplotlib")
        for item in items:
            if item.name.startswith("fastrnn.plotting"):
                item.add_marker(skip)
