"""Work items: their number, which are ready or blocked, the progress of milestones.

An item is a `WORK.md` in a folder of its own, or a file of an older form, below
`docs/work/{active,blocked,archive}` (contract sections 3.1 and 5).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from haios_dag.base.json_values import as_count, as_object, as_texts
from haios_dag.status.known_documents import KnownDocument

_FOLDERS = ("docs/work/active", "docs/work/blocked", "docs/work/archive")
_PARKED = "parked"  # HAIOS's work engine does not take these up
_URGENT = {"high", "urgent", "critical"}
_SHOWN = 5  # ids in a short list


def items(documents: Iterable[KnownDocument]) -> dict[str, KnownDocument]:
    """Return each work item by its id, in the order of paths."""
    found: dict[str, KnownDocument] = {}
    for one in documents:
        if not one.path.startswith("docs/work/"):
            continue
        folder, _, name = one.path.rpartition("/")
        above, _, own = folder.rpartition("/")
        if above in _FOLDERS and name == "WORK.md":
            found.setdefault(one.text("id") or own, one)
        elif folder in _FOLDERS and one.template == "work_item" and one.text("id"):
            found.setdefault(one.text("id") or "", one)
    return found


def blocked(
    documents: Iterable[KnownDocument],
    live: Iterable[KnownDocument],
    found: Mapping[str, KnownDocument],
) -> dict[str, list[str]]:
    """Return the unfinished blockers of each unfinished item or live document that has any.

    A blocker is finished when its item is, or, without an item, any document of that id. One that
    no document describes still blocks.
    """
    finished = {
        name
        for one in documents
        if one.fields and one.is_finished  # most notes have none
        for name in (one.text("id"), one.text("backlog_id"))
        if name and name not in found
    } | {name for name, one in found.items() if one.is_finished}
    waiting: dict[str, set[str]] = {}
    sources: list[tuple[str | None, KnownDocument]] = [*found.items()]
    sources += ((one.text("backlog_id") or one.text("id"), one) for one in live)
    for name, one in sources:
        if one.is_finished or not name or name in finished:
            continue
        if left := {other for other in one.texts("blocked_by") if other not in finished}:
            waiting.setdefault(name, set()).update(left)
    return {name: sorted(left) for name, left in sorted(waiting.items())}


def summary(
    found: Mapping[str, KnownDocument], waiting: Mapping[str, Any], before: Iterable[str]
) -> dict[str, Any]:
    """Return the slim status's `work`; `before` has the ids that were open in the last status.

    An item is ready when it is unfinished and neither parked nor blocked, as in HAIOS.
    """
    unfinished = {name for name, one in found.items() if not one.is_finished}
    ready = sorted(
        (_rank(one), name)
        for name, one in _free(found, waiting)
        if one.status not in (_PARKED, "blocked")
    )
    return {
        "items": len(found),
        "unfinished": len(unfinished),
        "ready": len(ready),
        "next": [name for _, name in ready[:_SHOWN]],
        "blocked": len(waiting),
        "by_status": counted(one.status for one in found.values()),
        "by_queue": counted(one.text("queue_position") or "none" for one in found.values()),
        "completed_since": sorted(name for name in before if name in found.keys() - unfinished),
        "open": sorted(unfinished),
    }


def _free(
    found: Mapping[str, KnownDocument], waiting: Mapping[str, Any]
) -> Iterator[tuple[str, KnownDocument]]:
    """Yield the unfinished items that are neither blocked nor parked by their queue."""
    for name, one in found.items():
        is_parked = one.text("queue_position") == _PARKED
        if not one.is_finished and not is_parked and name not in waiting:
            yield name, one


def _priority(one: KnownDocument) -> str:
    return (one.text("priority") or "").lower()


def _rank(one: KnownDocument) -> int:
    order = ("critical", "urgent", "high", "medium", "low")
    priority = _priority(one)
    return order.index(priority) if priority in order else len(order)


def priorities(found: Mapping[str, KnownDocument]) -> dict[str, int]:
    """Return `active_count`, the unfinished items, and their number by priority."""
    unfinished = [_priority(one) for one in found.values() if not one.is_finished]
    return {"active_count": len(unfinished)} | {
        name: unfinished.count(name) for name in ("urgent", "high", "medium", "low")
    }


def pending(found: Mapping[str, KnownDocument]) -> int | None:
    """Return how many unfinished items are in the backlog; None in a workspace without items."""
    queues = [one.text("queue_position") for one in found.values() if not one.is_finished]
    return queues.count("backlog") if found else None


def counted(names: Iterable[str] | Counter[str]) -> dict[str, int]:
    """Return the count of each name, the most frequent first, then by name."""
    return dict(sorted(Counter(names).items(), key=lambda one: (-one[1], one[0])))


def urgent(found: Mapping[str, KnownDocument], waiting: Mapping[str, Any]) -> list[str]:
    """Return the urgent items that are neither parked nor blocked, at most five, by id."""
    return sorted(name for name, one in _free(found, waiting) if _priority(one) in _URGENT)[:_SHOWN]


def cycle(found: Mapping[str, KnownDocument]) -> dict[str, Any] | None:
    """Return the first item by id that is unfinished and out of the backlog, or None."""
    for name, one in sorted(found.items()):
        node = one.text("current_node")
        if node and node != "backlog" and not one.is_finished:
            return {
                "id": name,
                "title": one.text("title"),
                "current_node": node,
                "cycle_type": one.text("cycle_type") or one.text("type"),
                "lifecycle_phase": one.text("lifecycle_phase") or one.text("cycle_phase"),
            }
    return None


def milestones(found: Mapping[str, KnownDocument], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return every milestone of the items, in the order of the items' paths.

    `progress` is rounded, but 100 only when all items are complete. `prior_progress` is that of
    the last status, and `delta_source` names what was completed since; either may be None.
    """
    groups: dict[str, dict[str, KnownDocument]] = {}
    for name, one in found.items():
        if milestone := one.text("milestone"):
            groups.setdefault(milestone, {})[name] = one
    return {name: _milestone(name, group, before.get(name)) for name, group in groups.items()}


def _milestone(name: str, group: Mapping[str, KnownDocument], before: object) -> dict[str, Any]:
    complete = sorted(item for item, one in group.items() if one.is_finished)
    progress = round(100 * len(complete) / len(group))
    if len(complete) < len(group):
        progress = min(progress, 99)
    old = as_object(before)
    prior = as_count(old.get("progress"))
    done = old.get("complete")
    moved = sorted(set(complete).difference(as_texts(done))) if isinstance(done, list) else []
    return {
        "name": name.partition("-")[2] or name,
        "items": sorted(group),
        "complete": complete,
        "progress": progress,
        "prior_progress": prior if prior in range(101) else None,
        "delta_source": ", ".join(moved) or None,
    }


def current(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the incomplete milestone with the most progress, else the first, or None."""
    if not found:
        return None
    under_way = [name for name, one in found.items() if len(one["complete"]) < len(one["items"])]
    name = max(under_way, key=lambda name: found[name]["progress"], default=next(iter(found)))
    keys = ("name", "progress", "prior_progress", "delta_source")
    return {"id": name, **{key: found[name][key] for key in keys}}
