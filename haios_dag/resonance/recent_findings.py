"""What the beat needs of resonance: the strongest findings of the last days, at a bounded cost.

An idle beat after an idle beat looks at the end of the log alone: where nothing else came in, what
the status before says is carried over.
"""

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from haios_dag import events
from haios_dag.base import clock, schema
from haios_dag.base.workspace import Workspace

DAYS = 7
"""The status tells what was found in so many days."""

LINES = 2000
"""At most so many last lines of each log are read for that."""

_TOP = 3
_IDLE = 25  # beats in a row, after which nothing that came before them is news


def look(workspace: Workspace, found: object, *, missed: int | None) -> dict[str, Any]:
    """Return the status's `resonance`, from what the status before has there if nothing came since.

    `missed` is how many beats were missed before this one: then there is news without any event.
    Raise ConfigError or EventError.
    """
    newest = _newest(workspace)
    if not missed and isinstance(found, dict) and found.get("newest") == newest:
        known = _findings(found.get("findings"))
    else:
        from haios_dag.resonance import rules, story_reader

        known = [
            {key: value for key, value in rules.as_json(one).items() if key != "evidence"}
            for one in rules.findings(story_reader.lately(workspace, DAYS, LINES))
            if one.rule != rules.DIGEST
        ]
    return {"newest": newest, "findings": known[:_TOP]}


def _findings(found: object) -> list[dict[str, Any]]:
    """Return what is a finding, and not too old, of what a status holds, where others may write."""
    begin = clock.now() - timedelta(days=DAYS)
    return [
        one
        for one in (found if isinstance(found, list) else ())
        if not schema.violations("resonance", one) and datetime.fromisoformat(one["at"]) >= begin
    ]


def _newest(workspace: Workspace) -> str:
    """Return a mark of the newest event that is no idle heartbeat, and of the governance log.

    After many idle beats in a row the mark is of these alone.
    """
    sizes = [_size(path) for path in workspace.governance_logs]
    for entry in itertools.islice(events.read_back(workspace), _IDLE):
        event = entry.event or {}
        if event.get("type") != "heartbeat" or event.get("outcome") != "idle":
            return f"{str(event.get('ts'))[:40]} {str(event.get('type'))[:40]} {sizes}"
    return f"idle {sizes}"


def _size(path: Path) -> int:
    """Return the size of a log, 0 where there is none that can be read."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
