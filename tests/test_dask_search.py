"""scikit-learn's searches on a Dask cluster take ragged lists as they are."""

import os

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
import numpy as np
from dask_cases import load, two_workers
from sklearn.model_selection import GridSearchCV

from fastrnn import RNNClassifier, RNNRegressor, RNNTagger

pytestmark = pytest.mark.filterwarnings("ignore:Training stopped at max_iter")


@pytest.fixture(scope="module")
def client():
    """A client of two workers."""
    with two_workers() as client:
        yield client


def score(model, X, y):
    """The usual score."""
    return model.score(X, y)


def process(model, X, y):
    """Where that was computed."""
    return os.getpid()


@pytest.mark.parametrize(
    ("estimator", "scatters"), [(RNNClassifier, False), (RNNRegressor, True), (RNNTagger, True)]
)
def test_scores_are_those_of_one_process(client, estimator, scatters):
    X, y, _ = load(0, estimator, n=40)
    grid = {"learning_rate_init": [0.001, 0.01], "dropout": [0.0, 0.5]}
    here, there = (
        GridSearchCV(
            estimator(5, max_iter=2, random_state=0), grid, cv=2, refit="score",
            scoring={"score": score, "process": process},
        )
        for _ in range(2)
    )  # fmt: skip
    here.fit(X, y)
    with joblib.parallel_config(backend="dask", scatter=[X] if scatters else None):
        there.fit(X, y)
    for k in range(2):
        name = f"split{k}_test_score"
        np.testing.assert_array_equal(here.cv_results_[name], there.cv_results_[name])
        assert set(there.cv_results_[f"split{k}_test_process"]) <= {*client.run(os.getpid).values()}
    one, other = here.best_estimator_, there.best_estimator_
    assert here.best_params_ == there.best_params_
    assert np.array_equal(one.network_.theta, other.network_.theta)
