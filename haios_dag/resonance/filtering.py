"""Filtering out what is not real work: bursts, as of tests that write to a live log, and fixtures.

About three quarters of the lines of HAIOS's governance log are in seconds with ten or more lines,
and more than half name items or sessions that never existed, such as WORK-5V or session 999.
"""

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from haios_dag.base.workspace import Workspace
from haios_dag.events import Entry
from haios_dag.resonance.story import StoryEvent

BURST = 10
"""So many events in one second of one log cannot be the work of people or agents."""

_SLACK = 2  # seconds by which lines may be out of order
IN_BURSTS, OF_FIXTURES = "in bursts", "of made-up items or sessions"

Dated = tuple[datetime, Mapping[str, Any]]


def calm(entries: Iterable[Entry], left_out: Counter[str]) -> Iterator[Dated]:
    """Yield the events of a log without those in bursts, and count what is left out."""
    held: dict[int, list[Dated]] = {}
    latest = None
    for entry in entries:
        if entry.event is None:
            left_out[f"unreadable: {entry.problem}"] += 1
        elif entry.when is None:
            left_out["without a readable time"] += 1
        else:
            second = int(entry.when.timestamp())
            if second != latest:
                latest = second
                for past in [one for one in held if abs(one - second) > _SLACK]:
                    yield from _settle(held.pop(past), left_out)
            here = held.setdefault(second, [])
            if len(here) < BURST:
                here.append((entry.when, entry.event))
            else:
                left_out[IN_BURSTS] += 1
    for past in sorted(held):
        yield from _settle(held[past], left_out)


def _settle(dated: list[Dated], left_out: Counter[str]) -> Iterator[Dated]:
    if len(dated) < BURST:
        yield from dated
    else:
        left_out[IN_BURSTS] += len(dated)


def fixtures(workspace: Workspace, *, known: bool) -> Callable[[StoryEvent], bool]:
    """Return a function that says whether an event is about a made-up item or session.

    These are items that `[resonance] fixtures` names, sessions after the current one, and, with
    `known`, items without a folder below `docs/work/`, if that has any. Raise ConfigError.
    """
    patterns = workspace.config.resonance.fixtures
    made_up = re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)").fullmatch
    items = _items(workspace) if known else set()
    session = workspace.session

    def is_fixture(event: StoryEvent) -> bool:
        item = event.item
        if not item:
            return False
        if event.kind == "session":
            return session is not None and item.isdecimal() and int(item) > session
        return bool(made_up(item)) or (bool(items) and item not in items)

    return is_fixture


def _items(workspace: Workspace) -> set[str]:
    try:
        states = [one for one in os.scandir(workspace.root / "docs" / "work") if one.is_dir()]
        return {one.name for state in states for one in os.scandir(state) if one.is_dir()}
    except OSError:  # without these folders, items cannot be checked
        return set()
