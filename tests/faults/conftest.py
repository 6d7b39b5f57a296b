"""What each fault's test needs, and the table of the page `docs/reliability.md`.

A test is marked with the fault it injects. `python -m pytest tests/faults -m "" --write-table`
writes the table from what the run has counted.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import workspaces
from faulting import Fault
from forks import Forks

PAGE = workspaces.ROOT / "docs" / "reliability.md"
HEAD = ("fault", "injected", "acknowledged before, and lost", "the next beat")
_TABLE = re.compile(r"(<!-- counted: faults -->\n).*?(<!-- counted -->)", re.DOTALL)


FAULTS: dict[str, Fault] = {}


@pytest.fixture
def fault(request: pytest.FixtureRequest) -> Fault:
    """The fault that the test is marked with."""
    mark = request.node.get_closest_marker("fault")
    return FAULTS.setdefault(mark.args[0], Fault())


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Programs that start in milliseconds."""
    if not hasattr(os, "fork"):
        pytest.skip("Windows has no fork")
    with Forks(tmp_path_factory.mktemp("forks")) as started:
        yield started


@pytest.fixture
def beat(forks: Forks) -> Callable[[Path], tuple[int, str]]:
    """A beat as the next one: its exit code and what it printed."""

    def run(root: Path) -> tuple[int, str]:
        done = forks.beat(root)
        return done.code, done.out

    return run


# --- the table -----------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--write-table`."""
    parser.addoption("--write-table", action="store_true", help=f"write the table of {PAGE.name}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401 - pytest-xdist has no types
    """Add what tests side by side have counted in a process of their own."""
    for name, (injected, kept, beats) in (
        getattr(node, "workeroutput", {}).get("faults", {}).items()
    ):
        one = FAULTS.setdefault(name, Fault())
        one.injected += injected
        one.kept += kept
        one.beats.update(beats)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the table when every test has passed."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults"] = {
            name: (one.injected, one.kept, dict(one.beats)) for name, one in FAULTS.items()
        }
        return
    if not session.config.getoption("--write-table") or exitstatus:
        return
    rows = [HEAD, ("---",) * len(HEAD)]
    for name, one in sorted(FAULTS.items()):
        beats = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(one.beats.items()))
        rows.append((name, f"{one.injected:,}", f"{one.kept:,}, 0", beats or "not needed"))
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(
        _TABLE.sub(lambda part: f"{part[1]}{table}\n{part[2]}", page),
        encoding="utf-8",
        newline="\n",
    )
