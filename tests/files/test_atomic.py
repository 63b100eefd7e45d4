"""A file is there whole, or as it was before, and nothing is left beside it."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import fastrnn
from fastrnn import RNNClassifier
from fastrnn.files import atomic
from fastrnn.interop import export_c, export_onnx

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

    def test_what_is_put_in_place_is_closed(self, tmp_path, monkeypatch):
        """As on Windows, where no open file is renamed, and no folder opened."""
        opened, replace, opening, closing = set(), os.replace, os.open, os.close

        def open_file(path, *arguments):
            if os.path.isdir(path):
                raise PermissionError(path)
            opened.add(opening(path, *arguments))
            return max(opened)

        def close_file(descriptor):
            opened.discard(descriptor)
            closing(descriptor)

        def replace_closed(*paths):
            assert not opened
            replace(*paths)

        for name in ("O_TMPFILE", "O_DIRECTORY"):
            monkeypatch.delattr(os, name, raising=False)
        monkeypatch.setattr(os, "open", open_file)
        monkeypatch.setattr(os, "close", close_file)
        monkeypatch.setattr(os, "replace", replace_closed)
        with atomic.replacing(tmp_path / "file") as new:
            Path(new).write_bytes(b"new")
            assert len(opened) == 1
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]

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

    @pytest.mark.parametrize("named", [False, True])
    def test_what_others_write_is_left_alone(self, tmp_path, monkeypatch, named):
        """Also what another machine may be writing, whose processes nobody sees."""
        if named:
            monkeypatch.delattr(os, "O_TMPFILE", raising=False)
        others = [f".fastrnn-{0:016x}.tmp", f".fastrnn-{0:032x}.tmp", ".fastrnn-0.tmp"]
        for name in others:
            (tmp_path / name).write_bytes(b"half")
        path = tmp_path / "model"
        model = classifier().fit(X, LABELS, checkpoint=tmp_path / "checkpoint")
        model.save(path)
        with atomic.replacing(tmp_path / "first") as first:
            Path(first).write_bytes(b"1")
            with atomic.replacing(tmp_path / "second") as second:
                Path(second).write_bytes(b"2")
        assert fastrnn.load(path).classes_.tolist() == ["down", "up"]
        assert sorted(os.listdir(tmp_path)) == sorted(
            [*others, "checkpoint", "first", "model", "second"]
        )
        assert {(tmp_path / name).read_bytes() for name in others} == {b"half"}

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
            assert "ours" in os.listdir(tmp_path)
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

    @pytest.mark.parametrize("missing", ["O_TMPFILE", "link"])
    def test_where_there_are_no_nameless_files(self, tmp_path, monkeypatch, missing):
        def fail(*arguments, **keywords):
            raise OSError("function not implemented")

        if missing == "link":
            monkeypatch.setattr(os, "link", fail)
        else:
            monkeypatch.delattr(os, missing, raising=False)
        path = tmp_path / "file"
        path.write_bytes(b"0")
        path.chmod(0o604)
        with atomic.replacing(path) as new:
            Path(new).write_bytes(b"1")
            assert path.read_bytes() == b"0"
        assert path.read_bytes() == b"1"
        assert path.stat().st_mode & 0o777 == 0o604
        with pytest.raises(KeyError), atomic.replacing(path) as new:
            Path(new).write_bytes(b"2")
            raise KeyError
        assert path.read_bytes() == b"1"
        assert os.listdir(tmp_path) == ["file"]

    @pytest.mark.of_any_version
    def test_a_killed_process_leaves_a_whole_file(self, tmp_path):
        assert survive_kills(tmp_path, 6)


def make(kind, place):
    """Make something that is no regular file."""
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    elif kind == "link":
        os.mkfifo(place.with_name("far"))
        place.symlink_to("far")
    elif kind == "socket":
        with contextlib.chdir(place.parent), socket.socket(socket.AF_UNIX) as opened:
            opened.bind(place.name)  # of a path that may be too long for one
    else:
        try:
            os.mknod(place, 0o600 | stat.S_IFCHR, os.makedev(1, 3))  # as /dev/null
        except PermissionError:
            pytest.skip("only root makes devices")


WRITERS = {
    "save": lambda place: classifier().fit(X, LABELS).save(place),
    "checkpoint": lambda place: classifier().fit([], [], checkpoint=place),
    "export_c": lambda place: export_c(None, place),
    "export_onnx": lambda place: export_onnx(None, place),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "socket", "device"])
def test_what_is_no_file_stays_what_it_is(kind, write, tmp_path):
    place = tmp_path / "place.c"
    make(kind, place)
    before = place.lstat().st_mode, os.listdir(tmp_path)
    message = "Is a directory" if kind == "folder" else "is no file, and is not replaced by one"
    with pytest.raises(OSError, match=message):  # before anything is done, such as a look at X
        write(place)
    assert (place.lstat().st_mode, os.listdir(tmp_path)) == before


@pytest.mark.parametrize("name", ["save", "checkpoint", "export_onnx"])
@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_outputs_of_the_process_are_no_place(place, name):
    with pytest.raises(FileExistsError, match="this is an output of the process"):
        WRITERS[name](place)


def test_the_header_of_c_is_looked_at_too(tmp_path):
    os.mkfifo(tmp_path / "model.h")
    with pytest.raises(FileExistsError, match=r"model\.h"):
        export_c(None, tmp_path / "model.c")


def test_links_in_a_ring_lead_nowhere(tmp_path):
    (tmp_path / "ring").symlink_to("ring")
    with pytest.raises(OSError, match="symbolic links"):
        atomic.check_place(tmp_path / "ring")


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
    """Kill a process that saves again and again; the file must always be whole.

    So must what is left beside it, of the few that end in the instant between a name and the place.
    """
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
    beside = {*folder.iterdir()} - {path}
    assert len(beside) <= n_kills / 3
    for left in beside:
        assert left.name.startswith(".fastrnn-")
        theta = fastrnn.load(left).network_.theta
        assert (theta == theta[0]).all()
    return seen
