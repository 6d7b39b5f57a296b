"""A fault as the tests count it, and what must hold after each."""

import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import workspaces
from memory_checks import assert_invariants

from haios_dag.base import schema
from haios_dag.base.workspace import Workspace

Next = Callable[[Path], tuple[int, str]]  # a beat: its exit code and what it printed
_GOOD = {"ok", "idle"}


@dataclass
class Fault:
    """One kind of fault over all its tests: a row of the table."""

    injected: int = 0
    kept: int = 0
    beats: Counter[str] = field(default_factory=Counter)

    def inject(self, times: int = 1) -> None:
        """Count a fault that has been injected."""
        self.injected += times

    def keep(self, acknowledged: Collection[object], found: Collection[object]) -> None:
        """Check that everything that was acknowledged before a fault is found after it."""
        lost = [one for one in acknowledged if one not in found]
        assert lost == [], f"{lost[:5]} of {len(acknowledged)}, {len(found)} found"
        self.kept += len(acknowledged)

    def next_beat(self, root: Path, beat: Next) -> None:
        """Beat, with nobody's help: it must succeed, and leave everything whole."""
        code, out = beat(root)
        assert code == 0, out
        assert "Traceback" not in out
        outcome = whole(root)
        assert outcome in _GOOD, out
        self.beats[outcome] += 1


def chance() -> random.Random:
    """Return a source of random moments, whose seed is printed."""
    seed = int(os.environ.get("HAIOS_TEST_SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"seed {seed}: HAIOS_TEST_SEED={seed} repeats this")
    return random.Random(seed)  # noqa: S311 - no secret


def events(root: Path) -> list[dict[str, Any]]:
    """Return all events of a workspace, archives first; every line must be one."""
    folder = root / ".claude"
    paths = [*sorted(folder.glob("haios-events.[0-9]*.jsonl")), folder / "haios-events.jsonl"]
    lines = [line for path in paths if path.exists() for line in path.read_bytes().splitlines()]
    return [json.loads(line) for line in lines]


def whole(root: Path) -> str:
    """Check everything that a beat left, and return its outcome."""
    beats = [event for event in events(root) if event["type"] == "heartbeat"]
    assert len({event["beat"] for event in beats}) == len(beats)
    workspace = Workspace(root)
    for path, name in ((workspace.status, "status"), (workspace.status_slim, "status-slim")):
        schema.validate(name, json.loads(path.read_bytes()))
    assert not list((root / ".claude").glob("*.tmp"))
    connection = sqlite3.connect(root / "memory.db")
    try:
        backlog = connection.execute(
            "SELECT count(*) FROM dag_items WHERE state = 'live' AND (model IS NULL"
            " OR leader IS NULL OR bridged = 0)"
        ).fetchone()
    finally:
        connection.close()
    assert backlog == (0,)
    assert_invariants(root / "memory.db")
    return str(beats[-1]["outcome"])


def learn(root: Path, number: int = 0) -> None:
    """Give a workspace something new, which extends its clusters and makes another."""
    said = [f"{sentences[number % 3]} Report {number}." for sentences in workspaces.THEMES.values()]
    said += [f"A disk of kind {number} that is full keeps {word} from the log." for word in "ab"]
    text = "\n\n".join([f"# Report {number}", *said])
    (root / "docs" / f"report-{number}.md").write_text(text + "\n", encoding="utf-8")
