"""The commands that write, install, remove and compare the entries of schedulers.

Each prints what it does and returns its exit code. `name` is the scheduler, None this system's own;
with `watchdog`, the job is the watchdog instead of the beat.
"""

from collections.abc import Iterable

from haios_dag.base.console import printable, say
from haios_dag.base.errors import ScheduleError
from haios_dag.base.workspace import Workspace
from haios_dag.schedule import entry_files
from haios_dag.schedule.installation import Managed
from haios_dag.schedule.job import JobTask


def write(
    workspace: Workspace, names: list[str], *, watchdog: bool = False, strict: bool = True
) -> int:
    """Write the entries of these schedulers, by default of all; raise HaiosError.

    Without `strict`, print why a scheduler cannot express the schedule, and go on.
    """
    for name in names or entry_files.RENDERERS:
        try:
            lines = entry_files.write(workspace, name, _task(watchdog=watchdog))
        except ScheduleError as error:
            if strict:
                raise
            lines = [f"not written: {error}"]
        _print(f"   {line}" for line in lines)
    return 0


def install(workspace: Workspace, name: str | None, *, yes: bool, watchdog: bool) -> int:
    """Install the job after a trial run; without `yes` say what would be done. Raise HaiosError."""
    _print(Managed(workspace, name, _task(watchdog=watchdog)).install(really=yes))
    return 0


def remove(workspace: Workspace, name: str | None, *, yes: bool, watchdog: bool) -> int:
    """Remove the job; without `yes` say what would be done. Raise HaiosError."""
    _print(Managed(workspace, name, _task(watchdog=watchdog)).remove(really=yes))
    return 0


def status(workspace: Workspace, name: str | None, *, watchdog: bool) -> int:
    """Show what the scheduler has of the job: 0 installed, enabled and up to date, else 1."""
    good, lines = Managed(workspace, name, _task(watchdog=watchdog)).status()
    _print(lines)
    return 0 if good else 1


def _task(*, watchdog: bool) -> JobTask:
    return "watchdog" if watchdog else "heartbeat"


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        say(printable(part) for part in line.split("\n"))
