"""What the tests of the status share: a beat's facts, and how its files are written and read."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from haios_dag.base import schema
from haios_dag.base.workspace import Workspace
from haios_dag.status import status_writer

NOW = "2026-01-31T12:00:00.000+00:00"
DUE = "2026-01-31T13:00:00.000+00:00"
LATE = "2026-01-31T14:00:00.000+00:00"
PULSE: dict[str, Any] = {
    "beat": "20260131T120000-1a2b3c4d",
    "started": NOW,
    "outcomes": {"ingest": "ran", "embed": "skipped"},
    "last": {"ts": NOW, "outcome": "ok"},
    "streak": {"outcome": "good", "beats": 3},
    "missed": 0,
    "expected_by": DUE,
    "late_after": "2026-01-31T13:30:00.000+00:00",
    "down_after": "2026-01-31T15:30:00.000+00:00",
    "stale_after": LATE,
}
MEMORY = {"concepts": 12, "entities": 0, "traces": 3, "insights": 2, "bridges": 1}
OURS = {
    "generated",
    "stale_after",
    "signals",
    "resonance",
    "signal_sources",
    "counts",
    "documents",
    "memory",
    "pulse",
    "infrastructure",
}
HAIOS = {
    "milestone",
    "session_delta",
    "work_cycle",
    "session_state",
    "active_work",
    "blocked_items",
    "work",
    "pm",
    "system",
}
FULL = {"milestones", "workspace", "last_session", "last_updated", "lifecycle", "hooks",
        "valid_templates"}  # fmt: skip
FILES = {"status": "haios-status.json", "status-slim": "haios-status-slim.json"}
WRITER = f"""
import json, sys
from pathlib import Path
from haios_dag.status import status_writer
from haios_dag.base.workspace import Workspace
workspace, pulse = Workspace(Path(sys.argv[1])), json.loads({json.dumps(PULSE)!r})
"""


def write(workspace: Workspace, **changes: Any) -> list[str]:  # noqa: ANN401
    """Write the status of a beat with a memory, with some arguments changed."""
    return status_writer.write(workspace, **{"memory": MEMORY, "pulse": PULSE} | changes)


def both(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """Read both files as strict readers do, and hold each against its schema."""
    for name, file in FILES.items():
        keys = json.loads((workspace.root / ".claude" / file).read_text(encoding="utf-8"))
        schema.validate(name, keys)
        yield keys


def put(path: Path, data: bytes) -> Path:
    """Write a file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
