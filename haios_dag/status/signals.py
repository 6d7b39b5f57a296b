"""Signals: what in the status needs attention, each by one rule with a threshold in `[signals]`.

The first four rules are HAIOS's. Its documents on thresholds say why a source that stands still
must be quiet: milestones that were no longer in use nagged until all signals were switched off.
"""

import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from haios_dag import events
from haios_dag.base import clock
from haios_dag.base.config import Signals as Settings
from haios_dag.base.console import printable
from haios_dag.base.errors import EventError
from haios_dag.base.json_values import as_count, as_list, as_object, as_texts
from haios_dag.base.workspace import Workspace
from haios_dag.resonance import recent_findings

Keys = Mapping[str, Any]
Signal = dict[str, Any]

_NAMED = 5
_DONE = 100  # per cent
_DRIFTING = "concepts", "embedded"
_WAITING = "unembedded", "unconsidered", "waiting_pairs"


@dataclass(frozen=True, kw_only=True)
class SignalFacts:
    """What the signals are judged by; None is unknown and gives no signal.

    `milestones`: by id, each with `progress` in per cent. `blocked`: the blockers of each item.
    `stale`: `count`, and `items` of `path` and `days_stale`, without finished documents.
    `completed`: items completed since the last status. `missed`: beats missed before this one.
    `failing`: beats in a row that did not go well. `waiting`: how many items waited in memory after
    each of the last beats, oldest first. `memory` and `memory_before`: counts, now and in the last
    status. `findings`: of resonance, strongest first.
    """

    milestones: Mapping[str, Mapping[str, Any]] | None = None
    blocked: Mapping[str, Sequence[str]] | None = None
    stale: Mapping[str, Any] | None = None
    completed: Sequence[str] | None = None
    missed: int | None = None
    failing: int = 0
    waiting: Sequence[int] = ()
    memory: Mapping[str, Any] | None = None
    memory_before: Mapping[str, Any] | None = None
    findings: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


SignalText = tuple[str, dict[str, Any]]
SignalRule = Callable[[SignalFacts, Settings], SignalText | None]


def keys(
    workspace: Workspace, before: Keys, *, pulse: Keys, memory: Keys | None, work: Keys
) -> tuple[dict[str, Any], list[str]]:
    """Return `signals`, `signal_sources` and `resonance`, and warnings; print changed signals.

    `before` is the slim status until now. `work` has `milestones`, `blocked`, `stale` and
    `completed` of `SignalFacts`. Raise ConfigError or EventError.
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
    sources, quiet = watch(facts, as_object(before.get("signal_sources")), settings, clock.now())
    found = judge(facts, settings, quiet)
    for line in changes(found, before.get("signals")):
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
    steps = [
        as_object((entry.event or {}).get("steps"))
        for entry in events.recent(workspace, beats, "heartbeat")
    ]
    past = [as_count(as_object(one.get("status")).get("waiting")) for one in steps]
    return [*(one for one in past if one is not None), now]


def _failing(pulse: Keys) -> int:
    """Return how many beats in a row did not go well, up to the one under way."""
    streak = pulse["streak"]
    past = streak["beats"] if streak and streak["outcome"] == "failing" else 0
    if pulse["beat"] is None:  # run by hand
        return int(past)
    return past + 1 if "failed" in pulse["outcomes"].values() else 0


def judge(facts: SignalFacts, settings: Settings, quiet: Iterable[str] = ()) -> list[Signal]:
    """Return the signals (`schemas/signal.schema.json`), except those of quiet sources."""
    silent = set(quiet)
    return [
        {"name": name, "says": said[0], "evidence": said[1]}
        for name, (source, rule) in SIGNALS.items()
        if source not in silent and (said := rule(facts, settings))
    ]


def watch(
    facts: SignalFacts, before: Mapping[str, Any], settings: Settings, now: datetime
) -> tuple[dict[str, Any], list[str]]:
    """Return since when each source has been unchanged, and those unchanged for too long.

    `before` is what was returned for the last status. Sources that it does not have, or not in this
    form, count as new.
    """
    sources = {
        "milestones": facts.milestones,
        "blocked": facts.blocked,
        "stale": facts.stale
        and facts.stale["count"]
        and [facts.stale["count"], *sorted(str(one.get("path")) for one in facts.stale["items"])],
    }
    kept: dict[str, Any] = {}
    quiet = []
    for name, value in sources.items():
        if not value:  # it gives no signal
            continue
        mark = zlib.crc32(json.dumps(value, sort_keys=True, default=str).encode())
        known = as_object(before.get(name))
        since = _instant(known.get("since"), now) if known.get("mark") == mark else now
        kept[name] = {"mark": mark, "since": clock.iso(since)}
        if now - since > timedelta(days=settings.quiet_days):
            quiet.append(name)
    return kept, quiet


def changes(signals: Iterable[Signal], before: object) -> Iterator[str]:
    """Yield a line for each signal that is new or over since `before`, the list until now."""
    known = set(as_texts([as_object(one).get("name") for one in as_list(before)]))
    now = {one["name"]: one for one in signals}
    for name, one in now.items():
        if name not in known:
            yield f"signal: {name} {one['says']}"
    for name in sorted(known - now.keys()):
        yield f"over: {name}"


def _instant(text: object, now: datetime) -> datetime:
    """Return the instant in a text, at most `now`; `now` when it has none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return now
    return min(found, now) if found.tzinfo else now


# --- rules ---------------------------------------------------------------------------------------


def approaching(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell that a milestone is above `approaching_above` per cent, 90 by default, and below 100.

    At 100 there is nothing to approach; HAIOS once warned of that for weeks.
    """
    near = {
        name: one["progress"]
        for name, one in (facts.milestones or {}).items()
        if one.get("progress") is not None and settings.approaching_above < one["progress"] < _DONE
    }
    if not near:
        return None
    said = _names([f"{name} is at {progress:g}%" for name, progress in near.items()])
    return said, {"milestones": near}


def bottleneck(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell that more items than `bottleneck_above` are blocked by unfinished ones."""
    blocked = facts.blocked or {}
    if len(blocked) <= settings.bottleneck_above:
        return None
    shown = dict(itertools.islice(blocked.items(), 2 * _NAMED))
    said = f"{len(blocked)} items are blocked: {_names(list(blocked))}"
    return said, {"blocked": len(blocked), "items": {key: list(by) for key, by in shown.items()}}


def attention(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell that more documents than `attention_above` are stale; finished ones do not count."""
    if facts.stale is None or facts.stale["count"] <= settings.attention_above:
        return None
    items = list(facts.stale["items"])[:_NAMED]
    said = f"{facts.stale['count']} documents are stale"
    if items:
        said += f": {_names([str(one['path']) for one in items], facts.stale['count'])}"
    return said, {"stale": facts.stale["count"], "items": items}


def momentum(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell that more items than `momentum_above` were completed since the last status."""
    completed = list(facts.completed or ())
    if len(completed) <= settings.momentum_above:
        return None
    said = f"{len(completed)} items were completed: {_names(completed)}"
    return said, {"completed": len(completed), "items": completed[: 2 * _NAMED]}


def late(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell that more beats than `late_above` were missed before this one."""
    missed = facts.missed or 0
    if missed <= settings.late_above:
        return None
    many = "1 beat was" if missed == 1 else f"{missed:,} beats were"
    return f"{many} missed before this one", {"missed": missed}


def degraded(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell that `degraded_beats` beats in a row, this one included, did not go well."""
    if facts.failing < settings.degraded_beats:
        return None
    return f"{facts.failing} beats in a row did not go well", {"beats": facts.failing}


def backlog(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell that the backlog of memory grew in each of `backlog_beats` beats, this one included.

    The backlog is what has no vector, is not clustered or not bridged: `waiting` of the step
    `status` in the events.
    """
    last = list(facts.waiting)[-settings.backlog_beats - 1 :]
    grown = all(before < after for before, after in itertools.pairwise(last))
    if len(last) <= settings.backlog_beats or not grown:
        return None
    said = f"the backlog of memory grew from {last[0]:,} to {last[-1]:,} in {len(last) - 1} beats"
    return said, {"waiting": last}


def memory(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell that more than `memory_percent` of the concepts, or of their vectors, are gone.

    Counted since the last status, with vectors of the space in use. A beat deletes neither: another
    program did, the memory is another one, or its vectors are of another space.
    """
    fell: dict[str, list[int]] = {}
    for name in _DRIFTING:
        before, now = ((counts or {}).get(name) for counts in (facts.memory_before, facts.memory))
        if type(before) is int and type(now) is int:
            lost = before - now
            if lost > 0 and lost * _DONE > settings.memory_percent * before:
                fell[name] = [before, now]
    if not fell:
        return None
    said = ", ".join(f"{name} fell from {was:,} to {now:,}" for name, (was, now) in fell.items())
    return said, fell


def resonance(facts: SignalFacts, settings: Settings) -> SignalText | None:
    """Tell the strongest anti-pattern in the events, if it has at least `resonance_strength`."""
    for one in facts.findings:
        if one["family"] == "anti-pattern" and one["strength"] >= settings.resonance_strength:
            return str(one["says"]), {key: one[key] for key in ("rule", "strength", "at")}
    return None


SIGNALS: dict[str, tuple[str, SignalRule]] = {
    "APPROACHING": ("milestones", approaching),
    "BOTTLENECK": ("blocked", bottleneck),
    "ATTENTION": ("stale", attention),
    "MOMENTUM": ("completed", momentum),
    "LATE": ("beats", late),
    "DEGRADED": ("beats", degraded),
    "BACKLOG": ("beats", backlog),
    "MEMORY": ("memory", memory),
    "RESONANCE": ("events", resonance),
}
"""Each signal with its source and its rule."""


def _names(names: Sequence[str], total: int | None = None) -> str:
    more = (len(names) if total is None else total) - len(names[:_NAMED])
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
