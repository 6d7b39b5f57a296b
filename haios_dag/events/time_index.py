"""The latest times in stretches of the log, kept so that a question about a date is answered fast.

Clocks are set back, and programs write events of the past, so the log is not sorted by time: no
line tells what time it was further up. Only having read the lines does. So every stretch is read
once, and the latest time in it is kept; later questions skip the stretches that are older, however
the times run. What is kept errs to the late side at most. It can be deleted at any time.

A file counts as the one that was read when it has the same inode, size and time of its last change,
or, when it has grown, the same bytes before the end of what was read. So what is kept holds for
files that others append to, replace, cut or rename. A line in the midst of the current log that is
changed in place, to one of the same length, is not noticed once the log has grown.
"""

import contextlib
import json
import operator
import os
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from haios_dag.base import files
from haios_dag.events import log_lines

_STRETCH = 1 << 17
_CHECKED = 1 << 12
_ZONES = 25 * 3600  # seconds; no local time is further from UTC
_TS = re.compile(
    rb'"ts": ?"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(?:\+00:00|Z)"'
)
_LATEST = operator.itemgetter(1)
_HIDDEN = b"\0", b"\\u0074", b"\\u0073"  # the letters of `ts` in other spellings


class Times:
    """The latest times of a log's stretches, as far as they are known."""

    def __init__(self, path: Path) -> None:
        """Read what is kept; what cannot be read is made anew."""
        self._path = path
        self._kept: dict[str, Any] = {}
        self._met: set[str] = set()
        self._new = False
        import orjson  # 25 ms, and the lines will need it too

        with contextlib.suppress(OSError, ValueError):
            kept = orjson.loads(files.read(path))
            self._kept = kept if isinstance(kept, dict) else {}

    def stretches(
        self, file: IO[bytes], instant: datetime, *, growing: bool
    ) -> Iterator[tuple[int, int]]:
        """Return begin and end of each stretch that may hold an event since an instant.

        The last stretch of a file that is `growing` is always one of them, and not kept.
        """
        end = os.fstat(file.fileno()).st_size
        wanted = instant.timestamp()
        start = 0
        known = self._known(file, end, growing=growing)
        if max(map(_LATEST, known), default=0) < wanted:  # as nearly all archives are
            start, known = known[-1][0] if known else 0, []
        for stop, latest in known:
            if latest >= wanted:
                yield start, stop
            start = stop
        if start < end:
            yield start, end

    def save(self) -> None:
        """Keep what was learnt; where nothing can be written, it is learnt again next time."""
        if self._new:
            kept = {name: self._kept[name] for name in self._met}
            with contextlib.suppress(OSError):
                files.write_atomic(self._path, json.dumps(kept).encode("ascii"))

    def _known(self, file: IO[bytes], end: int, *, growing: bool) -> list[list[int]]:
        """Return the end and the latest time, in seconds, of each stretch of a file."""
        status = os.fstat(file.fileno())
        name = f"{status.st_dev}-{status.st_ino}"
        known = self._valid(name, file, end)
        read = known[-1][0] if known else 0
        before = len(known)
        for stop, block in log_lines.blocks(file, read, end, _STRETCH):
            if growing and (len(block) < _STRETCH or not block.endswith(b"\n")):
                break
            known.append([stop, _latest(block)])
        if len(known) > before:
            self._new = True
            self._kept[name] = {
                "changed": status.st_mtime_ns,
                "check": _check(file, known[-1][0]),
                "stretches": known,
            }
        if known:
            self._met.add(name)
        return known

    def _valid(self, name: str, file: IO[bytes], end: int) -> list[list[int]]:
        """Return what is kept of a file, [] when there is nothing, or it is of another file."""
        try:
            kept = self._kept[name]
            known: list[list[int]] = kept["stretches"]
            stops, latest = zip(*known, strict=True)
            read = stops[-1]
            sound = set(map(type, stops + latest)) == {int} and stops[0] > 0
            sound = sound and all(map(operator.lt, stops, stops[1:]))
            if read == end:
                same = os.fstat(file.fileno()).st_mtime_ns == kept["changed"]
            else:
                same = sound and read < end and _check(file, read) == kept["check"]
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            return []
        return known if sound and same else []


def _check(file: IO[bytes], end: int) -> int:
    """Return a checksum of the bytes before an offset."""
    file.seek(max(0, end - _CHECKED))
    return zlib.crc32(file.read(min(end, _CHECKED)))


def _latest(block: bytes) -> int:
    """Return a second that no event in some lines is after; 0 when none has a time."""
    found = _TS.findall(block)
    if len(found) == block.count(b'"ts"') and not any(one in block for one in _HIDDEN):
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(max(found, default=b"1970-01-01T00:00:00").decode())
            return int(moment.replace(tzinfo=UTC).timestamp()) + 1
    latest = 0.0
    for entry in log_lines.Parser().parse_all(block):
        if entry.when:
            local = any("local time" in one for one in entry.odd)
            latest = max(latest, entry.when.timestamp() + (2 * _ZONES if local else 0))
    return int(latest) + 1
