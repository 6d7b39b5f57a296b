"""Adding an event for a hook or another program: the command `events-add`."""

import os
import sys
from typing import TYPE_CHECKING, Any

from haios_dag.base import clock
from haios_dag.base.console import say
from haios_dag.base.errors import RefusedError
from haios_dag.events import log_lines, log_writer

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace

# What a pipe in PowerShell adds or changes, and what the command line supplies
_HARMLESS = {"CRLF", "byte order mark", "UTF-16", "no ts", "no type"}


def add(workspace: "Workspace", kind: str | None, data: str | None) -> None:
    """Append an event of a type, with the keys of a JSON object, and print `added`.

    The object is read from standard input if `data` is None or `-`. Raise RefusedError if the event
    is invalid, EventError if it cannot be written.
    """
    given = _object(_standard_input() if data is None or data == "-" else os.fsencode(data))
    if kind is not None and given.setdefault("type", kind) != kind:
        raise RefusedError("the event is refused: type: the data and the command line differ")
    given.setdefault("ts", clock.iso(clock.now()))
    log_writer.append(workspace, given)
    say(["added"])


def _standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        return b""
    return sys.stdin.buffer.read(log_lines.LONGEST + 1)


def _object(data: bytes) -> dict[str, Any]:
    if not data.strip():
        return {}
    entry = log_lines.Parser().parse(data + b"\n")
    odd = [one for one in entry.odd if one not in _HARMLESS and "ts" not in one.split()]
    problem = entry.problem or ", ".join(odd)  # the schema says more about an odd ts
    if entry.event is None or problem:
        raise RefusedError(f"the event is refused: the data: {problem}")
    return entry.event
