"""Without scikit-learn: what takes the place of its base classes, and estimators with it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastrnn import bridge, standin

ESTIMATORS = Path(__file__).parent / "estimators"
FILES = ["test_contract.py", "test_contract_training.py", "test_classifier.py", "test_columns.py"]
NOT_THESE = "not (quantiles or sets or numbers or tokens or ids or rmsprop or sgd)"
"""What is of one estimator alone, and more kinds of data, are tested so by .ci/run."""


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


@pytest.mark.of_any_version
@pytest.mark.skipif(
    bridge.BaseEstimator is standin.BaseEstimator, reason="this is that interpreter"
)
def test_estimators_work_without_sklearn():
    """Run a part of the cases of each test where scikit-learn cannot be imported."""
    program = (
        "import sys; sys.modules['sklearn'] = None; import pytest; "
        "sys.exit(pytest.main(sys.argv[1:]))"
    )
    files = [str(ESTIMATORS / name) for name in FILES]
    arguments = [*files, "-k", NOT_THESE, "--part", "1/6", "-x", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
