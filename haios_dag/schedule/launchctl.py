"""launchd, through `launchctl`: an agent of the user."""

import re
from pathlib import Path

from haios_dag.base import files
from haios_dag.schedule import drift, launchd
from haios_dag.schedule.external_program import ask, home, uid
from haios_dag.schedule.job import Job
from haios_dag.schedule.scheduler_client import EntryFiles, Operation, State, Trial

# What macOS keeps from programs that the user has not allowed it to.
_PROTECTED = "Documents", "Desktop", "Downloads", "Library/Mobile Documents"


def state(job: Job) -> State:
    """Return the file, and what launchd says of the agent."""
    path = _path(job)
    entry = {path.name: path.read_bytes()} if path.is_file() else {}
    said = _said(job)
    code = re.search(r"last exit code = (.+)", said)
    never = not code or "never" in code[1]
    return State(
        entry,
        off="" if said or not entry else "launchd has not loaded it",
        result="" if never or not code else f"exit code {code[1].strip()}",
    )


def install(job: Job, entry: EntryFiles) -> list[Operation]:
    """Return the steps that write the file, and load it in the place of what is loaded."""
    (data,) = entry.values()
    path = _path(job)
    return [
        *([_unload(job)] if _said(job) else []),
        Operation(f"write {path}", lambda: files.write_atomic(path, data)),
        _run("enable", _service(job)),
        _run("bootstrap", _domain(), str(path)),
    ]


def remove(job: Job) -> list[Operation]:
    """Return the steps that unload the agent and delete its file."""
    path = _path(job)
    return [
        *([_unload(job)] if _said(job) else []),
        *([Operation(f"delete {path}", path.unlink)] if path.is_file() else []),
    ]


def trial(job: Job, entry: EntryFiles) -> Trial:
    """Return how launchd begins the agent: in its folder, with the environment of the file."""
    (data,) = entry.values()
    found = drift.of_launchd(data)
    words = [value for name, value in found.items() if name.startswith("ProgramArguments[")]
    environment = {"HOME": str(home()), "PATH": found["EnvironmentVariables.PATH"]}
    return Trial(words, Path(job.root), environment)


def advice(job: Job) -> list[str]:
    """Name what launchd is kept from reading."""
    protected = [home() / name for name in _PROTECTED]
    return [
        f"{path} lies in {folder}, which macOS keeps from what launchd starts; move it elsewhere,"
        " or give the interpreter Full Disk Access in System Settings"
        for path in (job.root, job.python)
        for folder in protected
        if folder in path.parents
    ]


def read(data: bytes) -> drift.Fields:
    """Return what the property list says."""
    return drift.of_launchd(data)


differences = drift.differences


def _path(job: Job) -> Path:
    (file,) = launchd.files(job)
    return home() / "Library" / "LaunchAgents" / file


def _domain() -> str:
    return f"gui/{uid()}"


def _service(job: Job) -> str:
    return f"{_domain()}/{launchd.label(job)}"


def _said(job: Job) -> str:
    """Return what launchd says of the agent, nothing where it has not loaded it."""
    absent = "Could not find service"
    return ask("launchctl", "print", _service(job), absent=absent).decode("utf-8", "replace")


def _unload(job: Job) -> Operation:
    return _run("bootout", _service(job))


def _run(*words: str) -> Operation:
    return Operation(f"run: launchctl {' '.join(words)}", lambda: ask("launchctl", *words))
