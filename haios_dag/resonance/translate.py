"""Translating the events of both logs into those that the rules know."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from haios_dag.resonance.story import StoryEvent

ToldEvent = Mapping[str, Any]

_LONGEST = 200  # characters of a text that is kept
_MOST = 30  # items, effects and steps of one event

# By the type of an event, the keys of what the rules need of it
_COMPLETIONS = {"cascade": "source", "WorkClosed": "work_id", "CloseWorkCycleCompleted": "work_id"}
_PHASES = {
    "cycle_transition": ("backlog_id", "to_phase"),
    "CyclePhaseEntered": ("work_id", "phase"),
}
_SESSIONS = {"session": "", "SessionStarted": "start", "SessionEnded": "end"}

TYPES = {
    "heartbeat", "QueueCeremony", "ValidationOutcome", "GateViolation",
    *_COMPLETIONS, *_PHASES, *_SESSIONS,
}  # fmt: skip
"""The types of events that the rules know."""


def events(when: datetime, told: ToldEvent) -> Iterator[StoryEvent]:
    """Return an event of either log as the rules know it, one for each item that it names.

    Return nothing if no rule knows its type, or if it lacks the item that makes it useful.
    """
    kind = _text(told.get("type") or told.get("event"))  # early governance events have `event`
    if kind == "heartbeat":
        yield StoryEvent(when, kind, "beat", "", _beat(told))
    elif kind in _SESSIONS:
        action = _SESSIONS[kind] or _text(told.get("action"))
        yield StoryEvent(when, kind, "session", _session(told), {"action": action})
    elif kind == "ValidationOutcome":
        facts = {"gate": _text(told.get("gate")), "result": _text(told.get("result"))}
        yield StoryEvent(when, kind, "check", _text(told.get("work_id")), facts)
    elif kind == "GateViolation":
        facts = {"gate": _text(told.get("gate_id")), "result": "block"}
        yield StoryEvent(when, kind, "check", _text(told.get("work_id")), facts)
    elif kind == "QueueCeremony" and told.get("to") == "done":
        items = filter(None, map(_text, _list(told.get("items"))))
        yield from (StoryEvent(when, kind, "completion", item, {}) for item in items)
    elif kind in _PHASES and (item := _text(told.get(_PHASES[kind][0]))):
        start, end = (_text(told.get(key)).upper() for key in ("from_phase", _PHASES[kind][1]))
        yield StoryEvent(when, kind, "phase", item, {"from": start, "to": end})
    elif kind in _COMPLETIONS and (item := _text(told.get(_COMPLETIONS[kind]))):
        effects = [*filter(None, map(_text, _list(told.get("effects"))))]
        yield StoryEvent(when, kind, "completion", item, {"effects": effects} if effects else {})


def _beat(told: ToldEvent) -> dict[str, Any]:
    """Return what the rules need of a heartbeat, which another program may have written."""
    given = told.get("steps")
    pairs = list(given.items())[:_MOST] if isinstance(given, dict) else []
    steps = {_text(name): step for name, step in pairs if isinstance(step, dict)}

    def count(of: ToldEvent, key: str) -> int:
        return int(_number(of.get(key)) or 0)

    return {
        "beat": _text(told.get("beat")),
        "outcome": _text(told.get("outcome")) or "without outcome",
        "seconds": _number(told.get("seconds")),
        "documents": count(steps.get("ingest", {}), "documents"),
        "insights": count(told, "new_insights"),
        "revised": count(steps.get("synthesize", {}), "revised_insights"),
        "bridges": count(told, "new_bridges"),
        "well": [name for name, step in steps.items() if step.get("outcome") in ("ran", "skipped")],
        "failed": {
            name: _text(step.get("error"))
            for name, step in steps.items()
            if step.get("outcome") == "failed"
        },
    }


def _session(told: ToldEvent) -> str:
    """Return the number of a session, "" if it is 0, which a writer puts that does not know it."""
    number = _number(told.get("session"))
    text = _text(told.get("session")) if number is None else str(int(number))
    return text if text.strip("0") else ""


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value[:_MOST] if isinstance(value, list) else []


def _number(value: object) -> float | None:
    """Return a finite number that an integer can hold exactly; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e15 and math.isfinite(value) else None  # noqa: PLR2004 - exact
