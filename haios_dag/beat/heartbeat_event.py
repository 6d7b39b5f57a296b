"""The event that a beat leaves in the log, also one that never came to writing it itself."""

import contextlib
from datetime import datetime
from typing import Any

from haios_dag import __version__, events
from haios_dag.base import beat_lock, clock
from haios_dag.base.errors import ConfigError, MemoryUnavailableError
from haios_dag.base.step import StepOutcome
from haios_dag.base.workspace import Workspace
from haios_dag.memory import open_memory


def append(
    workspace: Workspace,
    *,
    steps: dict[str, StepOutcome],
    outcome: str,
    rows: tuple[int, int] | None = None,
    **fields: Any,  # noqa: ANN401 - keys of the event
) -> None:
    """Append the event of a beat; raise EventError.

    `rows` is how many insights and bridges the beat added, None when its steps know. The other
    fields are keys of `schemas/event-heartbeat.schema.json`.
    """
    insights, bridges = rows or (
        steps.get("synthesize", {}).get("new_insights", 0),
        steps.get("bridge", {}).get("new_bridges", 0),
    )
    event = {
        "ts": clock.iso(clock.now()),
        "type": "heartbeat",
        "synthesis": steps.get("synthesize", {}).get("outcome") == "ran",
        "outcome": outcome,
        "new_insights": insights,
        "new_bridges": bridges,
        **fields,
        "steps": steps,
        "version": __version__,
    }
    events.append(workspace, event)


def append_unended(workspace: Workspace, found: bytes) -> None:
    """Append the event of an earlier beat that left its marker but no event; raise EventError."""
    lost = beat_lock.parse(found)
    try:
        beat = beat_lock.BEAT_ID.fullmatch(lost["beat"])[0]  # type: ignore[index]
        started = clock.iso(datetime.fromisoformat(lost["started"]))
    except (ValueError, KeyError, TypeError, OverflowError):
        return  # cut off while it was written: that beat had not begun any work
    if events.has_beat(workspace, beat):
        return
    append(
        workspace,
        beat=beat,
        started=started,
        outcome="interrupted",
        seconds=None,
        steps={},
        rows=written_by(workspace, beat),
        reason="ended without an event: killed, powered off, or the log was not writable",
    )


def written_by(workspace: Workspace, beat: str) -> tuple[int, int]:
    """Return how many insights and bridges a beat has added; (0, 0) without a readable memory."""
    with contextlib.suppress(MemoryUnavailableError, ConfigError):
        if workspace.has_memory():
            with open_memory(workspace, write=False) as store:
                return store.insights.written_by(beat)
    return 0, 0
