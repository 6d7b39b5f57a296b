"""The keys of both status files, computed once, so that both say the same.

Keys of other programs, unknown ones too, are carried over as they are found. What is not known is
null, never zero. Keys that only HAIOS's readers use are written in a workspace of HAIOS alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from haios_dag.base import clock
from haios_dag.base.json_values import as_count, as_object, as_texts
from haios_dag.base.workspace import Workspace
from haios_dag.status import document_summary, infrastructure, sessions, signals, work_items
from haios_dag.status.known_documents import KnownDocument

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


class StatusKeys:
    """The keys that are computed, and how each file's own are merged with them.

    `before` and `beside` are the keys of the full and of the slim status until now. `warnings` are
    of what could not be read.
    """

    def __init__(
        self,
        workspace: Workspace,
        documents: Sequence[KnownDocument],
        *,
        memory: Mapping[str, Any] | None,
        pulse: Mapping[str, Any],
        before: FoundKeys,
        beside: FoundKeys,
    ) -> None:
        now = clock.now()
        local = now.astimezone().replace(tzinfo=None)  # as the times in documents are
        detail = workspace.config.status.detail
        live = document_summary.live(documents)
        items = work_items.items(documents)
        blocked = work_items.blocked(documents, live, items)
        milestones = work_items.milestones(items, as_object(before.get("milestones")))
        current = work_items.current(milestones)
        was_open = as_texts(as_object(before.get("work")).get("open"))
        work = work_items.summary(items, blocked, was_open)
        state = document_summary.workspace(documents, live, local, detail=detail)
        delta = sessions.delta(documents, items, workspace.session, current)
        self._session = {"last_session": delta and delta["current_session"]}
        dashboard, unlisted = infrastructure.dashboard(workspace)
        self._offered, self.warnings = infrastructure.gather(workspace)
        needed, unread = signals.keys(
            workspace,
            beside,
            pulse=pulse,
            memory=memory,
            work={
                "milestones": milestones,
                "blocked": blocked,
                "stale": state["stale"],
                "completed": work["completed_since"],
            },
        )
        self.warnings += unread
        self._is_haios = bool(live or items or workspace.session is not None) or any(
            map(_has_haios_keys, (before, beside))
        )
        if self._is_haios:
            self.warnings += unlisted
        self._memory = memory
        self._first = {"generated": clock.iso(now), "stale_after": pulse["stale_after"], **needed}
        # What HAIOS's readers use (contract section 3.2).
        self._haios = {
            "milestone": current,
            "session_delta": delta,
            "work_cycle": work_items.cycle(items),
            "session_state": _NO_SESSION,
            "active_work": work_items.urgent(items, blocked),
            "blocked_items": blocked,
            "work": {name: value for name, value in work.items() if name != "open"},
            "pm": self._session,
            "system": self._session,
        }
        self._pending = work_items.pending(items)
        self._last = {
            "documents": document_summary.summary(documents),
            "memory": _memory(workspace, memory),
            "pulse": dict(pulse),
        }
        self._priorities = work_items.priorities(items)
        # What the full status has besides; from `last_updated` on, HAIOS's command /haios alone.
        self._full = {
            "work": work,
            "milestones": milestones,
            "workspace": state,
            **self._session,
            "last_updated": self._first["generated"],
            "lifecycle": {
                "live_files": len(live),
                "by_status": state["by_status"],
                "alignment_issues": len(document_summary.alignment(live)["orphan_files"]),
            },
            **dashboard,
            **(document_summary.lists(live, local) if detail else {}),
        }

    def slim(self, found: FoundKeys) -> dict[str, Any]:
        """Return the content of the slim status, merged with the keys found in it."""
        return _over(self._slim(found), found)

    def full(self, found: FoundKeys) -> dict[str, Any]:
        """Return the content of the full status, merged likewise: the slim keys, and more."""
        keys = self._slim(found)
        if "pm" in keys:
            keys |= self._full | {"pm": keys["pm"] | self._priorities}
        # Detail of an earlier status would be outdated.
        return _over(keys, {name: value for name, value in found.items() if name not in _DETAIL})

    def _slim(self, found: FoundKeys) -> dict[str, Any]:
        known = as_object(found.get("counts"))
        source = known if self._memory is None else self._memory  # else the last known
        counts = known | {name: as_count(source.get(name)) for name in ("concepts", "entities")}
        haios = {}
        if self._is_haios or _has_haios_keys(found):
            counts["backlog_pending"] = self._pending
            haios = self._haios | {
                "session_state": found.get("session_state", _NO_SESSION),
                "pm": as_object(found.get("pm")) | self._session,
                "system": as_object(found.get("system")) | self._session,
            }
        return {
            **self._first,
            **haios,
            "counts": counts,
            **self._last,
            "infrastructure": as_object(found.get("infrastructure")) | self._offered,
        }


def _has_haios_keys(found: FoundKeys) -> bool:
    return any(_says(found.get(name)) for name in _HAIOS)


def _says(value: object) -> bool:
    return any(value.values()) if isinstance(value, dict) else bool(value)


def _over(keys: dict[str, Any], found: FoundKeys) -> dict[str, Any]:
    """Add the keys of other programs; keys of HAIOS that are not computed are left out."""
    return keys | {
        name: value for name, value in found.items() if name not in keys and name not in _HAIOS
    }


def _memory(workspace: Workspace, memory: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the counts of the memory, or whether it exists and why they are unknown."""
    if memory is not None:
        return {"present": True, **memory}
    path = workspace.memory
    root = workspace.root
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if workspace.has_memory():
        return {"present": True, "reason": f"the memory database {shown} could not be read"}
    return {"present": False, "reason": f"there is no memory database at {shown}"}
