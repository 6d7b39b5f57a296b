"""The story that the rules read: the events that they know, from both logs, in one shape."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from haios_dag.schedule.due_times import Slots

MOST = 100_000
"""The most events that a story keeps; older ones are left out."""

LOOK_BACK_DAYS = 30
"""Days before the given instant that are read too, to understand what began there."""


class StoryEvent(NamedTuple):
    """One thing that happened.

    `type` is its type in the log; `kind` is what it means here: `beat`, `completion`, `phase`,
    `session` or `check`. `item` is the work item or the session's number, "" if the event does not
    say. `facts` are what the rules and the evidence need.
    """

    when: datetime
    type: str
    kind: str
    item: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a rule found: one line, a strength from 0 to 1, when it was complete, the events."""

    says: str
    strength: float
    at: datetime
    evidence: Sequence[StoryEvent]


@dataclass(frozen=True, kw_only=True)
class Story:
    """The events from 30 days before `since` to `until`, by kind, each kind in order of time.

    `others` is the number of events since then of types that no rule knows. `left_out` has the
    number of lines that were left out, by reason. `stuck_days` is the setting of that name.
    """

    since: datetime
    until: datetime
    stuck_days: float
    slots: Slots
    kinds: Mapping[str, Sequence[StoryEvent]]
    others: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def of(self, *kinds: str) -> list[StoryEvent]:
        """Return the events of some kinds in order of time."""
        found = [event for kind in kinds for event in self.kinds.get(kind, ())]
        return found if len(kinds) == 1 else sorted(found, key=lambda event: event.when)

    def by_item(self, *kinds: str) -> dict[str, list[StoryEvent]]:
        """Return the events of some kinds by their item, in order of time."""
        found: dict[str, list[StoryEvent]] = {}
        for event in self.of(*kinds):
            found.setdefault(event.item, []).append(event)
        return found


def runs(
    marks: Iterable[tuple[str, StoryEvent, bool]],
) -> Iterator[tuple[str, list[StoryEvent], bool]]:
    """Return each run of bad events of a key, and whether a good one ended it.

    `marks` are events in order of time, each with its key and whether it is good.
    """
    rows: dict[str, list[StoryEvent]] = {}
    for key, event, good in marks:
        if not good:
            rows.setdefault(key, []).append(event)
        elif key in rows:
            yield key, rows.pop(key), True
    for key, row in rows.items():
        yield key, row, False


def strength(base: float, magnitude: float, threshold: float, limit: float = 0.99) -> float:
    """Return `base` at the threshold, halfway from there to the limit at twice it, and so on."""
    if magnitude <= threshold or threshold <= 0:
        return base
    return round(base + (limit - base) * (1 - threshold / magnitude), 3)


def median(values: Iterable[float]) -> float:
    """Return the median of one or more numbers; importing `statistics` would take 8 ms."""
    found = sorted(values)
    return (found[len(found) // 2] + found[(len(found) - 1) // 2]) / 2


def sort(found: Iterable[StoryEvent]) -> dict[str, list[StoryEvent]]:
    """Return events by kind, each kind in order of time."""
    kinds: dict[str, list[StoryEvent]] = {}
    for one in sorted(found, key=lambda event: event.when):
        kinds.setdefault(one.kind, []).append(one)
    return kinds
