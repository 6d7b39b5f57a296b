"""Anti-patterns in the agents' work: items, phases, sessions, gates."""

import bisect
import itertools
from collections.abc import Iterator
from datetime import timedelta

from haios_dag.resonance.story import Pattern, Story, StoryEvent, runs, strength

CYCLES = (
    ("PLAN", "DO", "CHECK", "DONE", "CHAIN"),
    ("EXPLORE", "HYPOTHESIZE", "VALIDATE", "CONCLUDE", "CHAIN"),
    ("HYPOTHESIZE", "EXPLORE", "CONCLUDE", "CHAIN"),
    ("EXPLORE", "SPECIFY", "CRITIQUE", "COMPLETE"),
    ("EXPLORE", "DESIGN", "PLAN", "DO", "CHECK", "DONE"),
)
"""The cycles of HAIOS: implementation, investigation and its older form, design, the whole."""

CHECKS = {"CHECK", "VALIDATE", "VERIFY", "CRITIQUE"}
"""Phases in which work is checked."""

RESTING = {"", "BACKLOG", "DONE", "CHAIN", "CONCLUDE", "COMPLETE", "CLOSED", "ARCHIVE", "NULL"}
"""Phases without work in progress, so that no item is stuck in them."""

_DAY = timedelta(days=1)
_CLOSURES, _CLOSED_WITHIN, _CHECKED_WITHIN = 3, timedelta(minutes=10), timedelta(days=7)
_ENDS_WITHIN = timedelta(days=14)
_REFUSALS = 3


def stuck(story: Story) -> Iterator[Pattern]:
    """Find an item that stayed in one phase for more than `[resonance] stuck_days`, by default two.

    The stay ends with the item's next phase or its completion, or else with the newest event other
    than a beat: while all work rests, no item gets stuck.
    """
    moving = [one.when for kind, found in story.kinds.items() if kind != "beat" for one in found]
    newest = max(moving, default=story.since)
    for item, moves in story.by_item("phase", "completion").items():
        for entered, left in _stays(moves):
            phase = entered.facts.get("to", "")
            days = ((left.when if left else newest) - entered.when) / _DAY
            if entered.kind == "phase" and phase not in RESTING and days > story.stuck_days:
                how = "was" if left else "has been"
                says = f"{item} {how} in {phase} for {days:.1f} days"
                power = strength(0.5 if left else 0.6, days, story.stuck_days)
                evidence = [entered, left] if left else [entered]
                yield Pattern(says, power, left.when if left else newest, evidence)


def _stays(moves: list[StoryEvent]) -> Iterator[tuple[StoryEvent, StoryEvent | None]]:
    """Yield each entry of an item into a phase, with the event that ended its stay there."""
    entered = moves[0]
    for one in moves[1:]:
        if one.kind != entered.kind or one.facts.get("to") != entered.facts.get("to"):
            yield entered, one
            entered = one
    yield entered, None


def skipped_phase(story: Story) -> Iterator[Pattern]:
    """Find an item that went from a phase to a later one of its cycle and left out those between.

    A step that is right in any of the cycles is not a skip, nor is going back. The phase that the
    item left is the one that the event names, else the one that it entered before.
    """
    for item, moves in story.by_item("phase").items():
        before: StoryEvent | None = None
        for one in moves:
            start = one.facts["from"] or (before.facts["to"] if before else "")
            if missing := _missing(start, one.facts["to"]):
                says = f"{item} went from {start} to {one.facts['to']} without {', '.join(missing)}"
                power = 0.65 if CHECKS & set(missing) else 0.45
                yield Pattern(says, power, one.when, [before, one] if before else [one])
            before = one


def _missing(start: str, end: str) -> tuple[str, ...]:
    """Return the phases left out between two, by the cycle that has the fewest between them."""
    ways = [
        cycle[cycle.index(start) + 1 : cycle.index(end)]  # () when going back
        for cycle in CYCLES
        if start in cycle and end in cycle
    ]
    return min(ways, key=len, default=())


def orphan_session(story: Story) -> Iterator[Pattern]:
    """Find a session that began and never ended, although a later one has begun.

    Only if some session ended in the two weeks before it or since: otherwise ends are not written.
    """
    starts: dict[str, StoryEvent] = {}
    ends: list[StoryEvent] = []
    ended: set[str] = set()
    latest = ""
    for one in story.of("session"):
        if one.facts["action"] == "start" and one.item:
            starts.setdefault(one.item, one)
            latest = one.item
        elif one.facts["action"] == "end":
            ends.append(one)
            ended.add(one.item or latest)
    for one, following in itertools.pairwise(starts.values()):
        if one.item not in ended and ends and ends[-1].when >= one.when - _ENDS_WITHIN:
            says = f"session {one.item} never ended; session {following.item} began after it"
            yield Pattern(says, 0.4, following.when, [one, following])


def closures_without_checks(story: Story) -> Iterator[Pattern]:
    """Find three or more items completed within ten minutes, none of them checked in seven days.

    Checked means that it entered CHECK, VALIDATE, VERIFY or CRITIQUE, or passed a gate. Only if
    some item was checked: otherwise checks are not written.
    """
    checks: dict[str, list[StoryEvent]] = {}
    for one in story.of("phase", "check"):
        if one.facts.get("to") in CHECKS or one.facts.get("result") == "pass":
            checks.setdefault(one.item, []).append(one)
    if not checks:
        return
    first: dict[str, StoryEvent] = {}  # both logs, or a cascade, may tell of a completion again
    for one in story.of("completion"):
        first.setdefault(one.item, one)
    closed = [
        one
        for one in first.values()
        if not any(
            one.when - _CHECKED_WITHIN <= check.when <= one.when
            for check in checks.get(one.item, ())
        )
    ]
    times = [one.when for one in closed]
    start = 0
    while start < len(closed):
        group = closed[start : bisect.bisect_right(times, times[start] + _CLOSED_WITHIN)]
        if len(group) < _CLOSURES:
            start += 1
            continue
        start += len(group)
        minutes = (group[-1].when - group[0].when).total_seconds() / 60
        names = ", ".join(one.item for one in group[:5])
        says = f"{len(group)} items were completed within {minutes:.0f} min unchecked: {names}"
        yield Pattern(says, strength(0.6, len(group), _CLOSURES), group[-1].when, group)


def failing_gate(story: Story) -> Iterator[Pattern]:
    """Find a gate that refused an item, or warned, three or more times without a pass between.

    From `ValidationOutcome` and `GateViolation` of the governance log.
    """
    checks = (
        (
            f"gate {one.facts['gate']} did not pass {one.item or 'work without an item'}",
            one,
            one.facts["result"] == "pass",
        )
        for one in story.of("check")
    )
    for refused, row, _ in runs(checks):
        if len(row) >= _REFUSALS:
            says = f"{refused} {len(row)} times in a row"
            power = strength(0.4, len(row), _REFUSALS)
            yield Pattern(says, power, row[-1].when, [row[0], row[-1]])
