"""The lines of an event log, whichever program wrote them.

The log of a HAIOS workspace was written by PowerShell, by Python and by hand: with byte order
marks, CRLF, UTF-16, ANSI code pages, local times without offset, torn lines. Every line is read if
possible; otherwise its entry names the problem.
"""

import functools
import itertools
import json
import math
import operator
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, NamedTuple

from haios_dag.base.json_values import is_deeper

LONGEST = 1 << 20
"""Bytes of the longest line that is written or read."""

DEEPEST = 100
"""Levels of the deepest event that is written or read."""

_BLOCK = 1 << 14
_UTF16_END = b"\0"  # the second byte of the LF that ends a UTF-16 log
_AROUND = b"\0\r\n\t "
_FIRST, _LAST = 1970, 9998  # years that can be shown as local time
_NOT_JSON = "not JSON"
_TOO_DEEP = "nested too deep"


class Entry(NamedTuple):
    """A line of the log: its `event`, or the `problem` that made it unreadable, in fixed words.

    `number` counts from 1; it is 0 if the log was read from its end. `when` is the event's time in
    UTC, None if it has no readable `ts`. `odd` names, in fixed words, what was unusual about a line
    that could be read.
    """

    number: int
    event: dict[str, Any] | None
    problem: str | None
    when: datetime | None
    odd: tuple[str, ...]


def forward(file: IO[bytes], time: str = "ts") -> Iterator[Entry]:
    """Yield the entry of each line up to where the file ends now; `time` is the key of its time."""
    parser = Parser(time)
    number = 1
    for block in blocks(file):
        yield from parser.parse_all(block, number)
        number += block.count(b"\n") + (not block.endswith(b"\n"))


def blocks(file: IO[bytes]) -> Iterator[bytes]:
    """Return the lines of a file in blocks of whole lines; of an overlong line only the start."""
    left = file.seek(0, os.SEEK_END)
    file.seek(0)
    while block := file.read(min(_BLOCK, left)):
        left -= len(block)
        if not block.endswith(b"\n"):
            line = file.readline(min(LONGEST + 1, left))
            left -= len(line)
            block += line
            while line and not line.endswith(b"\n"):
                line = file.readline(min(LONGEST + 1, left))
                left -= len(line)
        yield block


def backward(
    file: IO[bytes],
    *,
    marks: tuple[bytes, ...] = (),
    within: int | None = None,
    time: str = "ts",
) -> Iterator[Entry]:
    """Yield the entry of every line of a log, last to first, in bounded memory.

    With `marks`, only of lines that contain one of them; with `within`, only of lines that begin in
    about the last `within` bytes.
    """
    parser = Parser(time)
    for line in lines_back(file, marks=marks, within=within):
        if line != _UTF16_END:
            yield parser.parse(line)


def lines_back(
    file: IO[bytes], *, marks: tuple[bytes, ...] = (), within: int | None = None
) -> Iterator[bytes]:
    """Return the lines that `backward` reads, with LF; of an overlong one only the start."""
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
    return not marks or any(mark in data for mark in marks)


_entry = functools.partial(tuple.__new__, Entry)  # half the time of Entry(...)
_NONE, _NOT_ODD = itertools.repeat(None), itertools.repeat(())
_TS, _TYPE = operator.itemgetter("ts"), operator.itemgetter("type")
_ZONE = operator.attrgetter("tzinfo")
_EARLIEST, _LATEST = datetime(_FIRST, 1, 1, tzinfo=UTC), datetime(_LAST + 1, 1, 1, tzinfo=UTC)


def _instants(events: list[Any]) -> list[datetime] | None:
    """Return the time of each event, or None unless all have a type and a time in UTC."""
    try:
        if set(map(type, map(_TYPE, events))) != {str}:
            return None
        whens = list(map(datetime.fromisoformat, map(_TS, events)))
    except (KeyError, TypeError, ValueError):
        return None
    utc = set(map(_ZONE, whens)) == {UTC}
    return whens if utc and _EARLIEST <= min(whens) <= max(whens) < _LATEST else None


class _UnreadableError(Exception):
    """A line has no event; the message says why in fixed words."""


class Parser:
    """Reads one line after another; `_odd` collects what is odd about the current one."""

    def __init__(self, time: str = "ts") -> None:
        self._time = time
        self._odd: set[str] = set()
        floating: Any = self._float  # typed as float, but the decoder takes what it returns
        self._json = json.JSONDecoder(
            object_pairs_hook=self._object,
            parse_constant=self._constant,
            parse_float=floating,
            parse_int=_integer,
        )

    def parse_all(self, block: bytes, number: int) -> Iterator[Entry]:
        """Return the entries of the lines of a block, whose first line has this number."""
        from haios_dag.events import fast_json  # 25 ms, only for many lines

        *whole, last = block.split(b"\n")
        numbers = itertools.count(number)
        found = fast_json.events(whole, LONGEST, DEEPEST)
        if self._time == "ts" and (whens := _instants(found)):
            yield from map(_entry, zip(numbers, found, _NONE, whens, _NOT_ODD, strict=False))
        else:
            for line, event, at in zip(whole, found, numbers, strict=False):
                if event is None:
                    yield self.parse(line + b"\n", at)
                else:
                    yield self._entry(event, at)
        if last and last != _UTF16_END:
            yield self.parse(last, number + len(whole))

    def parse(self, line: bytes, number: int = 0) -> Entry:
        """Return the entry of a line, given with its LF unless it is the last one without."""
        try:
            event = self._event(line)
        except _UnreadableError as error:
            self._odd.clear()
            problem = str(error)
            if problem == _NOT_JSON and not line.endswith(b"\n"):
                problem = "torn last line"
            return Entry(number, None, problem, None, ())
        return self._entry(event, number)

    def _entry(self, event: dict[str, Any], number: int) -> Entry:
        if not isinstance(event.get("type"), str):
            self._odd.add("no type")
        when = self._when(event.get(self._time))
        odd = tuple(sorted(self._odd))
        self._odd.clear()
        return Entry(number, event, None, when, odd)

    def _event(self, line: bytes) -> dict[str, Any]:
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
        except ValueError:  # more than 4,300 digits
            raise _UnreadableError("number too long") from None
        if not isinstance(value, dict):
            raise _UnreadableError("not a JSON object")
        if text.count("[") + text.count("{") > DEEPEST and is_deeper(value, DEEPEST):
            raise _UnreadableError(_TOO_DEEP)
        return value

    def _text(self, line: bytes) -> str:
        """Return the text of a line in any encoding, without white space and marks around it."""
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
        if not isinstance(ts, str):
            self._odd.add("no ts")
            return None
        try:
            instant = datetime.fromisoformat(ts.strip())
            if instant.tzinfo is None:
                self._odd.add("ts without offset, read as local time")
            if instant.tzinfo is not UTC:
                instant = instant.astimezone(UTC)
        except (ValueError, OverflowError, OSError):  # OSError: Windows, before 1970
            self._odd.add("unreadable ts")
            return None
        if not _FIRST <= instant.year <= _LAST:
            self._odd.add("unreadable ts")
            return None
        return instant


def _integer(digits: str) -> int:
    """Return an integer; refuse one beyond every float, which most programs cannot read."""
    value = int(digits)
    if math.isinf(float(digits)):
        raise _UnreadableError("number too long")
    return value
