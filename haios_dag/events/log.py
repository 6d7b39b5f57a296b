"""The event log: validated, durable appends; reading from both ends; archiving.

Source of the format: one ASCII JSON object a line, LF, `ts` and `type` first.
"""

import errno
import functools
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from haios_dag import files, schema
from haios_dag.errors import EventError, InvalidError
from haios_dag.events import lines
from haios_dag.events.lines import Entry

if TYPE_CHECKING:
    from haios_dag.workspace import Workspace

_RECENT = 16 << 20
_BLOCK = 1 << 20
_HINTS = {
    errno.ELOOP: "it is a symbolic link, which is never followed: put the file itself there",
    errno.ENOSPC: "free some space on that disk",
    errno.EROFS: "make that disk writable",
    errno.EACCES: "give yourself the right to use it",
    errno.EPERM: "give yourself the right to use it",
}


def append(workspace: "Workspace", event: dict[str, Any]) -> None:
    """Append an event; when this returns, it survives a power cut.

    The event is validated first: as an event, and by the schema of its type where there is one.
    Raise EventError, with the log as it was, when it is invalid (the message names each place) or
    cannot be written. A line that a power cut tore before is set aside in `<log>.torn`.
    """
    line = _line(event)
    path = workspace.events
    try:
        with files.locked(workspace.events_lock):
            files.append_durable(path, _heal(path) + line)
    except OSError as error:
        raise _failure("could not be written", path, error) from error


def read(workspace: "Workspace") -> Iterator[Entry]:
    """Return every line of the log, first to last; none when there is no log. Raise EventError."""
    return _read(workspace.events, lines.forward)


def read_back(workspace: "Workspace") -> Iterator[Entry]:
    """Return every line of the log, last to first, read in blocks from the end of the file.

    Raise EventError.
    """
    return _read(workspace.events, lines.backward)


def recent(workspace: "Workspace", kind: str, count: int) -> list[Entry]:
    """Return the last `count` events of a type, oldest first, at a cost that has a bound.

    Looks at the last 16 MB of the log at most, which hold tens of thousands of events. Raise
    EventError.
    """
    # A line in UTF-16 or with an escaped letter may hold the type without holding its bytes.
    marks = (kind.encode(), b"\0", b"\\u00")
    near = _read(workspace.events, functools.partial(lines.backward, marks=marks, within=_RECENT))
    found = (e for e in near if e.event is not None and e.event.get("type") == kind)
    return list(itertools.islice(found, count))[::-1]


def has_beat(workspace: "Workspace", beat: str) -> bool:
    """Tell whether the log, or its newest archive, holds the heartbeat with this id.

    The archive counts because the log may have been archived since. Raise EventError.
    """
    back = functools.partial(lines.backward, marks=(json.dumps(beat).encode(),))
    return any(
        entry.event is not None
        and entry.event.get("type") == "heartbeat"
        and entry.event.get("beat") == beat
        for path in (workspace.events, *archives(workspace)[-1:])
        for entry in _read(path, back)
    )


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
    """Move the log to the next archive, `haios-events.NNNN.jsonl`, and return its path.

    Return None when there is nothing to archive. Nothing is overwritten. Raise EventError.
    """
    path = workspace.events
    try:
        with files.locked(workspace.events_lock):
            if not _size(path):
                return None
            archive = _reserve(workspace)
            try:
                path.replace(archive)
            except OSError:
                archive.unlink()
                raise
            files.sync_folder(path.parent)
            return archive
    except OSError as error:
        raise _failure("could not be archived", path, error) from error


def _line(event: dict[str, Any]) -> bytes:
    """Return the line of an event, when it is valid and would be read as it was meant."""
    head = {key: event[key] for key in ("ts", "type") if key in event}
    try:
        text = json.dumps(head | event, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise EventError(f"the event is refused: {error}") from None
    line = text.encode("ascii") + b"\n"
    entry = lines.Parser().parse(line)
    if entry.problem:
        raise EventError(f"the event is refused: {entry.problem}")
    written = entry.event or {}
    try:
        schema.validate("event", written)
        kind = f"event-{written['type']}"  # the envelope has proved it to be a plain word
        if schema.resource(f"schemas/{kind}.schema.json").exists():
            schema.validate(kind, written)
    except InvalidError as error:
        raise EventError(f"the event is refused: {error}") from None
    if entry.odd:
        raise EventError(f"the event is refused: {', '.join(entry.odd)}")
    return line


def _heal(path: Path) -> bytes:
    """Make sure that the next line begins a line; return what to write before it.

    A last line without LF that is a whole event only lacks its LF. Any other is a fragment: it
    is first saved in `<log>.torn`, then cut off, so that a crash in between loses nothing.
    """
    try:
        descriptor = files.open_private(path, os.O_RDWR)
    except FileNotFoundError:
        return b""
    with os.fdopen(descriptor, "r+b") as file:
        tail = next(lines.lines_back(file), b"\n")
        if tail.endswith(b"\n") or tail == b"\0":  # a LF in UTF-16 ends in a zero byte
            return b""
        if lines.Parser().parse(tail).event is not None:
            return b"\n"
        start = _last_line(file)
        file.seek(start)
        torn = path.with_name(path.name + ".torn")
        while block := file.read(_BLOCK):
            files.append_durable(torn, block)
        files.append_durable(torn, b"\n")
        file.truncate(start)
        os.fsync(file.fileno())
    return b""


def _last_line(file: IO[bytes]) -> int:
    """Return where the last line begins."""
    position = file.seek(0, os.SEEK_END)
    while position:
        start = max(0, position - _BLOCK)
        file.seek(start)
        if (found := file.read(position - start).rfind(b"\n")) >= 0:
            return start + found + 1
        position = start
    return 0


def _read(path: Path, entries: Callable[[IO[bytes]], Iterator[Entry]]) -> Iterator[Entry]:
    """Return the entries of a log, none when there is no such file; raise EventError."""
    try:
        with path.open("rb") as file:
            yield from entries(file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failure("could not be read", path, error) from error


def _size(path: Path) -> int:
    """Return the size of the log, 0 when there is none; OSError when it is a symbolic link."""
    try:
        descriptor = files.open_private(path, os.O_RDWR)
    except FileNotFoundError:
        return 0
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _reserve(workspace: "Workspace") -> Path:
    """Create the next archive, empty, so that nobody else can take its name."""
    log = workspace.events
    taken = archives(workspace)
    number = int(taken[-1].stem.rpartition(".")[2]) if taken else 0
    archive = log.with_name(f"{log.stem}.{number + 1:04d}{log.suffix}")
    os.close(files.open_private(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    return archive


def _failure(what: str, path: Path, error: OSError) -> EventError:
    """Return an operating system's refusal as one sentence."""
    where = error.filename or path
    hint = _HINTS.get(error.errno or 0, "correct that and try again")
    return EventError(f"the event log {what}: {where}: {error.strerror or error}; {hint}")
