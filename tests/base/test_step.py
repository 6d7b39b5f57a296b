"""What a step may count: whatever it does, its event can be written."""

from typing import Any

import pytest

from haios_dag.base.step import Counts


@pytest.mark.parametrize("number", [float("nan"), 1.0, "1", None, True, 2**63, -(2**64)])
def test_only_whole_numbers_are_added(number: Any) -> None:  # noqa: ANN401 - what is no number
    """What is no number of an event is refused, and the number before it stays."""
    counts = Counts()
    counts.add(lines=3)
    with pytest.raises(ValueError, match="lines is no whole number"):
        counts.add(lines=number)
    assert counts.event() == {"lines": 3}


def test_a_sum_has_63_bits_too() -> None:
    """Numbers that are small enough do not add up to one that is not."""
    counts = Counts()
    counts.add(bytes=2**63 - 1)
    with pytest.raises(ValueError, match="bytes is no whole number"):
        counts.add(bytes=1)


@pytest.mark.parametrize("name", ["outcome", "seconds", "error", "reason", "warnings"])
def test_keys_of_every_step_are_no_numbers(name: str) -> None:
    """A number cannot stand for what the beat itself says of the step."""
    counts = Counts()
    with pytest.raises(ValueError, match=f"cannot be named {name}"):
        counts.add(**{name: 1})
    with pytest.raises(ValueError, match=f"cannot be named {name}"):
        counts.start(name)
    assert counts.event() == {}


def test_started_numbers_stay() -> None:
    """A number that was started is shown; one that has a value keeps it."""
    counts = Counts()
    counts.add(read=2)
    counts.start("read", "kept")
    assert counts.event() == {"read": 2, "kept": 0}


def test_a_warning_is_text() -> None:
    """An exception as a warning is what it says."""
    counts = Counts()
    warnings: list[Any] = [OSError("no room"), 5]
    counts.warn(warnings)
    assert counts.event() == {"warnings": ["no room", "5"]}
