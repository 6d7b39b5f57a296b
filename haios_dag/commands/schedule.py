"""Commands that write the entries for schedulers."""

import sys
from collections.abc import Callable, Iterator

from haios_dag.commands.shared import Action, Task, said
from haios_dag.errors import HaiosError, ScheduleError
from haios_dag.text import printable, say
from haios_dag.workspace import Workspace

_SCHEDULERS = {
    "windows": "HAIOS-Heartbeat.xml, for the Windows Task Scheduler",
    "cron": "haios-heartbeat.cron, for a crontab",
    "systemd": "haios-heartbeat.service and .timer, for systemd --user",
    "launchd": "com.haios.heartbeat.plist, for launchd on macOS",
}


def schedule(workspace: Workspace) -> Iterator[Task]:
    """`doit schedule`: the entries that make a scheduler beat, each a subtask."""
    doc = "write the entries that make a scheduler beat, into scheduler/"
    yield {"name": None, "doc": doc}
    for name, what in _SCHEDULERS.items():
        yield {
            "name": name,
            "doc": f"only {what}",
            "actions": [_write_schedule(workspace, name)],
            "uptodate": [_is_scheduled(workspace, name)],
        }


def _write_schedule(workspace: Workspace, name: str) -> Action:
    """Return an action that writes the entry of one scheduler.

    One that cannot be told this schedule fails when it was asked for by name. Among all, the reason
    is said and the others are written.
    """

    @said
    def write() -> None:
        from haios_dag.schedule import write as schedules  # noqa: PLC0415 - only where used

        try:
            say(f"   {printable(line)}" for line in schedules.write(workspace, name))
        except ScheduleError as error:
            if f"schedule:{name}" in sys.argv:
                raise
            say([f"   not written: {printable(str(error))}"])

    return write


def _is_scheduled(workspace: Workspace, name: str) -> Callable[[], bool]:
    """Return an up-to-date check. It never raises: what it cannot tell, writing will."""

    def uptodate() -> bool:
        from haios_dag.schedule import write as schedules  # noqa: PLC0415 - only where used

        try:
            return schedules.current(workspace, name)
        except (HaiosError, OSError):
            return False

    return uptodate
