"""The command `resonance`: findings for people and programs."""

import json as json_format
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from haios_dag.base import clock
from haios_dag.base.console import printable, say
from haios_dag.base.workspace import Workspace
from haios_dag.events import Entry, dates, show_events
from haios_dag.resonance import rules, story_reader
from haios_dag.resonance.rules import DIGEST

_OF_A_RULE = 5  # findings that are shown to people; JSON has them all


def show(workspace: Workspace, since: str, *, json: bool) -> None:
    """Print what was left out and the findings, strongest first; with `json`, these as JSON."""
    now = clock.now()
    instant = dates.since(since, now)
    story = story_reader.since(workspace, instant)
    found = rules.findings(story)
    remarks = [dates.understood(since, instant, now)]
    if story.left_out:
        remarks.append(printable(f"left out: {show_events.counts(story.left_out)}"))
    if not found:
        remarks.append("no events since then")
    elif [one["rule"] for one in found] == [DIGEST]:
        remarks.append("no patterns found")
    show_events.remark(remarks, Counter(), json=json)
    say(map(json_format.dumps, found) if json else _lines(found))


def _lines(found: list[dict[str, Any]]) -> Iterator[str]:
    shown: Counter[str] = Counter()
    for one in found:
        rule, says = one["rule"], printable(one["says"])
        shown[rule] += 1
        if rule == DIGEST:
            yield f"{one['family']}: {says}"
        elif shown[rule] <= _OF_A_RULE:
            yield f"{one['strength']:.2f}  {rule}: {says}"
            for event in one["evidence"]:
                when = datetime.fromisoformat(event["ts"])
                yield f"      {show_events.line(Entry(0, event, None, when, ()))}"
    for rule, number in shown.items():
        if number > _OF_A_RULE:
            yield f"and {number - _OF_A_RULE:,} more of {rule}; --json has them"
