"""A file is there whole, or as it was before: whatever happens while it is written.

It is written beside the place where it belongs, and renamed when everything is on the disk. Who
writes holds a lock on the temporary file, which ends with the process however that ends: what is
not locked is nobody's any more, and the next one that writes a file to the same folder deletes it.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat

_NAME = re.compile(r"\.fastrnn-[0-9a-f]{16}\.tmp")


@contextlib.contextmanager
def replacing(path):
    """Replace a file by what is written to another, if all goes well.

    Yields the name of an empty file, which the body may open and write, but not replace. When the
    body is done, all of it goes to the disk and takes the place of `path` at once; after an
    exception everything is as it was. What a link leads to is replaced, not the link; permissions
    stay.
    """
    check_place(path)
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    remove_stale(folder)
    mode = _permissions(target)
    lock, temporary = _create(folder, 0o666 if mode is None else 0o600)
    try:
        yield temporary
        if mode is not None:
            os.chmod(temporary, mode)
        os.fsync(lock)
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.strerror and error.filename is None:
            error.filename = os.fspath(path)  # such as that the disk is full
        raise
    finally:
        os.close(lock)
    _folder_to_disk(folder)


def check_place(path):
    """Refuse a place without a folder, or of something that is no file, with an OSError."""
    path = os.fspath(path)
    if not os.path.isdir(os.path.dirname(os.path.realpath(path))):
        folder = os.path.dirname(path) or os.curdir
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", folder)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    # A device, such as /dev/null, would be no device any more.
    if os.path.exists(path) and not os.path.isfile(path):
        raise FileExistsError(errno.EEXIST, "this is no file, and is not replaced by one", path)


def remove_stale(folder):
    """Delete what processes that are no more have left in a folder, which must be there."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if _NAME.fullmatch(entry.name)]
    for name in names:
        with contextlib.suppress(OSError):  # it is gone, somebody else's, or being written
            path = os.path.join(folder, name)
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(descriptor)


def _create(folder, mode):
    """Make a temporary file and lock it."""
    while True:
        path = os.path.join(folder, f".fastrnn-{secrets.token_hex(8)}.tmp")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        # Where files cannot be locked nobody else can lock this one to delete it, either.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, path
        os.close(descriptor)  # it was deleted before it was locked


def _permissions(target):
    try:
        return stat.S_IMODE(os.stat(target).st_mode)
    except FileNotFoundError:
        return None


def _folder_to_disk(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
