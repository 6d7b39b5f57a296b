"""The current session, and what changed between the two latest checkpoints."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from haios_dag.status.known_documents import KnownDocument

_CHECKPOINTS = "docs/checkpoints"
_NUMBER = re.compile(r"(?:SESSION-S?|^S|^checkpoint-)([0-9]{1,6})(?![0-9])")


def delta(
    documents: Sequence[KnownDocument],
    found: Mapping[str, KnownDocument],
    session: int | None,
    milestone: Mapping[str, Any] | None,
) -> dict[str, Any] | None:
    """Return `session_delta`, or None without a checkpoint and a session.

    The current session is never below `session`, from which HAIOS counts the next one (contract
    section 3.1). `added` and `completed` compare the two latest checkpoints.
    """
    by_number: dict[int, list[KnownDocument]] = {}
    for one in documents:
        if one.folder == _CHECKPOINTS and (match := _NUMBER.search(one.path.rpartition("/")[2])):
            by_number.setdefault(int(match[1]), []).append(one)
    numbers = sorted(by_number)
    known = [*numbers, *([session] if session is not None else [])]
    if not known:
        return None
    latest = max(known)
    newer, older = ([by_number[number] for number in numbers[-2:][::-1]] + [[], []])[:2]
    added = sorted(_ids(newer) - _ids(older))
    completed = sorted(name for name in _ids(older) if name in found and found[name].is_finished)
    prior = max((number for number in numbers if number < latest), default=None)
    dated = by_number.get(prior, []) if prior is not None else []
    moved = None
    if milestone and milestone["prior_progress"] is not None:
        moved = milestone["progress"] - milestone["prior_progress"]
    return {
        "prior_session": prior,
        "current_session": latest,
        "prior_date": next((date for one in dated if (date := one.text("date"))), None),
        "checkpoints": numbers[-2:],
        "completed": completed,
        "completed_count": len(completed),
        "added": added,
        "added_count": len(added),
        "milestone_delta": moved,
    }


def _ids(checkpoints: Sequence[KnownDocument]) -> set[str]:
    return {name for one in checkpoints for name in one.texts("backlog_ids")}
