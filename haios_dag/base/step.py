"""What a step of the beat is, and what it is given.

A step is a module, or anything else, with `run(beat)` and, where it can tell beforehand that there
is nothing to do, `idle(workspace)`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from haios_dag.base import clock
from haios_dag.base.workspace import Workspace

if TYPE_CHECKING:
    from haios_dag.base.config import Config

StepOutcome = dict[str, Any]
"""What became of a step, as the event carries it: `outcome`, `seconds`, its numbers, its error."""

_WARNINGS = 20  # kept in an event; the rest are counted
_RESERVED = {"outcome", "seconds", "error", "reason", "warnings"}
_MOST = 2**63 - 1  # what every reader of JSON with whole numbers takes


class Counts:
    """Named numbers and warnings of one step, kept up as it commits: one cut short still tells."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._warnings: list[str] = []
        self._unkept = 0

    def start(self, *names: str) -> None:
        """Show these numbers even where they stay zero; raise ValueError as `add` does."""
        Counts().add(**dict.fromkeys(names, 0))
        self._numbers = dict.fromkeys(names, 0) | self._numbers

    def add(self, **numbers: int) -> None:
        """Add to numbers; raise ValueError for what an event cannot carry."""
        for name, number in numbers.items():
            if name in _RESERVED:
                raise ValueError(f"a number of a step cannot be named {name}; every step has that")
            if type(number) is not int or abs(self[name] + number) > _MOST:
                raise ValueError(f"{name} is no whole number of at most 63 bits")
            self._numbers[name] = self[name] + number

    def warn(self, warnings: Iterable[str]) -> None:
        """Report things that were read another way than they were meant."""
        for warning in warnings:
            if len(self._warnings) < _WARNINGS:
                self._warnings.append(str(warning))
            else:
                self._unkept += 1

    def __getitem__(self, name: str) -> int:
        return self._numbers.get(name, 0)

    def event(self) -> dict[str, object]:
        """Return the numbers, and the warnings where there are any, as the event carries them."""
        if not self._warnings:
            return dict(self._numbers)
        more = [f"and {self._unkept} more"] if self._unkept else []
        return self._numbers | {"warnings": self._warnings + more}


@dataclass(kw_only=True)
class BeatContext:
    """What a step is given: the beat that it is a part of.

    `id` is None for a step run by hand. `started` is an aware instant. `steps` holds the outcomes
    of the steps so far, by name, only to be read. `counts` are this step's numbers and warnings.
    """

    workspace: Workspace = field(kw_only=False)
    id: str | None = None
    started: datetime = field(default_factory=clock.now)
    steps: Mapping[str, StepOutcome] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)

    @property
    def config(self) -> "Config":
        """The settings of the workspace; raise ConfigError."""
        return self.workspace.config


class Step(Protocol):
    """What `Beat.step` takes. One that can tell that it has no work also offers `idle`.

    `idle(workspace)` returns why there is nothing to do, or None; it may raise HaiosError.
    """

    def run(self, beat: BeatContext, /) -> None:
        """Do the work, counting it as it is committed; raise HaiosError or OSError."""
