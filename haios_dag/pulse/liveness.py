"""The state of the pulse: when the last beat was, when the next one is due, and what that means.

It depends on the event log, the schedule and a grace period: a beat is missed if it has not ended
by the time it was due plus the grace. One missed beat is `late`, the third in a row `down`. Any
beat that ends after a time it was due serves it, so a long beat does not count as missed.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from haios_dag import events
from haios_dag.base import beat_lock, clock
from haios_dag.base.workspace import Workspace
from haios_dag.memory import open_memory
from haios_dag.schedule import job
from haios_dag.schedule.due_times import Slots

ALIVE, LATE, DOWN, NEVER = "alive", "late", "down", "never"
STATES = (ALIVE, LATE, DOWN, NEVER)
"""From best to worst; the exit code of `doit pulse` is the index in this list."""

LIMITS = "expected_by", "late_after", "down_after"
_GOOD = "ok", "idle"
_FAILING = "degraded", "failed", "interrupted"
_DOWN_AT = 3  # missed beats
_LOOKED_AT = 50  # events of beats and of the pulse
_LONGEST = timedelta(days=1)  # the highest time limit that a schedule can have
EventFields = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """The state of the beats at an instant.

    `newest` is the latest heartbeat in the log. `last` is the latest by time of those that have a
    time and are not dated ahead by more than the grace; `unplaced` counts the others. The beat
    after `last` was or is due at `expected_by`; `late_after` and `down_after` follow from that.
    `told` are the events of type `pulse` since the newest heartbeat. Without `last`, the time of
    the first of these is used instead, when a watchdog noticed that there is no beat.
    """

    at: datetime
    state: str
    newest: events.Entry | None
    last: events.Entry | None
    unplaced: int
    streak: dict[str, Any] | None
    missed: int | None
    expected_by: datetime | None = None
    late_after: datetime | None = None
    down_after: datetime | None = None
    next_due: datetime
    under_way: EventFields | None
    told: Sequence[EventFields]

    @property
    def is_overdue(self) -> bool:
        """Whether a beat is missed, which calls for a notification."""
        late = self.late_after is not None and self.at >= self.late_after
        return late and self.state != ALIVE


def judge(workspace: Workspace) -> Pulse:
    """Return the pulse now; raise ConfigError or EventError."""
    now = clock.now()
    slots, grace = job.due(workspace), _grace(workspace)
    found = events.recent(workspace, _LOOKED_AT, "heartbeat", "pulse")
    beats = [entry for entry in found if _type(entry) == "heartbeat"]
    told = _since_beat(found)
    placed = [(entry.when, entry) for entry in beats if entry.when and entry.when <= now + grace]
    when, last = max(placed, key=lambda one: one[0], default=(None, None))
    since = when or (found[-len(told)].when if told else None)
    limits = _limits(slots, grace, since) if since else {}
    under_way = _under_way(workspace, now)
    if under_way:
        state = ALIVE
    elif last is None:
        state = NEVER
    else:
        late = now >= limits["late_after"]
        state = DOWN if now >= limits["down_after"] else LATE if late else ALIVE
    return Pulse(
        at=now,
        state=state,
        newest=beats[-1] if beats else None,
        last=last,
        unplaced=len(beats) - len(placed),
        streak=_streak(beats),
        missed=slots.count(when, now - grace) if when else None,
        **limits,
        next_due=next(slots.after(now)),
        under_way=under_way,
        told=told,
    )


def facts(
    workspace: Workspace,
    beat: str | None,
    started: datetime,
    steps: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return the status's `pulse`: this beat (None if run by hand) and those before it.

    `stale_after` is when the second beat from now should have ended.
    """
    slots, grace = job.due(workspace), _grace(workspace)
    limit = timedelta(minutes=workspace.config.schedule.time_limit_minutes)
    past = events.recent(workspace, _LOOKED_AT, "heartbeat")
    before = max((one.when for one in past if one.when and one.when <= started), default=None)
    second = next(itertools.islice(slots.after(started), 1, None))
    last = (past[-1].event or {}) if past else None
    return {
        "beat": beat,
        "started": clock.iso(started),
        "outcomes": {name: step["outcome"] for name, step in steps.items() if name != "status"},
        "last": texts(last, "ts", "outcome") if last else None,
        "streak": _streak(past),
        "missed": slots.count(before, started - grace) if before else None,
        **{name: clock.iso(at) for name, at in _limits(slots, grace, started).items()},
        "stale_after": clock.iso(second + limit),
    }


def memory(workspace: Workspace) -> dict[str, Any] | None:
    """Return the counts of the memory, None without one; raise MemoryUnavailableError."""
    if not workspace.has_memory():
        return None
    with open_memory(workspace, write=False) as store:
        return dict(store.counts())


def is_good(outcome: object) -> bool | None:
    """Return whether a beat with this outcome went well; None for an unknown outcome."""
    return True if outcome in _GOOD else False if outcome in _FAILING else None


def texts(event: EventFields, *keys: str) -> dict[str, str | None]:
    """Return the texts under some keys, None for another value, as a foreign event may have."""
    return {key: value if isinstance(value := event.get(key), str) else None for key in keys}


def news(workspace: Workspace, outcome: str) -> str | None:
    """Return the news of a beat with this outcome: `failing`, `recovered` or None.

    The first beat that is not good is `failing`; the first good one after that, or after a silence
    with a notification, is `recovered`.
    """
    found = events.recent(workspace, _LOOKED_AT, "heartbeat", "pulse")
    beats = [entry.event or {} for entry in found if _type(entry) == "heartbeat"]
    failed = bool(beats) and is_good(beats[-1].get("outcome")) is False
    if not is_good(outcome):
        return None if failed else "failing"
    silence = any(event.get("notifications") for event in _since_beat(found))
    return "recovered" if failed or silence else None


def _grace(workspace: Workspace) -> timedelta:
    return timedelta(minutes=job.grace_minutes(workspace.config.schedule))


def _type(entry: events.Entry) -> object:
    return (entry.event or {}).get("type")


def _since_beat(found: Sequence[events.Entry]) -> list[EventFields]:
    """Return the events of type `pulse` after the newest heartbeat, oldest first."""
    behind = takewhile(lambda entry: _type(entry) == "pulse", reversed(found))
    return [entry.event or {} for entry in behind][::-1]


def _limits(slots: Slots, grace: timedelta, since: datetime) -> dict[str, datetime]:
    """Return when a beat was due after an instant, and when it is late and down without one."""
    due = [*itertools.islice(slots.after(since), _DOWN_AT)]
    return dict(zip(LIMITS, (due[0], due[0] + grace, due[-1] + grace), strict=True))


def _streak(beats: Iterable[events.Entry]) -> dict[str, Any] | None:
    """Return how many of the latest beats were all good or all failing; None if it is unknown."""
    goods = [is_good((entry.event or {}).get("outcome")) for entry in beats][::-1]
    if not goods or goods[0] is None:
        return None
    count = len([*takewhile(lambda good: good is goods[0], goods)])
    return {"outcome": "good" if goods[0] else "failing", "beats": count}


def _under_way(workspace: Workspace, now: datetime) -> EventFields | None:
    """Return the marker of the beat that is running, unless it hangs or cannot be read."""
    try:
        found = beat_lock.read(workspace)
        started = datetime.fromisoformat(found["started"])
        hangs = now - started > _LONGEST
        return found if not hangs and beat_lock.is_held(workspace) else None
    except (OSError, KeyError, TypeError, ValueError, OverflowError):
        return None
