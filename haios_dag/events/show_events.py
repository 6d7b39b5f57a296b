"""Showing the event log: the commands `events`, `events-since` and `events-clear`."""

import json as json_format
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from haios_dag.base import clock
from haios_dag.base.console import printable, say
from haios_dag.base.errors import EventError
from haios_dag.base.json_values import as_list, as_object
from haios_dag.events import dates, log_reader, log_writer
from haios_dag.events.log_lines import Entry

if TYPE_CHECKING:
    from haios_dag.base.workspace import Workspace

_LONGEST_ERROR = 300
_LONGEST_VALUE = 60
_MOST_VALUES = 8


def show(
    workspace: "Workspace", count: int = 20, kind: str | None = None, *, json: bool = False
) -> None:
    """Print the last `count` events, of a type if `kind` is given, and what could not be read."""
    if count < 1:
        raise EventError(f"{count} events cannot be shown; ask for 1 or more")
    found: list[Entry] = []
    unread: Counter[str] = Counter()
    for entry in log_reader.read_back(workspace, kind):
        if entry.event is None:
            unread[str(entry.problem)] += 1
        elif kind is None or entry.event.get("type") == kind:
            found.append(entry)
        if len(found) == count:
            break
    say(map(_raw if json else line, reversed(found)))
    nothing = "no events yet" if kind is None else f"no events of type {printable(kind)}"
    remark([] if found else [nothing], unread, json=json)


def show_since(workspace: "Workspace", words: list[str], *, json: bool = False) -> None:
    """Print how a date is understood, then the events since that instant."""
    now = clock.now()
    text = " ".join(words)
    instant = dates.since(text, now)
    unread: Counter[str] = Counter()
    read: Counter[str] = Counter()

    def since() -> Iterator[Entry]:
        for entry in log_reader.read(workspace):
            if entry.event is None:
                unread[str(entry.problem)] += 1
            elif entry.when is None or entry.when < instant:
                read["before" if entry.when else "undated"] += 1
            else:
                read["shown"] += 1
                yield entry

    remark([dates.understood(text, instant, now)], Counter(), json=json)
    say(map(_raw if json else line, since()))
    remarks = []
    if not read["shown"]:
        remarks.append("no events since then" if read else "no events yet")
    if read["undated"]:
        remarks.append(f"left out, having no readable time: {read['undated']}")
    remark(remarks, unread, json=json)


def clear_log(workspace: "Workspace") -> None:
    """Archive the log and print its new path. Raise EventError."""
    archive = log_writer.clear(workspace)
    say([f"archived as {printable(str(archive))}" if archive else "no events yet"])


def line(entry: Entry) -> str:
    """Return an event as a line for people: local time, type, what matters in it."""
    event = entry.event or {}
    when = local(entry.when) if entry.when else "(no readable time)"
    if event.get("type") == "heartbeat" and isinstance(steps := event.get("steps"), dict):
        facts = _beat(event, steps)
    else:
        facts = _values(event)
    return f"{when:19}  {kind(event)}  {facts}".rstrip()


def _beat(event: dict[str, Any], steps: dict[str, Any]) -> str:
    said = [short(event.get("outcome", "without outcome"))]
    for key, noun in (("new_insights", "insight"), ("new_bridges", "bridge")):
        number = short(event.get(key, "?"))
        said.append(f"{number} {noun}{'' if number == '1' else 's'}")
    if isinstance(seconds := event.get("seconds"), int | float):
        said.append(f"{seconds:.1f} s")
    if isinstance(reason := event.get("reason"), str):
        said.append(short(reason, _LONGEST_ERROR))
    reports = {name: step for name, step in steps.items() if isinstance(step, dict)}
    for name, step in reports.items():
        if step.get("outcome") in ("failed", "interrupted"):
            error = short(step.get("error", ""), _LONGEST_ERROR)
            said.append(f"{short(name)} {step['outcome']}" + (f": {error}" if error else ""))
    told = as_list(event.get("notifications"))
    for many, noun in (
        (sum(as_object(one).get("ok") is False for one in told), "notification{} failed"),
        (sum(len(as_list(step.get("warnings"))) for step in reports.values()), "warning{}"),
    ):
        if many:
            said.append(f"{many} {noun.format('' if many == 1 else 's')}")
    return "; ".join([", ".join(said[:4]), *said[4:]])


def _values(event: dict[str, Any]) -> str:
    rest = [(key, value) for key, value in event.items() if key not in ("ts", "type")]
    shown = [f"{short(key)}={short(value)}" for key, value in rest[:_MOST_VALUES]]
    return " ".join(shown + ["..."] * (len(rest) > _MOST_VALUES))


def kind(event: dict[str, Any]) -> str:
    """Return the type of an event, safe to show."""
    return short(event["type"]) if isinstance(event.get("type"), str) else "(no type)"


def short(value: object, longest: int = _LONGEST_VALUE) -> str:
    """Return a value safe to show: on one line, printable, shortened."""
    text = value if isinstance(value, str) else json_format.dumps(value, ensure_ascii=False)
    return printable(text if len(text) <= longest else text[: longest - 3] + "...")


def _raw(entry: Entry) -> str:
    return json_format.dumps(entry.event, separators=(",", ":"))


def local(instant: datetime) -> str:
    """Return an instant in local time, to the second."""
    return instant.astimezone().replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")


def counts(counter: Counter[str]) -> str:
    """Return counts as `3 ok, 1 failed`."""
    return ", ".join(f"{number} {name}" for name, number in ranked(counter))


def ranked(counter: Counter[str]) -> list[tuple[str, int]]:
    """Return counts, highest first, equal ones by name."""
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))


def remark(remarks: list[str], unread: Counter[str], *, json: bool) -> None:
    """Print remarks and how many lines could not be read, on stderr if stdout has JSON lines."""
    if unread:
        many = "1 line" if unread.total() == 1 else f"{unread.total()} lines"
        remarks = [*remarks, f"{many} could not be read: {counts(unread)}"]
    say(remarks, sys.stderr if json else sys.stdout)
