"""Steps of one's own: whatever one does, the beat goes on and leaves its event."""

from pathlib import Path

import pytest
from workspaces import doit, log

_GRAPH = """
import sys
from pathlib import Path
from types import SimpleNamespace

from haios_dag.base.errors import HaiosError
from haios_dag.beat import Beat

beat = Beat(Path(__file__).resolve().parent)
DOIT_CONFIG = beat.doit_config

def own(beat):
    exec(RUN)

def probe(workspace):
    exec(IDLE)
    return found

def task__begin():
    return beat.begin()

def task_own():
    return beat.step("own", SimpleNamespace(run=own, **({"idle": probe} if IDLE else {})), "mine")

def task_last():
    return beat.step("last", SimpleNamespace(run=lambda beat: None), "the one after", after="own")

def task_event():
    return beat.event("append", after="last")

def task_heartbeat():
    return beat.verdict("beat", after="event")
"""


def write(root: Path, run: str, idle: str = "") -> None:
    """Write a graph with a step that runs this code; the probe's leaves its answer in `found`."""
    idle = idle and f"global found; {idle}"
    graph = _GRAPH.replace("exec(RUN)", f"exec({run!r})").replace("exec(IDLE)", f"exec({idle!r})")
    (root / "dodo.py").write_text(graph.replace("if IDLE", f"if {bool(idle)}"), encoding="utf-8")


@pytest.mark.parametrize(
    ("run", "error"),
    [
        ("raise OSError()", "OSError"),
        ("raise TimeoutError('')", "TimeoutError"),
        ("raise OSError(2, 'No such file', 'a.txt')", "a.txt: No such file"),
        ("raise HaiosError('')", "HaiosError"),
        ("raise HaiosError('the disk is gone')", "the disk is gone"),
        ("beat.counts.add(x=float('nan'))", "ValueError: x is no whole number of at most 63 bits"),
        (
            "beat.counts.add(outcome=1)",
            "ValueError: a number of a step cannot be named outcome; every step has that",
        ),
        ("beat.steps.clear()", "AttributeError: 'mappingproxy' object has no attribute 'clear'"),
        ("sys.exit(0)", "the step called sys.exit"),
        ("sys.exit('done')", "the step called sys.exit"),
    ],
)
def test_a_step_that_goes_wrong_is_failed(tmp_path: Path, run: str, error: str) -> None:
    """It is `failed` with a text, the step after it runs, and the exit code tells."""
    write(tmp_path, run)
    done = doit(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "own failed" in done.stdout + done.stderr
    (event,) = log(tmp_path)
    assert event["outcome"] == "degraded"
    assert event["steps"]["own"]["outcome"] == "failed"
    assert event["steps"]["own"]["error"] == error
    assert event["steps"]["last"]["outcome"] == "ran"


def test_a_step_by_hand_that_exits_is_failed(tmp_path: Path) -> None:
    """`sys.exit(0)` is no success."""
    write(tmp_path, "sys.exit(0)")
    assert doit(tmp_path, "own").returncode == 1
    assert log(tmp_path) == []


def test_outcomes_cannot_be_changed_by_a_step(tmp_path: Path) -> None:
    """What is in them is a copy."""
    write(tmp_path, "beat.steps['last'].clear()")
    assert doit(tmp_path).returncode == 0
    assert log(tmp_path)[0]["steps"]["last"]["outcome"] == "ran"


@pytest.mark.parametrize(
    ("idle", "outcome", "reason"),
    [
        ("sys.exit(0)", "ran", None),
        ("raise OSError()", "ran", None),
        ("found = ''", "ran", None),
        ("found = None", "ran", None),
        ("found = 5", "skipped", "5"),
    ],
)
def test_a_probe_that_goes_wrong(
    tmp_path: Path, idle: str, outcome: str, reason: str | None
) -> None:
    """A step whose probe gives no reason runs; one that is no text becomes one."""
    write(tmp_path, "pass", idle)
    done = doit(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (event,) = log(tmp_path)
    assert event["steps"]["own"]["outcome"] == outcome
    assert event["steps"]["own"].get("reason") == reason
