"""Vital signs: the slim status in ten lines, for people and prompt hooks.

Nothing but that file is read, and its values may have any type.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from haios_dag.base import clock
from haios_dag.base.console import printable, say
from haios_dag.base.errors import StatusError
from haios_dag.base.json_values import as_count, as_list, as_number, as_object, as_texts
from haios_dag.base.workspace import Workspace
from haios_dag.status import status_reader

_MAX_CHARACTERS = 120  # of a line
_SHOWN = 3  # signals, ids
_COUNTED = "concepts", "traces", "insights", "bridges"
_WAITING = "unembedded", "unconsidered", "waiting_pairs"


def show(workspace: Workspace, folder: str | None = None) -> int:
    """Print the vital signs, of a named folder if any; return 0 fresh, 1 stale.

    Raise StatusError when there is no slim status, or it is damaged.
    """
    path = (Workspace(Path(folder)) if folder else workspace).status_slim
    try:
        data = status_reader.content(path)
        if data is None:
            raise StatusError(f"there is no status at {path}; a beat writes it: doit heartbeat")
        keys = status_reader.parse(data)
    except status_reader.UnusableError as error:
        raise StatusError(f"{path} {error}; the next beat sets it aside and rebuilds it") from None
    stale = _stale_since(keys)
    say(map(shown, _lines(keys, stale)))
    return 0 if stale is None else 1


def shown(line: str) -> str:
    """Return a line without control characters, cut to its greatest length."""
    return printable(line[:_MAX_CHARACTERS])[:_MAX_CHARACTERS]


def _lines(keys: Mapping[str, Any], stale: str | None) -> Iterator[str]:
    yield f"STALE: {stale}" if stale else f"status    of {_text(keys.get('generated'))}"
    for label, sentence in _SENTENCES.items():
        said = sentence(keys)
        if said:
            yield f"{label:9} {said}"


def _stale_since(keys: Mapping[str, Any]) -> str | None:
    try:
        since = datetime.fromisoformat(keys["stale_after"])
        if since > clock.now():
            return None
    except (KeyError, TypeError, ValueError):
        return "this status does not say how long it holds; run doit heartbeat"
    return f"of {_text(keys.get('generated'))}, not to be relied on since {clock.iso(since)[:16]}"


def _pulse(keys: Mapping[str, Any]) -> str | None:
    pulse = as_object(keys.get("pulse"))
    outcomes = as_object(pulse.get("outcomes"))
    failed = [name for name, outcome in outcomes.items() if outcome == "failed"]
    streak = as_object(pulse.get("streak"))
    beats, missed = as_count(streak.get("beats")), as_count(pulse.get("missed"))
    parts = [
        f"failed: {', '.join(failed)}" if failed else None,
        f"{beats} {streak.get('outcome')} before" if beats else None,
        f"{missed} missed" if missed else None,
        f"next due {_text(pulse.get('expected_by'))[:16]}" if pulse.get("expected_by") else None,
    ]
    return "; ".join(filter(None, parts))


def _memory(keys: Mapping[str, Any]) -> str | None:
    memory = as_object(keys.get("memory"))
    if "reason" in memory:
        return _text(memory["reason"])
    counts = {name: as_count(value) for name, value in memory.items()}
    backlog = sum(counts.get(name) or 0 for name in _WAITING)
    parts = [f"{counts[name]:,} {name}" for name in _COUNTED if counts.get(name) is not None]
    return "; ".join(filter(None, [", ".join(parts), f"backlog {backlog:,}" if backlog else None]))


def _documents(keys: Mapping[str, Any]) -> str | None:
    documents = as_object(keys.get("documents"))
    total = as_count(documents.get("total"))
    if total is None:
        return None
    newest = next(iter(as_list(documents.get("recent"))), None)
    last = f"; newest {_text(newest.get('path'))}" if isinstance(newest, dict) else ""
    return f"{total:,}{last}"


def _work(keys: Mapping[str, Any]) -> str | None:
    work = as_object(keys.get("work"))
    if as_count(work.get("items")) is None:
        return None
    names = ("unfinished", "ready", "blocked")
    counts = ", ".join(f"{as_count(work.get(name)) or 0:,} {name}" for name in names)
    ids = _ids(work.get("next"))
    return f"{counts}; next {ids}" if ids else counts


def _blocked(keys: Mapping[str, Any]) -> str | None:
    found = as_object(keys.get("blocked_items"))
    shown = [f"{name} by {_ids(by)}" for name, by in list(found.items())[:_SHOWN]]
    rest = len(found) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest > 0 else "")


def _milestone(keys: Mapping[str, Any]) -> str | None:
    milestone = as_object(keys.get("milestone"))
    progress, prior = (as_count(milestone.get(name)) for name in ("progress", "prior_progress"))
    if progress is None:
        return None
    moved = progress - (progress if prior is None else prior)
    return f"{_text(milestone.get('id'))} {progress}%" + (f" ({moved:+})" if moved else "")


def _session(keys: Mapping[str, Any]) -> str | None:
    session = as_object(keys.get("session_delta"))
    number = as_count(session.get("current_session"))
    if number is None:
        return None
    added = _ids(session.get("added"))
    return f"{number}; added last {added}" if added else f"{number}"


def _cycle(keys: Mapping[str, Any]) -> str | None:
    state = as_object(keys.get("session_state"))
    parts = [state.get(name) for name in ("work_id", "active_cycle", "current_phase")]
    said = " · ".join(map(_text, filter(None, parts)))
    context = keys.get("context_pct")
    full = None if as_number(context) is None else f"context {context}%"
    return " · ".join(filter(None, [said, full]))


def _signals(keys: Mapping[str, Any]) -> str | None:
    found = keys.get("signals")
    if not isinstance(found, list):
        return None
    shown = [
        f"{_text(one.get('name'))}: {_text(one.get('says')).partition(': ')[0]}"
        if isinstance(one, dict)
        else _text(one)
        for one in found[:_SHOWN]
    ]
    rest = len(found) - len(shown)
    return "; ".join(shown) + (f"; and {rest:,} more" if rest > 0 else "")


# In the order of the lines; what is empty is left out.
_SENTENCES: dict[str, Callable[[Mapping[str, Any]], str | None]] = {
    "signals": _signals,
    "pulse": _pulse,
    "memory": _memory,
    "documents": _documents,
    "work": _work,
    "blocked": _blocked,
    "milestone": _milestone,
    "session": _session,
    "cycle": _cycle,
}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _ids(value: object) -> str:
    found = as_texts(value)
    return ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN}" * (len(found) > _SHOWN))
