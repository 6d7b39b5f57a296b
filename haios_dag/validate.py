"""Check event logs, status files, settings, traces and schemas: `doit validate`.

An error is what a reader may lose or misunderstand; a warning is what this program reads although
another may not, such as a line of a foreign log with CRLF. Whatever cannot be read is an error.
"""

import json as json_format
import math
import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from haios_dag import events
from haios_dag.base import files, line_numbers, schema
from haios_dag.base.console import printable, say
from haios_dag.base.errors import HaiosError, InvalidError
from haios_dag.base.workspace import Workspace
from haios_dag.events import log_lines
from haios_dag.ingest import traces

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

MAX_BYTES = 32 << 20
"""Bytes of the longest file that is not an event log."""

_MOST = 20  # findings a file that are shown to people; JSON has them all
_LONGEST = 300
_READ = {
    "ANSI, read as Windows-1252",
    "CRLF",
    "UTF-16",
    "byte order mark",
    "ts without offset, read as local time",
}
_AT_SCHEMA = {"no ts", "no type"}  # the schema says the same


class Violation(NamedTuple):
    """What is wrong at one place: `line` counts from 1, `path` is a JSON path such as `$.ts`."""

    file: Path
    line: int
    path: str
    level: str
    message: str


class Target(NamedTuple):
    """A file and what it should be: `event`, `trace`, `toml`, `schema`, or a schema's name."""

    file: Path
    kind: str


# --- what is to be checked -----------------------------------------------------------------------


def of_workspace(workspace: Workspace) -> list[Target]:
    """Return what a workspace may have, whether it is there or not; raise ConfigError.

    The log stands before its archives: what is archived meanwhile is then checked in either.
    """
    try:
        folder = workspace.root / workspace.config.ingest.traces
    except HaiosError:  # it is a finding; here the folder's usual name has to do
        folder = (
            workspace.root
            / schema.load("config")["properties"]["ingest"]["properties"]["traces"]["default"]
        )
    logs = [workspace.events, *events.archives(workspace)]
    return [
        Target(workspace.root / "haios.toml", "toml"),
        Target(workspace.status, "status"),
        Target(workspace.status_slim, "status-slim"),
        *(Target(path, "event") for path in logs),
        *(Target(path, "trace") for path in sorted(folder.glob("*.jsonl"))),
    ]


def named(path: Path) -> Target:
    """Return what a file should be by its name; raise InvalidError when nothing is known of it."""
    name = path.name
    if name.endswith(".schema.json"):
        return Target(path, "schema")
    if name in ("haios-status.json", "haios-status-slim.json"):
        return Target(path, path.stem.removeprefix("haios-"))
    if name == "haios.toml":
        return Target(path, "toml")
    if name.endswith(".jsonl"):
        return Target(path, "trace" if path.absolute().parent.name == "traces" else "event")
    raise InvalidError(
        "not known by its name; there are haios.toml, haios-status.json, haios-status-slim.json,"
        " *.schema.json, traces/*.jsonl and, as event logs, all other *.jsonl"
    )


# --- checking ------------------------------------------------------------------------------------


def check(target: Target, counts: Counter[str], most: float = math.inf) -> Iterator[Violation]:
    """Return what is wrong with a file, in bounded memory for an event log.

    After `most` findings of an event log the messages may be brief: nobody is to read them.
    `counts` gets the numbers of `lines` of logs and traces, and of `events`. Raise
    FileNotFoundError.
    """
    path, kind = target
    try:
        with files.open_plain(path) as file:
            if kind == "event":
                yield from _log(path, file, counts, most)
            elif kind == "trace":
                yield from _traces(path, _whole(file), counts)
            else:
                yield from _document(path, _whole(file), kind)
    except FileNotFoundError:
        raise
    except OSError as error:
        yield Violation(path, 1, "$", "error", f"cannot be read: {error.strerror}")
    except InvalidError as error:
        yield Violation(path, 1, "$", "error", str(error))


def _whole(file: IO[bytes]) -> bytes:
    """Return the content of a file; raise InvalidError when it is too long."""
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InvalidError(f"longer than {MAX_BYTES >> 20} MB, so it was not checked")
    return data


def _log(path: Path, file: IO[bytes], counts: Counter[str], most: float) -> Iterator[Violation]:
    """Check the lines of an event log. An oddity that is a warning is one finding for all lines."""
    odd: Counter[str] = Counter()
    first: dict[str, int] = {}
    number = unread = said = 0
    for entry in log_lines.forward(file):
        number, event, problem, _, strange = entry
        if event is None:
            unread += 1
            said += 1
            yield Violation(path, number, "$", "error", str(problem))
            continue
        try:
            if not strange and schema.acceptor(*schema.names_of_event(event["type"]))(event):
                continue
        except (KeyError, TypeError, ValueError):
            pass  # a type that is no text, or a value that only jsonschema takes
        for warning in _READ.intersection(strange):
            odd[warning] += 1
            first.setdefault(warning, number)
        for finding in _event(path, entry, brief=said >= most):
            said += 1
            yield finding
    counts["lines"] += number
    counts["events"] += number - unread
    for name, times in sorted(odd.items()):
        message = f"{name}: {_count(times, 'line')} from this one on"
        yield Violation(path, first[name], "$", "warning", message)


def _event(path: Path, entry: events.Entry, *, brief: bool) -> Iterator[Violation]:
    """Return the errors of an event that was read, of the same number when they are brief."""
    event = entry.event or {}
    said = set()
    kind = event.get("type")
    names = schema.names_of_event(kind if isinstance(kind, str) else None)
    for place, message in schema.places(names, event, brief=brief):
        naive = place == "$.ts" and "ts without offset, read as local time" in entry.odd
        if not naive and (place, message) not in said:
            said.add((place, message))
            yield Violation(path, entry.number, place, "error", message[:_LONGEST])
    for odd in entry.odd:
        if odd not in _READ | _AT_SCHEMA and not (odd == "unreadable ts" and said):
            yield Violation(path, entry.number, "$", "error", odd)


def _traces(path: Path, data: bytes, counts: Counter[str]) -> Iterator[Violation]:
    """Check a trace file: as ingest reads it, blank lines aside, but torn lines too."""
    counts["lines"] += data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = schema.parse(line)
            found = schema.violations("trace", value)
            for error in found:
                yield _violation(path, number, error)
            if not found:
                traces.from_value(value)
        except (ValueError, RecursionError) as error:
            yield Violation(path, number, "$", "error", _reason(error))
    if data.startswith(b"\xef\xbb\xbf"):
        yield Violation(path, 1, "$", "warning", "byte order mark")


def _document(path: Path, data: bytes, kind: str) -> Iterator[Violation]:
    """Check a file that holds one value."""
    plain = data.removeprefix(b"\xef\xbb\xbf")
    try:
        if kind == "toml":
            value = tomllib.loads(plain.decode("utf-8"), parse_float=schema.finite)
            found = schema.violations("config", value)
        else:
            value = schema.parse(plain)
            found = schema.unsound(value) if kind == "schema" else schema.violations(kind, value)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None) or re.search(r"\(at line (\d+)", str(error))
        number = int(line[1]) if isinstance(line, re.Match) else line or 1
        yield Violation(path, number, "$", "error", _reason(error))
        return
    text = plain.decode("utf-8")
    where = line_numbers.in_toml if kind == "toml" else line_numbers.in_json
    for one in found:
        yield _violation(path, where(text, list(one.absolute_path)), one)
    if plain != data:
        yield Violation(path, 1, "$", "warning", "byte order mark")


def _violation(path: Path, line: int, error: "ValidationError") -> Violation:
    return Violation(path, line, error.json_path, "error", error.message[:_LONGEST])


def _reason(error: Exception) -> str:
    """Return why a text is not JSON or TOML."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    return ("not JSON: " if isinstance(error, json_format.JSONDecodeError) else "") + str(error)[
        :_LONGEST
    ]


# --- the report ----------------------------------------------------------------------------------


def show(workspace: Workspace, paths: Iterable[str] = (), *, json: bool = False) -> None:
    """Check files, and folders as workspaces, or the workspace; print what is wrong.

    With `json`, as JSON lines, the last with the numbers (`schemas/validate`). Under GitHub
    Actions, as its annotations. Raise InvalidError when there is an error.
    """
    counts: Counter[str] = Counter()
    named_paths = [Path(path) for path in paths]
    if not named_paths and not (workspace.root / "dodo.py").exists():
        named_paths = [workspace.root]  # no workspace: then a file has to be there
    shape = _json if json else _github if os.environ.get("GITHUB_ACTIONS") == "true" else _text

    most = math.inf if json else _MOST

    def report() -> Iterator[str]:
        for file, found in _all(workspace.root, named_paths, counts, most):
            shown = 0
            for finding in found:
                counts[finding.level] += 1
                shown += 1
                if shown <= most:
                    yield shape(finding)
            if shown > most:
                yield f"and {shown - _MOST} more in {printable(str(file))}"
        yield _numbers(counts) if json else _summary(counts)

    say(report())
    if counts["error"]:
        raise InvalidError(f"not valid: {_count(counts['error'], 'error')}")


def _all(
    root: Path, paths: list[Path], counts: Counter[str], most: float
) -> Iterator[tuple[Path, Iterator[Violation]]]:
    """Return the findings of each file."""
    for path in paths or [root]:
        if not path.is_dir():
            yield path, _one(path, counts, most)
            continue
        before = counts["files"]
        for target in of_workspace(Workspace(path)):
            yield target.file, _present(target, counts, most)
        if paths and counts["files"] == before:
            yield (
                path,
                iter([Violation(path, 1, "$", "error", "has no file that could be checked")]),
            )
    if not paths or any(path.is_dir() for path in paths):
        for file in sorted(schema.resource("schemas").glob("*.json")):
            yield file, _present(Target(file, "schema"), counts, most)


def _one(path: Path, counts: Counter[str], most: float) -> Iterator[Violation]:
    """Check a file that somebody named: it has to be there and to be known."""
    counts["files"] += 1
    try:
        yield from check(named(path), counts, most)
    except FileNotFoundError:
        yield Violation(path, 1, "$", "error", "not there")
    except InvalidError as error:
        yield Violation(path, 1, "$", "error", str(error))


def _present(target: Target, counts: Counter[str], most: float) -> Iterator[Violation]:
    """Check a file of a workspace, which need not be there."""
    try:
        yield from check(target, counts, most)
        counts["files"] += 1
    except FileNotFoundError:
        counts["not there"] += 1


def _text(finding: Violation) -> str:
    word = "warning: " if finding.level == "warning" else ""
    line = f"{finding.file}:{finding.line}: {word}{finding.path}: {finding.message}"
    return printable(line)


def _json(finding: Violation) -> str:
    return json_format.dumps(finding._asdict() | {"file": str(finding.file)})


def _github(finding: Violation) -> str:
    """Return an annotation as GitHub Actions reads it, escaped as its own toolkit does."""
    place = "".join(_ESCAPES.get(one, one) for one in str(finding.file))
    message = _text(finding).replace("%", "%25")
    return f"::{finding.level} file={printable(place)},line={finding.line}::{message}"


_ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}


def _numbers(counts: Counter[str]) -> str:
    """Return the last of the JSON lines."""
    return json_format.dumps(
        {
            "files": counts["files"],
            "not_there": counts["not there"],
            "lines": counts["lines"],
            "events": counts["events"],
            "errors": counts["error"],
            "warnings": counts["warning"],
        }
    )


def _summary(counts: Counter[str]) -> str:
    said = f"{_count(counts['files'], 'file')} checked, {_count(counts['events'], 'event')}"
    said += f": {_count(counts['error'], 'error')}, {_count(counts['warning'], 'warning')}"
    return said + (f"; {counts['not there']} not there" if counts["not there"] else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
