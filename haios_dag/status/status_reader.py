"""Read a status file that other programs write too: its keys, or damage."""

import itertools
import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from haios_dag.base import files
from haios_dag.base.errors import StatusError
from haios_dag.base.json_values import is_deeper

MAX_BYTES = 32 * 2**20  # a hundred times the largest status of a real workspace
_MAX_DEPTH = 100  # json can read deeper than it can write
_TRIES = 4
_MOST_TRIES = 40
_PAUSE = 0.05  # seconds: HAIOS's own writers truncate first and write then


class UnusableError(Exception):
    """A status file is damaged; the message completes the sentence "… was set aside: it …"."""


@dataclass(frozen=True)
class FoundStatus:
    """The bytes of a status file (None without a file), its keys, and a warning if set aside."""

    data: bytes | None
    keys: dict[str, Any]
    warning: str | None = None


def read(path: Path) -> FoundStatus:
    """Return what a status file holds; rename it first when it is damaged.

    A file is damaged when four readings find it so and unchanged, since another program may be
    writing it. NaN, Infinity and 1e999 become null. Raise StatusError when the file can be neither
    read nor renamed.
    """
    states: list[object] = []
    while len(states) < _TRIES or len({*states[-_TRIES:]}) > 1:
        if len(states) == _MOST_TRIES:
            raise StatusError(f"{path} is rewritten all the time; the next beat tries again")
        if states:
            time.sleep(_PAUSE)
        try:
            data = content(path)
            return FoundStatus(data, {} if data is None else parse(data))
        except UnusableError as error:
            reason = str(error)
        states.append(_state(path))
    aside = _set_aside(path)
    warning = f"{path} was set aside as {aside.name} and rebuilt: it {reason}" if aside else None
    return FoundStatus(None, {}, warning)


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written; None without a file."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def content(path: Path) -> bytes | None:
    """Return the bytes of a status file, None without a file.

    Raise UnusableError for a symbolic link or a file that is too long, StatusError for one that
    cannot be read.
    """
    try:
        if path.is_symlink():
            raise UnusableError("is a symbolic link")
        if path.exists() and not path.is_file():
            raise StatusError(f"{path} is not a file; move it away")
        with files.open_plain(path, follow=False) as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StatusError(f"{path} cannot be read: {error.strerror}; allow it or move it") from None
    if len(data) > MAX_BYTES:
        raise UnusableError(f"is longer than {MAX_BYTES >> 20} MB")
    return data


def parse(data: bytes) -> dict[str, Any]:
    """Return the object in the bytes of a status file; raise UnusableError."""
    try:
        keys = json.loads(data, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError):
        raise UnusableError("is not valid JSON") from None
    if not isinstance(keys, dict):
        raise UnusableError("is not a JSON object")
    if is_deeper(keys, _MAX_DEPTH):
        raise UnusableError(f"is nested more than {_MAX_DEPTH} levels deep")
    return keys


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _set_aside(path: Path) -> Path | None:
    """Rename a file to a free name beside it; return that, or None when the file is gone.

    An empty file reserves the name, so that nothing set aside earlier is overwritten.
    """
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}.bad-{number}")
        try:
            os.close(files.open_private(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            path.replace(aside)
        except FileExistsError:
            continue
        except FileNotFoundError:
            aside.unlink(missing_ok=True)
            return None
        except OSError as error:
            raise StatusError(
                f"{path} is damaged and cannot be renamed: {error.strerror}; move it away"
            ) from None
        return aside
    raise AssertionError  # pragma: no cover - there is always a next number
