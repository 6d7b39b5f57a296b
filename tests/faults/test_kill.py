"""kill -9 at random moments of each step: nothing is torn, and the next beat finishes the work."""

import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
import workspaces
from faulting import Fault, Next, chance, events
from forks import BEAT, Forks
from memory_checks import assert_invariants
from workspaces import doit, grow

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="kill -9 is a POSIX signal"),
]

STEPS = ("ingest", "embed", "synthesize", "bridge", "status", "event")
KILLS = 35  # a step

# Another process of the beat's group, begun before the beat holds anything, kills the group.
KILLED = f"""
import time
step, delay = sys.argv.pop(2), float(sys.argv.pop(2))
reading, writing = os.pipe()
if not os.fork():
    os.close(writing)
    if os.read(reading, 1):
        time.sleep(delay)
        os.killpg(0, 9)
    os._exit(0)
from doit.reporter import ConsoleReporter
def begin(reporter, task, plain=ConsoleReporter.execute_task):
    if task.name == step:
        os.write(writing, b"!")
    return plain(reporter, task)
ConsoleReporter.execute_task = begin
{BEAT}"""


def killed_in(forks: Forks, root: Path, step: str, delay: float) -> bool:
    """Beat, with the process group killed `delay` seconds into a step; tell if it was in time."""
    done = forks.run(KILLED, root, step, delay)
    assert done.code in {0, -9}, done.out
    return done.code == -9


@pytest.mark.fault("kill -9 of a beat at random moments of each step")
@pytest.mark.parametrize("step", STEPS)
def test_kill_during(step: str, tmp_path: Path, forks: Forks, fault: Fault, beat: Next) -> None:
    """Wherever in a step a beat is killed, the next one completes what was cut off."""
    random = chance()
    root = workspaces.make(tmp_path / "space")
    grow(root, 0, documents=20)
    killed, turn, longest = 0, 0, 0.05  # seconds, found out
    while killed < KILLS:
        turn += 1
        assert turn < 3 * KILLS
        grow(root, turn, documents=2, checkpoints=turn % 5 == 0)
        before = events(root)
        in_time = killed_in(forks, root, step, random.uniform(0, longest))
        killed += in_time
        longest *= 1.1 if in_time else 0.7
        fault.inject(in_time)
        fault.next_beat(root, beat)
        fault.keep(before, events(root))
    outcomes = [event["outcome"] for event in events(root)]
    assert outcomes.count("interrupted") <= killed
    reconcile(root)


def reconcile(root: Path) -> None:
    """The events' counts add up to the rows in memory, killed beats included."""
    assert_invariants(root / "memory.db", "*")
    connection = sqlite3.connect(root / "memory.db")
    products = connection.execute(
        "SELECT cluster_type = 'cross', count(*) FROM synthesis_clusters GROUP BY 1 ORDER BY 1"
    ).fetchall()
    connection.close()
    beats = events(root)
    insights = sum(event["new_insights"] for event in beats)
    bridges = sum(event["new_bridges"] for event in beats)
    assert dict(products) == {0: insights, 1: bridges}


def test_killed_first_beat_makes_the_same_memory(tmp_path: Path, forks: Forks) -> None:
    """A first beat killed again and again ends in the clusters of one that was left alone."""
    memories = []
    for name, kills in (("alone", 0), ("killed", 6)):
        root = workspaces.make(tmp_path / name)
        grow(root, 1)
        for turn in range(kills):
            killed_in(forks, root, STEPS[turn % 3], 0.05 * (turn + 1))
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
