"""The table of rules; each docstring says what a rule finds, and docs/resonance.md lists them."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from haios_dag.base import clock
from haios_dag.resonance import beat_rules, compound_rules, work_rules
from haios_dag.resonance.digest import digest
from haios_dag.resonance.story import Pattern, Story, StoryEvent

StoryRule = Callable[[Story], Iterator[Pattern]]

DIGEST = "digest"
RULES: dict[str, tuple[str, StoryRule]] = {
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


class Named(NamedTuple):
    """A finding and the rule that found it."""

    rule: str
    finding: Pattern


def findings(story: Story) -> list[Named]:
    """Return the findings that were complete after `story.since`, strongest first, then newest."""
    found = [
        Named(name, one)
        for name, (_, rule) in RULES.items()
        for one in rule(story)
        if one.at >= story.since
    ]
    return sorted(found, key=lambda one: (-one.finding.strength, -one.finding.at.timestamp()))


def as_json(named: Named) -> dict[str, Any]:
    """Return a finding as `schemas/resonance.schema.json` has it."""
    rule, finding = named
    return {
        "rule": rule,
        "family": RULES[rule][0],
        "strength": finding.strength,
        "says": finding.says[:_LONGEST],
        "at": clock.iso(finding.at),
        "evidence": [
            {"ts": clock.iso(event.when), "type": event.type, **facts(event)}
            for event in shown(finding)
        ],
    }


def shown(finding: Pattern) -> list[StoryEvent]:
    """Return the events to show for a finding, the first and the last ones of many."""
    found = list(finding.evidence)
    half = _EVIDENCE // 2
    return found if len(found) <= _EVIDENCE else found[:half] + found[-half:]


def facts(event: StoryEvent) -> dict[str, Any]:
    """Return the key facts that an event has."""
    item = {"item": event.item} if event.item else {}
    return item | {key: value for key, value in event.facts.items() if value and key != "well"}
