"""The keys of the status that say what needs attention: signals and resonance."""

from collections.abc import Mapping, Sequence
from typing import Any

from haios_dag import events
from haios_dag.base import clock
from haios_dag.base.console import printable
from haios_dag.base.errors import EventError
from haios_dag.base.json_values import as_object
from haios_dag.base.workspace import Workspace
from haios_dag.resonance import recent_findings
from haios_dag.status import signals
from haios_dag.status.signals import SignalFacts

_WAITING = "unembedded", "unconsidered", "waiting_pairs"

Keys = Mapping[str, Any]


def keys(
    workspace: Workspace, before: Keys, *, pulse: Keys, memory: Keys | None, work: Keys
) -> tuple[dict[str, Any], list[str]]:
    """Return `signals`, `signal_sources` and `resonance`, and warnings; print changed signals.

    `before` is the slim status until now. `work` has `milestones`, `blocked`, `stale` and
    `completed` of `signals.SignalFacts`. Raise ConfigError or EventError.
    """
    settings = workspace.config.signals
    warnings = []
    try:
        resonance = recent_findings.look(workspace, before.get("resonance"), missed=pulse["missed"])
    except EventError as error:  # the rest of the status is still useful
        resonance = {"newest": "", "findings": []}
        warnings.append(str(error))
    facts = SignalFacts(
        **work,
        missed=pulse["missed"],
        failing=_failing(pulse),
        waiting=_waiting(workspace, memory, settings.backlog_beats),
        memory=memory,
        memory_before=as_object(before.get("memory")),
        findings=resonance["findings"],
    )
    sources, quiet = signals.watch(
        facts, as_object(before.get("signal_sources")), settings, clock.now()
    )
    found = signals.judge(facts, settings, quiet)
    for line in signals.changes(found, before.get("signals")):
        print(f"   {printable(line)}")
    return {"signals": found, "signal_sources": sources, "resonance": resonance}, warnings


def waiting(memory: Keys | None) -> int | None:
    """Return how many items and pairs wait in memory; None when unknown."""
    found = [(memory or {}).get(name) for name in _WAITING]
    known = [one for one in found if isinstance(one, int)]
    return sum(known) if len(known) == len(found) else None


def _waiting(workspace: Workspace, memory: Keys | None, beats: int) -> Sequence[int]:
    """Return how many waited after each of the last beats, by their events, and now."""
    now = waiting(memory)
    if not now:  # none or unknown: no growth
        return ()
    past = []
    for entry in events.recent(workspace, beats, "heartbeat"):
        steps = as_object((entry.event or {}).get("steps"))
        found = as_object(steps.get("status")).get("waiting")
        if isinstance(found, int):
            past.append(found)
    return [*past, now]


def _failing(pulse: Keys) -> int:
    """Return how many beats in a row did not go well, up to the one under way."""
    streak = pulse["streak"]
    past = streak["beats"] if streak and streak["outcome"] == "failing" else 0
    if pulse["beat"] is None:  # run by hand
        return int(past)
    return past + 1 if "failed" in pulse["outcomes"].values() else 0
