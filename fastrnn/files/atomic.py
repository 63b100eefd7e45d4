"""A file is there whole, or as it was before: whatever happens while it is written.

It is written without a name, in the folder where it belongs, and gets its place when everything is
on the disk: of a process that is killed nothing is left, or all of it, if it ends between the name
and the place. Where the system knows no such files it is written beside its place. The name is one
that nobody else has, and that nobody else deletes: whether the process that has it is still there
cannot be told, as it may run on another machine.
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat

_OF_PROCESS = re.compile(r"/dev/(stdin|stdout|stderr|fd/.*)|/proc/[^/]+/fd/.*")


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
    mode = _mode(target)
    temporary = os.path.join(folder, f".fastrnn-{secrets.token_hex(16)}.tmp")
    descriptor, new = _create(folder, temporary, 0o666 if mode is None else 0o600)
    try:
        try:
            yield new
            if mode is not None:
                os.chmod(new, stat.S_IMODE(mode))
            os.fsync(descriptor)
            if new != temporary:
                _name(new, temporary, folder)
        finally:
            os.close(descriptor)  # Windows replaces nothing by a file that is open
        os.replace(temporary, target)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.strerror and error.filename in (None, new):
            error.filename = os.fspath(path)  # such as that the disk is full
        raise
    if hasattr(os, "O_DIRECTORY"):  # elsewhere folders cannot be opened
        with _opened(folder) as descriptor:
            os.fsync(descriptor)


def check_place(path, is_replaced=True):
    """Refuse a place without a folder, or of something that is no file, with an OSError.

    Pipes and devices are refused only where they would be replaced: they can be written to.
    """
    path = os.fspath(path)
    if is_replaced and _OF_PROCESS.fullmatch(os.fsdecode(path)):
        what = "this is an output of the process, which no file takes the place of: name a file"
        raise FileExistsError(errno.EEXIST, what, path)
    if not os.path.isdir(os.path.dirname(os.path.realpath(path))):
        folder = os.path.dirname(path) or os.curdir
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", folder)
    mode = _mode(path)
    if mode is None or stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    # A device, such as /dev/null, would be no device any more.
    if is_replaced or stat.S_ISSOCK(mode):
        raise FileExistsError(errno.EEXIST, "this is no file, and is not replaced by one", path)


def _create(folder, temporary, mode):
    """Make an empty file; return its descriptor and the name that opens it."""
    with contextlib.suppress(AttributeError, OSError):  # not everywhere are there files of no name
        descriptor = os.open(folder, os.O_RDWR | os.O_TMPFILE, mode)
        name = f"/proc/self/fd/{descriptor}"
        if os.path.exists(name):
            return descriptor, name
        os.close(descriptor)
    return os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode), temporary


def _name(new, temporary, folder):
    """Give a file a name."""
    with _opened(folder) as place:
        try:
            # Only with a folder does this follow the link that `new` is.
            os.link(new, os.path.basename(temporary), dst_dir_fd=place, follow_symlinks=True)
        except OSError:  # not every file system can
            shutil.copy(new, temporary)
            with _opened(temporary) as descriptor:
                os.fsync(descriptor)


def _mode(path):
    """Kind and permissions, or None if there is nothing."""
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path).st_mode


@contextlib.contextmanager
def _opened(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
