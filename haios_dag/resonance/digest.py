"""The digest: what happened since an instant, in one line."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from haios_dag.resonance.story import Pattern, Story, StoryEvent, median

_NAMED = 5  # items
_HOUR = timedelta(hours=1)


def digest(story: Story) -> Iterator[Pattern]:
    """Find what happened, in numbers: beats by outcome, products, sessions, items.

    A session's length is from its start to its end, if the log has both.
    """
    kinds = {
        kind: recent
        for kind, found in story.kinds.items()
        if (recent := [one for one in found if one.when >= story.since])
    }
    if not kinds and not story.others:
        return
    parts = [
        *_beats(kinds.get("beat", [])),
        *_sessions(kinds.get("session", [])),
        *_completions(kinds.get("completion", [])),
    ]
    if phases := kinds.get("phase"):
        items = len({one.item for one in phases})
        parts.append(f"{_many(len(phases), 'phase')} of {_many(items, 'item')}")
    if others := story.others + len(kinds.get("check", [])):
        parts.append(_many(others, "other event"))
    last = [events[-1] for events in kinds.values()]
    yield Pattern("; ".join(parts), 1.0, story.until, sorted(last, key=lambda one: one.when))


def _beats(beats: list[StoryEvent]) -> Iterator[str]:
    if beats:
        outcomes = Counter(one.facts["outcome"] for one in beats)
        ranked = sorted(outcomes.items(), key=lambda one: (-one[1], one[0]))
        said = ", ".join(f"{number:,} {outcome}" for outcome, number in ranked[:6])
        yield f"{_many(len(beats), 'beat')}: {said}"
        sums = [
            _many(total, noun)
            for key, noun in (
                ("documents", "document"),
                ("insights", "new insight"),
                ("revised", "revised insight"),
                ("bridges", "new bridge"),
            )
            if (total := sum(one.facts[key] for one in beats))
        ]
        if sums:
            yield ", ".join(sums)


def _sessions(sessions: list[StoryEvent]) -> Iterator[str]:
    if not sessions:
        return
    starts: dict[str, StoryEvent] = {}
    lengths = []
    for one in sessions:
        if one.facts["action"] == "start":
            starts.setdefault(one.item, one)
        elif one.item and (start := starts.get(one.item)):
            lengths.append((one.when - start.when) / _HOUR)
    said = _many(len({one.item for one in sessions}), "session")
    yield said + (f", half of them within {median(lengths):.1f} h" if lengths else "")


def _completions(completions: list[StoryEvent]) -> Iterator[str]:
    if items := list(dict.fromkeys(one.item for one in completions)):
        more = f" and {len(items) - _NAMED:,} more" if len(items) > _NAMED else ""
        yield f"{_many(len(items), 'item')} completed: {', '.join(items[-_NAMED:])}{more}"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
