"""Anti-patterns of the beats, and rhythm: when they come, and when there is work."""

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from haios_dag.resonance.story import Pattern, Story, StoryEvent, median, strength

_FAILURES = 3
_WEEK = timedelta(days=7)
_BEATS, _SLOWER, _BY = 10, 1.5, 0.5  # in each week, times, seconds
_MISSED, _MOST_DUE = 3, 1000
_INTERVALS = 3
_WORK, _SHARE, _HOURS, _DAY = 20, 0.8, 8, 24


def failing_step(story: Story) -> Iterator[Pattern]:
    """Find a step that failed in three or more beats, and in none between did it go well.

    A step goes well that runs, or is skipped because there is no work: after a failure its work
    waits.
    """
    rows: dict[str, list[StoryEvent]] = {}
    for one in story.of("beat"):
        for name in one.facts["well"]:
            yield from _failed(name, rows.pop(name, []), over=True)
        for name in one.facts["failed"]:
            rows.setdefault(name, []).append(one)
    for name, row in rows.items():
        yield from _failed(name, row, over=False)


def _failed(name: str, row: list[StoryEvent], *, over: bool) -> Iterator[Pattern]:
    if len(row) >= _FAILURES:
        error = row[-1].facts["failed"][name]
        tense = "failed" if over else "has failed"
        says = f"{name} {tense} in {len(row)} beats in a row, last with: {error}"
        yield Pattern(says, strength(0.7, len(row), _FAILURES), row[-1].when, [row[0], row[-1]])


def slower_beats(story: Story) -> Iterator[Pattern]:
    """Find weeks whose beats took one and a half times as long as those of the week before.

    By their medians, and half a second longer. Beats with work are compared with such, idle ones
    with idle ones; each week has ten of them or more. Weeks are counted back from the newest beat.
    """
    ended = [one for one in story.of("beat") if one.facts["seconds"] is not None]
    if not ended:
        return
    newest = ended[-1].when
    for outcome in ("ok", "idle"):
        weeks: dict[int, list[StoryEvent]] = {}
        for one in ended:
            if one.facts["outcome"] == outcome:
                weeks.setdefault((newest - one.when) // _WEEK, []).append(one)
        for week, after in weeks.items():
            before = weeks.get(week + 1, [])
            if min(len(before), len(after)) < _BEATS:
                continue
            old, new = (median(one.facts["seconds"] for one in found) for found in (before, after))
            if new >= _SLOWER * old and new - old >= _BY:
                says = f"{outcome} beats took {new:.1f} s, {old:.1f} s in the week before"
                power = strength(0.5, new / max(old, 0.001), _SLOWER)
                yield Pattern(says, power, after[-1].when, [before[-1], after[-1]])


def gap(story: Story) -> Iterator[Pattern]:
    """Find a silence of three times the usual interval, in which three beats or more were missed.

    Missed by the schedule as it is now. The usual interval is the median. The silence up to now
    counts too.
    """
    beats = story.of("beat")
    times = [one.when for one in beats]
    spans = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
    if not spans:
        return
    usual = median(spans)
    ends: list[tuple[datetime, StoryEvent | None]] = [(one.when, one) for one in beats[1:]]
    ends.append((max(story.until, times[-1]), None))
    for before, (end, after) in zip(beats, ends, strict=True):
        if (end - before.when).total_seconds() <= _INTERVALS * usual:
            continue
        due = sum(1 for _ in itertools.islice(story.slots.between(before.when, end), _MOST_DUE))
        missed = due - 1  # of which the beat that came at last, or is to come now, served one
        if missed >= _MISSED:
            hours = (end - before.when).total_seconds() / 3600
            says = f"no beat came for {hours:.1f} h, and {missed:,} were missed"
            evidence = [before, after] if after else [before]
            yield Pattern(says, strength(0.5, missed, _MISSED), end, evidence)


def active_hours(story: Story) -> Iterator[Pattern]:
    """Find the hours of the day, eight or fewer, in which four fifths of the work lie.

    By local time. Work is whatever is no beat: completions, phases, sessions, milestones, checks;
    twenty or more since. It is no trouble, only good to know, and so of the lowest strength.
    """
    work = [
        one
        for one in story.of("completion", "phase", "session", "check")
        if one.when >= story.since
    ]
    if len(work) < _WORK:
        return
    hours = Counter(one.when.astimezone().hour for one in work)
    for width in range(1, _HOURS + 1):
        sums = {h: sum(hours[(h + i) % _DAY] for i in range(width)) for h in range(_DAY)}
        start = max(sums, key=lambda hour: (sums[hour], -hour))
        if sums[start] >= _SHARE * len(work):
            share = sums[start] / len(work)
            end = (start + width) % _DAY
            says = (
                f"{share:.0%} of {len(work):,} events of work lie between {start}:00 and {end}:00"
            )
            yield Pattern(says, 0.1, work[-1].when, [work[0], work[-1]])
            return
