"""Commands that write the entries for schedulers, and manage them in the one of this system."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from doit.exceptions import TaskError, TaskFailed

from haios_dag.base.console import printable, say
from haios_dag.base.errors import HaiosError, ScheduleError
from haios_dag.base.workspace import Workspace
from haios_dag.commands.shared import STREAMED, Action, Task, said

if TYPE_CHECKING:
    from haios_dag.schedule.installation import Managed
    from haios_dag.schedule.job import JobTask as Kind

_SCHEDULERS = {
    "windows": "HAIOS-Heartbeat.xml, for the Windows Task Scheduler",
    "cron": "haios-heartbeat.cron, for a crontab",
    "systemd": "haios-heartbeat.service and .timer, for systemd --user",
    "launchd": "com.haios.heartbeat.plist, for launchd on macOS",
}
_NAMES = "[windows | cron | systemd | launchd]"


def _flag(name: str, meaning: str) -> dict[str, Any]:
    return {"name": name, "long": name, "type": bool, "default": False, "help": meaning}


_OF_WATCHDOG = _flag("watchdog", "the watchdog, which says when the beats stop, not the beat")
_YES = _flag("yes", "do it; without, only say what would be done")


def schedule(workspace: Workspace) -> Iterator[Task]:
    """`doit schedule`: the entries that make a scheduler beat, each a subtask."""
    doc = "write the entries that make a scheduler beat, into scheduler/"
    yield {"name": None, "doc": doc}
    for name, what in _SCHEDULERS.items():
        yield {
            "name": name,
            "doc": f"only {what}",
            "actions": [_write_schedule(workspace, [name], "heartbeat")],
            "uptodate": [_is_scheduled(workspace, [name], "heartbeat")],
        }


def schedule_watchdog(workspace: Workspace) -> Task:
    """`doit schedule:watchdog`: the same files for a second job, which no other task writes."""
    names = list(_SCHEDULERS)
    return {
        "basename": "schedule:watchdog",
        "actions": [_write_schedule(workspace, names, "watchdog")],
        "uptodate": [_is_scheduled(workspace, names, "watchdog")],
        "doc": "write entries for a second job, which says when the beats stop",
    }


def _write_schedule(workspace: Workspace, names: list[str], task: "Kind") -> Action:
    """Return an action that writes entries of schedulers.

    One that cannot be told this schedule fails when it was asked for by name. Among all, the reason
    is said and the others are written.
    """

    @said
    def write() -> None:
        from haios_dag.schedule import entry_files as schedules

        for name in names:
            try:
                say(f"   {printable(line)}" for line in schedules.write(workspace, name, task))
            except ScheduleError as error:
                if f"schedule:{name}" in sys.argv:
                    raise
                say([f"   not written: {printable(str(error))}"])

    return write


def _is_scheduled(workspace: Workspace, names: list[str], task: "Kind") -> Callable[[], bool]:
    """Return an up-to-date check. It never raises: what it cannot tell, writing will."""

    def uptodate() -> bool:
        from haios_dag.schedule import entry_files as schedules

        try:
            return all(schedules.current(workspace, name, task) for name in names)
        except (HaiosError, OSError):
            return False

    return uptodate


def install_schedule(workspace: Workspace) -> Task:
    """`doit schedule-install`: tell the scheduler of this system to beat."""

    @said
    def install(words: list[str], yes: bool, watchdog: bool) -> None:
        given = _given(words, yes=yes, watchdog=watchdog)
        _say(_managed(workspace, words, watchdog=given["watchdog"]).install(really=given["yes"]))

    return _command(
        "schedule-install", install, [_YES, _OF_WATCHDOG],
        f"have this system's scheduler beat: doit schedule-install [--yes] {_NAMES}",
    )  # fmt: skip


def remove_schedule(workspace: Workspace) -> Task:
    """`doit schedule-remove`: leave nothing of the job in the scheduler."""

    @said
    def remove(words: list[str], yes: bool, watchdog: bool) -> None:
        given = _given(words, yes=yes, watchdog=watchdog)
        _say(_managed(workspace, words, watchdog=given["watchdog"]).remove(really=given["yes"]))

    return _command(
        "schedule-remove", remove, [_YES, _OF_WATCHDOG],
        f"take that back, exactly: doit schedule-remove [--yes] {_NAMES}",
    )  # fmt: skip


def schedule_status(workspace: Workspace) -> Task:
    """`doit schedule-status`: what the scheduler has of the job, and how it should be."""

    def status(words: list[str], watchdog: bool) -> TaskFailed | TaskError | None:
        try:
            given = _given(words, watchdog=watchdog)
            good, lines = _managed(workspace, words, watchdog=given["watchdog"]).status()
            _say(lines)
        except HaiosError as error:
            return TaskError(printable(str(error)))
        return None if good else TaskFailed("it is not as it should be", report=False)

    return _command(
        "schedule-status", status, [_OF_WATCHDOG],
        f"show whether it is installed as it should be: doit schedule-status {_NAMES}",
    )  # fmt: skip


def _command(name: str, action: Action, params: list[dict[str, Any]], doc: str) -> Task:
    return {
        "basename": name,
        "actions": [action],
        "params": params,
        "pos_arg": "words",
        "io": STREAMED,
        "doc": doc,
    }


def _managed(workspace: Workspace, words: list[str], *, watchdog: bool) -> "Managed":
    from haios_dag.schedule.installation import Managed

    names = [word for word in words if not word.startswith("--")]
    if len(names) > 1:
        raise ScheduleError(f"one scheduler at a time, and there are {len(names)}: name one")
    return Managed(workspace, names[0] if names else None, "watchdog" if watchdog else "heartbeat")


def _given(words: list[str], **options: bool) -> dict[str, bool]:
    """Return the options, with those behind the scheduler's name, which doit takes for words.

    Raise ScheduleError for one that there is not.
    """
    behind = [word.removeprefix("--") for word in words if word.startswith("--")]
    if unknown := set(behind) - options.keys():
        raise ScheduleError(f"there is no option --{min(unknown)}")
    return options | dict.fromkeys(behind, True)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        say("\n".join(printable(part) for part in line.split("\n")).split("\n"))
