"""What the report of a test run says about the package under test."""

import fastrnn


def pytest_report_header():
    """Say which fastrnn is tested: the source tree or an installed wheel."""
    return f"fastrnn: {fastrnn.__version__} from {fastrnn.__path__[0]}"
