"""The strongest findings of the last days for the status, at a bounded cost.

An idle beat after an idle beat reads only the end of the log: if nothing else was logged, it
carries over the findings of the status before.
"""

import itertools
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from haios_dag import events
from haios_dag.base import clock, schema
from haios_dag.base.json_values import as_list, as_object
from haios_dag.base.workspace import Workspace

DAYS = 7
"""The status has the findings of so many days."""

LINES = 2000
"""The most lines that are read from the end of each log."""

_TOP = 3
_IDLE = 25  # beats in a row, after which earlier events are not news


def look(workspace: Workspace, found: object, *, missed: int | None) -> dict[str, Any]:
    """Return the status's `resonance`; reuse `found`, that of the status before, if nothing is new.

    `missed` is how many beats were missed before this one, which is news without an event.
    """
    newest = _newest(workspace)
    before = as_object(found)
    if not missed and before.get("newest") == newest:
        known = _findings(before.get("findings"))
    else:
        from haios_dag.resonance import rules, story_reader

        known = [
            {key: value for key, value in one.items() if key != "evidence"}
            for one in rules.findings(story_reader.lately(workspace, DAYS, LINES))
            if one["rule"] != rules.DIGEST
        ]
    return {"newest": newest, "findings": known[:_TOP]}


def _findings(found: object) -> list[dict[str, Any]]:
    """Return the valid, recent findings of a status, which other programs may have changed."""
    begin = clock.now() - timedelta(days=DAYS)
    return [
        one
        for one in as_list(found)
        if not schema.violations("resonance", one) and datetime.fromisoformat(one["at"]) >= begin
    ]


def _newest(workspace: Workspace) -> str:
    """Return a mark that changes with either log, but not with one idle heartbeat after another."""
    sizes = [_size(path) for path in workspace.governance_logs]
    for entry in itertools.islice(events.read_back(workspace), _IDLE):
        event = entry.event or {}
        if event.get("type") != "heartbeat" or event.get("outcome") != "idle":
            return f"{str(event.get('ts'))[:40]} {str(event.get('type'))[:40]} {sizes}"
    return f"idle {sizes}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
