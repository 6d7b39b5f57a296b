"""Anti-patterns of the beats, and rhythm: when beats come, and when work is done."""

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from haios_dag.resonance.story import Pattern, Story, StoryEvent, median, runs, strength

_FAILURES = 3
_WEEK = timedelta(days=7)
_BEATS, _SLOWER, _BY = 10, 1.5, 0.5  # in each week, times, seconds
_MISSED, _INTERVALS = 3, 3
_WORK, _SHARE, _HOURS, _DAY = 20, 0.8, 8, 24


def failing_step(story: Story) -> Iterator[Pattern]:
    """Find a step that failed in three or more beats without a success between.

    A step succeeds if it runs, or is skipped because it has no work: after a failure its work
    waits.
    """
    steps = (
        (name, one, good)
        for one in story.of("beat")
        for key, good in (("well", True), ("failed", False))
        for name in one.facts[key]
    )
    for name, row, over in runs(steps):
        if len(row) >= _FAILURES:
            error = row[-1].facts["failed"][name]
            tense = "failed" if over else "has failed"
            says = f"{name} {tense} in {len(row)} beats in a row, last with: {error}"
            power = strength(0.7, len(row), _FAILURES)
            yield Pattern(says, power, row[-1].when, [row[0], row[-1]])


def slower_beats(story: Story) -> Iterator[Pattern]:
    """Find weeks whose beats took one and a half times as long as those of the week before.

    By their medians, and half a second longer. Beats with work are compared with each other, and so
    are idle ones; each week has ten of them or more. Weeks are counted back from the newest beat.
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
    """Find a silence of three times the usual interval in which three or more beats were missed.

    Missed by the schedule as it is now. The usual interval is the median. The silence up to now
    counts too.
    """
    beats = story.of("beat")
    if not beats[1:]:
        return
    usual = median((b.when - a.when).total_seconds() for a, b in itertools.pairwise(beats))
    for before, after in itertools.zip_longest(beats, beats[1:]):
        end = after.when if after else max(story.until, before.when)
        silence = (end - before.when).total_seconds()
        if silence <= _INTERVALS * usual:
            continue
        # The beat that came at last, or is to come now, served one of those that were due.
        missed = story.slots.count(before.when, end) - 1
        if missed >= _MISSED:
            says = f"no beat came for {silence / 3600:.1f} h, and {missed:,} were missed"
            evidence = [before, after] if after else [before]
            yield Pattern(says, strength(0.5, missed, _MISSED), end, evidence)


def active_hours(story: Story) -> Iterator[Pattern]:
    """Find the hours of the day, eight or fewer, that have four fifths of the work.

    By local time. Work is every event other than a beat: completions, phases, sessions, checks;
    twenty or more. This is information rather than trouble, and so of the lowest strength.
    """
    kinds = story.of("completion", "phase", "session", "check")
    work = [one for one in kinds if one.when >= story.since]
    if len(work) < _WORK:
        return
    hours = Counter(one.when.astimezone().hour for one in work)
    for width in range(1, _HOURS + 1):
        sums = {h: sum(hours[(h + i) % _DAY] for i in range(width)) for h in range(_DAY)}
        start = max(sums, key=lambda hour: (sums[hour], -hour))
        if sums[start] >= _SHARE * len(work):
            share, end = sums[start] / len(work), (start + width) % _DAY
            says = (
                f"{share:.0%} of {len(work):,} events of work lie between {start}:00 and {end}:00"
            )
            yield Pattern(says, 0.1, work[-1].when, [work[0], work[-1]])
            return
