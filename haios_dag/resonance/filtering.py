"""What is no one's work: bursts, as of tests that write into a live log, and made-up items.

Of HAIOS's governance log about three quarters lie in seconds that hold ten lines or more, and more
than half name items or sessions that never were, such as WORK-5V or session 999.
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
"""Events in one second of one log from which on they are taken for no work of people or agents."""

_SLACK = 2  # seconds that lines may stand out of order without being taken for another time
IN_BURSTS, OF_FIXTURES = "in bursts", "of made-up items or sessions"
_NO_TIME = "without a readable time"

Dated = tuple[datetime, Mapping[str, Any]]


def calm(entries: Iterable[Entry], left_out: Counter[str]) -> Iterator[Dated]:
    """Return the events of a log but those of crowded seconds, and count what is left out.

    In bounded memory: of a second nine events are held at most, and only of those near the last.
    """
    held: dict[int, list[Dated]] = {}
    latest = None
    for entry in entries:
        if entry.event is None:
            left_out[f"unreadable: {entry.problem}"] += 1
        elif entry.when is None:
            left_out[_NO_TIME] += 1
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
    """Return the events of a second, unless there are too many."""
    if len(dated) < BURST:
        yield from dated
    else:
        left_out[IN_BURSTS] += len(dated)


def fixtures(workspace: Workspace, *, known: bool) -> Callable[[StoryEvent], bool]:
    """Return what tells whether an event is about a made-up item or session; raise ConfigError.

    Made up are items that `[resonance] fixtures` names, sessions beyond the current one, and, with
    `known`, items without a folder below `docs/work/`, where there are any such folders.
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
    """Return the names of the folders of work items, in whatever state they are."""
    found: set[str] = set()
    work = workspace.root / "docs" / "work"
    try:
        states = [entry.path for entry in os.scandir(work) if entry.is_dir()]
        for state in states:
            found |= {entry.name for entry in os.scandir(state) if entry.is_dir()}
    except OSError:  # without the folders nothing can be told by them
        return set()
    return found
