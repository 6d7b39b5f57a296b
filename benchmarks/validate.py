"""What checking event logs costs, and whether its memory grows with the log.

All sides of a row use the same file. The plain loop reads every line with `json.loads` and checks
nothing; the bare validator, jsonschema_rs, checks events that were read beforehand.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import workspaces
from measuring import Row, compare, growth, in_turns, process, timed

from haios_dag import validate as validating
from haios_dag.base import schema

_RATE = 100_000  # events a second
_GROWTH = 1.1  # of memory, with a log ten times as long
_TWELVE = {
    "ts": "2026-01-31T12:00:01.800+00:00",
    "type": "session",
    "action": "start",
    "session": 486,
    "checkpoint": "2026-01-31-02",
    "agent": "writer",
    "model": "large-2",
    "tokens": 12345,
    "seconds": 1.25,
    "resumed": True,
    "path": "docs/plans/notes.md",
    "note": "picks up the plan where it was left",
}


def check(folder: Path, count: int, runs: int) -> Iterator[Row]:
    """Check logs of valid events of two kinds and of invalid ones, and how much memory it takes."""
    heartbeat = schema.load("event-heartbeat")["examples"][0]
    yield from _kind(folder, "events of 12 fields", _TWELVE, count, runs, least=_RATE)
    yield from _kind(folder, "heartbeats", heartbeat, count, runs)
    invalid = heartbeat | {"new_insights": -1}
    yield from _kind(folder, "invalid heartbeats", invalid, count // 5, runs)
    yield from _memory(folder, count)


def _kind(
    folder: Path, name: str, event: dict[str, Any], count: int, runs: int, *, least: int = 0
) -> Iterator[Row]:
    """Check a log of one event again and again, beside the loop and the bare validator."""
    path = _write(folder / "events.jsonl", event, count)
    parsed = [json.loads(line) for line in path.read_bytes().splitlines()]
    accept = schema.validator(*schema.names_of_event(event["type"])).is_valid

    def ours() -> None:
        for _ in validating.check(validating.Target(path, "event"), Counter()):
            pass

    def plain() -> None:
        with path.open("rb") as file:
            for line in file:
                json.loads(line)

    def bare() -> None:
        for one in parsed:
            accept(one)

    took, loop, validator = in_turns(runs, timed(ours), timed(plain), timed(bare))
    case = f"validate {count:,} {name}"
    row = compare(case, took, loop, "a json.loads loop")
    rate = count / row.ours
    row = replace(row, note=f"{rate:,.0f} events a second")
    yield replace(row, target=f">= {least:,} a second", met=rate >= least) if least else row
    yield compare(case, took, validator, "jsonschema_rs on events that were read")


def _memory(folder: Path, count: int) -> Iterator[Row]:
    """Compare a process that checks a log with one that checks a log ten times as long."""
    small, large = (_process(folder, number) for number in (count, 10 * count))
    case = f"a process that validates {10 * count:,}"
    yield growth(case, large, small, f"{count:,}", most=_GROWTH)


def _process(folder: Path, count: int) -> tuple[float, float | None]:
    """Return the seconds of a process that checks a log, and the megabytes it has for itself."""
    path = _write(folder / "events.jsonl", _TWELVE, count)
    command = [sys.executable, "-m", "haios_dag", "validate", str(path)]
    return process(command, workspaces.environment(None))


def _write(path: Path, event: dict[str, Any], count: int) -> Path:
    """Write a log of one event again and again, and return its path."""
    line = json.dumps(event, separators=(",", ":")) + "\n"
    with path.open("w", encoding="ascii", newline="\n") as file:
        for _ in range(count // 1000 + 1):
            file.write(line * min(count, 1000))
            count -= min(count, 1000)
    return path
