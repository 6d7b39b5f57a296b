"""Writing the entries of schedulers into a workspace."""

import sys
from collections.abc import Iterator
from types import ModuleType

from haios_dag.base import files
from haios_dag.base.errors import HaiosError, ScheduleError
from haios_dag.base.workspace import Workspace
from haios_dag.schedule import cron, job, launchd, systemd, windows
from haios_dag.schedule.job import Job, JobTask

RENDERERS: dict[str, ModuleType] = {
    "windows": windows,
    "cron": cron,
    "systemd": systemd,
    "launchd": launchd,
}
_SYSTEMS = {"windows": ("Windows", "win32"), "launchd": ("macOS", "darwin")}


def render(name: str, job: Job) -> dict[str, bytes]:
    """Return the files of a scheduler's entry by their names; raise ConfigError, ScheduleError."""
    rendered: dict[str, bytes] = RENDERERS[name].render(job)
    return rendered


def write(workspace: Workspace, name: str, task: JobTask = "heartbeat") -> list[str]:
    """Write the files of an entry; return what was done and how to install it, as lines.

    Raise HaiosError. An entry that the scheduler cannot express is deleted.
    """
    one = job.of(workspace, task)
    try:
        lines = list(_written(workspace, name, one))
    except ScheduleError:
        for file in RENDERERS[name].files(one):
            (workspace.schedules / file).unlink(missing_ok=True)
        raise
    except OSError as error:
        where = error.filename or workspace.schedules
        raise HaiosError(f"{where} cannot be written: {error.strerror}; correct that") from None
    system, platform_name = _SYSTEMS.get(name, ("Linux", "linux"))
    if sys.platform != platform_name:
        return [*lines, f"it is for {system} and has the paths of this computer; write it there"]
    watchdog = "--watchdog " if task == "watchdog" else ""
    return [*lines, f"to install it, run: doit schedule-install {watchdog}{name}"]


def _written(workspace: Workspace, name: str, one: Job) -> Iterator[str]:
    wanted = render(name, one)
    files.ensure_folder(workspace.output.parent)  # schedulers create the file only
    for file, data in wanted.items():
        path = workspace.schedules / file
        if path.is_file() and files.read(path) == data:
            yield f"{path} up to date"
        else:
            files.write_atomic(path, data)
            yield f"{path} written"
