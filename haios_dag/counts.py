"""What a step has done so far, kept up as it commits, so that a step cut short still tells."""

from collections.abc import Iterable

_WARNINGS = 20  # kept in an event; the rest are counted


class Counts:
    """Named numbers and warnings of one step in one beat."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._warnings: list[str] = []
        self._unkept = 0

    def start(self, *names: str) -> None:
        """Show these numbers even where they stay zero."""
        self._numbers = dict.fromkeys(names, 0) | self._numbers

    def add(self, **numbers: int) -> None:
        """Add to numbers."""
        for name, number in numbers.items():
            self._numbers[name] = self._numbers.get(name, 0) + number

    def warn(self, warnings: Iterable[str]) -> None:
        """Report things that were read another way than they were meant."""
        for warning in warnings:
            if len(self._warnings) < _WARNINGS:
                self._warnings.append(warning)
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
