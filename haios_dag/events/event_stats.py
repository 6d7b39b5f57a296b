"""The event log in numbers, counted in one pass and constant memory: the command `events-stats`."""

import json as json_format
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from haios_dag.base import clock
from haios_dag.base.console import printable, say
from haios_dag.base.json_values import as_number, as_object
from haios_dag.events import log_reader
from haios_dag.events.show_events import counts, kind, local, ranked, remark, short

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace

_MOST_TYPES = 30
_MOST_KEYS = 10_000  # of a counter, so that a malicious log cannot fill the memory
_DAYS = 14
_BAR = 40  # characters
_LONG = 60  # characters of a type that is shown whole
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


def stats(workspace: "Workspace", *, json: bool = False) -> None:
    """Print counts by type, day and outcome, extremes, and oddities.

    With `json`, print one JSON object (`schemas/stats.schema.json`). Raise EventError.
    """
    numbers = _Numbers()
    unread: Counter[str] = Counter()
    for _, event, problem, when, odd in log_reader.read(workspace):
        if event is None:
            unread[str(problem)] += 1
        else:
            numbers.add(event, when)
            if odd:
                numbers.odd.update(odd)
    if json:
        say([json_format.dumps(numbers.facts() | {"unread": dict(ranked(unread))})])
    else:
        remark(numbers.lines(), unread, json=False)


class _Numbers:
    """Counts and extremes of the events so far."""

    def __init__(self) -> None:
        self.total = 0
        self._types: Counter[str] = Counter()
        self.days: Counter[date] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.odd: Counter[str] = Counter()
        self.first = _LATEST
        self.last = _EARLIEST
        self._begin = self._end = _EARLIEST
        self._day = date.min
        self._beat: datetime | None = None
        self._gap = timedelta()
        self._before_gap: datetime | None = None
        self._slowest = 0.0
        self._slow: tuple[str, Any, datetime | None] | None = None  # step, beat, time

    def add(self, event: dict[str, Any], when: datetime | None) -> None:
        """Count an event."""
        self.total += 1
        name = event.get("type")
        if name.__class__ is str and name in self._types:
            self._types[name] += 1
        else:
            name = name if isinstance(name, str) and len(name) <= _LONG else kind(event)
            _count(self._types, name)
        if when is not None:
            if not self._begin <= when < self._end:
                self._find_day(when)
            self.days[self._day] += 1
            if when > self.last:  # noqa: PLR1730 - max() takes three times as long
                self.last = when
            if when < self.first:  # noqa: PLR1730 - as above
                self.first = when
        if name == "heartbeat":
            self._heartbeat(event, when)

    def _find_day(self, when: datetime) -> None:
        """Find the local day of a time, for all times in the same quarter of an hour.

        Offsets from UTC are whole quarters, so no day begins within one.
        """
        self._begin = when.replace(minute=when.minute // 15 * 15, second=0, microsecond=0)
        self._end = self._begin + timedelta(minutes=15)
        self._day = when.astimezone().date()
        if self._day not in self.days and len(self.days) >= _MOST_KEYS:
            del self.days[min(self.days)]  # only the last days are shown

    def _heartbeat(self, event: dict[str, Any], when: datetime | None) -> None:
        _count(self.outcomes, short(event.get("outcome", "without outcome")))
        if when:
            if self._beat and when - self._beat > self._gap:
                self._gap, self._before_gap = when - self._beat, self._beat
            self._beat = when
        steps = event.get("steps")
        for name, step in steps.items() if isinstance(steps, dict) else ():
            seconds = as_number(as_object(step).get("seconds"))
            if seconds is not None and seconds > self._slowest:
                self._slowest, self._slow = seconds, (name, event.get("beat", ""), when)

    def facts(self) -> dict[str, object]:
        """Return the numbers for programs: times in UTC, seconds, None for unknown."""
        known = self.first <= self.last
        gap = {"seconds": self._gap.total_seconds(), "from": _utc(self._before_gap)}
        name, beat, when = self._slow or ("", "", None)
        slow = {
            "step": short(name),
            "seconds": self._slowest,
            "beat": short(beat),
            "ts": _utc(when),
        }
        return {
            "events": self.total,
            "first": _utc(self.first) if known else None,
            "last": _utc(self.last) if known else None,
            "types": dict(ranked(self._types)),
            "days": {day.isoformat(): self.days[day] for day in sorted(self.days)},
            "outcomes": dict(ranked(self.outcomes)),
            "longest_gap": gap if self._before_gap else None,
            "slowest_step": slow if self._slow else None,
            "odd": dict(ranked(self.odd)),
        }

    def lines(self) -> list[str]:
        """Return the numbers as lines for people."""
        kinds: Counter[str] = Counter()
        for name, number in self._types.items():
            kinds[printable(name)] += number
        said = [f"{self.total} events" if self.total else "no events yet"]
        if self.first <= self.last:
            said[0] += f", from {local(self.first)} to {local(self.last)}"
        said += [f"  {number:>8}  {name}" for name, number in ranked(kinds)[:_MOST_TYPES]]
        if len(kinds) > _MOST_TYPES:
            more = " or more" if len(self._types) == _MOST_KEYS else ""
            said.append(f"  and {len(kinds) - _MOST_TYPES}{more} further types")
        said += self._chart()
        if self.outcomes:
            said.append(f"heartbeats: {counts(self.outcomes)}")
        if self._before_gap:
            begun = local(self._before_gap)
            said.append(f"longest gap between heartbeats: {_span(self._gap)}, from {begun}")
        if self._slow:
            name, beat, when = self._slow
            at = f" at {local(when)}" if when else ""
            took = f"{self._slowest:.1f} s"
            said.append(f"slowest step: {short(name)}, {took}, in beat {short(beat)}{at}")
        if self.odd:
            said.append(f"read, but odd: {counts(self.odd)}")
        return said

    def _chart(self) -> list[str]:
        """Return a bar for each of the last days on which there were events."""
        shown = sorted(self.days)[-_DAYS:]
        most = max((self.days[day] for day in shown), default=0)
        width = len(str(most))
        return [
            f"  {day}  {self.days[day]:>{width}}  {'#' * max(1, self.days[day] * _BAR // most)}"
            for day in shown
        ]


def _count(counter: Counter[Any], key: object) -> None:
    """Count a key, unless it is new and there are too many keys."""
    if key in counter or len(counter) < _MOST_KEYS:
        counter[key] += 1


def _utc(when: datetime | None) -> str | None:
    return clock.iso(when) if when else None


def _span(gap: timedelta) -> str:
    """Return a duration as `3 days 4:05:06`."""
    days = f"{gap.days} day{'' if gap.days == 1 else 's'} " if gap.days else ""
    return f"{days}{timedelta(seconds=gap.seconds)}"
