"""What the rules look at: the events that they know, in one shape whichever log they come from."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from haios_dag.schedule.due_times import Slots

MOST = 100_000
"""Events that a story keeps, the newest ones."""

LOOK_BACK_DAYS = 30
"""Days before the instant asked for that are read too, so that what began there is understood."""


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
    """What a rule found: in one line, how strong from 0 to 1, when it was complete, and why."""

    says: str
    strength: float
    at: datetime
    evidence: Sequence[StoryEvent]


@dataclass(frozen=True, kw_only=True)
class Story:
    """The events from 30 days before `since` to `until`, by kind, each kind in order of time.

    `counted` has the number of events of each type since then that no rule knows. `left_out` says
    of how many lines nothing is told, and why. `stuck_days` is the setting of that name.
    """

    since: datetime
    until: datetime
    stuck_days: float
    slots: Slots
    kinds: Mapping[str, Sequence[StoryEvent]]
    counted: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def of(self, *kinds: str) -> list[StoryEvent]:
        """Return the events of some kinds in order of time."""
        found = [event for kind in kinds for event in self.kinds.get(kind, ())]
        return found if len(kinds) == 1 else sorted(found, key=lambda event: event.when)

    def by_item(self, *kinds: str) -> dict[str, list[StoryEvent]]:
        """Return the events of some kinds that name an item, by that, in order of time."""
        found: dict[str, list[StoryEvent]] = {}
        for event in self.of(*kinds):
            if event.item:
                found.setdefault(event.item, []).append(event)
        return found


def strength(base: float, magnitude: float, threshold: float, limit: float = 0.99) -> float:
    """Return `base` at the threshold, halfway from there to the limit at twice that, and so on."""
    if magnitude <= threshold or threshold <= 0:
        return base
    return round(base + (limit - base) * (1 - threshold / magnitude), 3)


def median(values: Iterable[float]) -> float:
    """Return the middle of some numbers, one at least; importing `statistics` takes 8 ms."""
    found = sorted(values)
    return (found[len(found) // 2] + found[(len(found) - 1) // 2]) / 2


def sort(found: Iterable[StoryEvent]) -> dict[str, list[StoryEvent]]:
    """Return events by kind, each kind in order of time."""
    kinds: dict[str, list[StoryEvent]] = {}
    for one in sorted(found, key=lambda event: event.when):
        kinds.setdefault(one.kind, []).append(one)
    return kinds
