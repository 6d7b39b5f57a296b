"""launchd, through `launchctl`: an agent of the user."""

import functools
import plistlib
import re
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from haios_dag.base.json_values import as_object
from haios_dag.schedule import drift, launchd
from haios_dag.schedule.external_program import ask, home, uid
from haios_dag.schedule.job import Job
from haios_dag.schedule.scheduler_client import Operation, State, Trial, delete, run, write

# What macOS protects from programs without the user's permission.
_PROTECTED = "Documents", "Desktop", "Downloads", "Library/Mobile Documents"

differences = functools.partial(drift.of_text, context=1)  # the line before names the key


def state(job: Job) -> State:
    """Return the file, and what launchd says of the agent."""
    path = _path(job)
    status = printed(launchd.label(job))
    if not path.is_file():
        return State({})
    data = path.read_bytes()
    code = re.search(r"last exit code = (.+)", status)
    ran = code and "never" not in code[1]
    root = content(data).get("WorkingDirectory")
    return State(
        {path.name: data},
        root if isinstance(root, str) else None,
        off="" if status else "launchd has not loaded it",
        result=f"exit code {code[1].strip()}" if code and ran else "",
    )


def install(job: Job) -> list[Operation]:
    """Return the operations that write the file and load it, after unloading the old one."""
    (data,) = launchd.render(job).values()
    path = _path(job)
    return [
        *_unload(job),
        write(path, data),
        run("launchctl", "enable", f"{domain()}/{launchd.label(job)}"),
        run("launchctl", "bootstrap", domain(), str(path)),
    ]


def remove(job: Job) -> list[Operation]:
    """Return the operations that unload the agent and delete its file."""
    path = _path(job)
    return _unload(job) + ([delete(path)] if path.is_file() else [])


def trial(job: Job) -> Trial:
    """Return how launchd starts the agent: in its folder, with the environment of the file."""
    (data,) = launchd.render(job).values()
    wanted = plistlib.loads(data)
    environment = {"HOME": str(home()), **wanted["EnvironmentVariables"]}
    return Trial(wanted["ProgramArguments"], Path(job.root), environment)


def advice(job: Job) -> list[str]:
    """Name what launchd may not read."""
    protected = [home() / name for name in _PROTECTED]
    return [
        f"{path} is in {folder}, which macOS protects from what launchd starts; move it elsewhere,"
        " or give the interpreter Full Disk Access in System Settings"
        for path in (job.root, job.python)
        for folder in protected
        if folder in path.parents
    ]


def content(data: bytes) -> dict[str, Any]:
    """Return the content of a property list, {} for what is not one."""
    try:
        return as_object(plistlib.loads(data))
    except (ValueError, TypeError, AttributeError, RecursionError, ExpatError):
        return {}


def domain() -> str:
    """Return what launchd calls the session of this user."""
    return f"gui/{uid()}"


def printed(label: str) -> str:
    """Return what launchd says of an agent, empty if it has not loaded it."""
    words = "launchctl", "print", f"{domain()}/{label}"
    return ask(*words, absent="Could not find service").decode("utf-8", "replace")


def _path(job: Job) -> Path:
    (file,) = launchd.files(job)
    return home() / "Library" / "LaunchAgents" / file


def _unload(job: Job) -> list[Operation]:
    label = launchd.label(job)
    return [run("launchctl", "bootout", f"{domain()}/{label}")] if printed(label) else []
