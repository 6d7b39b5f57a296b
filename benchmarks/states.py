"""What the status costs: the step inside its process, and reading it at a prompt."""

import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import memories
import workspaces
from beats import EMPTY
from measuring import Row, compare, in_turns, timed

from haios_dag.base import clock
from haios_dag.base.workspace import Workspace
from haios_dag.pulse import liveness
from haios_dag.status import status_writer

_STEP = 0.05  # seconds: the target of the step
_MORE = 0.02  # seconds: how much longer than an empty doit run the vital signs may take
_LOOKED = {"ingest": {"outcome": "skipped"}}


def status_step(folder: Path, count: int, runs: int) -> Iterator[Row]:
    """Write the status of unchanged documents, by ingest's ledger and by parsing each; show it."""
    root = workspaces.make(folder / "status")
    for number in range(count - 4):  # the workspace has four
        path = root / "docs" / "work" / "active" / f"W-{number}" / "WORK.md"
        path.parent.mkdir(parents=True)
        done = "complete" if number % 6 else "active"
        path.write_text(
            f"---\ntemplate: work_item\nid: W-{number}\ntitle: Item {number}\nstatus: {done}\n"
            f"created: 2026-01-{number % 28 + 1:02}\nlast_updated: 2026-02-03T10:00:00\n"
            f"milestone: M{number % 7}-Part\nblocked_by: [W-{number // 2}]\npriority: medium\n"
            f"queue_position: backlog\ncurrent_node: backlog\n---\n# Item {number}\n",
            encoding="utf-8",
        )
    memories.age(root.rglob("*.md"))
    memories.settle(root)

    def write(steps: dict[str, dict[str, str]], memory: str | None = None) -> None:
        workspace = Workspace(root, memory)
        facts = liveness.facts(workspace, None, clock.now(), steps)
        status_writer.write(workspace, memory=liveness.memory(workspace), pulse=facts)

    mine, other = in_turns(runs, timed(lambda: write(_LOOKED)), timed(lambda: write({})))
    row = compare(f"status, {count:,} unchanged", mine, other, "the same after comparing each file")
    yield replace(row, target=f"{_STEP * 1000:g} ms", met=row.ours < _STEP)
    parsed = in_turns(min(runs, 5), timed(lambda: write(_LOOKED, "none.db")))[0]
    yield compare(f"status, {count:,} parsed", parsed, None, "without a memory")
    yield from _vitals(folder, root, runs)


def _vitals(folder: Path, root: Path, runs: int) -> Iterator[Row]:
    empty = folder / "empty-doit"
    empty.mkdir()
    (empty / "dodo.py").write_text(EMPTY, encoding="utf-8")
    hook = [sys.executable, "-m", "haios_dag", "vitals", str(root)]
    times = in_turns(
        runs,
        timed(lambda: workspaces.run(hook, cwd=root)),
        timed(lambda: workspaces.doit(root, "vitals")),
        timed(lambda: memories.beat(empty)),
    )
    limit = statistics.median(times[-1]) + _MORE
    for case, mine in zip(("python -m haios_dag vitals", "doit vitals"), times, strict=False):
        row = compare(case, mine, times[-1], "an empty doit run")
        yield replace(row, target=f"{_MORE * 1000:g} ms more", met=row.ours < limit)
