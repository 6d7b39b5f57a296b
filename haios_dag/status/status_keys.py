"""The keys of both status files, each computed by one function.

Keys of other programs, unknown ones too, are carried over as they are found. What is not known is
null, never zero. Keys that only HAIOS's readers use are written in a workspace of HAIOS alone.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from haios_dag.base import clock
from haios_dag.base.workspace import Workspace
from haios_dag.status import attention, document_summary, infrastructure, sessions, work_items
from haios_dag.status.known_documents import KnownDocument
from haios_dag.status.status_reader import as_object

# HAIOS's hooks and gates read these members; all null means that no cycle is known.
_NO_SESSION: dict[str, Any] = {
    "active_cycle": None,
    "current_phase": None,
    "work_id": None,
    "entered_at": None,
    "active_queue": None,
    "phase_history": [],
}
_HAIOS = (
    "milestone", "session_delta", "work_cycle", "session_state", "active_work", "blocked_items",
    "work", "pm", "system", "milestones", "workspace", "last_session",
)  # fmt: skip
_DETAIL = ("live_files", "outstanding_items", "stale_items", "alignment", "spawn_map")

FoundKeys = Mapping[str, Any]


@dataclass(frozen=True)
class StatusFacts:
    """What the keys are computed from, gathered once, so that both files say the same.

    `before` and `beside` are the keys of the full and of the slim status until now.
    """

    workspace: Workspace
    at: dt.datetime
    documents: Sequence[KnownDocument]
    infrastructure: Mapping[str, Any]
    memory: Mapping[str, Any] | None
    pulse: Mapping[str, Any]
    before: FoundKeys
    beside: FoundKeys

    @cached_property
    def local(self) -> dt.datetime:
        """The instant, naive and local, as the times in documents are."""
        return self.at.astimezone().replace(tzinfo=None)

    @cached_property
    def live(self) -> list[KnownDocument]:
        """The documents in HAIOS's folders."""
        return document_summary.live(self.documents)

    @cached_property
    def items(self) -> dict[str, KnownDocument]:
        """The work items by their id."""
        return work_items.items(self.documents)

    @cached_property
    def blocked(self) -> dict[str, list[str]]:
        """The blockers of each blocked item."""
        return work_items.blocked(self.documents, self.live, self.items)

    @cached_property
    def milestones(self) -> dict[str, Any]:
        """The milestones by id, with what changed since the last status."""
        return work_items.milestones(self.items, as_object(self.before.get("milestones")))

    @cached_property
    def work(self) -> dict[str, Any]:
        """The summary of the work items, with what was completed since the last status."""
        before = as_object(self.before.get("work")).get("open")
        return work_items.summary(
            self.items, self.blocked, before if isinstance(before, list) else []
        )

    @cached_property
    def session_delta(self) -> dict[str, Any] | None:
        """What changed between the two latest sessions."""
        current = work_items.current(self.milestones)
        return sessions.delta(self.documents, self.items, self.workspace.session, current)

    @cached_property
    def corpus(self) -> dict[str, Any]:
        """The summary of all documents."""
        return document_summary.summary(self.documents)

    @cached_property
    def state(self) -> dict[str, Any]:
        """The full status's `workspace`."""
        detail = self.workspace.config.status.detail
        return document_summary.workspace(self.documents, self.live, self.local, detail=detail)

    @cached_property
    def attention(self) -> tuple[dict[str, Any], list[str]]:
        """What needs attention, and warnings; computed once, as it prints changed signals."""
        return attention.keys(
            self.workspace,
            self.beside,
            pulse=self.pulse,
            memory=self.memory,
            work={
                "milestones": self.milestones,
                "blocked": self.blocked,
                "stale": self.state["stale"],
                "completed": self.work["completed_since"],
            },
        )

    @cached_property
    def dashboard(self) -> tuple[dict[str, Any], list[str]]:
        """What HAIOS's dashboard alone shows, and warnings."""
        return infrastructure.dashboard(self.workspace)

    def is_haios(self, *found: FoundKeys) -> bool:
        """Tell whether this is a workspace of HAIOS: its documents, its session, or its keys."""
        if self.live or self.items or self.workspace.session is not None:
            return True
        files = (*found, self.before, self.beside)
        return any(_says(keys.get(name)) for keys in files for name in _HAIOS)


def slim(facts: StatusFacts, found: FoundKeys) -> dict[str, Any]:
    """Return the content of the slim status, merged with the keys found in it."""
    return _over(_slim(facts, found), found)


def full(facts: StatusFacts, found: FoundKeys) -> dict[str, Any]:
    """Return the content of the full status, merged likewise: the slim keys, and more."""
    keys = _slim(facts, found)
    if facts.is_haios(found):
        keys["work"] = facts.work
        keys["milestones"] = facts.milestones
        keys["workspace"] = facts.state
        keys["last_session"] = keys["pm"]["last_session"]
        keys |= _dashboard(facts, keys)
        if facts.workspace.config.status.detail:
            keys |= document_summary.lists(facts.live, facts.local)
    # Detail of an earlier status would be outdated.
    return _over(keys, {name: value for name, value in found.items() if name not in _DETAIL})


def _over(keys: dict[str, Any], found: FoundKeys) -> dict[str, Any]:
    """Add the keys of other programs; keys of HAIOS that are not computed are left out."""
    kept = {name: value for name, value in found.items() if name not in keys}
    return keys | {name: value for name, value in kept.items() if name not in _HAIOS}


def _says(value: object) -> bool:
    """Tell whether a key holds anything."""
    return any(value.values()) if isinstance(value, dict) else bool(value)


def _slim(facts: StatusFacts, found: FoundKeys) -> dict[str, Any]:
    return {
        "generated": clock.iso(facts.at),
        "stale_after": facts.pulse["stale_after"],
        **facts.attention[0],
        **(_haios(facts, found) if facts.is_haios(found) else {}),
        "counts": _counts(facts, found),
        "documents": facts.corpus,
        "memory": _memory(facts),
        "pulse": dict(facts.pulse),
        "infrastructure": as_object(found.get("infrastructure")) | dict(facts.infrastructure),
    }


def _haios(facts: StatusFacts, found: FoundKeys) -> dict[str, Any]:
    """Return the keys that HAIOS's readers use (contract section 3.2)."""
    session = facts.session_delta and facts.session_delta["current_session"]
    return {
        "milestone": work_items.current(facts.milestones),
        "session_delta": facts.session_delta,
        "work_cycle": work_items.cycle(facts.items),
        "session_state": found.get("session_state", _NO_SESSION),
        "active_work": work_items.urgent(facts.items, facts.blocked),
        "blocked_items": facts.blocked,
        "work": {name: value for name, value in facts.work.items() if name != "open"},
        "pm": as_object(found.get("pm")) | {"last_session": session},
        "system": as_object(found.get("system")) | {"last_session": session},
    }


def _dashboard(facts: StatusFacts, keys: FoundKeys) -> dict[str, Any]:
    """Return the keys that HAIOS's command /haios alone uses (contract section 3.2)."""
    return {
        "last_updated": keys["generated"],
        "pm": keys["pm"] | work_items.priorities(facts.items),
        "lifecycle": {
            "live_files": len(facts.live),
            "by_status": facts.state["by_status"],
            "alignment_issues": len(document_summary.alignment(facts.live)["orphan_files"]),
        },
        **facts.dashboard[0],
    }


def _counts(facts: StatusFacts, found: FoundKeys) -> dict[str, Any]:
    """Return the counts of the memory; without a readable one the last known, else null."""
    known = as_object(found.get("counts"))
    source = known if facts.memory is None else facts.memory
    counts = {name: _count(source.get(name)) for name in ("concepts", "entities")}
    if facts.is_haios(found):
        pending = [one for one in facts.items.values()
                   if not one.is_finished and one.text("queue_position") == "backlog"]  # fmt: skip
        counts["backlog_pending"] = len(pending) if facts.items else None
    return known | counts


def _memory(facts: StatusFacts) -> dict[str, Any]:
    """Return the counts of the memory, or whether it exists and why they are unknown."""
    if facts.memory is not None:
        return {"present": True, **facts.memory}
    path = facts.workspace.memory
    root = facts.workspace.root
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if facts.workspace.has_memory():
        return {"present": True, "reason": f"the memory database {shown} could not be read"}
    return {"present": False, "reason": f"there is no memory database at {shown}"}


def _count(value: object) -> int | None:
    """Return a count, or None for anything else that another program wrote."""
    return value if type(value) is int and value >= 0 else None
