"""What the event log costs: an append, and reading a log of a gigabyte.

Both sides of a row use the same files. The bare append is what its promise costs at least: open,
lock, write, fsync, close. A log of `--tiny` size shows only that everything runs.
"""

import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import workspaces
from measuring import Row, compare, growth, in_turns, process, seconds, timed

from haios_dag import events
from haios_dag.base import clock, files, schema
from haios_dag.base.workspace import Workspace
from haios_dag.events import log_writer as writing

_BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
_APPENDS = 50  # one after another are one measurement
_TAIL = 20
_TAIL_TARGET = 0.005  # seconds
_GROWTH = 1.1  # of memory, with a log ten times as long


def append(folder: Path, runs: int) -> Iterator[Row]:
    """Append heartbeats, beside the bare system calls; validation beside the whole."""
    import fcntl  # not on Windows

    workspace = Workspace(folder / "append")
    files.ensure_folder(workspace.events.parent)
    event = schema.load("event-heartbeat")["examples"][0]
    line = writing.checked(event)
    bare = workspace.root / "bare.jsonl"

    def through_the_log() -> None:
        for _ in range(_APPENDS):
            writing.append_line(workspace, line)

    def through_calls() -> None:
        for _ in range(_APPENDS):
            descriptor = os.open(bare, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, line)
            os.fsync(descriptor)
            os.close(descriptor)

    def validation() -> None:
        for _ in range(_APPENDS):
            writing.checked(event)

    ours, calls, checks = in_turns(
        runs, timed(through_the_log), timed(through_calls), timed(validation)
    )
    note = f"{_APPENDS} heartbeats of {len(line)} bytes"
    yield compare(
        "append a validated line",
        ours,
        calls,
        "open, flock, write, fsync, close",
        most=1.5,
        note=note,
    )
    yield compare("validate it", checks, calls, "the same", note=note)


def read(folder: Path, megabytes: int, runs: int) -> Iterator[Row]:
    """Read a log of many megabytes: its tail, since a minute before its end, and all of it."""
    workspace = Workspace(folder / "read")
    files.ensure_folder(workspace.events.parent)
    last = _write(workspace.events, megabytes * 1_000_000)
    size = f"{megabytes:,} MB"

    def tail() -> None:
        with redirect_stdout(io.StringIO()):
            events.show(workspace, _TAIL)

    def since() -> None:
        with redirect_stdout(io.StringIO()):
            events.show_since(workspace, [(last - timedelta(minutes=1)).isoformat()])

    def stats() -> None:
        with redirect_stdout(io.StringIO()):
            events.stats(workspace)

    def plain() -> None:
        with workspace.events.open("rb") as file:
            for line in file:
                json.loads(line)

    (took,) = in_turns(runs, timed(tail))
    yield _within(f"the last {_TAIL} of {size}", took, _TAIL_TARGET)
    # Each pass is long enough to need neither a warm-up nor a second one.
    late, ours, loop = [seconds(since)], [seconds(stats)], [seconds(plain)]
    beside = "a json.loads loop"
    yield compare(f"since a minute before the end of {size}", late, loop, beside, most=1)
    yield compare(f"events-stats of {size}", ours, loop, beside, most=1)
    yield _memory(folder, workspace, megabytes)


def _memory(folder: Path, large: Workspace, megabytes: int) -> Row:
    """Compare a process that counts a log with one that counts a tenth of it."""
    small = Workspace(folder / "tenth")
    files.ensure_folder(small.events.parent)
    _write(small.events, megabytes * 100_000)

    def stats(workspace: Workspace) -> tuple[float, float | None]:
        shutil.copy(workspaces.ROOT / "dodo.py", workspace.root)
        return process(
            workspaces.command(workspace.root, "events-stats"), workspaces.environment(None)
        )

    took, most = stats(small), stats(large)
    case = f"a process of events-stats of {megabytes:,} MB"
    return growth(case, most, took, "a tenth of it", most=_GROWTH)


def _within(case: str, took: list[float], most: float) -> Row:
    """Return a row whose target is a time."""
    middle = sorted(took)[len(took) // 2]
    return Row(
        case=case,
        ours=middle,
        other=None,
        ratio=None,
        beside="inside a process",
        target=f"{most * 1000:g} ms",
        met=middle <= most,
    )


def _write(path: Path, size: int) -> datetime:
    """Write a log of events of four types, a second apart; return the time of the last."""
    kinds = ("cycle_transition", "session", "cascade", "heartbeat")
    bodies = [
        {k: v for k, v in schema.load(f"event-{kind}")["examples"][0].items() if k != "ts"}
        for kind in (*kinds[:3] * 7, kinds[3])
    ]
    ends = [json.dumps(body, separators=(",", ":"))[1:] for body in bodies]
    when, written, number = _BEGUN, 0, 0
    with path.open("w", encoding="ascii", newline="\n") as file:
        while written < size:
            when = _BEGUN + timedelta(seconds=number)
            written += file.write(f'{{"ts":"{clock.iso(when)}",{ends[number % len(ends)]}\n')
            number += 1
    return when
