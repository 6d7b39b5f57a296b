"""A fast reader for ordinary lines of a log.

orjson differs from Python's JSON reader in two ways: it silently takes the last of duplicate keys,
and turns an integer beyond 64 bits into a float. So each event that it reads is written again: if
that gives the line, no key was duplicate and every number is exact. Spaces do not matter for that:
lines that are equal without spaces, also without those in texts, have the same tokens.
"""

import json
from typing import Any

import orjson

_ascii = json.JSONEncoder(separators=(",", ":")).encode


def events(lines: list[bytes], longest: int, deepest: int) -> list[dict[str, Any] | None]:
    """Return the event of each line, given without LF, or None if it needs the careful reader.

    It does if anything is odd, from `longest` bytes on, and beyond `deepest` levels.
    """
    try:
        found = list(map(orjson.loads, lines))
        written = list(map(orjson.dumps, found))
    except (ValueError, TypeError):  # one is not JSON, or too deep to be written
        return (
            [one for line in lines for one in events([line], longest, deepest)]
            if lines[1:]
            else [None]
        )
    return [
        event
        if event.__class__ is dict
        and (again == line or _is_same(event, again, line))
        and (
            len(line) <= 2 * deepest
            or (len(line) < longest and line.count(b"{") + line.count(b"[") <= deepest)
        )
        else None
        for line, event, again in zip(lines, found, written, strict=True)
    ]


def _is_same(event: dict[str, Any], again: bytes, line: bytes) -> bool:
    """Return whether an event written again, by orjson or as ASCII, differs only in spaces."""
    bare = line.translate(None, b" ")
    return again.translate(None, b" ") == bare or (
        b"\\u" in bare and _ascii(event).encode("ascii").translate(None, b" ") == bare
    )
