"""The program that measures default constructors, on sets that are made here."""

import json
import subprocess
import sys

import numpy as np
import pytest
from bench_runs import bench_path, needs_programs  # noqa: F401, fixtures

from fastrnn import RNNClassifier, RNNRegressor

pytestmark = needs_programs


@pytest.fixture
def defaults(bench_path):  # noqa: F811
    import defaults

    return defaults


@pytest.fixture
def parts(defaults):
    """Ramps that rise or fall, of unequal length; one has a gap."""
    rng = np.random.default_rng(0)
    y = np.array([0, 1] * 10 + [0])
    X = [
        np.linspace(0, 2 * label - 1, n)[:, np.newaxis]
        for label, n in zip(y, rng.integers(9, 15, 21), strict=True)
    ]
    X[3][4] = np.nan
    return defaults.Parts(X[:15], y[:15], X[15:], y[15:])


def test_folds_use_every_sequence_once_and_no_test_part(defaults, parts):
    folds = defaults.folds_of(parts, 3)
    held_out = [id(x) for fold in folds for x in fold.X_test]
    assert sorted(held_out) == sorted(id(x) for x in parts.X)
    for fold in folds:
        assert not {id(x) for x in fold.X} & {id(x) for x in fold.X_test}
        assert len(fold.X) == len(fold.y) == 10


def test_gaps_have_the_last_value_and_ends_zeros(defaults, parts):
    X, _ = defaults._tables(parts)
    assert X.shape == (15, max(map(len, parts.X + parts.X_test)), 1)
    assert X[3, 4] == parts.X[3][3]
    n = len(parts.X[3])
    np.testing.assert_array_equal(X[3, 5:n], parts.X[3][5:])
    assert not X[3, n:].any()


def test_others(defaults, parts):
    assert defaults.constant(parts) == np.mean(parts.y_test == 0)
    assert defaults.ridge(parts) == 1.0
    numbers = parts._replace(y=parts.y * 2.0, y_test=parts.y_test * 2.0)
    assert defaults.constant(numbers) == pytest.approx(
        np.sqrt(np.mean((numbers.y_test - numbers.y.mean()) ** 2))
    )
    assert defaults.ridge(numbers) < 0.3


@pytest.mark.parametrize("other", ["nearest", "rocket"])
def test_others_of_aeon(defaults, parts, other):
    pytest.importorskip("aeon")
    assert getattr(defaults, other)(parts) == 1.0


def test_comparisons_that_take_long_are_left_out(defaults, parts, monkeypatch):
    pytest.importorskip("aeon")
    monkeypatch.setattr(defaults, "MOST_CELLS", 1)
    assert defaults.nearest(parts) is None


def test_a_row_for_each_set(defaults, parts, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(defaults, "load", lambda name: parts)
    monkeypatch.setattr(defaults, "begin", lambda arguments, packages: {})
    arguments = ["--sets", "ramps", "--seeds", "2", "--others", "constant", "ridge", "--quick"]
    file = tmp_path / "defaults.json"
    monkeypatch.setattr(sys, "argv", ["defaults.py", *arguments, "--json", str(file)])
    defaults.main()
    (row,) = json.loads(file.read_text())["rows"]
    assert row["set"] == "ramps"
    assert row["ridge"] == 1.0
    assert len(row["fastrnn"]) == len(row["seconds"]) == 1  # --quick has one seed
    assert "mean accuracy: " in capsys.readouterr().out


def test_members_have_seeds_of_their_own_and_the_mean_of_their_answers(defaults, parts):
    numbers = parts._replace(y=parts.y * 2.0, y_test=parts.y_test * 2.0)
    params = {"max_iter": 2, "missing": "mask"}
    answers = [
        RNNRegressor(random_state=seed, **params).fit(numbers.X, numbers.y).predict(numbers.X_test)
        for seed in (3, 4, 5)
    ]
    expected = np.sqrt(np.mean((np.mean(answers, axis=0) - numbers.y_test) ** 2))
    score, _ = defaults.ours(numbers, 1, params, n_members=3)
    assert score == pytest.approx(expected)


def test_members_vote_by_their_probabilities(defaults):
    rng = np.random.default_rng(0)
    X, y = list(rng.normal(size=(140, 9, 1))), np.tile([0, 1], 70)
    parts = defaults.Parts(X[:40], y[:40], X[40:], y[40:])
    models = [RNNClassifier(random_state=seed, max_iter=30) for seed in (2, 3)]
    proba = np.stack([model.fit(X[:40], y[:40]).predict_proba(X[40:]) for model in models])
    expected = np.mean(proba.mean(axis=0).argmax(axis=1) == y[40:])
    assert defaults.ours(parts, 1, {"max_iter": 30}, n_members=2)[0] == expected


@pytest.mark.usefixtures("bench_path")
def test_a_package_is_found_without_being_imported():
    import packages

    before = set(sys.modules)
    assert (packages.folder_of("scipy", "0") / "linalg").is_dir()
    assert set(sys.modules) == before


@pytest.mark.usefixtures("bench_path")
def test_a_package_that_cannot_be_had_is_an_error(monkeypatch, tmp_path):
    import packages

    def fail(command, check):
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(packages.subprocess, "run", fail)
    with pytest.raises(subprocess.CalledProcessError):
        packages.folder_of("no_such_package_of_sequences", "1.0")
