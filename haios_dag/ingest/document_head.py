"""The head of a document: the fields of its front matter that say what state it is in.

The ledger of ingest keeps it as JSON beside what stat said of the file, so that the status parses
nothing again: an object of fields, null where there is no front matter, or a text that says why
it cannot be used.
"""

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

Head = Mapping[str, Any] | str | None

# What the status asks for. A field that is added here is known of a document once it is read again.
KEPT = (
    "template", "id", "backlog_id", "backlog_ids", "work_id", "title", "status", "type", "priority",
    "date", "last_updated", "created", "closed", "session", "milestone", "blocked_by", "spawned_by",
    "queue_position", "current_node", "cycle_phase", "cycle_type", "lifecycle_phase",
)  # fmt: skip
_MAX_CHARACTERS = 300  # of a text
_MAX_ITEMS = 200  # of a list


def of(fields: Mapping[str, Any], problem: str | None) -> str:
    """Return the head as JSON text: what `front_matter.split` found, within bounds."""
    if problem:
        return json.dumps(problem[:_MAX_CHARACTERS])
    if not fields:
        return "null"
    return json.dumps({name: _plain(fields[name]) for name in KEPT if name in fields})


def load(text: str | None) -> Head:
    """Return the head in a JSON text; invalid JSON becomes a head that says so."""
    try:
        value = json.loads(text or "null")
    except (ValueError, RecursionError):
        return "what the memory keeps of its front matter is not JSON"
    return value if isinstance(value, dict | str | None) else None


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [None if isinstance(one, list) else _plain(one) for one in value[:_MAX_ITEMS]]
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, str):
        return value[:_MAX_CHARACTERS]
    return value if isinstance(value, bool | int | float) else None
