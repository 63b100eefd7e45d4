"""Write small model files of this version, which later versions must read.

``python tools/released_models.py`` fits a few models and a training that is cut off, and writes
them to tests/data/VERSION/ with ``expected.npz``, which has their predictions.
tests/files/test_released_versions.py loads the files of every version there. Run it when a version
is released, and never again for that version.
"""

import sys
import warnings
from pathlib import Path

import numpy as np

import fastrnn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "files"))

from released_cases import CASES, checkpoint_fit  # noqa: E402


def main():
    """Write the files."""
    warnings.simplefilter("ignore")  # trainings as short as these do not converge
    folder = ROOT / "tests" / "data" / fastrnn.__version__
    folder.mkdir(parents=True)
    expected = {}
    for name, case in CASES.items():
        model = case.fit()
        model.save(folder / f"{name}.fastrnn")
        expected |= {f"{name}.{what}": value for what, value in case.predict(model).items()}
    path = folder / "training.checkpoint"
    checkpoint_fit(path, max_iter=3, resume=False)
    written = path.read_bytes()
    expected["training.values"] = checkpoint_fit(path, max_iter=6, resume=True)
    path.write_bytes(written)
    np.savez_compressed(folder / "expected.npz", **expected)


if __name__ == "__main__":
    main()
