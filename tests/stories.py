"""Stories for tests of resonance: what both logs say, as the rules get it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import logs

from haios_dag.base import clock, config
from haios_dag.resonance import story, translate
from haios_dag.resonance.story import Pattern, Story
from haios_dag.schedule.due_times import Slots

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
Told = dict[str, Any]


def at(hours: float) -> datetime:
    """Return an instant some hours after noon."""
    return NOON + timedelta(hours=hours)


def tell(hours: float, kind: str, **facts: object) -> Told:
    """Return an event some hours after noon."""
    return {"ts": clock.iso(at(hours)), "type": kind, **facts}


def phase(hours: float, item: str, to: str, before: str | None = None) -> Told:
    """Return an item's entry into a phase."""
    return tell(hours, "cycle_transition", backlog_id=item, from_phase=before, to_phase=to)


def done(hours: float, item: str, *effects: str) -> Told:
    """Return an item's completion, with its effects."""
    return tell(hours, "cascade", source=item, effects=list(effects))


def session(hours: float, action: str, number: int) -> Told:
    """Return a session's start or end."""
    return tell(hours, "session", action=action, session=number)


def check(hours: float, item: str, result: str = "pass", gate: str = "dod") -> Told:
    """Return a gate's verdict."""
    return tell(hours, "ValidationOutcome", gate=gate, work_id=item, result=result)


def beat(hours: float, outcome: str = "ok", seconds: float = 1.0, **steps: object) -> Told:
    """Return a heartbeat; steps are given as their outcome or as what they report."""
    told = {
        name: one if isinstance(one, dict) else {"outcome": one, "error": "no room"}
        for name, one in steps.items()
    }
    ts = clock.iso(at(hours))
    return logs.heartbeat(ts=ts, outcome=outcome, seconds=seconds, new_insights=0, steps=told)


def make(*told: Told, since: float = -1000, now: float = 1000, stuck_days: float = 2) -> Story:
    """Return the story of some events, in an hourly schedule; the bounds are hours after noon."""
    found = [
        one
        for event in told
        for one in translate.events(datetime.fromisoformat(event["ts"]), event)
    ]
    return Story(
        since=at(since),
        until=at(now),
        stuck_days=stuck_days,
        slots=Slots(config.Schedule(**SCHEDULE)),
        kinds=story.sort(found),
    )


SCHEDULE: dict[str, Any] = {
    "every_minutes": 60, "at": None, "hours": "0-24", "jitter_minutes": 0, "time_limit_minutes": 30,
    "name": None, "logged_on_only": False, "grace_minutes": None,
}  # fmt: skip


def said(findings: list[Pattern]) -> list[str]:
    """Return what findings say."""
    return [one.says for one in findings]
