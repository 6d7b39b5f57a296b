"""The job that every scheduler is told to run, described once."""

import hashlib
import platform
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath

from haios_dag.config import Schedule
from haios_dag.errors import ScheduleError
from haios_dag.schedule.slots import Slots
from haios_dag.workspace import OUTPUT, Workspace

NAME = "haios-heartbeat"
DESCRIPTION = "haios-dag: one beat of the workspace"


@dataclass(frozen=True)
class Job:
    """One beat of one workspace: with which interpreter, when, and for how long at most.

    The paths are absolute and of the system that the entry is for. Raise ScheduleError for one
    that no scheduler could be told.
    """

    python: PurePath
    root: PurePath
    slots: Slots
    time_limit: int  # minutes

    def __post_init__(self) -> None:
        for path in (self.python, self.root):
            if not path.is_absolute():
                raise ScheduleError(f"{path} is not an absolute path; name the whole path")
            bad = [one for one in str(path) if unicodedata.category(one) in {"Cc", "Cs"}
                   or one in "\ufffe\uffff"]  # fmt: skip
            if bad:
                raise ScheduleError(
                    f"{str(path)!r} has the character {bad[0]!r}, which no scheduler's entry can"
                    " hold; rename that folder"
                )

    @property
    def argv(self) -> list[str]:
        """The command: it needs no PATH, no environment and no particular current directory."""
        return [str(self.python), "-m", "doit", "-f", str(self.root / "dodo.py"), "heartbeat"]

    @property
    def output(self) -> PurePath:
        """The file for what a beat prints, where the scheduler itself keeps nothing."""
        return self.root / OUTPUT


def make(python: PurePath, root: PurePath, schedule: Schedule, host: str) -> Job:
    """Return the job of a workspace on a computer; raise ScheduleError."""
    return Job(python, root, slots(root, schedule, host), schedule.time_limit_minutes)


def due(workspace: Workspace) -> Slots:
    """Return when the beats of a workspace on this computer are due; raise ConfigError."""
    return slots(workspace.root, workspace.config.schedule, platform.node())


def slots(root: PurePath, schedule: Schedule, host: str) -> Slots:
    """Return when the beats of a workspace on a computer are due.

    With `jitter_minutes`, they are so many minutes or fewer behind their time, always as many in
    one workspace on one computer, so that many computers do not beat in the same minute.
    """
    digest = hashlib.sha256(f"{host}\0{root}".encode("utf-8", "surrogateescape")).digest()
    choices = min(schedule.jitter_minutes + 1, schedule.every_minutes)
    return Slots(schedule, int.from_bytes(digest[:8], "big") % choices)
