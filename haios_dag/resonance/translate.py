"""From the words of both logs to the events that the rules know."""

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from haios_dag.resonance.story import StoryEvent

ToldEvent = Mapping[str, Any]

_LONGEST = 200  # characters of a text that is kept
_MOST = 30  # items, effects and steps of one event


def events(when: datetime, told: ToldEvent) -> Iterator[StoryEvent]:
    """Return an event of either log as the rules know it, one for each item that it names.

    Nothing for one that no rule knows, or that lacks what makes it one.
    """
    kind = _text(told.get("type") or told.get("event"))  # early governance events have `event`
    if translate := _TYPES.get(kind):
        for name, item, facts in translate(told):
            if item or name in ("beat", "session", "check"):
                yield StoryEvent(when, kind, name, item, facts)


_Translated = Iterator[tuple[str, str, dict[str, Any]]]  # kind, item, facts


def _heartbeat(told: ToldEvent) -> _Translated:
    """Return what the rules need of a heartbeat, which may be one that others wrote."""
    given = told.get("steps")
    steps = {
        _text(name): step
        for name, step in list(given.items())[:_MOST]
        if isinstance(step, dict)
    } if isinstance(given, dict) else {}  # fmt: skip

    def count(of: ToldEvent, key: str) -> int:
        return int(_number(of.get(key)) or 0)

    yield (
        "beat",
        "",
        {
            "beat": _text(told.get("beat")),
            "outcome": _text(told.get("outcome")) or "without outcome",
            "seconds": _number(told.get("seconds")),
            "documents": count(steps.get("ingest", {}), "documents"),
            "insights": count(told, "new_insights"),
            "revised": count(steps.get("synthesize", {}), "revised_insights"),
            "bridges": count(told, "new_bridges"),
            "well": [
                name for name, step in steps.items() if step.get("outcome") in ("ran", "skipped")
            ],
            "failed": {
                name: _text(step.get("error"))
                for name, step in steps.items()
                if step.get("outcome") == "failed"
            },
        },
    )


def _completion(key: str) -> Callable[[ToldEvent], _Translated]:
    """Return what translates the completion of the item under a key."""

    def translate(told: ToldEvent) -> _Translated:
        effects = [effect for one in _list(told.get("effects")) if (effect := _text(one))]
        yield "completion", _text(told.get(key)), {"effects": effects} if effects else {}

    return translate


def _queue(told: ToldEvent) -> _Translated:
    if told.get("to") == "done":
        for one in _list(told.get("items")):
            yield "completion", _text(one), {}


def _phase(item: str, to: str) -> Callable[[ToldEvent], _Translated]:
    """Return what translates the entry of the item under a key into the phase under another."""

    def translate(told: ToldEvent) -> _Translated:
        start = _text(told.get("from_phase")).upper()
        yield "phase", _text(told.get(item)), {"from": start, "to": _text(told.get(to)).upper()}

    return translate


def _session(action: str) -> Callable[[ToldEvent], _Translated]:
    """Return what translates a session's start or end, or the one that the event names."""

    def translate(told: ToldEvent) -> _Translated:
        number = _number(told.get("session"))
        text = _text(told.get("session")) if number is None else str(int(number))
        item = text if text.strip("0") else ""  # 0: the writer did not know
        yield "session", item, {"action": action or _text(told.get("action"))}

    return translate


def _milestone(told: ToldEvent) -> _Translated:
    old, new = _number(told.get("old")), _number(told.get("new"))
    if old is not None and new is not None:
        yield "milestone", _text(told.get("source")), {"old": old, "new": new}


def _validation(told: ToldEvent) -> _Translated:
    facts = {"gate": _text(told.get("gate")), "result": _text(told.get("result"))}
    yield "check", _text(told.get("work_id")), facts


def _violation(told: ToldEvent) -> _Translated:
    yield (
        "check",
        _text(told.get("work_id")),
        {"gate": _text(told.get("gate_id")), "result": "block"},
    )


_TYPES: dict[str, Callable[[ToldEvent], _Translated]] = {
    "heartbeat": _heartbeat,
    "item_complete": _completion("id"),
    "cascade": _completion("source"),
    "WorkClosed": _completion("work_id"),
    "CloseWorkCycleCompleted": _completion("work_id"),
    "QueueCeremony": _queue,
    "cycle_transition": _phase("backlog_id", "to_phase"),
    "CyclePhaseEntered": _phase("work_id", "phase"),
    "session": _session(""),
    "session_start": _session("start"),
    "session_end": _session("end"),
    "SessionStarted": _session("start"),
    "SessionEnded": _session("end"),
    "milestone": _milestone,
    "ValidationOutcome": _validation,
    "GateViolation": _violation,
}


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _list(value: object) -> list[Any]:
    return value[:_MOST] if isinstance(value, list) else []


def _number(value: object) -> float | None:
    """Return a number that is one, and no truth value; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e15 and math.isfinite(value) else None  # noqa: PLR2004 - exact
