"""One line of an event log, whoever wrote it.

The log of a HAIOS workspace was written by PowerShell, by Python and by hand: with byte order
marks, CRLF, UTF-16, ANSI code pages, local times without offset, torn lines. Here every line is
read where it can be, and named where it cannot.
"""

import json
import math
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, NamedTuple, cast

LONGEST = 1 << 20
"""Bytes of the longest line that is written or read."""

DEEPEST = 100
"""Levels of the deepest event that is written or read."""

_BLOCK = 1 << 16
_AROUND = b"\0\r\n\t "
_NOT_JSON = "not JSON"
_TOO_DEEP = "nested too deep"


class Entry(NamedTuple):
    """A line of the log: `event` where it could be read, else `problem`, in a few fixed words.

    `number` counts from 1; it is 0 where the log was read from its end. `when` is the event's
    instant in UTC, None where it has no readable `ts`. `odd` names, in fixed words, what was
    unusual about a line that was read.
    """

    number: int
    event: dict[str, Any] | None
    problem: str | None
    when: datetime | None
    odd: tuple[str, ...]


def forward(file: IO[bytes]) -> Iterator[Entry]:
    """Return what stands in every line of a log, first to last, in bounded memory."""
    parser = Parser()
    number = 0
    while line := file.readline(LONGEST + 1):
        rest = line
        while len(rest) == LONGEST + 1 and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST + 1)
        number += 1
        if line != _UTF16_END:
            yield parser.parse(line, number)


def backward(
    file: IO[bytes], *, marks: tuple[bytes, ...] = (), within: int | None = None
) -> Iterator[Entry]:
    """Return what stands in the lines of a log, last to first, in bounded memory.

    With `marks`, only in lines that hold one of them; with `within`, only in lines that begin in
    that many last bytes, rounded up to a block.
    """
    parser = Parser()
    for line in lines_back(file, marks=marks, within=within):
        if line != _UTF16_END:
            yield parser.parse(line)


_UTF16_END = b"\0"  # the second byte of the LF that ends a UTF-16 log


def lines_back(
    file: IO[bytes], *, marks: tuple[bytes, ...] = (), within: int | None = None
) -> Iterator[bytes]:
    """Return the lines for `backward`, each with its LF; of an overlong one only the start."""
    position = end = file.seek(0, os.SEEK_END)
    first = 0 if within is None else max(0, end - within)
    rest, newline = b"", b""
    while position > first:
        start = max(0, position - _BLOCK)
        file.seek(start)
        block = file.read(position - start) + rest
        position = start
        rest, found, whole = block.partition(b"\n")
        rest = rest[: LONGEST + 1]
        if found and _holds(whole, marks):
            for line in reversed(whole.split(b"\n")):
                if (line or newline) and _holds(line, marks):
                    yield line[: LONGEST + 1] + newline
                newline = b"\n"
        newline = newline or found
    if position == 0 and (rest or newline) and _holds(rest, marks):
        yield rest + newline


def _holds(data: bytes, marks: tuple[bytes, ...]) -> bool:
    """Tell whether data holds one of the marks, or there are none."""
    return not marks or any(mark in data for mark in marks)


class _UnreadableError(Exception):
    """A line holds no event; the message says why in fixed words."""


class Parser:
    """Reads one line after another, with what was odd about the line at hand in `_odd`."""

    def __init__(self) -> None:
        self._odd: set[str] = set()
        floating: Any = self._float  # typed as float, but the decoder takes what it returns
        self._json = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant, parse_float=floating
        )

    def parse(self, line: bytes, number: int = 0) -> Entry:
        """Return what stands in a line given with its LF; without it, in the last one."""
        self._odd.clear()
        try:
            event = self._event(line)
        except _UnreadableError as error:
            problem = str(error)
            if problem == _NOT_JSON and not line.endswith(b"\n"):
                problem = "torn last line"
            return Entry(number, None, problem, None, ())
        if not isinstance(event.get("type"), str):
            self._odd.add("no type")
        when = self._when(event.get("ts"))
        return Entry(number, event, None, when, tuple(sorted(self._odd)))

    def _event(self, line: bytes) -> dict[str, Any]:
        """Return the event of a line; raise _UnreadableError."""
        if len(line) > LONGEST:
            raise _UnreadableError("longer than 1 MB")
        if not line.strip(_AROUND):
            raise _UnreadableError("NUL bytes" if b"\0\0\0" in line else "blank line")
        text = self._text(line)
        try:
            value = self._json.decode(text)
        except json.JSONDecodeError:
            raise _UnreadableError("NUL bytes" if "\0" in text else _NOT_JSON) from None
        except RecursionError:
            raise _UnreadableError(_TOO_DEEP) from None
        except ValueError:  # Python refuses integers of more than 4,300 digits
            raise _UnreadableError("number too long") from None
        if not isinstance(value, dict):
            raise _UnreadableError("not a JSON object")
        if text.count("[") + text.count("{") > DEEPEST and _deep(value):
            raise _UnreadableError(_TOO_DEEP)
        return value

    def _text(self, line: bytes) -> str:
        """Return the text of a line, whatever its encoding, without what stands around it."""
        if b"\r" in line[-4:]:
            self._odd.add("CRLF")
        body = line.strip(_AROUND)
        for mark in (b"\xff\xfe", b"\xfe\xff"):
            if body.startswith(mark):
                self._odd.add("byte order mark")
                body = body.removeprefix(mark).strip(_AROUND)
        if body[1:2] == b"\0":  # big endian has lost its first zero byte and looks the same
            self._odd.add("UTF-16")
            text = (body + b"\0").decode("utf-16-le", "replace")
        else:
            if b"\0" in line:
                self._odd.add("NUL bytes")
            try:
                text = body.decode("utf-8")
            except UnicodeDecodeError:
                self._odd.add("ANSI, read as Windows-1252")
                text = body.decode("cp1252", "replace")
        if text.startswith("\ufeff"):
            self._odd.add("byte order mark")
        return text.lstrip("\ufeff").strip()

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            self._odd.add("duplicate keys")
        return found

    def _float(self, digits: str) -> float | None:
        value = float(digits)
        if math.isfinite(value):
            return value
        self._constant(digits)
        return None

    def _constant(self, _: str) -> None:
        self._odd.add("NaN or Infinity, read as null")

    def _when(self, ts: object) -> datetime | None:
        """Return the instant that a `ts` names, in UTC."""
        if not isinstance(ts, str):
            self._odd.add("no ts")
            return None
        try:
            instant = datetime.fromisoformat(ts.strip())
            if instant.tzinfo is None:
                self._odd.add("ts without offset, read as local time")
            instant = instant.astimezone(UTC)
        except (ValueError, OverflowError, OSError):  # OSError: Windows, before 1970
            self._odd.add("unreadable ts")
            return None
        if not 1970 <= instant.year <= 9998:  # noqa: PLR2004 - what can be shown as local time
            self._odd.add("unreadable ts")
            return None
        return instant


def _deep(value: object) -> bool:
    """Tell whether a JSON object or array has more than DEEPEST levels."""
    level = [value]
    for _ in range(DEEPEST):
        inner: list[object] = []
        for item in level:
            inner.extend(item.values() if isinstance(item, dict) else cast("list[Any]", item))
        level = [item for item in inner if isinstance(item, dict | list)]
    return bool(level)
