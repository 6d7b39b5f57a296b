"""Reading both logs into a story: everything since an instant, or the ends of the logs."""

import itertools
from collections import Counter, deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from haios_dag import events
from haios_dag.base import clock
from haios_dag.base.workspace import Workspace
from haios_dag.events import Entry
from haios_dag.resonance import filtering, story, translate
from haios_dag.resonance.story import LOOK_BACK_DAYS, MOST, Story, StoryEvent
from haios_dag.schedule import job

_LOOK_BACK = timedelta(days=LOOK_BACK_DAYS)


def since(workspace: Workspace, instant: datetime) -> Story:
    """Return the story since an instant; raise ConfigError or EventError."""
    return _story(workspace, instant, events.read(workspace), events.read_governance(workspace))


def lately(workspace: Workspace, days: int, lines: int) -> Story:
    """Return the story of the last days from the last lines of each log, at a bounded cost."""
    logs = events.read_back(workspace), events.read_governance(workspace, newest_first=True)
    ends = (reversed(list(itertools.islice(entries, lines))) for entries in logs)
    return _story(workspace, clock.now() - timedelta(days=days), *ends)


def _story(
    workspace: Workspace, instant: datetime, log: Iterable[Entry], governance: Iterable[Entry]
) -> Story:
    """Return the story of both logs without bursts and made-up items."""
    begin = max(instant, datetime.min.replace(tzinfo=UTC) + _LOOK_BACK) - _LOOK_BACK
    kept: deque[StoryEvent] = deque(maxlen=MOST)
    left_out: Counter[str] = Counter()
    others = 0
    for entries, known in ((log, False), (governance, True)):
        made_up = filtering.fixtures(workspace, known=known)
        recent = (entry for entry in entries if entry.when is None or entry.when >= begin)
        for when, told in filtering.calm(recent, left_out):
            found = list(translate.events(when, told))
            for one in found:
                if made_up(one):
                    left_out[filtering.OF_FIXTURES] += 1
                else:
                    left_out["older than the newest 100,000"] += len(kept) == MOST
                    kept.append(one)
            others += not found and when >= instant and isinstance(told.get("type"), str)
    return Story(
        since=instant,
        until=clock.now(),
        stuck_days=workspace.config.resonance.stuck_days,
        slots=job.due(workspace),
        kinds=story.sort(kept),
        others=others,
        left_out=+left_out,
    )
