"""The pulse: when the last beat was, when the next one is due, and what to call the silence.

Everything is judged by what the event log says, the schedule and a grace: a beat that was due is
missed when it has not ended by then. One missed beat is `late`, the third in a row makes it `down`.
A beat is served by whichever beat ends after it was due, so one that takes long misses nothing that
falls into it.
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
"""From the best to the worst; the exit code of `doit pulse` is the place in this list."""

_GOOD = "ok", "idle"
_FAILING = "degraded", "failed", "interrupted"
_DOWN_AT = 3  # missed beats
_LOOKED_AT = 50  # events of beats and of the pulse
_COUNTED = 1000  # missed beats
_LONGEST = timedelta(days=1)  # the highest time limit that a schedule can have
EventFields = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """What can be said of the beats at an instant.

    `newest` is the latest heartbeat in the log, `last` the latest one by its time, of those that
    have one and are not dated ahead by more than the grace; `unplaced` counts the others. The
    next beat after `last` was or is due at `expected_by`, of which `late_after` and `down_after`
    follow. `told` is what was told since the newest heartbeat: the events of type `pulse`. Without
    `last`, the first of these stands in its place, for somebody has looked since then.
    """

    at: datetime
    state: str
    newest: events.Entry | None
    last: events.Entry | None
    unplaced: int
    streak: dict[str, Any] | None
    missed: int | None
    expected_by: datetime | None
    late_after: datetime | None
    down_after: datetime | None
    next_due: datetime
    under_way: EventFields | None
    told: Sequence[EventFields]

    @property
    def is_overdue(self) -> bool:
        """Whether a beat is missing, of which somebody should be told."""
        late = self.late_after is not None and self.at >= self.late_after
        return late and self.state != ALIVE


def judge(workspace: Workspace) -> Pulse:
    """Return the pulse at this moment; raise ConfigError or EventError."""
    now = clock.now()
    slots, grace = job.due(workspace), _grace(workspace)
    found = events.recent(workspace, _LOOKED_AT, "heartbeat", "pulse")
    beats = [entry for entry in found if _type(entry) == "heartbeat"]
    told = _since_beat(found)
    placed = [(entry.when, entry) for entry in beats if entry.when and entry.when <= now + grace]
    when, last = max(placed, key=lambda one: one[0], default=(None, None))
    since = when or (found[-len(told)].when if told else None)
    expected, late, down = _limits(slots, grace, since) if since else (None, None, None)
    under_way = _under_way(workspace, now)
    if under_way:
        state = ALIVE
    elif last is None or down is None or late is None:
        state = NEVER
    else:
        state = DOWN if now >= down else LATE if now >= late else ALIVE
    return Pulse(
        at=now,
        state=state,
        newest=beats[-1] if beats else None,
        last=last,
        unplaced=len(beats) - len(placed),
        streak=_streak(beats),
        missed=_missed(slots, grace, when, now),
        expected_by=expected,
        late_after=late,
        down_after=down,
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
    """Return the status's `pulse`: this beat (None: run by hand) and those before it.

    It tells from when on the silence after this beat is to be called what; `stale_after` is when
    the second beat from now should have ended. Raise ConfigError or EventError.
    """
    slots, grace = job.due(workspace), _grace(workspace)
    limit = timedelta(minutes=workspace.config.schedule.time_limit_minutes)
    past = events.recent(workspace, _LOOKED_AT, "heartbeat")
    before = max((one.when for one in past if one.when and one.when <= started), default=None)
    expected, late, down = _limits(slots, grace, started)
    second = next(itertools.islice(slots.after(started), 1, None))
    last = (past[-1].event or {}) if past else None
    return {
        "beat": beat,
        "started": clock.iso(started),
        "outcomes": {name: step["outcome"] for name, step in steps.items() if name != "status"},
        "last": {key: text(last.get(key)) for key in ("ts", "outcome")} if last else None,
        "streak": _streak(past),
        "missed": _missed(slots, grace, before, started),
        "expected_by": clock.iso(expected),
        "late_after": clock.iso(late),
        "down_after": clock.iso(down),
        "stale_after": clock.iso(second + limit),
    }


def memory(workspace: Workspace) -> dict[str, Any] | None:
    """Return what the memory holds, or None when there is none.

    Raise MemoryUnavailableError when there is one that cannot be read, or ConfigError.
    """
    if not workspace.has_memory():
        return None
    with open_memory(workspace, write=False) as store:
        return dict(store.counts())


def is_good(outcome: object) -> bool | None:
    """Tell whether a beat with this outcome went well; None where nobody can tell."""
    return True if outcome in _GOOD else False if outcome in _FAILING else None


def text(value: object) -> str | None:
    """Return what should be a text, which an event that others wrote may have otherwise."""
    return value if isinstance(value, str) else None


def news(workspace: Workspace, outcome: str) -> str | None:
    """Return what a beat that ends like this has changed: `failing`, `recovered` or nothing.

    The first beat that is not good after one that was, or after none, is `failing`. The first good
    one after that, or after a silence that somebody was told of, is `recovered`. Raise EventError.
    """
    found = events.recent(workspace, _LOOKED_AT, "heartbeat", "pulse")
    beats = [entry.event or {} for entry in found if _type(entry) == "heartbeat"]
    failed = bool(beats) and is_good(beats[-1].get("outcome")) is False
    if not is_good(outcome):
        return None if failed else "failing"
    silence = any(event.get("notifications") for event in _since_beat(found))
    return "recovered" if failed or silence else None


def _grace(workspace: Workspace) -> timedelta:
    """Return how long after it was due a beat may end without being late; raise ConfigError."""
    return timedelta(minutes=job.grace_minutes(workspace.config.schedule))


def _type(entry: events.Entry) -> object:
    return (entry.event or {}).get("type")


def _since_beat(found: Sequence[events.Entry]) -> list[EventFields]:
    """Return the events of the pulse behind the newest heartbeat, in their order."""
    behind = takewhile(lambda entry: _type(entry) == "pulse", reversed(found))
    return [entry.event or {} for entry in behind][::-1]


def _limits(slots: Slots, grace: timedelta, since: datetime) -> tuple[datetime, datetime, datetime]:
    """Return when a beat was due after an instant, and when it is late and down without one."""
    due = [*itertools.islice(slots.after(since), _DOWN_AT)]
    return due[0], due[0] + grace, due[-1] + grace


def _missed(slots: Slots, grace: timedelta, since: datetime | None, until: datetime) -> int | None:
    """Return how many beats were missed after an instant, up to 1,000; None when there is none."""
    if since is None:
        return None
    return sum(1 for _ in itertools.islice(slots.between(since, until - grace), _COUNTED))


def _streak(beats: Iterable[events.Entry]) -> dict[str, Any] | None:
    """Return how many of the latest beats were all good or all failing; None where none tells."""
    goods = [is_good((entry.event or {}).get("outcome")) for entry in beats][::-1]
    if not goods or goods[0] is None:
        return None
    count = len([*takewhile(lambda good: good is goods[0], goods)])
    return {"outcome": "good" if goods[0] else "failing", "beats": count}


def _under_way(workspace: Workspace, now: datetime) -> EventFields | None:
    """Return the marker of the beat that is at work; None where there is none, or nobody can tell.

    One that has held the lock for longer than any schedule would let it hangs, and is not at work.
    """
    try:
        found = beat_lock.read(workspace)
        started = datetime.fromisoformat(found["started"])
        hangs = now - started > _LONGEST
        return found if not hangs and beat_lock.is_held(workspace) else None
    except (OSError, KeyError, TypeError, ValueError, OverflowError):
        return None
