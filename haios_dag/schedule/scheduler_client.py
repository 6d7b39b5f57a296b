"""What the clients of the schedulers have in common; each is a module named after its program."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from haios_dag.base import files
from haios_dag.schedule.external_program import ask
from haios_dag.schedule.job import Job

EntryFiles = dict[str, bytes]
"""The files of an entry by their names, as the renderers return them."""

LOGGED_ON_ONLY = (
    "beats run only while you are logged on; to run them always, set [schedule] logged_on_only ="
    " false and install again"
)


@dataclass(frozen=True)
class State:
    """What a scheduler has of a job. Times are as the scheduler prints them, empty if unknown."""

    entry: EntryFiles  # empty if it is not installed
    root: str | None = None  # the workspace that the entry runs in, None if it does not say
    off: str = ""  # why it does not run
    next: str = ""
    last: str = ""
    result: str = ""  # how the last run ended
    drift: tuple[str, ...] = ()  # what else differs from a fresh installation


@dataclass(frozen=True)
class Operation:
    """A change to the user's scheduler, with the sentence that announces it."""

    says: str
    do: Callable[[], object]


@dataclass(frozen=True)
class Trial:
    """How a scheduler starts a job: the command, its folder and its whole environment."""

    words: list[str]
    folder: Path
    environment: dict[str, str]


def run(*words: str) -> Operation:
    """Return the operation that runs a program of the scheduler."""
    return Operation(f"run: {' '.join(words)}", lambda: ask(*words))


def write(path: Path, data: bytes) -> Operation:
    """Return the operation that writes a file."""
    return Operation(f"write {path}", lambda: files.write_atomic(path, data))


def delete(path: Path) -> Operation:
    """Return the operation that deletes a file."""
    return Operation(f"delete {path}", path.unlink)


class Client(Protocol):
    """What the module of a scheduler offers. All but `differences` may raise ScheduleError."""

    def state(self, job: Job, /) -> State:
        """Return what the scheduler has of a job, without a change; may raise OSError."""

    def install(self, job: Job, /) -> list[Operation]:
        """Return the operations that put the job's entry in the place of what is there."""

    def remove(self, job: Job, /) -> list[Operation]:
        """Return the operations that leave nothing of a job."""

    def trial(self, job: Job, /) -> Trial:
        """Return how the scheduler would start a job."""

    def advice(self, job: Job, /) -> list[str]:
        """Return what would keep the job from running, in sentences."""

    def differences(self, installed: bytes, wanted: bytes, /) -> list[str]:
        """Return the lines of an installed file that differ, as `drift.of_text` does."""
