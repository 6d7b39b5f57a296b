"""The command `pulse`: print the state of the pulse and, as a watchdog, notify once if it fails.

The log remembers notifications as events of type `pulse`: one when the pulse becomes late or down,
and one more when a retry reaches a target. The next heartbeat ends the alarm. A lock lets only one
watchdog at a time check and notify, so that two of them send one notification.
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
    """Print the pulse, and with `notify` first send notifications; return the exit code.

    0: alive · 1: late · 2: down · 3: never.
    """
    found, told = _notify(workspace) if notify else (liveness.judge(workspace), [])
    say([json_format.dumps(as_json(found))] if json else map(printable, _lines(found)))
    for one in told:
        if not one["ok"]:
            hint = "; install haios-dag[notify]" if one["error"] == "ModuleNotFoundError" else ""
            what = f"{one['to']} was not delivered: {one['error']}{hint}"
            say([f"   {what}; the next run tries again"], sys.stderr)
    return liveness.STATES.index(found.state)


def as_json(found: Pulse) -> dict[str, Any]:
    """Return the pulse as `schemas/pulse.schema.json` has it."""
    last, running = found.last, found.under_way
    return {
        "state": found.state,
        "at": clock.iso(found.at),
        "last": {"ts": clock.iso(last.when), **liveness.texts(last.event, "outcome", "beat")}
        if last and last.when and last.event
        else None,
        "streak": found.streak,
        "missed": found.missed,
        **{
            name: clock.iso(at) if (at := getattr(found, name)) else None
            for name in (*liveness.LIMITS, "next_due")
        },
        "under_way": liveness.texts(running, "beat", "started") if running else None,
        "unplaced": found.unplaced,
    }


def _notify(workspace: Workspace) -> tuple[Pulse, list[NotificationResult]]:
    """Judge the pulse and notify every target that does not know yet; return both results."""
    try:
        lock = files.lock(workspace.pulse_lock, wait=True)
        files.set_aside(workspace.watchdog_output, OUTPUT_AT)
    except OSError as error:
        where = error.filename or workspace.pulse_lock
        raise EventError(f"{where} cannot be used: {error.strerror}") from error
    with lock:
        found = liveness.judge(workspace)
        if found.is_overdue and not found.told and Notifications(workspace).has_targets:
            # On waking, a computer starts this and the missed beat at once.
            time.sleep(_SECOND_LOOK)
            found = liveness.judge(workspace)
        if found.state == liveness.ALIVE:
            return found, []
        before = [event for event in found.told if event.get("state") == found.state]
        sending = Notifications(workspace, retry_of=before)
        if found.is_overdue:
            text = next(_lines(found))
            sending.ping("failure", text, about=found.state)
            sending.message(found.state, text)
        told = sending.results()
        if not before or any(one["ok"] for one in told):
            events.append(workspace, _event(found, told))
        return found, told


def _event(found: Pulse, told: list[NotificationResult]) -> dict[str, Any]:
    facts = as_json(found)
    return {
        "ts": facts["at"],
        "type": "pulse",
        **{key: facts[key] for key in ("state", "missed", "expected_by")},
        "last": facts["last"] and facts["last"]["ts"],
        "notifications": told,
    }


def _lines(found: Pulse) -> Iterator[str]:
    """Return the pulse for people, in local time; the first line is a summary."""
    local = show_events.local
    due = f"one was due at {local(found.expected_by)}" if found.expected_by else ""
    if found.under_way:
        yield f"{found.state}: a beat is under way since {found.under_way['started']}"
    elif found.state == liveness.NEVER:
        why = (
            "no heartbeat in the log has a usable time" if found.unplaced else "no beat in the log"
        )
        yield f"{found.state}: {why}" + (f", and {due}" if found.is_overdue else "")
    elif found.state == liveness.ALIVE:
        yield f"{found.state}: the next beat is due at {local(found.next_due)}"
    else:
        at = local(found.last.when) if found.last and found.last.when else ""
        yield f"{found.state}: the last beat was at {at}, and {due}; {found.missed:,} missed"
    if found.last:
        yield f"   last     {show_events.line(found.last)}"
    if found.streak:
        yield f"   streak   {found.streak['beats']} {found.streak['outcome']}"
    if found.late_after and found.down_after:
        yield f"   late     from {local(found.late_after)} without a beat"
        if found.state != liveness.NEVER:
            yield f"   down     from {local(found.down_after)} without a beat"
    if found.under_way or found.state != liveness.ALIVE:
        yield f"   next due {local(found.next_due)}"
    if found.unplaced:
        yield f"   left out {found.unplaced} heartbeats without a readable time, or dated ahead"
