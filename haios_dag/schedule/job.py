"""The job that a scheduler runs."""

import hashlib
import socket
import sys
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal

from haios_dag.base.config import Schedule
from haios_dag.base.errors import ScheduleError
from haios_dag.base.workspace import OUTPUTS, Workspace
from haios_dag.schedule.due_times import HOUR, Slots

JobTask = Literal["heartbeat", "watchdog"]

_TASKS: dict[JobTask, tuple[str, list[str]]] = {
    "heartbeat": ("one beat of the workspace", ["heartbeat"]),
    "watchdog": ("say when the beats stop", ["pulse", "--notify"]),
}


@dataclass(frozen=True)
class Job:
    """A task of one workspace: its interpreter, its times, its time limit.

    The paths are absolute and of the system that the entry is for; `suffix` distinguishes the
    workspaces of one user. Raise ScheduleError for a path that an entry cannot hold.
    """

    python: PurePath
    root: PurePath
    slots: Slots
    time_limit: int  # minutes
    task: JobTask = "heartbeat"
    suffix: str = ""
    logged_on_only: bool = True

    def __post_init__(self) -> None:
        for path in (self.python, self.root):
            if not path.is_absolute():
                raise ScheduleError(f"{path} is not an absolute path; give the whole path")
            bad = [one for one in str(path) if unicodedata.category(one) in {"Cc", "Cs"}
                   or one in "\ufffe\uffff"]  # fmt: skip
            if bad:
                raise ScheduleError(
                    f"{str(path)!r} has the character {bad[0]!r}, which an entry cannot hold;"
                    " rename that folder"
                )

    @property
    def name(self) -> str:
        """The name of its entries, which each scheduler writes in its own way."""
        return f"haios-{self.task}{self.suffix}"

    @property
    def makes_up(self) -> bool:
        """Whether a missed run is made up for; a watchdog would look before that beat has begun."""
        return self.task == "heartbeat"

    @property
    def description(self) -> str:
        """What it does, in one line."""
        return f"haios-dag: {_TASKS[self.task][0]}"

    @property
    def argv(self) -> list[str]:
        """The command, which needs no PATH, environment or current directory."""
        words = _TASKS[self.task][1]
        return [str(self.python), "-m", "doit", "-f", str(self.root / "dodo.py"), *words]

    @property
    def output(self) -> str:
        """The file for its output, relative to the root, if the scheduler keeps no output."""
        return OUTPUTS[self.task]


def of(workspace: Workspace, task: JobTask = "heartbeat") -> Job:
    """Return a job of a workspace, run by this interpreter; raise ConfigError, ScheduleError."""
    schedule = workspace.config.schedule
    return make(Path(sys.executable), workspace.root, schedule, socket.gethostname(), task)


def make(
    python: PurePath, root: PurePath, schedule: Schedule, host: str, task: JobTask = "heartbeat"
) -> Job:
    """Return a job of a workspace on a computer; raise ScheduleError.

    The watchdog runs every hour, at the minute when a beat that was due is late.
    """
    due = slots(root, schedule, host)
    if task == "watchdog":
        hourly = replace(schedule, every_minutes=HOUR, at=None, hours="0-24")
        due = Slots(hourly, (due.offset + grace_minutes(schedule)) % HOUR)
    return Job(
        python, root, due, schedule.time_limit_minutes, task,
        f"-{schedule.name}" if schedule.name else "", schedule.logged_on_only,
    )  # fmt: skip


def grace_minutes(schedule: Schedule) -> int:
    """Return how many minutes after its time a beat may end without being late."""
    return schedule.grace_minutes or schedule.time_limit_minutes


def due(workspace: Workspace) -> Slots:
    """Return when the beats of a workspace on this computer are due; raise ConfigError."""
    return slots(workspace.root, workspace.config.schedule, socket.gethostname())


def slots(root: PurePath, schedule: Schedule, host: str) -> Slots:
    """Return when the beats of a workspace on a computer are due.

    With `jitter_minutes` they are delayed by up to so many minutes, the same for each workspace on
    each computer, so that many computers do not beat in the same minute.
    """
    digest = hashlib.sha256(f"{host}\0{root}".encode("utf-8", "surrogateescape")).digest()
    choices = min(schedule.jitter_minutes + 1, schedule.every_minutes)
    return Slots(schedule, int.from_bytes(digest[:8], "big") % choices)
