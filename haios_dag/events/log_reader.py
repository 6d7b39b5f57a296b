"""Reading the event log with its archives, as one log, while others write and archive.

A reader first opens the log and then lists the archives, so it reads every event that existed when
it began. If the log is archived in the meantime, the open file only gets another name: it is told
from the archives by its identity, so no event is missed or read twice. Archives with a higher
number hold later events, which are not read.
"""

import contextlib
import functools
import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from haios_dag.base import files
from haios_dag.events import log_lines
from haios_dag.events.log_writer import archives, failure

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace
    from haios_dag.events.log_lines import Entry

_RECENT = 16 << 20


def read(workspace: "Workspace") -> Iterator["Entry"]:
    """Yield every line of the archives and the log, first to last; raise EventError."""
    return _entries(workspace, log_lines.forward)


def read_log(workspace: "Workspace") -> Iterator["Entry"]:
    """Yield every line of the log without its archives, first to last; raise EventError."""
    return _lines([workspace.events], log_lines.forward)


def read_back(workspace: "Workspace", kind: str | None = None) -> Iterator["Entry"]:
    """Yield every line of log and archives, last to first, or those that may be of a type."""
    back = functools.partial(log_lines.backward, marks=_marks(kind) if kind else ())
    return _entries(workspace, back, newest_first=True)


def read_governance(workspace: "Workspace", *, newest_first: bool = False) -> Iterator["Entry"]:
    """Yield every line of HAIOS's governance log, first to last or last to first."""
    paths = workspace.governance_logs
    lines = log_lines.backward if newest_first else log_lines.forward
    return _lines(
        paths[::-1] if newest_first else paths, functools.partial(lines, time="timestamp")
    )


def recent(workspace: "Workspace", count: int, *kinds: str) -> list["Entry"]:
    """Return the last `count` events of some types within 16 MB, oldest first; raise EventError."""
    left = _RECENT
    marks = tuple(itertools.chain.from_iterable(map(_marks, kinds)))

    def near(file: IO[bytes]) -> Iterator["Entry"]:
        nonlocal left
        if left > 0:
            yield from log_lines.backward(file, marks=marks, within=left)
            left -= os.fstat(file.fileno()).st_size

    entries = _entries(workspace, near, newest_first=True)
    found = (entry for entry in entries if entry.event and entry.event.get("type") in kinds)
    return list(itertools.islice(found, count))[::-1]


def last_beat(workspace: "Workspace") -> "Entry | None":
    """Return the last heartbeat, None without one in the last 16 MB. Raise EventError."""
    return next(iter(recent(workspace, 1, "heartbeat")), None)


def has_beat(workspace: "Workspace", beat: str) -> bool:
    """Return whether the log or an archive has the heartbeat with this id. Raise EventError."""
    back = functools.partial(log_lines.backward, marks=(json.dumps(beat).encode(),))
    found = (entry.event or {} for entry in _entries(workspace, back, newest_first=True))
    return any(one.get("type") == "heartbeat" and one.get("beat") == beat for one in found)


def _marks(kind: str) -> tuple[bytes, ...]:
    """Return byte strings one of which is in each line of a type, in any encoding or spelling."""
    return json.dumps(kind)[1:-1].encode(), b"\0", b"\\u00"


def _lines(
    paths: list[Path], entries: Callable[[IO[bytes]], Iterator["Entry"]]
) -> Iterator["Entry"]:
    for path in paths:
        try:
            with _opened(path) as file:
                yield from entries(file)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise failure("could not be read", path, error) from error


def _entries(
    workspace: "Workspace",
    entries: Callable[[IO[bytes]], Iterator["Entry"]],
    *,
    newest_first: bool = False,
) -> Iterator["Entry"]:
    try:
        for file in _files(workspace, newest_first=newest_first):
            yield from entries(file)
    except OSError as error:
        raise failure("could not be read", workspace.events, error) from error


def _files(workspace: "Workspace", *, newest_first: bool) -> Iterator[IO[bytes]]:
    """Open the log first; then yield it and the archives, each of these opened in its turn."""
    with contextlib.ExitStack() as stack:
        log = status = None
        with contextlib.suppress(FileNotFoundError):
            log = stack.enter_context(_opened(workspace.events))
            status = os.fstat(log.fileno())
        older = list(itertools.takewhile(lambda path: not _is(status, path), archives(workspace)))
        if log and newest_first:
            yield log
        for path in reversed(older) if newest_first else older:
            with contextlib.suppress(FileNotFoundError), _opened(path) as file:
                # An archive begins as an empty file: it may have become the log since the list.
                if not _is(status, file):
                    yield file
        if log and not newest_first:
            yield log


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to read it; an error in closing it is ignored, since nothing can be lost."""
    file = files.open_plain(path)
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


def _is(log: os.stat_result | None, other: Path | IO[bytes]) -> bool:
    if log is None:
        return False
    try:
        status = other.stat() if isinstance(other, Path) else os.fstat(other.fileno())
    except FileNotFoundError:  # a broken link, or an archive that was removed
        return False
    return os.path.samestat(log, status)
