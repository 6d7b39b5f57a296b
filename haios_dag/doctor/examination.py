"""`doit doctor`: run all checks, print what they found, and repair with `--fix`.

A check that could not be completed is `unknown`, never `ok`.
"""

import json as json_format
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO

from haios_dag.base import files
from haios_dag.base.console import printable, say
from haios_dag.base.errors import ConfigError, HaiosError, LockedError
from haios_dag.base.progress import progress
from haios_dag.base.workspace import Workspace
from haios_dag.doctor import beat_checks, memory_checks, place_checks, repair, schedule_checks
from haios_dag.doctor.findings import Check, Finding, Level

_CHECKS: dict[str, Check] = {
    "python": place_checks.python,
    "settings": place_checks.settings,
    "graph": place_checks.graph,
    "permissions": place_checks.permissions,
    "disk": place_checks.disk,
    "locks": place_checks.locks,
    "log": beat_checks.log,
    "beats": beat_checks.beating,
    "lock": beat_checks.lock,
    "leftovers": beat_checks.leftovers,
    "status": beat_checks.status,
    "schedule": schedule_checks.schedule,
}
_ALL = len(_CHECKS) + len(memory_checks.NAMES)
CheckedFinding = tuple[str, Finding]


def show(workspace: Workspace, *, fix: bool, json: bool) -> int:
    """Run all checks, with `fix` repair and check again, and print; return the exit code.

    0: no error and nothing unknown · 1: an error · 2: no error, but something is unknown. Raise
    HaiosError if a repair cannot start.
    """
    done: list[CheckedFinding] = []
    if fix:
        with _alone(workspace):
            done = list(_fixed(workspace, list(examine(workspace))))
            workspace = Workspace(workspace.root, workspace.memory_flag)  # reads the settings again
            found = list(examine(workspace))
    else:
        found = list(examine(workspace))
    levels = Counter(finding.level for _, finding in found)
    if json:
        say(json_format.dumps({"check": name} | asdict(one)) for name, one in (*done, *found))
    else:
        say(printable(line) for name, one in (*done, *found) for line in _lines(name, one))
        say([_verdict(levels)])
    return 1 if levels["error"] else 2 if levels["unknown"] else 0


def examine(workspace: Workspace) -> Iterator[CheckedFinding]:
    """Run every check; yield what each finds under its name.

    Only the first one if a file of the workspace is not a regular file.
    """
    irregular = list(_run("files", place_checks.regular_files(workspace)))
    yield from irregular
    if any(finding.name == "not-a-regular-file" for _, finding in irregular):
        return
    with progress("examine", _ALL) as advance:
        for name, check in _CHECKS.items():
            yield from _run(name, check(workspace))
            advance(1)
        try:
            for name, of_memory in memory_checks.checks(workspace):
                yield from _run(name, of_memory)
                advance(1)
        except HaiosError as error:
            yield "memory", _unknown(error)


def _run(name: str, check: Iterator[Finding]) -> Iterator[CheckedFinding]:
    """Run one check, which has not begun; an error in it is an unknown finding."""
    try:
        for finding in check:
            yield name, finding
    except (HaiosError, OSError) as error:
        yield name, _unknown(error)
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide the others
        say(map(printable, traceback.format_exc().splitlines()), sys.stderr)
        yield name, _unknown(error)


def _unknown(error: Exception) -> Finding:
    if isinstance(error, ConfigError):
        said = "the settings cannot be used (see there)"
    elif isinstance(error, OSError):
        said = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        said = str(error) if isinstance(error, HaiosError) else repr(error)
    what, advice = f"it could not be checked: {said}", "correct that and check again"
    return Finding("unknown", what, advice=advice, name="not-checked")


def _alone(workspace: Workspace) -> IO[bytes]:
    try:
        return files.lock(workspace.beat_lock, wait=False)
    except LockedError:
        raise HaiosError(
            "a beat is running; nothing was repaired, try again when it has ended"
        ) from None
    except OSError as error:
        raise HaiosError(f"{workspace.beat_lock} cannot be opened: {error.strerror}") from error


def _fixed(workspace: Workspace, found: list[CheckedFinding]) -> Iterator[CheckedFinding]:
    wanted = {finding.fix for _, finding in found if finding.fix}
    damaged = any(name == "memory" and one.level == "error" for name, one in found)
    try:
        for one in repair.fix(workspace, wanted, damaged=damaged):
            yield "fix", one
    except (HaiosError, OSError) as error:
        stopped = f"the repair stopped: {error}"
        yield "fix", Finding("error", stopped, advice="correct that and try again")


def _lines(name: str, finding: Finding) -> Iterator[str]:
    yield f"{finding.level:<8} {name:<12} {finding.what}"
    if finding.where:
        yield f"{'':<21} at {finding.where}"
    if finding.advice:
        yield f"{'':<21} do: {finding.advice}"


def _verdict(levels: Counter[Level]) -> str:
    order: tuple[Level, ...] = ("error", "unknown", "warning", "ok")
    said = ", ".join(f"{levels[one]} {one}" for one in order)
    if levels["error"]:
        return f"not healthy: {said}"
    return f"not all could be checked: {said}" if levels["unknown"] else f"healthy: {said}"
