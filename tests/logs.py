"""Events and logs for tests."""

import copy
import json
from pathlib import Path
from typing import Any

from haios_dag.base import schema
from haios_dag.base.workspace import Workspace

Event = dict[str, Any]

TS = "2026-01-31T12:00:00.000+00:00"
# The beginning of programs whose first argument is a workspace
OPEN = """
import sys
from pathlib import Path
from haios_dag import events
from haios_dag.base.errors import EventError, HaiosError
from haios_dag.base.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
"""


def simple(number: int, writer: str = "test") -> Event:
    """Return a valid event."""
    return {"ts": TS, "type": "session", "action": "start", "writer": writer, "number": number}


def heartbeat(**changes: object) -> Event:
    """Return a valid heartbeat with some keys changed."""
    example: Event = copy.deepcopy(schema.load("event-heartbeat")["examples"][0])
    return example | changes


def fragments(workspace: Workspace) -> list[tuple[int, bytes]]:
    """Return the offset and the bytes of each fragment that was set aside."""
    torn = workspace.events.with_name(workspace.events.name + ".torn")
    pieces = map(json.loads, torn.read_bytes().splitlines() if torn.exists() else [])
    return [(piece["offset"], piece["fragment"].encode("latin-1")) for piece in pieces]


def numbers(path: Path) -> list[int]:
    """Return the numbers of the events in a log; every line must be whole."""
    return [json.loads(line)["number"] for line in path.read_bytes().splitlines()]
