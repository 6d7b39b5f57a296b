"""What a check can find: how bad it is, in which words, what to do, and which repair mends it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from haios_dag.base.workspace import Workspace

Level = Literal["ok", "warning", "error", "unknown", "fixed"]

RESTORE = "restore a backup, or move the memory away and let a beat begin afresh"
_BEAT = "run: doit heartbeat"
_SCHEDULE = "run: doit schedule-install"
_AGAIN = "doit doctor --fix lets the next beat make them again"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check.

    `name` is its key in FINDINGS, or empty where all is well or was mended; `fix` names the
    repair that `--fix` makes of it, if there is one.
    """

    level: Level
    what: str
    where: str = ""
    advice: str = ""
    fix: str = ""
    name: str = ""


Check = Callable[[Workspace], Iterator[Finding]]


# name: check, level, what (with the names of its facts), what to do, the repair
FINDINGS: dict[str, tuple[str, Level, str, str, str]] = {
    "no-plain-file": (
        "files", "error", "it is not a plain file, so nothing else was examined", "move it away",
        ""),
    "modules-missing": (
        "python", "error", "these modules are not installed: {modules}",
        "install haios-dag again into this Python", ""),
    "no-fts5": (
        "python", "warning", "SQLite {version} has no FTS5, so recall finds no words",
        "use a Python whose sqlite3 has FTS5", ""),
    "settings-unusable": ("settings", "error", "{error}", "correct it", ""),
    "env-open": ("settings", "error", "{error}", "doit doctor --fix does that", "env"),
    "not-writable": (
        "permissions", "error", "it cannot be written", "make it writable for you", ""),
    "others-may-change": (
        "permissions", "error", "everybody may change it, and so what the beat runs",
        "run: chmod o-w {path}", ""),
    "group-may-change": (
        "permissions", "warning", "its group may change it, and so what the beat runs",
        "run: chmod g-w {path}", ""),
    "disk-full": (
        "disk", "error", "its disk is nearly full: {free:,} MB, and a beat may need {needed:,}",
        "free space, or files, on that disk", ""),
    "no-room-for-copy": (
        "disk", "warning", "its disk has {free:,} MB free, too little for a copy of the memory",
        "free {missing:,} MB", ""),
    "remote-disk": (
        "locks", "error", "it lies on {system}, where locks and SQLite's WAL do not hold",
        "move it to a disk of this computer", ""),
    "lines-unreadable": (
        "log", "warning", "{unread:,} of {lines:,} lines cannot be read: {kinds}",
        "find out who wrote them; doit events-clear archives the log as it is", ""),
    "no-beat": ("beats", "warning", "there was no beat yet", _BEAT, ""),
    "beat-undated": (
        "beats", "unknown", "the last heartbeat has no readable time",
        "find out who wrote it; the next beat has one", ""),
    "beat-ahead": (
        "beats", "warning", "the last beat is dated {span} ahead", "check this computer's clock",
        ""),
    "beat-late": (
        "beats", "error", "the last beat was {span} ago, and one was due at {due}",
        "see why with doit schedule-status, and put it right with doit schedule-install", ""),
    "beat-interrupted": (
        "beats", "warning", "the last beat is interrupted: {why}", f"correct that, then {_BEAT}",
        ""),
    "beat-not-well": (
        "beats", "error", "the last beat is {outcome}: {why}", f"correct that, then {_BEAT}", ""),
    "beat-cut-off": (
        "lock", "warning", "a beat never ended: killed, or powered off ({who})",
        "nothing: the next beat records it and goes on", ""),
    "leftover": (
        "leftovers", "warning", "a killed write left a temporary file",
        "doit doctor --fix removes it", "leftovers"),
    "no-status": ("status", "warning", "there is no such status file", _BEAT, ""),
    "status-not-json": (
        "status", "error", "it is not JSON",
        "the next beat sets it aside and writes a new one: doit heartbeat", ""),
    "status-invalid": (
        "status", "error", "it does not match its schema: {problems}",
        f"correct what wrote that key; {_BEAT}", ""),
    "status-stale": ("status", "warning", "it is stale since {since}", _BEAT, ""),
    "not-scheduled": ("schedule", "warning", "nothing begins the beats: {seen}", _SCHEDULE, ""),
    "schedule-off": (
        "schedule", "error", "{entry} is there, and off: {seen}", "run: {command}", ""),
    "schedule-drift": (
        "schedule", "warning", "what {scheduler} has is not what it should be: {drift}",
        "see it with doit schedule-status, and put it right with doit schedule-install", ""),
    "schedule-unknown": (
        "schedule", "unknown", "whether anything begins the beats cannot be told: {seen}",
        f"look into your own scheduler, or {_SCHEDULE}", ""),
    "no-memory": ("memory", "warning", "there is no memory yet", _BEAT, ""),
    "memory-unusable": ("memory", "error", "{error}", "do what it says, then ask again", ""),
    "memory-damaged": ("memory", "error", "it is damaged: {damage}", RESTORE, ""),
    "not-prepared": ("invariants", "warning", "no beat has prepared it", _BEAT, ""),
    "words-wrong": (
        "words", "error", "the word index cannot be relied on: {wrong}",
        "doit doctor --fix makes it anew", "words"),
    "dangling-ours": (
        "references", "error", ("{number:,} rows of {table} refer to rows that are gone: another"
        " program deleted rows without their dependents"), "doit doctor --fix removes them",
        "dangling"),
    "dangling-theirs": (
        "references", "warning", ("{number:,} rows of {table} refer to rows that are gone: another"
        " program deleted rows without their dependents"), "ask the program that deleted them", ""),
    "invariant-broken": (
        "invariants", "error", "{number:,} insights or bridges: {what}",
        f"look at one with: doit synthesis-explain {{one}}; {RESTORE}", ""),
    "invariant-of-others": (
        "invariants", "warning", ("{number:,} insights or bridges: {what} (another program wrote"
        " them)"), "look at one with: doit synthesis-explain {one}", ""),
    "leaderless": (
        "invariants", "error", "{number:,} items are in clusters whose leader does not lead",
        RESTORE, ""),
    "items-vanished": (
        "items", "warning", "{number:,} concepts or traces are gone: another program deleted them",
        "doit doctor --fix sets them aside", "vanished"),
    "counts-kept-wrong": (
        "items", "error", "{number:,} of the kept counts are wrong, and so is the status",
        "doit doctor --fix counts again", "totals"),
    "vectors-damaged": (
        "vectors", "error", "{number:,} vectors are missing or of another length than {length}",
        _AGAIN, "vectors"),
    "vectors-mixed": (
        "vectors", "error", "{number:,} items have a vector of another model than the one in use",
        _AGAIN, "vectors"),
    "space-of-others": (
        "vectors", "warning", "the vectors are of {space}, this release uses {ours}",
        "the next beat makes them again", ""),
    "insights-without-vector": (
        "vectors", "warning", ("{number:,} insights or bridges have no vector, so recall misses"
        " them"), "the next beat embeds them: doit heartbeat", ""),
    "cache-wrong": (
        "cache", "warning", "the vector cache is to be made anew: {wrong}",
        "doit doctor --fix deletes it; the next beat that needs it makes it", "cache"),
    "claims-fewer": (
        "counts", "error", ("{number:,} heartbeats claim fewer rows than memory has of them:"
        " {beats}"), "keep both files and report it: an event was wrong", ""),
    "claims-more": (
        "counts", "warning", ("{number:,} heartbeats claim rows that memory does not have: {beats};"
        " another program deleted them, or this is an older copy of the memory"),
        f"nothing, if that was meant; else {RESTORE}", ""),
    "beats-unlogged": (
        "counts", "warning", ("{number:,} beats wrote to memory and have no event that can be read:"
        " {beats}"), "put back the part of the log or the archive that is missing", ""),
    "log-too-short": (
        "counts", "unknown", ("the log and its archives do not reach back to {number:,} beats that"
        " wrote to memory, so nobody can tell what their events said: {beats}"),
        "put the missing archives back beside the log, if there are copies", ""),
    "beats-meanwhile": (
        "counts", "unknown", ("{number:,} beats ended while this looked, or are dated ahead, and"
        " their rows do not fit their events: {beats}"), "ask again", ""),
}  # fmt: skip


def found(name: str, where: Path | str = "", **facts: object) -> Finding:
    """Return a finding with its facts put into its words."""
    _, level, what, advice, fix = FINDINGS[name]
    return Finding(level, what.format(**facts), str(where), advice.format(**facts), fix, name)


def ok(what: str) -> Finding:
    """Return that something is as it should be."""
    return Finding("ok", what)
