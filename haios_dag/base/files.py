"""Safe file access: the product writes regular files through here alone.

A symbolic link is never followed at a path the product writes, new files are private (0600), a
replaced file is either the old or the new one, and an appended line is on the disk when the call
returns. Anything but a regular file is refused: opening a pipe could block for ever.
"""

import contextlib
import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from haios_dag.base.errors import LockedError

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a pipe would wait for its other end
PRIVATE = 0o600


def ensure_folder(folder: Path) -> None:
    """Make a folder and its parents where missing, private and durably; raise OSError."""
    if not folder.is_dir():
        ensure_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def open_private(path: Path, flags: int) -> int:
    """Open a regular file for writing, created 0600 and never through a symbolic link.

    Return the descriptor. Raise OSError (ELOOP for a symbolic link).
    """
    return _open_plain(path, flags | _NOFOLLOW)


def open_plain(path: Path, *, follow: bool = True) -> IO[bytes]:
    """Open a regular file for reading; raise OSError, also for a symbolic link unless `follow`."""

    def opener(name: str, flags: int) -> int:
        return _open_plain(name, flags if follow else flags | _NOFOLLOW)

    return open(path, "rb", opener=opener)


def read(path: Path) -> bytes:
    """Return the content of a regular file; raise OSError."""
    with open_plain(path) as file:
        return file.read()


def _open_plain(path: str | Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | _NONBLOCK | _BINARY, PRIVATE)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a pipe without a reader
            raise _not_regular(path) from None
        raise
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        os.close(descriptor)
        raise
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise _not_regular(path)


def _not_regular(path: str | Path) -> OSError:
    return OSError(errno.EINVAL, "not a regular file", str(path))


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable, where the platform can (not on Windows)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file with `data`, durably: readers see the old or the new content, never a mix.

    The mode of an existing file is kept. Raise OSError, with the old content in place.
    """
    compare_and_swap(path, data, lambda _: True)


def compare_and_swap(path: Path, data: bytes, is_expected: Callable[[Path], bool]) -> bool:
    """Replace a file as `write_atomic` does, if `is_expected(path)`; return whether it did.

    That call is the last thing before the rename. What another program writes between the two,
    within some microseconds, is overwritten. Raise OSError, and what `is_expected` raises, with
    the old file in place.
    """
    ensure_folder(path.parent)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            with contextlib.suppress(FileNotFoundError):
                mode = path.lstat().st_mode
                if stat.S_ISREG(mode):  # a symbolic link is 0777, and replaced, not followed
                    temporary.chmod(mode & 0o777)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not is_expected(path):
            return False
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def leftovers(path: Path) -> list[Path]:
    """Return the temporary files of killed calls of `write_atomic`, or of one that is running."""
    name = re.compile(re.escape(path.name) + r"\.[0-9a-f]{12}\.tmp")
    return [one for one in path.parent.glob("*.tmp") if name.fullmatch(one.name)]


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files of killed calls of `write_atomic`; none may be running."""
    for one in leftovers(path):
        one.unlink(missing_ok=True)


def set_aside(path: Path, size: int) -> None:
    """Move a file of more than `size` bytes to `NAME.1`, which is replaced."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_size > size:
            path.replace(path.with_name(f"{path.name}.1"))


def append_durable(path: Path, data: bytes) -> None:
    """Append `data` in one write and fsync it; raise OSError, with the file as it was.

    The folder of a new or empty file is synced first, so that the name of a file with content is
    on the disk even after a kill. The caller holds the lock that makes it the only writer.
    """
    ensure_folder(path.parent)
    descriptor = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        size = os.fstat(descriptor).st_size
        if not size:
            sync_folder(path.parent)
        written = os.write(descriptor, data)
        if written != len(data):
            os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, "no space left for a whole line", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def appending(path: Path) -> Iterator[int]:
    """Yield a descriptor for another program to append to a file; raise OSError."""
    ensure_folder(path.parent)
    descriptor = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows locks are mandatory: lock a byte far beyond the content

    def _lock(descriptor: int, *, wait: bool) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        while True:
            try:
                return msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    raise

else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def lock(path: Path, *, wait: bool) -> IO[bytes]:
    """Lock a file against other processes until the returned file is closed or the process ends.

    The file and its content stay, for the caller to use. Raise LockedError when another process
    holds the lock and `wait` is false, OSError when the file cannot be opened.
    """
    ensure_folder(path.parent)
    descriptor = open_private(path, os.O_RDWR | os.O_CREAT)
    try:
        _lock(descriptor, wait=wait)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        raise LockedError(f"{path} is locked by another process") from None
    except BaseException:
        os.close(descriptor)
        raise
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.fdopen(descriptor, "r+b", buffering=0)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for a lock and hold it while the body runs."""
    with lock(path, wait=True):
        yield
