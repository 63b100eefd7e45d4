"""Results of one model at every level of this processor, and with BLAS: how far they are apart."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).parents[1] / "tools" / "across_levels.py"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the tool is in the source tree only")


@pytest.fixture(scope="module")
def program():
    """Return tools/across_levels.py as a module."""
    spec = importlib.util.spec_from_file_location("across_levels", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_levels_agree(program):
    rows = program.compare_settings()
    assert len(rows) > 15
    others = list(program.SETTINGS)[1:]
    for name, differences in rows:
        for setting, number in zip(others, differences, strict=True):
            where = f"{name}, at {setting}: {number}"
            if setting.startswith("v4") and "bfloat16" not in name and "int8" not in name:
                assert number is None, where  # they are the same functions
            assert number is None or number <= program.tolerance(name), where


def test_differences_are_told(program, tmp_path, monkeypatch, capsys):
    paths = [str(tmp_path / name) for name in ("here.npz", "near.npz", "far.npz")]
    for path, number in zip(paths, (4.0, 4.00002, 5.2), strict=True):
        np.savez(path, one=np.array([1.0, number], np.float32), other=np.ones(2))
    monkeypatch.setattr(sys, "argv", ["across_levels.py", "--compare", *paths])
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 1
    assert "| one | 5e-06 | 3e-01 | 1e-05 |" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["across_levels.py", "--compare", *paths[:2]])
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 0
    assert "| other | same | 1e-05 |" in capsys.readouterr().out
