"""The Windows Task Scheduler, through `schtasks`."""

import csv
import os
import sys
from pathlib import Path

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule import drift, windows
from haios_dag.schedule.external_program import UnansweredError, ask
from haios_dag.schedule.job import Job
from haios_dag.schedule.scheduler_client import EntryFiles, Operation, State, Trial

_NAME, _NEXT, _LAST, _RESULT = 1, 2, 5, 6  # columns of `/v /fo csv`, whose heads are translated
# What Windows may leave out when it prints a task (the schema's defaults).
_DEFAULTS = {
    "Enabled": "true", "AllowHardTerminate": "true", "AllowStartOnDemand": "true",
    "Hidden": "false", "RunOnlyIfIdle": "false", "RunOnlyIfNetworkAvailable": "false",
    "WakeToRun": "false", "Priority": "7", "RunLevel": "LeastPrivilege",
}  # fmt: skip
_KEPT = "SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP"


def state(job: Job) -> State:
    """Return the task as Windows prints it, when it runs next and how it ended."""
    name = f"\\{windows.name(job)}"
    rows = csv.reader(_text(ask("schtasks", "/query", "/v", "/fo", "csv", "/nh")).splitlines())
    row = next((row for row in rows if len(row) > _RESULT and row[_NAME] == name), None)
    if row is None:
        return State({})
    (file,) = windows.files(job)
    printed = _text(ask("schtasks", "/query", "/xml", "/tn", name))
    on = drift.of_windows(printed.encode()).get("Settings/Enabled", "true") == "true"
    return State(
        {file: printed.encode()},
        off="" if on else "it is disabled",
        next=row[_NEXT],
        last=row[_LAST],
        result=f"result {row[_RESULT]}",
    )


def install(job: Job, entry: EntryFiles) -> list[Operation]:
    """Return the step that registers the file that was written into the workspace."""
    (file,) = entry
    path = str(Path(job.root) / "scheduler" / file)
    words = ["/create", "/f", "/tn", windows.name(job), "/xml", path]
    return [Operation(f"run: schtasks {' '.join(words)}", lambda: _create(job, words))]


def remove(job: Job) -> list[Operation]:
    """Return the step that deletes the task."""
    words = ["/delete", "/f", "/tn", windows.name(job)]
    return [Operation(f"run: schtasks {' '.join(words)}", lambda: ask("schtasks", *words))]


def trial(job: Job, entry: EntryFiles) -> Trial:  # noqa: ARG001 - as every client has it
    """Return how Windows begins the task: without a console, in its folder."""
    environment = {name: value for name in _KEPT if (value := os.environ.get(name))}
    root = environment.get("SYSTEMROOT", "")
    environment["PATH"] = rf"{root}\system32;{root}"
    return Trial(windows.words(job), Path(job.root), environment)


def advice(job: Job) -> list[str]:
    """Say when the task does not run, or what right it takes."""
    if job.logged_on_only:
        said = (
            "beats come only while you are logged on; for others set [schedule] logged_on_only ="
            " false and install again"
        )
    else:
        said = (
            "without a session the task takes the right to log on as a batch job, and reaches no"
            " network folders"
        )
    return [said]


def read(data: bytes) -> drift.Fields:
    """Return what a task says."""
    return drift.of_windows(data)


def differences(installed: drift.Fields, wanted: drift.Fields) -> list[drift.Difference]:
    """Return how a task differs, but for what Windows adds and leaves out when it prints one."""
    defaults = {key: _DEFAULTS[last] for key in wanted if (last := key.split("/")[-1]) in _DEFAULTS}
    there = {key: value for key, value in installed.items()
             if key in wanted or key.startswith(("Triggers/", "Actions/"))}  # fmt: skip
    return drift.differences(defaults | there, wanted)


def _create(job: Job, words: list[str]) -> None:
    try:
        ask("schtasks", *words)
    except UnansweredError as error:
        if job.logged_on_only:
            raise
        raise ScheduleError(
            f"Windows refuses a task that runs without a session ({error}); run this once as an"
            " administrator, or set [schedule] logged_on_only = true"
        ) from None


def _text(data: bytes) -> str:
    """Return what a console program prints, in the code page of the console."""
    return data.decode("oem" if sys.platform == "win32" else "utf-8", "replace")
