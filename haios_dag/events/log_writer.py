"""Writing the event log: validated, durable appends, and archiving.

Each line is one ASCII JSON object that ends with LF and has `ts` and `type` first.
"""

import contextlib
import errno
import json
import math
import os
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from haios_dag.base import clock, files, schema
from haios_dag.base.errors import ConfigError, EventError, InvalidError, RefusedError
from haios_dag.events import log_lines

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace

_BLOCK = 1 << 20
_HINTS = {
    errno.ELOOP: "it is a symbolic link, which is never followed: put the file itself there",
    errno.EINVAL: "move it away",  # as files.open_plain refuses it
    errno.ENOSPC: "free some space on that disk",
    errno.EROFS: "make that disk writable",
    errno.EACCES: "give yourself the right to use it",
    errno.EPERM: "give yourself the right to use it",
}


def append(workspace: "Workspace", event: dict[str, Any]) -> None:
    """Append an event; once this returns, the event survives a power cut.

    It is validated first. Raise RefusedError, naming each place, if it is invalid, EventError if it
    cannot be written; both leave the log as it was.
    """
    try:
        line = checked(event)
    except OSError as error:  # its schema cannot be read, as with too many open files
        raise failure("could not be written", workspace.events, error) from error
    append_line(workspace, line)


def append_line(workspace: "Workspace", line: bytes) -> None:
    """Append a line that `checked` returned; raise EventError, with the log as it was."""
    path = workspace.events
    try:
        with files.locked(workspace.events_lock):
            start, size = _heal(path)
            if size and size + len(line) > _most(workspace):
                with contextlib.suppress(PermissionError):
                    # Windows cannot rename a log that a program reads. The event matters more
                    # than the size, and the next append tries again.
                    _archive(workspace)
                    start = b""
            files.append_durable(path, start + line)
    except OSError as error:
        raise failure("could not be written", path, error) from error


def archives(workspace: "Workspace") -> list[Path]:
    """Return the archives of the log, oldest first."""
    log = workspace.events
    name = re.compile(re.escape(log.stem) + r"\.([0-9]{4,})" + re.escape(log.suffix))
    numbered = [
        (int(match[1]), path)
        for path in log.parent.glob(f"{log.stem}.*{log.suffix}")
        if (match := name.fullmatch(path.name))
    ]
    return [path for _, path in sorted(numbered)]


def clear(workspace: "Workspace") -> Path | None:
    """Rename the log to the next archive and return its path, None if there is nothing in it."""
    path = workspace.events
    try:
        with files.locked(workspace.events_lock):
            return _archive(workspace) if _size(path) else None
    except OSError as error:
        raise failure("could not be archived", path, error) from error


def _archive(workspace: "Workspace") -> Path:
    archive = _reserve(workspace)
    try:
        workspace.events.replace(archive)
    except OSError:
        archive.unlink()
        raise
    files.sync_folder(archive.parent)
    return archive


def _most(workspace: "Workspace") -> float:
    """Return the most bytes a log may have; infinite while the settings cannot be read."""
    try:
        return workspace.config.events.rotate_at * 1_000_000
    except ConfigError:  # the steps of a beat report it, in events that must be written
        return math.inf


def checked(event: dict[str, Any]) -> bytes:
    """Return the line of a valid, unambiguous event; raise RefusedError."""
    head = {key: event[key] for key in ("ts", "type") if key in event}
    try:
        text = json.dumps(head | event, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise RefusedError(f"the event is refused: {error}") from None
    line = text.encode("ascii") + b"\n"
    entry = log_lines.Parser().parse(line)
    if entry.problem:
        raise RefusedError(f"the event is refused: {entry.problem}")
    written = entry.event or {}
    try:
        for name in schema.names_of_event(str(written.get("type"))):
            schema.validate(name, written)
    except InvalidError as error:
        raise RefusedError(f"the event is refused: {error}") from None
    if entry.odd:
        raise RefusedError(f"the event is refused: {', '.join(entry.odd)}")
    return line


def _heal(path: Path) -> tuple[bytes, int]:
    """Repair a last line without LF; return what to write before the next line, and the log's size.

    If the last line is a whole event, it only needs its LF. Otherwise it is a fragment: it is first
    saved in `<log>.torn`, then cut off, so that a crash in between loses nothing.
    """
    try:
        descriptor = files.open_private(path, os.O_RDWR)
    except FileNotFoundError:
        return b"", 0
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if not size or _last_byte(file, size) == b"\n":
            return b"", size
        tail = next(log_lines.lines_back(file))
        if tail == b"\0":  # a LF in UTF-16 ends in a zero byte
            return b"", size
        if log_lines.Parser().parse(tail).event is not None:
            return b"\n", size
        start = _last_line(file)
        _set_aside(path.with_name(path.name + ".torn"), file, start)
        file.truncate(start)
        os.fsync(file.fileno())
    return b"", start


def _set_aside(torn: Path, file: IO[bytes], start: int) -> None:
    """Save the bytes of a log from `start` on, in JSON lines that say where they were."""
    before = b""
    with contextlib.suppress(FileNotFoundError):
        descriptor = files.open_private(torn, os.O_RDONLY)
        with os.fdopen(descriptor, "rb") as saved:
            if (size := saved.seek(0, os.SEEK_END)) and _last_byte(saved, size) != b"\n":
                before = b"\n"  # a power cut tore this file too
    file.seek(start)
    while block := file.read(_BLOCK):
        piece = {
            "ts": clock.iso(clock.now()),
            "offset": start,
            "bytes": len(block),
            "fragment": block.decode("latin-1"),  # one character a byte
        }
        files.append_durable(torn, before + json.dumps(piece).encode("ascii") + b"\n")
        before = b""
        start += len(block)


def _last_byte(file: IO[bytes], size: int) -> bytes:
    file.seek(size - 1)
    return file.read(1)


def _last_line(file: IO[bytes]) -> int:
    position = file.seek(0, os.SEEK_END)
    while position:
        start = max(0, position - _BLOCK)
        file.seek(start)
        if (found := file.read(position - start).rfind(b"\n")) >= 0:
            return start + found + 1
        position = start
    return 0


def _size(path: Path) -> int:
    """Return the size of the log, 0 if there is none; raise OSError if it is a symbolic link."""
    try:
        descriptor = files.open_private(path, os.O_RDWR)
    except FileNotFoundError:
        return 0
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _reserve(workspace: "Workspace") -> Path:
    """Create the next archive, empty, so that no other program can take its name."""
    log = workspace.events
    taken = archives(workspace)
    number = int(taken[-1].stem.rpartition(".")[2]) if taken else 0
    archive = log.with_name(f"{log.stem}.{number + 1:04d}{log.suffix}")
    os.close(files.open_private(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return archive


def failure(what: str, path: Path, error: OSError) -> EventError:
    """Return an error of the operating system as one sentence with a hint."""
    where = error.filename or path
    hint = _HINTS.get(error.errno or 0, "correct that and try again")
    return EventError(f"the event log {what}: {where}: {error.strerror or error}; {hint}")
