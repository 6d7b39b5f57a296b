"""The event log as people read it: the actions behind `events`, `events-since` and so on."""

import json as json_format
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from haios_dag import clock
from haios_dag.errors import EventError
from haios_dag.events import dates, log
from haios_dag.events.lines import Entry
from haios_dag.text import printable, say

if TYPE_CHECKING:
    from haios_dag.workspace import Workspace

_LONGEST_ERROR = 300
_LONGEST_VALUE = 60
_MOST_VALUES = 8
_MOST_TYPES = 30


def show(workspace: "Workspace", count: int = 20, *, json: bool = False) -> None:
    """Print the last events, oldest first, and how many lines among them could not be read.

    With `json`, as JSON lines, and the remarks on stderr. Raise EventError.
    """
    if count < 1:
        raise EventError(f"{count} events cannot be shown; ask for 1 or more")
    found: list[Entry] = []
    unread: Counter[str] = Counter()
    for entry in log.read_back(workspace):
        if entry.event is None:
            unread[str(entry.problem)] += 1
        else:
            found.append(entry)
        if len(found) == count:
            break
    say(map(_raw if json else line, reversed(found)))
    _remark([] if found else ["no events yet"], unread, json=json)


def show_since(workspace: "Workspace", words: list[str], *, json: bool = False) -> None:
    """Print how a date is understood, then the events since that instant in the log's order.

    With `json`, as JSON lines, and the remarks on stderr. Raise EventError.
    """
    now = clock.now()
    text = " ".join(words)
    instant = dates.since(text, now)
    unread: Counter[str] = Counter()
    seen: Counter[str] = Counter()

    def since() -> Iterator[Entry]:
        for entry in log.read(workspace):
            if entry.event is None:
                unread[str(entry.problem)] += 1
            elif entry.when is None:
                seen["undated"] += 1
            elif entry.when < instant:
                seen["earlier"] += 1
            else:
                seen["shown"] += 1
                yield entry

    _remark([dates.understood(text, instant, now)], Counter(), json=json)
    say(map(_raw if json else line, since()))
    remarks = [] if seen["shown"] else ["no events since then" if seen else "no events yet"]
    if seen["undated"]:
        remarks.append(f"left out, having no readable time: {seen['undated']}")
    _remark(remarks, unread, json=json)


def stats(workspace: "Workspace") -> None:
    """Print counts by type and outcome, first and last, and what was odd. Raise EventError."""
    kinds: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    odd: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    first: datetime | None = None
    last: datetime | None = None
    for entry in log.read(workspace):
        if entry.event is None:
            unread[str(entry.problem)] += 1
            continue
        kinds[_kind(entry.event)] += 1
        odd.update(entry.odd)
        if entry.event.get("type") == "heartbeat":
            outcomes[_short(entry.event.get("outcome", "without outcome"))] += 1
        if entry.when:
            first = min(first or entry.when, entry.when)
            last = max(last or entry.when, entry.when)
    said = [f"{kinds.total()} events" if kinds else "no events yet"]
    if first and last:
        said[0] += f", from {_local(first)} to {_local(last)}"
    said += [f"  {number:>8}  {kind}" for kind, number in _ranked(kinds)[:_MOST_TYPES]]
    if len(kinds) > _MOST_TYPES:
        said.append(f"  and {len(kinds) - _MOST_TYPES} further types")
    if outcomes:
        said.append(f"heartbeats: {_counts(outcomes)}")
    if odd:
        said.append(f"read, but odd: {_counts(odd)}")
    _remark(said, unread, json=False)


def clear_log(workspace: "Workspace") -> None:
    """Archive the log and print where it is now. Raise EventError."""
    archive = log.clear(workspace)
    say([f"archived as {printable(str(archive))}" if archive else "no events yet"])


def line(entry: Entry) -> str:
    """Return the line that shows an event to a person: local time, type, what matters in it."""
    event = entry.event or {}
    when = _local(entry.when) if entry.when else "(no readable time)"
    steps = event.get("steps")
    beat = event.get("type") == "heartbeat" and isinstance(steps, dict)
    facts = _beat(event, steps) if beat and isinstance(steps, dict) else _values(event)
    return f"{when:19}  {_kind(event)}  {facts}".rstrip()


def _beat(event: dict[str, Any], steps: dict[str, Any]) -> str:
    """Return what matters in a heartbeat."""
    said = [_short(event.get("outcome", "without outcome"))]
    for key, noun in (("new_insights", "insight"), ("new_bridges", "bridge")):
        number = _short(event.get(key, "?"))
        said.append(f"{number} {noun}{'' if number == '1' else 's'}")
    if isinstance(seconds := event.get("seconds"), int | float):
        said.append(f"{seconds:.1f} s")
    if isinstance(reason := event.get("reason"), str):
        said.append(_short(reason, _LONGEST_ERROR))
    warnings = 0
    for name, step in steps.items():
        if not isinstance(step, dict):
            continue
        if step.get("outcome") in ("failed", "interrupted"):
            error = _short(step.get("error", ""), _LONGEST_ERROR)
            said.append(f"{_short(name)} {step['outcome']}" + (f": {error}" if error else ""))
        warnings += len(found) if isinstance(found := step.get("warnings"), list) else 0
    if warnings:
        said.append(f"{warnings} warning{'' if warnings == 1 else 's'}")
    return "; ".join([", ".join(said[:4]), *said[4:]])


def _values(event: dict[str, Any]) -> str:
    """Return the first values of an event whose meaning is not known here."""
    rest = [(key, value) for key, value in event.items() if key not in ("ts", "type")]
    shown = [f"{_short(key)}={_short(value)}" for key, value in rest[:_MOST_VALUES]]
    return " ".join(shown + ["..."] * (len(rest) > _MOST_VALUES))


def _kind(event: dict[str, Any]) -> str:
    """Return the type of an event as it can be shown."""
    return _short(event["type"]) if isinstance(event.get("type"), str) else "(no type)"


def _short(value: object, longest: int = _LONGEST_VALUE) -> str:
    """Return a value as it can be shown: on one line, printable, not too long."""
    text = value if isinstance(value, str) else json_format.dumps(value, ensure_ascii=False)
    return printable(text if len(text) <= longest else text[: longest - 3] + "...")


def _raw(entry: Entry) -> str:
    """Return an event as a line of ASCII JSON."""
    return json_format.dumps(entry.event, separators=(",", ":"))


def _local(instant: datetime) -> str:
    """Return an instant as local time, to the second."""
    return instant.astimezone().replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def _counts(counter: Counter[str]) -> str:
    """Return counts as `3 ok, 1 failed`."""
    return ", ".join(f"{number} {name}" for name, number in _ranked(counter))


def _ranked(counter: Counter[str]) -> list[tuple[str, int]]:
    """Return counts, the highest first, equal ones by name."""
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))


def _remark(remarks: list[str], unread: Counter[str], *, json: bool) -> None:
    """Print remarks, and what could not be read, where they do not disturb JSON lines."""
    if unread:
        many = "1 line" if unread.total() == 1 else f"{unread.total()} lines"
        remarks = [*remarks, f"{many} could not be read: {_counts(unread)}"]
    say(remarks, sys.stderr if json else sys.stdout)
