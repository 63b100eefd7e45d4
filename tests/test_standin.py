"""Without scikit-learn: what takes the place of its base classes, and estimators with it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastrnn import bridge, standin

TESTS = Path(__file__).parent
FILES = [
    *("estimators/test_contract.py", "estimators/test_contract_training.py"),
    *("estimators/test_classifier.py", "estimators/test_columns.py"),
]
"""Whatever is of one estimator alone runs so in .ci/run."""


def test_standin_behaves_like_the_base_class():
    class Toy(standin.TransformerMixin, standin.BaseEstimator):
        def __init__(self, b=2, *, a=np.nan):
            self.b, self.a = b, a

        def fit(self, X, y):
            self.y_ = y
            return self

        def transform(self, X):
            return (X, self.y_)

    toy = Toy(3)
    assert list(toy.get_params()) == ["a", "b"]
    assert repr(toy) == "Toy(b=3)"
    assert repr(toy.set_params(a=1.5)) == "Toy(a=1.5, b=3)"
    with pytest.raises(ValueError, match=r"Invalid parameter 'c' .* are: \['a', 'b'\]"):
        toy.set_params(b=4, c=1)
    assert toy.b == 3
    assert toy.fit_transform(1, 2) == (1, 2)
    assert issubclass(standin.NotFittedError, ValueError)
    assert issubclass(standin.NotFittedError, AttributeError)


@pytest.mark.skipif(
    bridge.BaseEstimator is standin.BaseEstimator, reason="this is that interpreter"
)
def test_estimators_work_without_sklearn():
    """Run tests in an interpreter that cannot import scikit-learn."""
    program = (
        "import sys; sys.modules['sklearn'] = None; import pytest; "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    files = [str(TESTS / name) for name in FILES]
    arguments = [*files, "-x", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
