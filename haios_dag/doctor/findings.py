"""What the checks can find: how bad it is, in which words, what to do, and what `--fix` repairs."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, ParamSpec

from haios_dag.base.workspace import Workspace

_Given = ParamSpec("_Given")

Level = Literal["ok", "warning", "error", "unknown", "fixed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check.

    `name` is its key in FINDINGS, empty for what is ok or fixed; `fix` is its repair in FIXES, if
    there is one.
    """

    level: Level
    what: str
    where: str = ""
    advice: str = ""
    fix: str = ""
    name: str = ""


Check = Callable[[Workspace], Iterator[Finding]]

FIXES = {
    "env-open": "env",
    "leftover": "leftovers",
    "words-wrong": "words",
    "dangling-ours": "dangling",
    "items-vanished": "vanished",
    "counts-kept-wrong": "totals",
    "vectors-damaged": "vectors",
    "vectors-mixed": "vectors",
    "cache-wrong": "cache",
}
"""The repair that `--fix` makes of a finding, by the finding's name."""

_BEAT = "run: doit heartbeat"
_SCHEDULE = "run: doit schedule-install"
_REINSTALL = "see why with doit schedule-status, and correct it with doit schedule-install"
_RESTORE = "restore a backup, or move the memory away and let a beat start a new one"
_EMBED = "doit doctor --fix lets the next beat make them again"
_DANGLING = "{number:,} rows of {table} refer to missing rows: another program deleted those"
_EXPLAIN = "look at one with: doit synthesis-explain {one}"

# name: (check, level, what was found, what to do); {} are the facts that `found` is given
FINDINGS: dict[str, tuple[str, Level, str, str]] = {
    "not-a-regular-file": ("files", "error",
        "it is not a regular file, so nothing else was checked", "move it away"),
    "modules-missing": ("python", "error", "these modules are not installed: {modules}",
        "install haios-dag again into this Python"),
    "no-fts5": ("python", "warning", "SQLite {version} has no FTS5, so recall cannot search words",
        "use a Python whose sqlite3 has FTS5"),
    "settings-unusable": ("settings", "error", "{error}", "correct it"),
    "env-open": ("settings", "error", "{error}", "doit doctor --fix does that"),
    "graph-broken": ("graph", "error",
        "doit cannot load it, so no beat can run: {error}", "correct it, then run: doit list"),
    "graph-older": ("graph", "warning",
        "it is of an older version, so new commands and steps are missing",
        "run: haios-dag init --upgrade {folder}"),
    "not-writable": ("permissions", "error", "it cannot be written", "make it writable for you"),
    "others-may-change": ("permissions", "error",
        "every user may change it, and with it what the beat runs", "run: chmod o-w {path}"),
    "group-may-change": ("permissions", "warning",
        "its group may change it, and with it what the beat runs", "run: chmod g-w {path}"),
    "disk-full": ("disk", "error",
        "its disk is nearly full: {free:,} MB are free, and a beat may need {needed:,}",
        "free space, or files, on that disk"),
    "no-room-for-copy": ("disk", "warning",
        "its disk has {free:,} MB free, too little for a copy of the memory",
        "free {missing:,} MB"),
    "remote-disk": ("locks", "error",
        "it is on {system}, where locks and SQLite's WAL are not reliable",
        "move it to a local disk"),
    "lines-unreadable": ("log", "warning", "{unread:,} of {lines:,} lines cannot be read: {kinds}",
        "find out what wrote them; doit events-clear archives the log as it is"),
    "no-beat": ("beats", "warning", "there was no beat yet", _BEAT),
    "beat-undated": ("beats", "unknown", "the last heartbeat has no readable time",
        "find out what wrote it; the next beat has one"),
    "beat-ahead": ("beats", "warning", "the last beat is dated {span} in the future",
        "check this computer's clock"),
    "beat-late": ("beats", "error", "the last beat was {span} ago, and one was due at {due}",
        _REINSTALL),
    "beat-interrupted": ("beats", "warning", "the last beat was interrupted: {why}",
        f"correct that, then {_BEAT}"),
    "beat-not-well": ("beats", "error", "the last beat is {outcome}: {why}",
        f"correct that, then {_BEAT}"),
    "beat-cut-off": ("lock", "warning", "a beat was killed or lost power before its end ({who})",
        "nothing: the next beat records it and goes on"),
    "leftover": ("leftovers", "warning", "a killed write left a temporary file",
        "doit doctor --fix removes it"),
    "no-status": ("status", "warning", "this status file is missing", _BEAT),
    "status-not-json": ("status", "error", "it is not JSON",
        "the next beat sets it aside and writes a new one: doit heartbeat"),
    "status-invalid": ("status", "error", "it does not match its schema: {problems}",
        f"correct what wrote that key, then {_BEAT}"),
    "status-stale": ("status", "warning", "it has been stale since {since}", _BEAT),
    "not-scheduled": ("schedule", "warning", "nothing starts the beats: {seen}", _SCHEDULE),
    "schedule-off": ("schedule", "error", "{entry} is installed, but off: {seen}",
        "run: {command}"),
    "schedule-drift": ("schedule", "warning", "the entry in {scheduler} has drifted: {drift}",
        _REINSTALL),
    "schedule-unknown": ("schedule", "unknown",
        "it is unknown whether anything starts the beats: {seen}",
        f"look into the scheduler that you use, or {_SCHEDULE}"),
    "no-memory": ("memory", "warning", "there is no memory yet", _BEAT),
    "memory-unusable": ("memory", "error", "{error}", "do what it says, then check again"),
    "memory-damaged": ("memory", "error", "it is damaged: {damage}", _RESTORE),
    "not-prepared": ("invariants", "warning", "no beat has used it yet", _BEAT),
    "words-wrong": ("words", "error", "the word index is not reliable: {wrong}",
        "doit doctor --fix builds it again"),
    "dangling-ours": ("references", "error", _DANGLING, "doit doctor --fix removes them"),
    "dangling-theirs": ("references", "warning", _DANGLING,
        "correct the program that deleted them"),
    "invariant-broken": ("invariants", "error", "{number:,} insights or bridges: {what}",
        f"{_EXPLAIN}; {_RESTORE}"),
    "invariant-of-others": ("invariants", "warning",
        "{number:,} insights or bridges of another program: {what}", _EXPLAIN),
    "leaderless": ("invariants", "error",
        "{number:,} items are in clusters whose leader does not lead", _RESTORE),
    "items-vanished": ("items", "warning",
        "{number:,} concepts or traces are missing: another program deleted them",
        "doit doctor --fix sets them aside"),
    "counts-kept-wrong": ("items", "error",
        "{number:,} of the stored counts are wrong, and so is the status",
        "doit doctor --fix counts again"),
    "vectors-damaged": ("vectors", "error",
        "{number:,} vectors are missing or not of length {length}", _EMBED),
    "vectors-mixed": ("vectors", "error",
        "{number:,} items have a vector of another model than the one in use", _EMBED),
    "space-of-others": ("vectors", "warning",
        "the vectors are of {space}, and this release uses {ours}",
        "the next beat makes them again"),
    "insights-without-vector": ("vectors", "warning",
        "{number:,} insights or bridges have no vector, so recall misses them",
        "the next beat embeds them: doit heartbeat"),
    "cache-wrong": ("cache", "warning", "the vector cache is wrong: {wrong}",
        "doit doctor --fix deletes it; the next beat that needs it makes a new one"),
    "claims-fewer": ("counts", "error",
        "{number:,} heartbeats claim fewer rows than memory has of them: {beats}",
        "keep both files and report it: an event was wrong"),
    "claims-more": ("counts", "warning", ("{number:,} heartbeats claim rows that memory does not"
        " have: {beats}; another program deleted them, or this is an older copy of the memory"),
        f"nothing, if that was intended; else {_RESTORE}"),
    "beats-unlogged": ("counts", "warning",
        "{number:,} beats wrote to memory and have no readable event: {beats}",
        "put back the missing part of the log or archive"),
    "log-too-short": ("counts", "unknown", ("the log and its archives do not reach back to"
        " {number:,} beats that wrote to memory, so their events are unknown: {beats}"),
        "put the missing archives back beside the log, if you have copies"),
    "beats-meanwhile": ("counts", "unknown", ("{number:,} beats ended during this check, or are"
        " dated in the future, and their rows do not match their events: {beats}"), "check again"),
}  # fmt: skip


def found(name: str, where: Path | str = "", **facts: object) -> Finding:
    """Return a finding of FINDINGS with its facts."""
    _, level, what, advice = FINDINGS[name]
    what, advice = what.format(**facts), advice.format(**facts)
    return Finding(level, what, str(where), advice, FIXES.get(name, ""), name)


def ok(what: str) -> Finding:
    """Return a finding that all is well."""
    return Finding("ok", what)


def or_ok(
    what: str,
) -> Callable[[Callable[_Given, Iterator[Finding]]], Callable[_Given, Iterator[Finding]]]:
    """Let a check that finds nothing say that all is well, in these words."""

    def decorate(check: Callable[_Given, Iterator[Finding]]) -> Callable[_Given, Iterator[Finding]]:
        @functools.wraps(check)
        def checked(*args: _Given.args, **options: _Given.kwargs) -> Iterator[Finding]:
            is_sound = True
            for finding in check(*args, **options):
                is_sound = False
                yield finding
            if is_sound:
                yield ok(what)

        return checked

    return decorate
