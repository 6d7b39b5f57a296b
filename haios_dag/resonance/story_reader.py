"""Reading both logs into a story: everything since an instant, or the ends of the logs."""

import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from haios_dag import events
from haios_dag.base import clock
from haios_dag.base.workspace import Workspace
from haios_dag.events import Entry
from haios_dag.resonance import filtering, story, translate
from haios_dag.resonance.story import LOOK_BACK_DAYS, MOST, Story, StoryEvent
from haios_dag.schedule import job

_LOOK_BACK = timedelta(days=LOOK_BACK_DAYS)
_MOST_TYPES = 1000


def since(workspace: Workspace, instant: datetime) -> Story:
    """Return the story since an instant; raise ConfigError or EventError."""
    begin = max(instant, datetime.min.replace(tzinfo=instant.tzinfo) + _LOOK_BACK) - _LOOK_BACK
    return _story(
        workspace,
        instant,
        begin,
        events.read(workspace),
        events.read_governance(workspace),
    )


def lately(workspace: Workspace, days: int, lines: int) -> Story:
    """Return the story of the last days from the last lines of each log, at a bounded cost.

    Raise ConfigError or EventError.
    """
    instant = clock.now() - timedelta(days=days)
    ends = (
        reversed(list(itertools.islice(entries, lines)))
        for entries in (
            events.read_back(workspace),
            events.read_governance(workspace, newest_first=True),
        )
    )
    return _story(workspace, instant, instant - _LOOK_BACK, *ends)


def _story(
    workspace: Workspace,
    instant: datetime,
    begin: datetime,
    log: Iterable[Entry],
    governance: Iterable[Entry],
) -> Story:
    """Return the story of both logs without bursts and made-up items."""
    kept: deque[StoryEvent] = deque(maxlen=MOST)
    counted: Counter[str] = Counter()
    left_out: Counter[str] = Counter()

    def take(entries: Iterable[Entry], made_up: Callable[[StoryEvent], bool]) -> None:
        recent = (entry for entry in entries if entry.when is None or entry.when >= begin)
        for when, told in filtering.calm(recent, left_out):
            known = list(translate.events(when, told))
            for one in known:
                if made_up(one):
                    left_out[filtering.OF_FIXTURES] += 1
                else:
                    left_out["older than the newest 100,000"] += len(kept) == MOST
                    kept.append(one)
            kind = told.get("type")
            if not known and when >= instant and isinstance(kind, str):
                name = kind[:60]
                counted[name] += name in counted or len(counted) < _MOST_TYPES

    take(log, filtering.fixtures(workspace, known=False))
    take(governance, filtering.fixtures(workspace, known=True))
    return Story(
        since=instant,
        until=clock.now(),
        stuck_days=workspace.config.resonance.stuck_days,
        slots=job.due(workspace),
        kinds=story.sort(kept),
        counted=+counted,
        left_out=+left_out,
    )
