"""Compound effects: events that reinforce each other."""

from collections.abc import Iterator

from haios_dag.resonance.story import Pattern, Story, StoryEvent, strength

_GOOD = 0.69  # the highest strength of good news, so that repeated trouble comes before it
_FREED = 2  # items
_LONGEST = 100  # items of a chain that are followed
_TOLD = 5
_POINTS = 5  # per cent
_WAVE = 2  # beats after the one that read the documents
_DOCUMENTS, _INSIGHTS = 5, 3


def unblocked_chain(story: Story) -> Iterator[Pattern]:
    """Find a completion that freed two or more items, at once or through items that it freed.

    From `unblock:ID` in the effects of a `cascade`. The later completion of a freed item continues
    the chain. A chain is told once, from its first completion on.
    """
    freed: dict[str, tuple[StoryEvent, list[str]]] = {}
    for one in story.of("completion"):
        effects = one.facts.get("effects", ())
        names = [e.removeprefix("unblock:") for e in effects if e.startswith("unblock:")]
        if names and one.item not in freed:
            freed[one.item] = one, names
    told: set[str] = set()
    for root, (first, _) in freed.items():  # in order of time, so a chain comes before its parts
        if root in told:
            continue
        chain, names = _chain(freed, first)
        told |= {one.item for one in chain}
        if len(names) >= _FREED:
            how = f"through {len(chain)} completions" if len(chain) > 1 else "at once"
            says = f"completing {root} freed {len(names)} items {how}: {', '.join(names[:_TOLD])}"
            yield Pattern(says, strength(0.6, len(names), _FREED, _GOOD), chain[-1].when, chain)


def _chain(
    freed: dict[str, tuple[StoryEvent, list[str]]], first: StoryEvent
) -> tuple[list[StoryEvent], list[str]]:
    chain, names, ahead = [first], dict[str, None](), [first]
    while ahead and len(names) < _LONGEST:
        one = ahead.pop(0)
        for name in freed[one.item][1]:
            if name in names or name == first.item:
                continue
            names[name] = None
            following = freed[name][0] if name in freed else None
            if following and following.when > one.when:
                chain.append(following)
                ahead.append(following)
    return sorted(chain, key=lambda event: event.when), list(names)


def milestone_moved(story: Story) -> Iterator[Pattern]:
    """Find a completion that moved its milestone.

    From `milestone:+N` in the effects of a `cascade`, where N are percentage points.
    """
    for one in story.of("completion"):
        for effect in one.facts.get("effects", ()):
            points = effect.removeprefix("milestone:+")
            if points != effect and points.isdecimal() and points.isascii() and int(points):
                says = f"completing {one.item} moved its milestone by {points} points"
                yield Pattern(says, strength(0.4, int(points), _POINTS, _GOOD), one.when, [one])


def documents_grew_insights(story: Story) -> Iterator[Pattern]:
    """Find beats that read five or more documents and with which three or more insights grew.

    Grew means new or revised, in the same beat or the two after it. Such beats that follow each
    other within that reach are one wave, told once.
    """
    wave: list[StoryEvent] = []
    reach = -1
    for index, one in enumerate(story.of("beat")):
        if index > reach:
            yield from _wave(wave)
            wave = []
        if one.facts["documents"] >= _DOCUMENTS:
            reach = index + _WAVE
        if index <= reach:
            wave.append(one)
    yield from _wave(wave)


def _wave(beats: list[StoryEvent]) -> Iterator[Pattern]:
    """Tell of beats that read documents, if insights grew with them."""
    documents, new, revised = (
        sum(one.facts[key] for one in beats) for key in ("documents", "insights", "revised")
    )
    if new + revised >= _INSIGHTS:
        grown = [one for one in beats if one.facts["insights"] + one.facts["revised"]]
        says = (
            f"{documents} documents changed, and {new} insights came and {revised} grew with them"
        )
        shown = [one for one in beats if one is beats[0] or one in grown[:_TOLD]]
        yield Pattern(says, strength(0.3, new + revised, _INSIGHTS, _GOOD), grown[-1].when, shown)
