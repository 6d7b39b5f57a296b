"""The keys of both status files, each computed by one function.

A key of other writers is carried over from the file as it is found, unknown keys too; what nobody
has written is null, never zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from haios_dag.workspace import Workspace

# What HAIOS's hooks and gates reach into; every member null is "no cycle known".
_NO_SESSION: dict[str, Any] = {
    "active_cycle": None,
    "current_phase": None,
    "work_id": None,
    "entered_at": None,
    "active_queue": None,
    "phase_history": [],
}


@dataclass(frozen=True)
class Facts:
    """What the keys are computed from: gathered once, so that both files say the same."""

    workspace: Workspace
    generated: str
    infrastructure: Mapping[str, Any]
    memory: Mapping[str, Any] | None
    pulse: Mapping[str, Any]
    attention: Mapping[str, Any]


Found = Mapping[str, Any]
Key = Callable[[Facts, Found], Any]


def build(facts: Facts, found: Found) -> dict[str, Any]:
    """Return the content of a status file, over the keys found in it; raise ConfigError."""
    keys = {name: compute(facts, found) for name, compute in _KEYS.items()}
    return keys | {name: value for name, value in found.items() if name not in keys}


def _carried(name: str, absent: object = None) -> Key:
    """Return the function of a key that other writers own."""

    def carry(_: Facts, found: Found) -> object:
        return found.get(name, absent)

    return carry


def _counts(facts: Facts, found: Found) -> dict[str, Any]:
    """Return the counts of the memory; without one the last known, else null."""
    known = _object(found.get("counts"))
    if facts.memory is not None:
        counts = {name: facts.memory[name] for name in ("concepts", "entities")}
    else:
        counts = {name: _number(known.get(name)) for name in ("concepts", "entities")}
    return {**counts, "backlog_pending": None} | {
        name: value for name, value in known.items() if name not in counts
    }


def _infrastructure(facts: Facts, found: Found) -> dict[str, Any]:
    return _object(found.get("infrastructure")) | dict(facts.infrastructure)


def _memory(facts: Facts, _: Found) -> dict[str, Any]:
    """Return what the memory holds, or whether there is one and why that is not known."""
    if facts.memory is not None:
        return {"present": True, **facts.memory}
    path = facts.workspace.memory
    root = facts.workspace.root
    shown = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    if facts.workspace.has_memory():
        return {"present": True, "reason": f"the memory database {shown} could not be read"}
    return {"present": False, "reason": f"there is no memory database at {shown}"}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    """Return a count that another program wrote, or None when it is not one."""
    return value if type(value) is int and value >= 0 else None


_KEYS: dict[str, Key] = {
    "generated": lambda facts, _: facts.generated,
    "milestone": _carried("milestone"),
    "session_delta": _carried("session_delta"),
    "work_cycle": _carried("work_cycle"),
    "session_state": _carried("session_state", _NO_SESSION),
    "active_work": _carried("active_work"),
    "blocked_items": _carried("blocked_items"),
    "counts": _counts,
    "infrastructure": _infrastructure,
    "memory": _memory,
    "pulse": lambda facts, _: dict(facts.pulse),
    "signals": lambda facts, _: facts.attention["signals"],
    "resonance": lambda facts, _: facts.attention["resonance"],
    "signal_sources": lambda facts, _: facts.attention["signal_sources"],
    "stale_after": lambda facts, _: facts.pulse["stale_after"],
}
