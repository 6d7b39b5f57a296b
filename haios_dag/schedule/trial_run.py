"""Running a job once as its scheduler will start it, to find what does not work beforehand."""

import os
import signal
import subprocess
import sys
from typing import Any

from haios_dag import events
from haios_dag.base import files
from haios_dag.base.errors import ScheduleError
from haios_dag.base.json_values import as_object
from haios_dag.base.workspace import Workspace
from haios_dag.schedule.job import Job
from haios_dag.schedule.scheduler_client import Trial

_SHOWN = 5  # lines of output


def check(workspace: Workspace, job: Job, trial: Trial) -> str:
    """Run a job as its scheduler would, without a terminal; return a summary.

    A beat is real, and its event is in the log. Raise ScheduleError if the job fails.
    """
    output = workspace.root / job.output
    before = output.stat().st_size if output.is_file() else 0
    earlier = events.last_beat(workspace)
    code, printed = _run(job, trial)
    if output.is_file() and output.stat().st_size > before:
        with files.open_plain(output) as file:
            file.seek(before)
            printed += file.read()
    said = printed.decode("utf-8", "replace").strip()
    if job.task == "watchdog":
        return _of_watchdog(code, said)
    beat = events.last_beat(workspace)
    return _of_beat((beat and beat != earlier and beat.event) or {}, code, said)


def _run(job: Job, trial: Trial) -> tuple[int, bytes]:
    try:
        process = subprocess.Popen(  # noqa: S603 - the command of the entry itself
            trial.words, cwd=trial.folder, env=trial.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise ScheduleError(f"{trial.words[0]} cannot be run: {error.strerror}") from None
    with process:
        try:
            printed, _ = process.communicate(timeout=job.time_limit * 60)
        except subprocess.TimeoutExpired:
            if sys.platform == "win32":
                process.terminate()
            else:
                os.killpg(process.pid, signal.SIGTERM)
            raise ScheduleError(
                f"it took longer than {job.time_limit} minutes and was ended, as the scheduler"
                " would do; what it did is kept: run this again, or raise"
                " schedule.time_limit_minutes"
            ) from None
    return process.returncode, printed


def _of_beat(event: dict[str, Any], code: int, said: str) -> str:
    if code == 0 and event:
        return f"beat {event.get('beat')}: {event.get('outcome')}"
    if code == 0:
        raise ScheduleError("it left no beat in the event log, perhaps because another is running;"
                            f" try again when that has ended{_last(said)}")  # fmt: skip
    wrong = f": {found}" if (found := errors(event)) else _last(said)
    raise ScheduleError(f"it ended with exit code {code}{wrong}")


def _of_watchdog(code: int, said: str) -> str:
    """Return what the watchdog printed; any state that it prints shows that it works."""
    for line in said.splitlines():
        if line.strip().split(" ", 1)[0].rstrip(":") in {"alive", "late", "down", "never"}:
            return line.strip()
    raise ScheduleError(f"it ended with exit code {code}{_last(said)}")


def errors(event: dict[str, Any]) -> str:
    """Return the errors of the steps in an event, empty if it names none."""
    steps = as_object(event.get("steps")).items()
    return "; ".join(f"{name}: {step['error']}" for name, step in steps
                     if "error" in as_object(step))  # fmt: skip


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()][-_SHOWN:]
    return f": {'; '.join(map(str.strip, lines))}" if lines else ""
