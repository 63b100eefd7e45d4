"""A file is there whole, or as it was before: whatever happens while it is written.

It is written in a folder of its own beside the place where it belongs, and renamed when everything
is on the disk. In a folder, since the library that writes it may make temporary files as well. A
process that is killed leaves that folder behind; the next one that writes a file to the same place
on the same machine deletes it.
"""

import contextlib
import os
import re
import secrets
import shutil
import socket
import stat
import zlib

# The machine, since processes of others cannot be seen, and the process that writes.
_NAME = re.compile(r"\.fastrnn-(?P<host>[0-9a-f]{8})-(?P<process>\d{1,10})-[0-9a-f]{16}\.tmp")

_being_written: set[str] = set()


@contextlib.contextmanager
def replacing(path):
    """Replace a file by what is written to another, if all goes well.

    Parameters
    ----------
    path : str or path-like
        The file; it need not be there. What a link leads to is replaced, not the link. Its
        permissions stay.

    Yields
    ------
    str
        Where to write, in an empty folder. When the body is done, all of it goes to the disk and
        takes the place of the file at once. After an exception the file is as it was.
    """
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    remove_stale(folder)
    name = f".fastrnn-{_host()}-{os.getpid()}-{secrets.token_hex(8)}.tmp"
    own_folder = os.path.join(folder, name)
    _being_written.add(name)
    try:
        os.mkdir(own_folder)
        temporary = os.path.join(own_folder, "file")
        yield temporary
        os.chmod(temporary, _permissions(target, own_folder))
        _to_disk(temporary)
        os.replace(temporary, target)
    finally:
        shutil.rmtree(own_folder, ignore_errors=True)
        _being_written.discard(name)
    _to_disk(folder)


def remove_stale(folder):
    """Delete what processes of this machine that are no more have left in a folder.

    Parameters
    ----------
    folder : str
        The folder, which must be there.
    """
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        match = _NAME.fullmatch(name)
        if match and match["host"] == _host() and not _is_written(name, int(match["process"])):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _is_written(name, process):
    if process == os.getpid():  # or one before it that had the same number
        return name in _being_written
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is somebody else's
    return True


def _permissions(target, new_folder):
    """Those of the file, or, where there is none, those that the process gives new files."""
    try:
        return stat.S_IMODE(os.stat(target).st_mode)
    except FileNotFoundError:
        return os.stat(new_folder).st_mode & 0o666


def _host():
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _to_disk(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
