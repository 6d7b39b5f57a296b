"""The Windows Task Scheduler, through `schtasks`."""

import csv
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

from haios_dag.base.errors import ScheduleError
from haios_dag.schedule import drift, windows
from haios_dag.schedule.external_program import UnansweredError, ask
from haios_dag.schedule.job import Job
from haios_dag.schedule.scheduler_client import LOGGED_ON_ONLY, Operation, State, Trial, run

_NAME, _NEXT, _LAST, _RESULT = 1, 2, 5, 6  # columns of `/v /fo csv`, whose heads are translated
# What Windows may leave out when it prints a task: the schema's defaults.
_DEFAULTS = {
    "Enabled": "true", "AllowHardTerminate": "true", "AllowStartOnDemand": "true",
    "Hidden": "false", "RunOnlyIfIdle": "false", "RunOnlyIfNetworkAvailable": "false",
    "WakeToRun": "false", "Priority": "7", "RunLevel": "LeastPrivilege",
}  # fmt: skip
_KEPT = "SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "TEMP", "TMP"


def state(job: Job) -> State:
    """Return the task as Windows prints it, when it runs next and how it ended."""
    name = f"\\{windows.name(job)}"
    rows = csv.reader(query("/v", "/fo", "csv", "/nh").splitlines())
    row = next((row for row in rows if len(row) > _RESULT and row[_NAME] == name), None)
    if row is None:
        return State({})
    (file,) = windows.files(job)
    printed = query("/xml", "/tn", name).encode()
    fields = dict(_fields(printed))
    on = fields.get("Settings/Enabled", "true") == "true"
    return State(
        {file: printed},
        fields.get("Actions/Exec/WorkingDirectory"),
        off="" if on else "it is disabled",
        next=row[_NEXT],
        last=row[_LAST],
        result=f"result {row[_RESULT]}",
    )


def install(job: Job) -> list[Operation]:
    """Return the operation that registers the file in the workspace's folder `scheduler`."""
    (file,) = windows.files(job)
    path = str(Path(job.root) / "scheduler" / file)
    create = run("schtasks", "/create", "/f", "/tn", windows.name(job), "/xml", path)
    return [create if job.logged_on_only else Operation(create.says, lambda: _create(create))]


def remove(job: Job) -> list[Operation]:
    """Return the operation that deletes the task."""
    return [run("schtasks", "/delete", "/f", "/tn", windows.name(job))]


def trial(job: Job) -> Trial:
    """Return how Windows starts the task: without a console, in its folder."""
    environment = {name: value for name in _KEPT if (value := os.environ.get(name))}
    root = environment.get("SYSTEMROOT", "")
    environment["PATH"] = rf"{root}\system32;{root}"
    return Trial(windows.words(job), Path(job.root), environment)


def advice(job: Job) -> list[str]:
    """Say when the task does not run, or which right it needs."""
    without_session = (
        "without a session the task needs the right to log on as a batch job, and reaches no"
        " network folders"
    )
    return [LOGGED_ON_ONLY if job.logged_on_only else without_session]


def differences(installed: bytes, wanted: bytes) -> list[str]:
    """Return the fields that differ, apart from what Windows adds and omits when it prints a task.

    As it prints one in a form of its own, the files cannot be compared line by line.
    """
    there, ours = _fields(installed), _fields(wanted)
    if not there:
        return ["it is not a task"]
    wanted_paths, paths = ({path for path, _ in fields} for fields in (ours, there))
    omitted = [(path, _DEFAULTS[name]) for path, _ in ours
               if path not in paths and (name := path.rpartition("/")[2]) in _DEFAULTS]  # fmt: skip
    kept = [(path, text) for path, text in there
            if path in wanted_paths or path.startswith(("Triggers/", "Actions/"))]  # fmt: skip
    lines = (
        sorted(f"{path}: {text}" for path, text in fields) for fields in (kept + omitted, ours)
    )
    return drift.of_lines(*lines)


def query(*words: str) -> str:
    """Return what `schtasks /query` prints, in the code page of the console."""
    printed = ask("schtasks", "/query", *words)
    return printed.decode("oem" if sys.platform == "win32" else "utf-8", "replace")


def _create(create: Operation) -> None:
    try:
        create.do()
    except UnansweredError as error:
        raise ScheduleError(
            f"Windows refuses a task that runs without a session ({error}); run this once as an"
            " administrator, or set [schedule] logged_on_only = true"
        ) from None


def _fields(data: bytes) -> list[tuple[str, str]]:
    """Return the path and the text of each element of a task that has no children.

    [] for what is not a task, or has a document type, which could define entities.
    """
    try:
        text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8")
        if "<!DOCTYPE" in text:
            return []
        task = ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))  # noqa: S314 - no entities
    except (ValueError, ET.ParseError, RecursionError):
        return []
    return list(_leaves("", task))


def _leaves(path: str, element: ET.Element) -> Iterator[tuple[str, str]]:
    for inner in element:
        name = f"{path}{inner.tag.rpartition('}')[2]}"
        if len(inner):
            yield from _leaves(f"{name}/", inner)
        else:
            yield name, (inner.text or "").strip()
