"""`doit pulse`: say how the pulse is and, as a watchdog, tell others once when it is missed.

What was told is remembered in the log, as events of type `pulse`: one when the pulse has become
late or down, and one more whenever somebody whom that had not reached was reached at last. The
next heartbeat ends what they say. One watchdog at a time looks and tells, so that two send one.
"""

import json as json_format
import sys
import time
from collections.abc import Iterator
from typing import Any

from haios_dag import events
from haios_dag.base import clock, files
from haios_dag.base.console import printable, say
from haios_dag.base.errors import EventError
from haios_dag.base.workspace import OUTPUT_AT, Workspace
from haios_dag.events import show_events
from haios_dag.pulse import liveness
from haios_dag.pulse.liveness import Pulse
from haios_dag.pulse.notifications import NotificationResult, Notifications

_SECOND_LOOK = 10.0  # seconds, before the first alarm of a silence


def show(workspace: Workspace, *, json: bool, notify: bool) -> int:
    """Print the pulse, with `notify` tell others before; return the exit code.

    0: alive · 1: late · 2: down · 3: never. Raise ConfigError, EventError or OutputError.
    """
    found, told = _tell(workspace) if notify else (liveness.judge(workspace), [])
    if json:
        say([json_format.dumps(as_json(found))])
    else:
        say(map(printable, _lines(found)))
    for one in told:
        if not one["ok"]:
            hint = "; install haios-dag[notify]" if one["error"] == "ModuleNotFoundError" else ""
            what = f"{one['to']} could not be told: {one['error']}{hint}"
            say([f"   {what}; the next run tries again"], sys.stderr)
    return liveness.STATES.index(found.state)


def as_json(found: Pulse) -> dict[str, Any]:
    """Return the pulse as `schemas/pulse.schema.json` has it."""
    last = found.last.event if found.last else None
    times = ("expected_by", "late_after", "down_after", "next_due")
    way = found.under_way or {}
    return {
        "state": found.state,
        "at": clock.iso(found.at),
        "last": {
            "ts": clock.iso(found.last.when),
            "outcome": liveness.text(last.get("outcome")),
            "beat": liveness.text(last.get("beat")),
        }
        if found.last and found.last.when and last
        else None,
        "streak": found.streak,
        "missed": found.missed,
        **{name: clock.iso(at) if (at := getattr(found, name)) else None for name in times},
        "under_way": {key: liveness.text(way.get(key)) for key in ("beat", "started")}
        if way
        else None,
        "unplaced": found.unplaced,
    }


def _tell(workspace: Workspace) -> tuple[Pulse, list[NotificationResult]]:
    """Look at the pulse and tell everybody who should know and does not; return both.

    Raise ConfigError or EventError.
    """
    try:
        lock = files.lock(workspace.pulse_lock, wait=True)
        files.set_aside(workspace.watchdog_output, OUTPUT_AT)
    except OSError as error:
        where = error.filename or workspace.pulse_lock
        raise EventError(f"{where} cannot be used: {error.strerror}") from error
    with lock:
        found = liveness.judge(workspace)
        telling = Notifications(workspace)
        if found.is_overdue and not found.told and telling.has_targets:
            # On waking, a computer begins this and the beat that was missed at once.
            time.sleep(_SECOND_LOOK)
            found = liveness.judge(workspace)
        if found.state == liveness.ALIVE:
            return found, []
        before = [event for event in found.told if event.get("state") == found.state]
        telling = Notifications(workspace, known=_reached(before))
        if found.is_overdue:
            text = next(_lines(found))
            telling.ping("failure", text, about=found.state)
            telling.message(found.state, text)
        told = telling.results()
        if not before or any(one["ok"] for one in told):
            events.append(workspace, _event(found, told))
        return found, told


def _reached(before: list[liveness.EventFields]) -> set[str]:
    """Return whom some events of the pulse have reached; nobody but us vouches for their form."""
    told = [one for event in before if isinstance(found := event.get("notifications"), list)
            for one in found if isinstance(one, dict)]  # fmt: skip
    return {str(one.get("to")) for one in told if one.get("ok") is True}


def _event(found: Pulse, told: list[NotificationResult]) -> dict[str, Any]:
    """Return the event that says what was found and who was told."""
    facts = as_json(found)
    return {
        "ts": facts["at"],
        "type": "pulse",
        **{key: facts[key] for key in ("state", "missed", "expected_by")},
        "last": facts["last"] and facts["last"]["ts"],
        "notifications": told,
    }


def _lines(found: Pulse) -> Iterator[str]:
    """Return the pulse as people read it, in local time; the first line says all that matters."""
    due = f"one was due at {show_events.local(found.expected_by)}" if found.expected_by else ""
    if found.under_way:
        yield f"{found.state}: a beat is under way since {found.under_way['started']}"
    elif found.state == liveness.NEVER:
        why = (
            "no heartbeat in the log has a time to rely on"
            if found.unplaced
            else "no beat in the log"
        )
        yield f"{found.state}: {why}" + (f", and {due}" if found.is_overdue else "")
    elif found.state == liveness.ALIVE:
        yield f"{found.state}: the next beat is due at {show_events.local(found.next_due)}"
    else:
        at = show_events.local(found.last.when) if found.last and found.last.when else ""
        yield f"{found.state}: the last beat was at {at}, and {due}; {found.missed:,} missed"
    if found.last:
        yield f"   last     {show_events.line(found.last)}"
    if found.streak:
        yield f"   streak   {found.streak['beats']} {found.streak['outcome']}"
    if found.late_after and found.down_after:
        yield f"   late     from {show_events.local(found.late_after)} without a beat"
        if found.state != liveness.NEVER:
            yield f"   down     from {show_events.local(found.down_after)} without a beat"
    if found.under_way or found.state != liveness.ALIVE:
        yield f"   next due {show_events.local(found.next_due)}"
    if found.unplaced:
        yield f"   left out {found.unplaced} heartbeats without a readable time, or dated ahead"
