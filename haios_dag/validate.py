"""Check event logs, status files, settings, traces and schemas: `doit validate`.

An error is what a reader may lose or misunderstand, or what cannot be read. A warning is what this
program reads and others may not, such as lines that end in CRLF.
"""

import json as json_format
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from haios_dag import events
from haios_dag.base import config, config_errors, files, line_numbers, schema
from haios_dag.base.console import printable, say
from haios_dag.base.errors import ConfigError, InvalidError
from haios_dag.base.workspace import Workspace
from haios_dag.events import log_lines
from haios_dag.ingest import traces

MAX_BYTES = 32 << 20
"""Bytes; a longer file is not checked, unless it is an event log."""

_SHOWN = 20  # findings of a file that people see; JSON has all
_LONGEST = 300  # characters of a message
_WARNINGS = {
    "ANSI, read as Windows-1252",
    "CRLF",
    "UTF-16",
    "byte order mark",
    "ts without offset, read as local time",
}
_IN_SCHEMA = {"no ts", "no type"}  # the schema says the same


class Violation(NamedTuple):
    """What is wrong, and where: `line` counts from 1, `path` is a JSON path such as `$.ts`."""

    file: Path
    line: int
    path: str
    level: str
    message: str


class Target(NamedTuple):
    """A file and its kind: `event`, `trace`, `toml`, `schema`, or the name of its schema."""

    file: Path
    kind: str


# --- what to check -------------------------------------------------------------------------------


def of_workspace(workspace: Workspace) -> list[Target]:
    """Return the files that a workspace may have, whether they exist or not.

    The log comes before its archives, so that lines archived meanwhile are not missed.
    """
    try:
        folder = workspace.root / workspace.config.ingest.traces
    except ConfigError:  # a finding of its own
        folder = workspace.root / config.load(workspace.root / "no settings").ingest.traces
    logs = [workspace.events, *events.archives(workspace)]
    return [
        Target(workspace.root / "haios.toml", "toml"),
        Target(workspace.status, "status"),
        Target(workspace.status_slim, "status-slim"),
        *(Target(path, "event") for path in logs),
        *(Target(path, "trace") for path in sorted(folder.glob("*.jsonl"))),
    ]


def named(path: Path) -> Target:
    """Return a file with its kind, which its name says; raise InvalidError for an unknown name."""
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
        "its name is not one of haios.toml, haios-status.json, haios-status-slim.json,"
        " *.schema.json, traces/*.jsonl, or *.jsonl for event logs"
    )


# --- checking ------------------------------------------------------------------------------------


def check(target: Target, counts: Counter[str]) -> Iterator[Violation]:
    """Yield what is wrong with a file, in bounded memory for an event log.

    Add to the `lines` of logs and traces, and to the `events`, in `counts`. Raise
    FileNotFoundError.
    """
    path, kind = target
    try:
        with files.open_plain(path) as file:
            if kind == "event":
                yield from _log(path, file, counts)
                return
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        yield _error(path, f"cannot be read: {error.strerror}")
        return
    if len(data) > MAX_BYTES:
        yield _error(path, f"longer than {MAX_BYTES >> 20} MB, so it was not checked")
    elif kind == "trace":
        yield from _traces(path, data, counts)
    else:
        yield from _document(path, data, kind)


def _log(path: Path, file: IO[bytes], counts: Counter[str]) -> Iterator[Violation]:
    """Check the lines of an event log. A warning is one finding for all lines that have it."""
    odd: Counter[str] = Counter()
    first: dict[str, int] = {}
    number = 0
    for entry in log_lines.forward(file):
        number, event, problem, _, strange = entry
        counts["lines"] += 1
        if event is None:
            yield _error(path, str(problem), number)
            continue
        counts["events"] += 1
        try:
            if not strange and schema.validator(*schema.names_of_event(event["type"])).is_valid(
                event
            ):
                continue
        except (KeyError, TypeError, ValueError):
            pass  # no type, one that is not text, or half a surrogate pair
        for warning in _WARNINGS.intersection(strange):
            odd[warning] += 1
            first.setdefault(warning, number)
        yield from _event(path, entry)
    for name, times in sorted(odd.items()):
        message = f"{name}: {_count(times, 'line')} from this one on"
        yield Violation(path, first[name], "$", "warning", message)


def _event(path: Path, entry: events.Entry) -> Iterator[Violation]:
    event = entry.event or {}
    kind = event.get("type")
    found = schema.violations(schema.names_of_event(kind if isinstance(kind, str) else None), event)
    is_naive = "ts without offset, read as local time" in entry.odd  # a warning
    found = [one for one in found if not (is_naive and one.path == ["ts"])]
    for one in found:
        yield _violation(path, entry.number, one)
    for odd in entry.odd:
        if odd not in _WARNINGS | _IN_SCHEMA and not (odd == "unreadable ts" and found):
            yield _error(path, odd, entry.number)


def _traces(path: Path, data: bytes, counts: Counter[str]) -> Iterator[Violation]:
    """Check the lines of a trace file, torn ones included; blank lines are allowed."""
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    counts["lines"] += len(lines) - (not lines[-1])
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = schema.parse(line)
            found = schema.violations("trace", value)
            for one in found:
                yield _violation(path, number, one)
            if not found:
                traces.from_value(value)
        except (ValueError, RecursionError) as error:
            yield _error(path, _reason(error), number)
    yield from _mark(path, data)


def _document(path: Path, data: bytes, kind: str) -> Iterator[Violation]:
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
        if kind == "toml":
            for wrong in config_errors.violations(text, config.parse(text)):
                yield _violation(path, wrong.line, wrong)
        else:
            value = schema.parse(text.encode())
            for one in (
                schema.unsound(value) if kind == "schema" else schema.violations(kind, value)
            ):
                yield _violation(path, line_numbers.in_json(text, one.path), one)
    except (ValueError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        yield _error(path, _reason(error), int(line[1]) if line else 1)
    else:
        yield from _mark(path, data)


def _mark(path: Path, data: bytes) -> Iterator[Violation]:
    if data.startswith(b"\xef\xbb\xbf"):
        yield Violation(path, 1, "$", "warning", "byte order mark")


def _violation(
    file: Path, line: int, one: schema.SchemaViolation | config_errors.SettingError
) -> Violation:
    return Violation(file, line, schema.json_path(one.path), "error", one.message[:_LONGEST])


def _error(file: Path, message: str, line: int = 1) -> Violation:
    return Violation(file, line, "$", "error", message)


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    before = "not JSON: " if isinstance(error, json_format.JSONDecodeError) else ""
    return before + str(error)[:_LONGEST]


# --- the report ----------------------------------------------------------------------------------


def show(workspace: Workspace, paths: Iterable[str] = (), *, json: bool = False) -> None:
    """Check files, and folders as workspaces, or the workspace; print what is wrong.

    With `json`, print JSON lines, the last with the numbers (`schemas/validate`). Under GitHub
    Actions, print its annotations. Raise InvalidError when there is an error.
    """
    counts: Counter[str] = Counter()
    named_paths = [Path(path) for path in paths]
    if not named_paths and not (workspace.root / "dodo.py").exists():
        named_paths = [workspace.root]  # no workspace: then a file has to be there
    shape = _json if json else _github if os.environ.get("GITHUB_ACTIONS") == "true" else _text
    most = math.inf if json else _SHOWN

    def report() -> Iterator[str]:
        for file, found in _all(workspace.root, named_paths, counts):
            shown = 0
            for finding in found:
                counts[finding.level] += 1
                shown += 1
                if shown <= most:
                    yield shape(finding)
            if shown > most:
                yield f"and {shown - _SHOWN} more in {printable(str(file))}"
        yield json_format.dumps(_numbers(counts)) if json else _summary(counts)

    say(report())
    if counts["error"]:
        raise InvalidError(f"not valid: {_count(counts['error'], 'error')}")


def _all(
    root: Path, paths: list[Path], counts: Counter[str]
) -> Iterator[tuple[Path, Iterator[Violation]]]:
    """Yield each file with its findings."""
    for path in paths or [root]:
        if not path.is_dir():
            yield path, _named(path, counts)
            continue
        before = counts["files"]
        for target in of_workspace(Workspace(path)):
            yield target.file, _present(target, counts)
        if paths and counts["files"] == before:
            yield path, iter([_error(path, "has no file that could be checked")])
    if not paths or any(path.is_dir() for path in paths):
        for file in sorted(schema.resource("schemas").glob("*.json")):
            yield file, _present(Target(file, "schema"), counts)


def _named(path: Path, counts: Counter[str]) -> Iterator[Violation]:
    """Check a file that was named: it must exist and have a known name."""
    counts["files"] += 1
    try:
        yield from check(named(path), counts)
    except FileNotFoundError:
        yield _error(path, "not there")
    except InvalidError as error:
        yield _error(path, str(error))


def _present(target: Target, counts: Counter[str]) -> Iterator[Violation]:
    """Check a file of a workspace, which may be missing."""
    try:
        yield from check(target, counts)
        counts["files"] += 1
    except FileNotFoundError:
        counts["not there"] += 1


def _text(finding: Violation) -> str:
    word = "warning: " if finding.level == "warning" else ""
    return printable(f"{finding.file}:{finding.line}: {word}{finding.path}: {finding.message}")


def _json(finding: Violation) -> str:
    return json_format.dumps(finding._asdict() | {"file": str(finding.file)})


def _github(finding: Violation) -> str:
    """Return an annotation of GitHub Actions, escaped as its own toolkit does."""
    place = "".join(_ESCAPES.get(one, one) for one in str(finding.file))
    message = _text(finding).replace("%", "%25")
    return f"::{finding.level} file={printable(place)},line={finding.line}::{message}"


_ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}


def _numbers(counts: Counter[str]) -> dict[str, int]:
    numbers = {name: counts[name] for name in ("files", "lines", "events")}
    more = {"not_there": "not there", "errors": "error", "warnings": "warning"}
    return numbers | {name: counts[counted] for name, counted in more.items()}


def _summary(counts: Counter[str]) -> str:
    said = f"{_count(counts['files'], 'file')} checked, {_count(counts['events'], 'event')}"
    said += f": {_count(counts['error'], 'error')}, {_count(counts['warning'], 'warning')}"
    return said + (f"; {counts['not there']} not there" if counts["not there"] else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
