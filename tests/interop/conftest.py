"""What the tests of exchange share."""

import pytest
from compiling import any_compiler


@pytest.fixture
def compiler():
    """Return a C compiler."""
    if any_compiler() is None:
        pytest.skip("no C compiler is installed")
    return any_compiler()


@pytest.fixture
def torch():
    """Return PyTorch."""
    module = pytest.importorskip("torch", reason="PyTorch, whose weights these are, is missing")
    module.manual_seed(0)
    return module
