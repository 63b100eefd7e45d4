"""A file is there whole, or as it was before, and nothing is left beside it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fastrnn
from fastrnn import RNNClassifier, RNNRegressor
from fastrnn.files import atomic

QUICK = {"max_iter": 2, "n_iter_no_change": 1, "tol": 10.0, "random_state": 0}
X = [np.random.default_rng(k).standard_normal((3 + k % 4, 2)) for k in range(20)]
LABELS = np.array(["up" if x[-1, 0] > 0 else "down" for x in X])


def classifier(**options):
    return RNNClassifier(**{"hidden_layer_sizes": 4, **QUICK, **options})


class TestAtomic:
    def test_a_failure_leaves_the_file_as_it_was(self, tmp_path, monkeypatch):
        path = tmp_path / "model"
        model = classifier().fit(X, LABELS)
        model.save(path)
        before = path.read_bytes()

        def fail(*arguments):
            raise OSError("no space left on device")

        model.loss_ = 7.0
        for name in ("replace", "fsync"):
            with monkeypatch.context() as patch:
                patch.setattr(os, name, fail)
                with pytest.raises(OSError, match="no space left"):
                    model.save(path)
            assert path.read_bytes() == before
            assert list(tmp_path.iterdir()) == [path]
        with pytest.raises(FileNotFoundError):
            model.save(tmp_path / "nowhere" / "model")
        with pytest.raises(IsADirectoryError):
            model.save(tmp_path)

    def test_permissions_and_links_stay(self, tmp_path):
        path, link = tmp_path / "model", tmp_path / "link"
        (tmp_path / "plain").write_bytes(b"")
        classifier().fit(X, LABELS).save(path)
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
        path.chmod(0o640)
        link.symlink_to(path)
        classifier().fit(X, LABELS).save(link)
        assert link.is_symlink()
        assert path.stat().st_mode & 0o777 == 0o640
        assert fastrnn.load(path).classes_.tolist() == ["down", "up"]

    def test_what_the_dead_have_left_is_deleted(self, tmp_path):
        gone = [f".fastrnn-{k:016x}.tmp" for k in range(3)]
        kept = ["fastrnn.tmp", ".fastrnn-0.tmp", f".fastrnn-{9:016x}.tmp.more"]
        for name in gone + kept:
            (tmp_path / name).write_bytes(b"half")
        with atomic.replacing(tmp_path / "first") as first:
            Path(first).write_bytes(b"1")
            with atomic.replacing(tmp_path / "second") as second:
                Path(second).write_bytes(b"2")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [*kept, "first", "second"]
        )

    def test_what_another_process_writes_is_left_alone(self, tmp_path):
        program = f"""
from fastrnn.files.atomic import replacing
with replacing({str(tmp_path / "theirs")!r}) as path:
    open(path, "w").write("theirs")
    print("ready", flush=True)
    input()
"""
        command = [sys.executable, "-c", program]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, **pipes) as process:
            process.stdout.readline()
            with atomic.replacing(tmp_path / "ours") as path:
                Path(path).write_bytes(b"ours")
            assert len(list(tmp_path.iterdir())) == 2
            process.communicate(b"\n")
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
            "ours": "ours", "theirs": "theirs"
        }  # fmt: skip

    def test_many_write_one_file_at_once(self, tmp_path):
        path, n_failed = tmp_path / "file", []

        def write(k):
            for _ in range(30):
                try:
                    with atomic.replacing(path) as new:
                        Path(new).write_bytes(bytes([k]) * 10_000)
                except OSError as error:
                    n_failed.append(error)

        threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert n_failed == []
        assert len(set(path.read_bytes())) == 1
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]

    def test_where_files_cannot_be_locked_they_are_written_too(self, tmp_path, monkeypatch):
        def refuse(*arguments):
            raise OSError("function not implemented")

        (tmp_path / f".fastrnn-{0:016x}.tmp").write_bytes(b"somebody may be writing this")
        monkeypatch.setattr(atomic.fcntl, "flock", refuse)
        with atomic.replacing(tmp_path / "file") as new:
            Path(new).write_bytes(b"1")
        assert len(list(tmp_path.iterdir())) == 2

    def test_a_killed_process_leaves_a_whole_file(self, tmp_path):
        assert survive_kills(tmp_path, 3)


PROGRAM = """
import sys
sys.modules["sklearn"] = None  # to begin sooner
import numpy as np
from fastrnn import RNNRegressor

x = np.ones((4, 3, 2))
model = RNNRegressor(200, max_iter=1, solver="sgd").fit(x, np.arange(4))
print("ready", flush=True)
k = 0
while True:
    k += 1
    model.network_.theta[:] = k
    model.save(sys.argv[1])
"""


def survive_kills(folder, n_kills):
    """Kill a process that saves again and again; the file must always be whole."""
    path, rng, seen = folder / "model", np.random.default_rng(0), set()
    for _ in range(n_kills):
        command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            while not path.exists():
                time.sleep(0.001)
            time.sleep(rng.uniform(0.0, 0.1))
            process.send_signal(signal.SIGKILL)
        theta = fastrnn.load(path).network_.theta
        assert (theta == theta[0]).all()
        seen.add(float(theta[0]))
    RNNRegressor(2, **QUICK).fit(np.ones((4, 3, 2)), np.arange(4)).save(path)
    assert list(folder.iterdir()) == [path]
    return seen
