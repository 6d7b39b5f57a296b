"""Reading the event log with its archives, as one log, while others write and archive.

A reader first opens the log and then lists the archives, so it has every event that was there when
it began. When the log is archived meanwhile, the open file is still the same file, only under
another name: by that it is told from the archives before it, and no event is missed or read twice.
Archives after it hold later events, which are not read.
"""

import contextlib
import functools
import itertools
import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from haios_dag.base import files
from haios_dag.events import log_lines
from haios_dag.events.log_writer import archives, failure
from haios_dag.events.time_index import Times

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace
    from haios_dag.events.log_lines import Entry

_RECENT = 16 << 20


def read(workspace: "Workspace") -> Iterator["Entry"]:
    """Return every line of the archives and the log, first to last; none where there is no log.

    The numbers of the lines begin at 1 in each file. Raise EventError.
    """
    return _entries(workspace, log_lines.forward)


def read_log(workspace: "Workspace") -> Iterator["Entry"]:
    """Return every line of the log, first to last, without its archives. Raise EventError."""
    try:
        with _opened(workspace.events) as file:
            yield from log_lines.forward(file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failure("could not be read", workspace.events, error) from error


def read_back(workspace: "Workspace", kind: str | None = None) -> Iterator["Entry"]:
    """Return every line of the log and the archives, last to first, read from the end.

    With `kind`, only the lines that may be events of that type. Raise EventError.
    """
    back = functools.partial(log_lines.backward, marks=_marks(kind) if kind else ())
    return _entries(workspace, back, newest_first=True)


def read_since(workspace: "Workspace", instant: datetime) -> Iterator["Entry"]:
    """Return the lines, first to last, but for stretches in which every event is older.

    What is returned holds every event since the instant, and lines beside them. Raise EventError.
    """
    times = Times(workspace.events_times)
    log = str(workspace.events)

    def near(file: IO[bytes]) -> Iterator["Entry"]:
        growing = str(file.name) == log
        for start, end in times.stretches(file, instant, growing=growing):
            yield from log_lines.forward(file, start, end)

    try:
        yield from _entries(workspace, near)
    finally:
        times.save()


def read_governance(workspace: "Workspace") -> Iterator["Entry"]:
    """Return every line of HAIOS's governance log, first to last; none where there is no such log.

    Its times stand under `timestamp`, local and without offset. Raise EventError.
    """
    return _governance(workspace, log_lines.forward)


def read_governance_back(workspace: "Workspace") -> Iterator["Entry"]:
    """Return the same lines last to first, read from the end. Raise EventError."""
    return _governance(workspace, log_lines.backward, newest_first=True)


def recent(workspace: "Workspace", count: int, *kinds: str) -> list["Entry"]:
    """Return the last `count` events of some types, oldest first, at a cost that has a bound.

    Looks at the last 16 MB at most, which hold tens of thousands of events. Raise EventError.
    """
    left = _RECENT
    marks = tuple(itertools.chain.from_iterable(map(_marks, kinds)))

    def near(file: IO[bytes]) -> Iterator["Entry"]:
        nonlocal left
        if left > 0:
            yield from log_lines.backward(file, marks=marks, within=left)
            left -= os.fstat(file.fileno()).st_size

    found = (
        entry
        for entry in _entries(workspace, near, newest_first=True)
        if entry.event is not None and entry.event.get("type") in kinds
    )
    return list(itertools.islice(found, count))[::-1]


def has_beat(workspace: "Workspace", beat: str) -> bool:
    """Tell whether the log or an archive holds the heartbeat with this id. Raise EventError."""
    back = functools.partial(log_lines.backward, marks=(json.dumps(beat).encode(),))
    return any(
        entry.event is not None
        and entry.event.get("type") == "heartbeat"
        and entry.event.get("beat") == beat
        for entry in _entries(workspace, back, newest_first=True)
    )


def _governance(
    workspace: "Workspace", read: Callable[..., Iterator["Entry"]], *, newest_first: bool = False
) -> Iterator["Entry"]:
    paths = workspace.governance_logs
    for path in reversed(paths) if newest_first else paths:
        try:
            with _opened(path) as file:
                yield from read(file, time="timestamp")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise failure("could not be read", path, error) from error


def _marks(kind: str) -> tuple[bytes, ...]:
    """Return what a line of a type holds, one or the other, in every encoding and spelling."""
    return json.dumps(kind)[1:-1].encode(), b"\0", b"\\u00"


def _entries(
    workspace: "Workspace",
    entries: Callable[[IO[bytes]], Iterator["Entry"]],
    *,
    newest_first: bool = False,
) -> Iterator["Entry"]:
    """Return the entries of every file, one after another; raise EventError."""
    try:
        for file in _files(workspace, newest_first=newest_first):
            yield from entries(file)
    except OSError as error:
        raise failure("could not be read", workspace.events, error) from error


def _files(workspace: "Workspace", *, newest_first: bool) -> Iterator[IO[bytes]]:
    """Open the archives and the log, each when its turn comes, the log before all."""
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
    """Open a file to read it; nothing is lost where it cannot be closed, so that is no error."""
    file = files.open_plain(path)
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.close()


def _is(log: os.stat_result | None, other: Path | IO[bytes]) -> bool:
    """Tell whether another file is the log."""
    if log is None:
        return False
    try:
        status = other.stat() if isinstance(other, Path) else os.fstat(other.fileno())
    except FileNotFoundError:  # a link to nowhere, or an archive that somebody took away
        return False
    return os.path.samestat(log, status)
