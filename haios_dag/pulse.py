"""Facts about the beats, as the status shows them: the last one, the streak, what is due."""

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from haios_dag import clock, events
from haios_dag.errors import MemoryUnavailableError
from haios_dag.memory.store import Store
from haios_dag.schedule import job
from haios_dag.workspace import Workspace

_GOOD = ("ok", "idle")  # no set: another program's outcome may be a list, which is in none
_LOOKED_AT = 50  # beats


def facts(
    workspace: Workspace,
    beat: str | None,
    started: datetime,
    steps: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the status's `pulse`: this beat (None: run by hand) and those before it.

    `streak` counts the latest beats, up to 50, that were all good or all failing; `stale_after` is
    when the second beat from now should have ended. Raise ConfigError or EventError.
    """
    due = job.due(workspace).after(started)
    limit = timedelta(minutes=workspace.config.schedule.time_limit_minutes)
    past = [entry.event or {} for entry in events.recent(workspace, "heartbeat", _LOOKED_AT)]
    goods = [event.get("outcome") in _GOOD for event in reversed(past)]
    streak = len(list(takewhile(lambda good: good == goods[0], goods)))
    return {
        "beat": beat,
        "started": clock.iso(started),
        "outcomes": {name: step["outcome"] for name, step in steps.items() if name != "status"},
        "last": {key: _text(past[-1].get(key)) for key in ("ts", "outcome")} if past else None,
        "streak": {"outcome": "good" if goods[0] else "failing", "beats": streak} if past else None,
        "expected_by": clock.iso(next(due)),
        "stale_after": clock.iso(next(due) + limit),
    }


def _text(value: object) -> str | None:
    """Return a value of an event, None where another program has put something else there."""
    return value if isinstance(value, str) else None


def memory(workspace: Workspace) -> dict[str, Any] | None:
    """Return what the memory holds, or None when there is none.

    Raise MemoryUnavailableError when there is one that cannot be read, or ConfigError.
    """
    if not workspace.has_memory():
        return None
    with Store.open(workspace.memory, write=False) as store:
        return dict(store.counts())


def written_by(workspace: Workspace, beat: str) -> tuple[int, int]:
    """Return how many insights and bridges a beat has added; (0, 0) without a readable memory."""
    with contextlib.suppress(MemoryUnavailableError):
        if workspace.has_memory():
            with Store.open(workspace.memory, write=False) as store:
                return store.written_by(beat)
    return 0, 0
