"""Checks of the beats: the event log, the lock, the status files."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from haios_dag import events
from haios_dag.base import beat_lock, clock, files, schema
from haios_dag.base.workspace import Workspace
from haios_dag.doctor.findings import Finding, found, ok, or_ok
from haios_dag.memory.vectors import cache_folder
from haios_dag.pulse import liveness
from haios_dag.schedule import trial_run


def log(workspace: Workspace) -> Iterator[Finding]:
    """Say whether every line of the log can be read."""
    unread: Counter[str] = Counter()
    number = 0
    for entry in events.read_log(workspace):
        number += 1
        if entry.event is None:
            unread[str(entry.problem)] += 1
    if unread:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in unread.most_common())
        yield found("lines-unreadable", workspace.events, unread=unread.total(), lines=number,
                    kinds=kinds)  # fmt: skip
    else:
        yield ok(f"{number:,} events, every line readable")


def beating(workspace: Workspace) -> Iterator[Finding]:
    """Say whether the last beat came when it was due, and how it ended."""
    heart = liveness.judge(workspace)
    newest, last, where = heart.newest, heart.last, workspace.events
    if newest is None:
        yield found("no-beat", where)
        return
    if newest.when is None:
        yield found("beat-undated", where)
        return
    ago = heart.at - newest.when
    ahead = newest is not last and ago < timedelta()
    late = heart.state in (liveness.LATE, liveness.DOWN)
    if ahead:
        yield found("beat-ahead", where, span=_span(-ago))
    elif late and last and last.when and heart.expected_by:
        yield found("beat-late", where, span=_span(heart.at - last.when),
                    due=clock.iso(heart.expected_by))  # fmt: skip
    event = newest.event or {}
    outcome = event.get("outcome")
    if liveness.is_good(outcome):
        if not ahead and not late:
            yield ok(f"the last beat was {_span(max(ago, timedelta()))} ago: {outcome}")
    else:
        why = trial_run.errors(event) or event.get("reason", "its event gives no reason")
        name = "beat-interrupted" if outcome == "interrupted" else "beat-not-well"
        yield found(name, where, outcome=outcome, why=why)


def lock(workspace: Workspace) -> Iterator[Finding]:
    """Say whether a beat holds the lock, or left its marker and no event.

    The lock is tried only if there is a marker, so that no starting beat is refused.
    """
    path = workspace.beat_lock
    try:
        content = files.read(path).strip(b"\0 \n")
    except FileNotFoundError:
        content = b""
    if not content:
        yield ok("no beat is running, and none was cut off")
        return
    beat = beat_lock.parse(content)
    try:
        who = f"{beat['beat']}, pid {beat['pid']} on {beat['host']} since {beat['started']}"
    except KeyError:
        who = "its marker is incomplete"
    if beat_lock.is_held(workspace):
        yield ok(f"a beat is running ({who})")
        return
    yield found("beat-cut-off", path, who=who)


@or_ok("killed writes left no temporary files")
def leftovers(workspace: Workspace) -> Iterator[Finding]:
    """Say whether killed writes left temporary files."""
    for path in written(workspace):
        for one in files.leftovers(path):
            yield found("leftover", one)


def written(workspace: Workspace) -> list[Path]:
    """Return the files that are replaced as a whole."""
    cache = cache_folder(workspace.memory) / "head.json"
    return [workspace.status, workspace.status_slim, cache]


def status(workspace: Workspace) -> Iterator[Finding]:
    """Say whether both status files match their schemas and are fresh."""
    for path, name in ((workspace.status, "status"), (workspace.status_slim, "status-slim")):
        try:
            content = json.loads(files.read(path))
        except FileNotFoundError:
            yield found("no-status", path)
            continue
        except (ValueError, RecursionError):
            yield found("status-not-json", path)
            continue
        if wrong := schema.problems(name, content):
            yield found("status-invalid", path, problems="; ".join(wrong[:3]))
        elif content["stale_after"] < clock.iso(clock.now()):
            yield found("status-stale", path, since=content["stale_after"])
        else:
            yield ok(f"{path.name} matches its schema and is fresh")


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"  # noqa: PLR2004
