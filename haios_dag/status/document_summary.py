"""The documents taken together: kinds, ages, stale ones, and which led to which."""

import datetime as dt
import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from haios_dag.base import clock
from haios_dag.status.known_documents import KnownDocument
from haios_dag.status.work_items import counted

_LAST_SECOND = 253_402_300_799
_STALE = dt.timedelta(days=30)
_SHOWN = 5  # entries of a short list
_LISTED = 20  # entries of a list for programs, without `[status] detail`
_FOLDERS_SHOWN = 12
_LIVE = {
    "docs/checkpoints", "docs/plans", "docs/investigations", "docs/ADR", "docs/reports",
    "docs/work/active", "docs/work/blocked", "docs/work/archive",
}  # fmt: skip
_HANDOFFS = "docs/handoff"
_PLAN = "implementation_plan"


def live(documents: Iterable[KnownDocument]) -> list[KnownDocument]:
    """Return the documents directly in HAIOS's folders, README aside (contract 3.1, case 1)."""
    return [one for one in documents if one.folder in _LIVE and not one.path.endswith("/README.md")]


def summary(documents: Sequence[KnownDocument]) -> dict[str, Any]:
    """Return the key `documents`: counts by folder and kind, unusable front matter, the newest."""
    unusable = [one.path for one in documents if one.problem]
    kept = dict([*_folders(documents).items()][:_FOLDERS_SHOWN])
    if rest := len(documents) - sum(kept.values()):
        kept["(others)"] = rest
    newest = heapq.nsmallest(_SHOWN, documents, key=lambda one: (-one.changed, one.path))
    return {
        "total": len(documents),
        "with_front_matter": sum(1 for one in documents if one.fields),
        "unusable_front_matter": len(unusable),
        "unusable": unusable[:_SHOWN],
        "by_folder": kept,
        "by_kind": counted(one.template for one in documents if one.fields.get("template")),
        "recent": [{"path": one.path, "changed": _utc(one.changed)} for one in newest],
    }


def _folders(documents: Iterable[KnownDocument]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for folder, count in Counter(one.folder for one in documents).items():
        found["/".join(folder.split("/")[:2]) or "."] += count
    return counted(found)


def _utc(nanoseconds: int) -> str:
    # A file system may hold any time; datetime ends with the year 9999.
    seconds = min(max(nanoseconds // 10**9, 0), _LAST_SECOND)
    return clock.iso(dt.datetime.fromtimestamp(seconds, dt.UTC))


def workspace(
    documents: Sequence[KnownDocument],
    found: Sequence[KnownDocument],
    now: dt.datetime,
    *,
    detail: bool,
) -> dict[str, Any]:
    """Return the full status's `workspace`, for the live documents (contract 3.1, cases 3 and 4).

    `stale_count` counts documents of any status, as HAIOS does; `stale` only open ones. Its items,
    oldest first, and the paths in `outstanding` are the first 20, or all with `detail`.
    """
    old = _old(found, now)
    stale = [(one, days) for one, days in old if one.is_open]
    handoffs = [one for one in documents if one.folder == _HANDOFFS]
    outstanding = {
        "checkpoints": _unfinished(one for one in found if one.template == "checkpoint"),
        "handoffs": _unfinished(handoffs),
        "plans": [one.path for one in found if one.template == _PLAN and one.status == "approved"],
    }
    limit = None if detail else _LISTED
    return {
        "total_files": len(found),
        "by_template": counted(one.template for one in found),
        "by_status": counted(one.status for one in found),
        "stale_count": len(old),
        "undated": sum(1 for one in found if one.when() is None),
        "stale": {
            "count": len(stale),
            "items": [_stale(one, days) for one, days in stale[:limit]],
        },
        "outstanding": {name: paths[:limit] for name, paths in outstanding.items()},
        "summary": {
            "incomplete_checkpoints": len(outstanding["checkpoints"]),
            "pending_handoffs": len(outstanding["handoffs"]),
            "approved_not_started": len(outstanding["plans"]),
            "stale_items": len(stale),
        },
    }


def lists(found: Sequence[KnownDocument], now: dt.datetime) -> dict[str, Any]:
    """Return the lists of `[status] detail` (contract 3.1); the stale may be finished, as there."""
    return {
        "live_files": [
            {"path": one.path, "template": one.template, "status": one.status}
            | {name: one.fields.get(name) for name in ("date", "last_updated")}
            | {name: one.text(name) for name in ("backlog_id", "spawned_by")}
            for one in found
        ],
        "outstanding_items": [
            {
                "path": one.path,
                "id": one.text("backlog_id"),
                "status": one.status,
                "template": one.template,
            }
            for one in found
            if one.is_open
        ],
        "stale_items": [_stale(one, days) for one, days in _old(found, now)],
        "alignment": alignment(found),
        "spawn_map": _spawn_map(found),
    }


def _stale(one: KnownDocument, days: int) -> dict[str, Any]:
    when = one.when()
    return {
        "path": one.path,
        "type": one.template,
        "last_updated": when.isoformat() if when else None,
        "days_stale": days,
    }


def _old(found: Iterable[KnownDocument], now: dt.datetime) -> list[tuple[KnownDocument, int]]:
    """Return the documents last changed more than 30 days ago, with their days, oldest first.

    `now` is naive and local, as the documents' own times are (contract section 3.1, case 4).
    """
    ages = [(one, now - when) for one in found if (when := one.when())]
    old = [(one, age) for one, age in ages if age > _STALE]
    return [(one, age.days) for one, age in sorted(old, key=lambda pair: (-pair[1], pair[0].path))]


def _unfinished(found: Iterable[KnownDocument]) -> list[str]:
    return [one.path for one in found if one.is_open]


def alignment(found: Iterable[KnownDocument]) -> dict[str, Any]:
    """Return the documents that belong to an item, and the plans without one (case 12)."""
    found = list(found)
    return {
        "aligned": [
            {"path": one.path, "backlog_id": name} for one in found
            if (name := one.text("backlog_id"))
        ],
        "orphan_files": [
            one.path for one in found if one.template == _PLAN and not one.text("backlog_id")
        ],
    }  # fmt: skip


def _spawn_map(found: Iterable[KnownDocument]) -> dict[str, list[str]]:
    children: dict[str, set[str]] = {}
    for one in found:
        if (parent := one.text("spawned_by")) and (name := one.text("backlog_id")):
            children.setdefault(parent, set()).add(name)
    return {parent: sorted(names) for parent, names in sorted(children.items())}
