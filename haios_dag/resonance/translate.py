"""Translating the events of both logs into those that the rules know."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from haios_dag.base.json_values import as_number, as_object, as_text, as_texts
from haios_dag.resonance.story import StoryEvent

_LONGEST = 200  # characters of a text that is kept
_MOST = 30  # items, effects and steps of one event

# By the type of an event, the keys of what the rules need of it
_COMPLETIONS = {"cascade": "source", "WorkClosed": "work_id", "CloseWorkCycleCompleted": "work_id"}
_PHASES = {
    "cycle_transition": ("backlog_id", "to_phase"),
    "CyclePhaseEntered": ("work_id", "phase"),
}
_SESSIONS = {"session": "", "SessionStarted": "start", "SessionEnded": "end"}
_CHECKS = {"ValidationOutcome": "gate", "GateViolation": "gate_id"}

TYPES = {"heartbeat", "QueueCeremony", *_COMPLETIONS, *_PHASES, *_SESSIONS, *_CHECKS}
"""The types of events that the rules know."""


def events(when: datetime, told: Mapping[str, Any]) -> Iterator[StoryEvent]:
    """Yield an event of either log as the rules know it, one for each item that it names."""
    kind = _text(told.get("type") or told.get("event"))  # early governance events have `event`
    if kind == "heartbeat":
        yield StoryEvent(when, kind, "beat", "", _beat(told))
    elif kind in _SESSIONS:
        action = _SESSIONS[kind] or _text(told.get("action"))
        yield StoryEvent(when, kind, "session", _session(told), {"action": action})
    elif kind in _CHECKS:
        result = "block" if kind == "GateViolation" else _text(told.get("result"))
        facts = {"gate": _text(told.get(_CHECKS[kind])), "result": result}
        yield StoryEvent(when, kind, "check", _text(told.get("work_id")), facts)
    elif kind == "QueueCeremony" and told.get("to") == "done":
        yield from (
            StoryEvent(when, kind, "completion", item, {}) for item in _texts(told.get("items"))
        )
    elif kind in _PHASES and (item := _text(told.get(_PHASES[kind][0]))):
        start, end = (_text(told.get(key)).upper() for key in ("from_phase", _PHASES[kind][1]))
        yield StoryEvent(when, kind, "phase", item, {"from": start, "to": end})
    elif kind in _COMPLETIONS and (item := _text(told.get(_COMPLETIONS[kind]))):
        effects = _texts(told.get("effects"))
        yield StoryEvent(when, kind, "completion", item, {"effects": effects} if effects else {})


def _beat(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the rules need of a heartbeat, which another program may have written."""
    pairs = list(as_object(told.get("steps")).items())[:_MOST]
    steps = {_text(name): step for name, step in pairs if isinstance(step, dict)}

    def count(of: Mapping[str, Any], key: str) -> int:
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


def _session(told: Mapping[str, Any]) -> str:
    """Return the number of a session, "" if it is 0, which a writer puts that does not know it."""
    number = _number(told.get("session"))
    text = _text(told.get("session")) if number is None else str(int(number))
    return text if text.strip("0") else ""


def _text(value: object) -> str:
    return as_text(value)[:_LONGEST]


def _texts(value: object) -> list[str]:
    return [one[:_LONGEST] for one in as_texts(value)[:_MOST] if one]


def _number(value: object) -> float | None:
    """Return a finite number that an integer can hold exactly; None for anything else."""
    number = as_number(value)
    exact = number is not None and abs(number) < 1e15 and math.isfinite(number)  # noqa: PLR2004
    return number if exact else None
