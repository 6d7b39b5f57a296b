"""Writing the entries for schedulers into a workspace."""

import platform
import sys
from pathlib import Path

from haios_dag import files
from haios_dag.errors import HaiosError, ScheduleError
from haios_dag.schedule import cron, job, launchd, systemd, windows
from haios_dag.workspace import Workspace

RENDERERS = {"windows": windows, "cron": cron, "systemd": systemd, "launchd": launchd}
_SYSTEMS = {"windows": ("Windows", "win32"), "launchd": ("macOS", "darwin")}


def entries(workspace: Workspace, name: str) -> dict[Path, bytes]:
    """Return the files of a scheduler with what they should be; raise HaiosError."""
    schedule = workspace.config.schedule
    one = job.make(Path(sys.executable), workspace.root, schedule, platform.node())
    rendered = RENDERERS[name].render(one)
    return {workspace.schedules / file: data for file, data in rendered.items()}


def current(workspace: Workspace, name: str) -> bool:
    """Tell whether the files of a scheduler are what they should be; raise HaiosError, OSError."""
    wanted = entries(workspace, name)
    folder = workspace.output.parent.is_dir()
    return folder and all(path.is_file() and path.read_bytes() == wanted[path] for path in wanted)


def write(workspace: Workspace, name: str) -> list[str]:
    """Write the files of a scheduler; return what was done and how to install them, as lines.

    What a scheduler cannot be told raises ScheduleError, and no file is left that tells it anything
    else. Raise HaiosError.
    """
    try:
        wanted = entries(workspace, name)
        files.ensure_folder(workspace.output.parent)  # schedulers make the file, not the folder
        for path, data in wanted.items():
            files.write_atomic(path, data)
    except ScheduleError:
        for file in RENDERERS[name].FILES:
            (workspace.schedules / file).unlink(missing_ok=True)
        raise
    except OSError as error:
        where = error.filename or workspace.schedules
        raise HaiosError(f"{where} cannot be written: {error.strerror}; correct that") from None
    lines = [f"{path} written" for path in wanted]
    system, platform_name = _SYSTEMS.get(name, ("Linux", "linux"))
    if sys.platform != platform_name:
        return [*lines, f"for {system}, with the paths of this computer; write it there"]
    commands = RENDERERS[name].by_hand(workspace.schedules)
    return [*lines, "to install it:", *(f"  {command}" for command in commands)]
