"""The table of rules; each docstring says what a rule finds, and docs/resonance.md lists them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from haios_dag.base import clock
from haios_dag.resonance import beat_rules, compound_rules, work_rules
from haios_dag.resonance.digest import digest
from haios_dag.resonance.story import Pattern, Story, StoryEvent

DIGEST = "digest"
RULES: dict[str, tuple[str, Callable[[Story], Iterator[Pattern]]]] = {
    DIGEST: ("what happened", digest),
    "unblocked-chain": ("compound effect", compound_rules.unblocked_chain),
    "milestone-moved": ("compound effect", compound_rules.milestone_moved),
    "documents-grew-insights": ("compound effect", compound_rules.documents_grew_insights),
    "stuck": ("anti-pattern", work_rules.stuck),
    "skipped-phase": ("anti-pattern", work_rules.skipped_phase),
    "orphan-session": ("anti-pattern", work_rules.orphan_session),
    "closures-without-checks": ("anti-pattern", work_rules.closures_without_checks),
    "failing-gate": ("anti-pattern", work_rules.failing_gate),
    "failing-step": ("anti-pattern", beat_rules.failing_step),
    "slower-beats": ("anti-pattern", beat_rules.slower_beats),
    "gap": ("rhythm", beat_rules.gap),
    "active-hours": ("rhythm", beat_rules.active_hours),
}

_EVIDENCE = 6  # events of a finding that are shown
_LONGEST = 500  # characters


def findings(story: Story) -> list[dict[str, Any]]:
    """Return the findings that were complete after `story.since`, strongest first, then newest.

    Each is as `schemas/resonance.schema.json` has it, with the first and the last of many events.
    """
    found = [
        (name, family, one)
        for name, (family, rule) in RULES.items()
        for one in rule(story)
        if one.at >= story.since
    ]
    found.sort(key=lambda one: (-one[2].strength, -one[2].at.timestamp()))
    return [
        {
            "rule": name,
            "family": family,
            "strength": one.strength,
            "says": one.says[:_LONGEST],
            "at": clock.iso(one.at),
            "evidence": [_evidence(event) for event in _ends(one.evidence)],
        }
        for name, family, one in found
    ]


def _ends(events: Sequence[StoryEvent]) -> list[StoryEvent]:
    half = _EVIDENCE // 2
    return [*events] if len(events) <= _EVIDENCE else [*events[:half], *events[-half:]]


def _evidence(event: StoryEvent) -> dict[str, Any]:
    """Return the key facts that an event has."""
    facts = {"item": event.item, **event.facts}
    known = {key: value for key, value in facts.items() if value and key != "well"}
    return {"ts": clock.iso(event.when), "type": event.type, **known}
