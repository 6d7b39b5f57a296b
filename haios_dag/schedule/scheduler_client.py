"""What the clients of the schedulers have in common, each a module named after its program."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from haios_dag.schedule.drift import Difference, Fields
from haios_dag.schedule.job import Job

EntryFiles = dict[str, bytes]
"""Files by their names, as the renderers give them."""


@dataclass(frozen=True)
class State:
    """What a scheduler has of a job. Times are as the scheduler says them, empty where unknown."""

    entry: EntryFiles  # empty where it is not installed
    off: str = ""  # why it does not fire, in words
    next: str = ""
    last: str = ""
    result: str = ""  # how the last run ended
    drift: tuple[str, ...] = ()  # what else is not as it should be, in words


@dataclass(frozen=True)
class Operation:
    """Something to do to somebody's scheduler, told before it is done."""

    says: str
    do: Callable[[], object]


@dataclass(frozen=True)
class Trial:
    """How a scheduler begins a job: nothing else is in its environment."""

    words: list[str]
    folder: Path
    environment: dict[str, str]


class Client(Protocol):
    """What a module of a scheduler offers. All may raise ScheduleError."""

    def state(self, job: Job, /) -> State:
        """Return what the scheduler has of a job; ask it, and change nothing."""

    def install(self, job: Job, entry: EntryFiles, /) -> list[Operation]:
        """Return the steps that put an entry in the place of what is there."""

    def remove(self, job: Job, /) -> list[Operation]:
        """Return the steps that leave nothing of a job."""

    def trial(self, job: Job, entry: EntryFiles, /) -> Trial:
        """Return how the scheduler would begin a job."""

    def advice(self, job: Job, /) -> list[str]:
        """Return what is missing for the beats to come, in sentences; [] where nothing is."""

    def read(self, data: bytes, /) -> Fields:
        """Return what a file of an entry says."""

    def differences(self, installed: Fields, wanted: Fields, /) -> list[Difference]:
        """Return how an installed file differs from what it should be."""
