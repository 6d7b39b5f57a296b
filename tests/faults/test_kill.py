"""kill -9 at random moments of each step: nothing is torn, and the next beat finishes the work."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
import workspaces
from invariants import assert_invariants
from workspaces import doit, grow, log

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="kill -9 is a POSIX signal"),
]

STEPS = ("ingest", "embed", "synthesize", "bridge", "status", "event")
KILLS = 20  # a step


def run_until(root: Path, step: str, delay: float) -> bool:
    """Beat, and kill the process group `delay` seconds into a step; tell whether it was alive."""
    process = workspaces.start(root, env={"PYTHONUNBUFFERED": "1"})
    assert process.stdout is not None
    for line in process.stdout:
        if line.split()[:2] == [".", step]:
            time.sleep(delay)
            break
    alive = process.poll() is None
    if alive:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return alive


def check_events(root: Path) -> list[dict[str, object]]:
    """Return the events; every line is whole, and no beat is recorded twice."""
    events = log(root)
    beats = [event["beat"] for event in events]
    assert len(beats) == len(set(beats))
    return events


@pytest.fixture(scope="module")
def seconds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """How long each step of a first beat takes here; the event task ends the process."""
    root = workspaces.make(tmp_path_factory.mktemp("clean") / "space")
    grow(root, 0)
    assert doit(root).returncode == 0
    (event,) = log(root)
    return {name: step["seconds"] for name, step in event["steps"].items()} | {"event": 0.02}


@pytest.mark.parametrize("step", STEPS)
def test_kill_during(step: str, seconds: dict[str, float], tmp_path: Path) -> None:
    """Twenty kills at random moments of a step: each next beat completes what was cut off."""
    seed = int(os.environ.get("HAIOS_TEST_SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"seed {seed}: HAIOS_TEST_SEED={seed} repeats this")
    chance = random.Random(seed)  # noqa: S311 - no secret
    root = workspaces.make(tmp_path / "space")
    killed = 0
    for turn in range(KILLS):
        grow(root, turn, documents=120 if turn == 0 else 15)
        fraction = seconds[step] if turn == 0 else seconds[step] / 4
        killed += run_until(root, step, chance.uniform(0, fraction))
        done = doit(root)
        assert done.returncode == 0, done.stdout + done.stderr
        connection = sqlite3.connect(root / "memory.db")
        assert_invariants(connection)
        backlog = connection.execute(
            "SELECT count(*) FROM dag_items WHERE state = 'live' AND (model IS NULL"
            " OR leader IS NULL OR bridged = 0)"
        ).fetchone()
        connection.close()
        assert backlog == (0,)
        events = check_events(root)
        assert events[-1]["outcome"] in {"ok", "idle"}
        for path in (root / ".claude").glob("haios-status*.json"):
            json.loads(path.read_text(encoding="utf-8"))
    interrupted = [event for event in check_events(root) if event["outcome"] == "interrupted"]
    assert killed >= KILLS // 4
    assert len(interrupted) <= killed
    reconcile(root)


def reconcile(root: Path) -> None:
    """The events' counts add up to the rows in memory, killed beats included."""
    connection = sqlite3.connect(root / "memory.db")
    products = connection.execute(
        "SELECT cluster_type = 'cross', count(*) FROM synthesis_clusters GROUP BY 1 ORDER BY 1"
    ).fetchall()
    connection.close()
    events = log(root)
    insights = sum(event["new_insights"] for event in events)
    bridges = sum(event["new_bridges"] for event in events)
    assert dict(products) == {0: insights, 1: bridges}


def test_killed_first_beat_makes_the_same_memory(tmp_path: Path) -> None:
    """A first beat killed again and again ends in the clusters of one that was left alone."""
    memories = []
    for name, kills in (("alone", 0), ("killed", 6)):
        root = workspaces.make(tmp_path / name)
        grow(root, 1)
        for turn in range(kills):
            run_until(root, ("ingest", "embed", "synthesize")[turn % 3], 0.05 * (turn + 1))
        done = doit(root)
        assert done.returncode == 0, done.stdout + done.stderr
        memories.append(clusters(root))
    assert memories[0] == memories[1]


def clusters(root: Path) -> set[tuple[str, frozenset[str]]]:
    """Return each cluster as its leader's text with the texts of all its members."""
    connection = sqlite3.connect(root / "memory.db")
    found: dict[str, set[str]] = {}
    for leader, member in connection.execute(
        "SELECT l.content, m.content FROM dag_items i JOIN concepts m ON m.id = i.id"
        " JOIN concepts l ON l.id = i.leader WHERE i.kind = 'concept'"
    ):
        found.setdefault(leader, set()).add(member)
    connection.close()
    return {(leader, frozenset(members)) for leader, members in found.items()}


def test_no_process_is_left(tmp_path: Path) -> None:
    """A beat has no child that could live on after it."""
    root = workspaces.make(tmp_path / "space")
    process = workspaces.start(root)
    process.communicate()
    left = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, check=False)
    assert left.stdout == b""
