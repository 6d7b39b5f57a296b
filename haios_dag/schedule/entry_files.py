"""Writing the entries of schedulers into a workspace."""

import socket
import sys
from pathlib import Path
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


def job_of(workspace: Workspace, task: JobTask = "heartbeat") -> Job:
    """Return a job of a workspace, run by this interpreter; raise ConfigError, ScheduleError."""
    schedule = workspace.config.schedule
    return job.make(Path(sys.executable), workspace.root, schedule, socket.gethostname(), task)


def entries(workspace: Workspace, name: str, task: JobTask = "heartbeat") -> dict[Path, bytes]:
    """Return the paths and contents of a scheduler's entry; raise ConfigError, ScheduleError."""
    rendered: dict[str, bytes] = RENDERERS[name].render(job_of(workspace, task))
    return {workspace.schedules / file: data for file, data in rendered.items()}


def write(workspace: Workspace, name: str, task: JobTask = "heartbeat") -> list[str]:
    """Write the files of an entry; return what was done and how to install it, as lines.

    Raise ScheduleError if the scheduler cannot express the job; an older entry is then deleted.
    Raise HaiosError if a file cannot be written.
    """
    try:
        wanted = entries(workspace, name, task)
        files.ensure_folder(workspace.output.parent)  # schedulers create the file only
        stale = {path: data for path, data in wanted.items()
                 if not (path.is_file() and files.read(path) == data)}  # fmt: skip
        for path, data in stale.items():
            files.write_atomic(path, data)
    except ScheduleError:
        _remove(workspace, name, task)
        raise
    except OSError as error:
        where = error.filename or workspace.schedules
        raise HaiosError(f"{where} cannot be written: {error.strerror}; correct that") from None
    lines = [f"{path} {'written' if path in stale else 'up to date'}" for path in wanted]
    system, platform_name = _SYSTEMS.get(name, ("Linux", "linux"))
    if sys.platform != platform_name:
        return [*lines, f"it is for {system} and has the paths of this computer; write it there"]
    watchdog = "--watchdog " if task == "watchdog" else ""
    return [*lines, f"to install it, run: doit schedule-install {watchdog}{name}"]


def _remove(workspace: Workspace, name: str, task: JobTask) -> None:
    """Delete the files of an entry."""
    try:
        names = RENDERERS[name].files(job_of(workspace, task))
    except ScheduleError:  # a path that no scheduler accepts: no entry was ever written
        return
    for file in names:
        (workspace.schedules / file).unlink(missing_ok=True)
