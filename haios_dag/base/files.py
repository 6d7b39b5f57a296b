"""Safe file access: every write of the product to a plain file goes through here.

A symbolic link is never followed at a path the product writes, new files are private (0600), a
replaced file is either the old or the new one, and an appended line is on the disk when the call
returns. What is no plain file is refused: a pipe might never answer.
"""

import contextlib
import errno
import functools
import os
import re
import secrets
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from haios_dag.base.errors import LockedError

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # to open a pipe would wait for its other end
PRIVATE = 0o600

_AT_FDCWD, _RENAME_EXCHANGE, _RENAME_SWAP = -100, 2, 2  # fcntl.h, stdio.h


def ensure_folder(folder: Path) -> None:
    """Make a private folder and its parents, durably, when missing; OSError where that fails."""
    if not folder.is_dir():
        ensure_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def open_private(path: Path, flags: int) -> int:
    """Open a plain file for writing, created 0600 and never through a symbolic link.

    Return the descriptor. Raise OSError (ELOOP for a planted link).
    """
    return _open_plain(path, flags | _NOFOLLOW)


def open_plain(path: Path, *, follow: bool = True) -> IO[bytes]:
    """Open a plain file for reading; raise OSError, also for a symbolic link unless `follow`."""

    def opener(name: str, flags: int) -> int:
        return _open_plain(name, flags if follow else flags | _NOFOLLOW)

    return open(path, "rb", opener=opener)


def read(path: Path) -> bytes:
    """Return the content of a plain file; raise OSError."""
    with open_plain(path) as file:
        return file.read()


def _open_plain(path: str | Path, flags: int) -> int:
    try:
        descriptor = os.open(path, flags | _NONBLOCK | _BINARY, PRIVATE)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket, or a pipe to write to that nobody reads
            raise _not_plain(path) from None
        raise
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        os.close(descriptor)
        raise
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    raise _not_plain(path)


def _not_plain(path: str | Path) -> OSError:
    return OSError(errno.EINVAL, "it is no plain file", str(path))


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
    with _prepared(path, data) as new:
        new.replace(path)
    sync_folder(path.parent)


def compare_and_swap(path: Path, data: bytes, is_expected: Callable[[Path], bool]) -> bool:
    """Replace a file as `write_atomic` does, if it is as expected; return whether it was replaced.

    The new file and the old one exchange their names in one step, and the old one is then looked
    at again, under its new name: whoever replaced it or began to write it since the first look has
    it back some microseconds later. Where a system cannot exchange two files, there is only that
    first look. Raise OSError, and what `is_expected` raises, with the old file in place.
    """
    with _prepared(path, data) as new:
        seen = _identity(path)
        if not is_expected(path):
            return False
        is_replaced = not _swap(new, path)
        try:
            is_replaced = is_replaced or (_identity(new) == seen and is_expected(new))
        finally:
            if not is_replaced:
                _swap(new, path)
    sync_folder(path.parent)
    return is_replaced


@contextlib.contextmanager
def _prepared(path: Path, data: bytes) -> Iterator[Path]:
    """Write a temporary file beside `path`, with its mode; remove it unless it was renamed."""
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
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _swap(new: Path, path: Path) -> bool:
    """Let two files exchange their names, or rename the new one where they cannot: then False."""
    if _exchange(new, path):
        return True
    new.replace(path)
    return False


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return what tells in no time that a file is another, or was written; None without a file."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _exchange(one: Path, other: Path) -> bool:
    """Let two files exchange their names in one step; return False where that cannot be.

    By renameat2(2) on Linux and renamex_np(2) on macOS, which Python does not offer. Where it was
    refused for a reason that stops any renaming, a plain one will say which.
    """
    names = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "darwin":
            failed = _libc().renamex_np(*names, _RENAME_SWAP)
        else:
            at = _AT_FDCWD
            failed = _libc().renameat2(at, names[0], at, names[1], _RENAME_EXCHANGE)
    except (AttributeError, OSError, TypeError):  # a system without: Windows, an older libc
        return False
    return not failed


@functools.cache
def _libc() -> Any:  # noqa: ANN401 - its functions are found by their names
    import ctypes

    return ctypes.CDLL(None)


def leftovers(path: Path) -> list[Path]:
    """Return what killed calls of `write_atomic`, or one at work, have left beside a file."""
    name = re.compile(re.escape(path.name) + r"\.[0-9a-f]{12}\.tmp")
    return [one for one in path.parent.glob("*.tmp") if name.fullmatch(one.name)]


def remove_leftovers(path: Path) -> None:
    """Remove what killed calls of `write_atomic` left beside a file; nobody may be writing it."""
    for one in leftovers(path):
        one.unlink(missing_ok=True)


def set_aside(path: Path, size: int) -> None:
    """Move a file of more than `size` bytes to `NAME.1`, in the place of the one moved before."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_size > size:
            path.replace(path.with_name(f"{path.name}.1"))


def append_durable(path: Path, data: bytes) -> None:
    """Append `data` in one write and fsync it, after the folder where the file is new or empty.

    The folder comes first, so that a file that holds something has its name on the disk, even
    where a call was killed. A write the disk took only in part is cut off again before OSError is
    raised. The caller holds the lock that makes it the only writer.
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
            raise OSError(28, "no space left for a whole line", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def appending(path: Path) -> Iterator[int]:
    """Let another program append to a file while the body runs; give the descriptor for it.

    Raise OSError.
    """
    ensure_folder(path.parent)
    descriptor = open_private(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # Windows locks are mandatory: lock a byte far behind the readable content

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
    """Lock a file against other processes; closing the returned file, or dying, unlocks it.

    The file stays when it is unlocked: its content belongs to the caller. Raise LockedError when
    another process holds it and `wait` is false, OSError when it cannot be opened.
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
    """Hold a lock, waiting for it, while the body runs."""
    with lock(path, wait=True):
        yield
