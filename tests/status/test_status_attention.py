"""The status carries signals and findings, and the beat prints which signals changed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stories
import workspaces
from freezegun import freeze_time
from statuses import MEMORY, NOW, PULSE, both, put, write

from haios_dag.base.workspace import Workspace
from haios_dag.status import signals

BACKLOG = {"unembedded": 3, "unconsidered": 2, "waiting_pairs": 1}


def log(workspace: Workspace, *told: dict[str, Any]) -> None:
    """Write an event log."""
    put(workspace.events, "".join(json.dumps(one) + "\n" for one in told).encode())


def slim(workspace: Workspace) -> dict[str, Any]:
    """Return the slim status; both are valid and say the same of signals."""
    full, found = both(workspace)
    for key in ("signals", "resonance", "signal_sources"):
        assert full[key] == found[key]
    return found


def named(workspace: Workspace) -> list[str]:
    """Return the names of the signals in the slim status."""
    return [one["name"] for one in slim(workspace)["signals"]]


@freeze_time(NOW)
def test_signals_come_and_go(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is printed when it comes and when it is over, not as long as it stays."""
    write(workspace)
    assert (named(workspace), capsys.readouterr().out) == ([], "")
    missed = PULSE | {"missed": 2}
    write(workspace, pulse=missed)
    assert named(workspace) == ["LATE"]
    assert capsys.readouterr().out == "   signal: LATE 2 beats were missed before this one\n"
    write(workspace, pulse=missed)
    assert (named(workspace), capsys.readouterr().out) == (["LATE"], "")
    write(workspace)
    assert (named(workspace), capsys.readouterr().out) == ([], "   over: LATE\n")


@freeze_time(NOW)
def test_findings_feed_the_signals(workspace: Workspace) -> None:
    """What resonance finds strongly enough is a signal, and stands in the status."""
    log(workspace, *(stories.beat(-5 + n, "degraded", embed="failed") for n in range(5)))
    write(workspace)
    assert named(workspace) == ["RESONANCE"]
    (finding,) = slim(workspace)["resonance"]["findings"]
    assert finding["rule"] == "failing-step"
    (signal,) = slim(workspace)["signals"]
    assert signal["says"] == finding["says"]


@pytest.mark.parametrize(
    ("streak", "now", "by_hand", "count"),
    [
        (("failing", 2), "failed", False, 3),
        (("failing", 5), "ran", False, 0),
        (("good", 9), "failed", False, 1),
        (None, "failed", False, 1),
        (("failing", 5), "not reached", True, 5),
        (("good", 5), "not reached", True, 0),
    ],
)
@freeze_time(NOW)
def test_degraded(
    streak: tuple[str, int] | None, now: str, *, by_hand: bool, count: int, workspace: Workspace
) -> None:
    """The beat at work counts when one of its steps has failed, and ends the row otherwise."""
    pulse = PULSE | {
        "streak": {"outcome": streak[0], "beats": streak[1]} if streak else None,
        "outcomes": {"embed": now},
        "beat": None if by_hand else PULSE["beat"],
    }
    write(workspace, pulse=pulse)
    found = [one["evidence"]["beats"] for one in slim(workspace)["signals"]]
    assert found == ([count] if count >= 3 else [])


@freeze_time(NOW)
def test_backlog(workspace: Workspace) -> None:
    """What waits is compared with what the events of the last beats say of it."""
    told = [
        stories.beat(hour, "ok", status={"outcome": "ran", "waiting": waiting})
        for hour, waiting in ((-4, 9), (-3, 3), (-2, 4), (-1, 5))
    ]
    log(workspace, *told)
    write(workspace, memory=MEMORY | BACKLOG)
    (found,) = slim(workspace)["signals"]
    assert (found["name"], found["evidence"]) == ("BACKLOG", {"waiting": [3, 4, 5, 6]})
    for memory in (MEMORY, None, MEMORY | dict.fromkeys(BACKLOG, 0)):
        write(workspace, memory=memory)
        assert named(workspace) == []
    log(workspace, *told[:3], stories.beat(-1, "ok", status={"outcome": "failed", "waiting": "x"}))
    write(workspace, memory=MEMORY | BACKLOG)
    assert named(workspace) == []


@freeze_time(NOW)
def test_memory_drift(workspace: Workspace) -> None:
    """Counts are compared with those of the status before."""
    write(workspace, memory=MEMORY | {"concepts": 100})
    write(workspace, memory=MEMORY | {"concepts": 90})
    assert named(workspace) == ["MEMORY"]
    write(workspace, memory=MEMORY | {"concepts": 90})
    write(workspace, memory=None)
    write(workspace, memory=MEMORY | {"concepts": 9})
    assert named(workspace) == []


@freeze_time(NOW)
@pytest.mark.parametrize("strange", [None, 7, "x", [], {}, [None], {"findings": [{}]}])
def test_what_others_put_there_breaks_nothing(workspace: Workspace, strange: object) -> None:
    """A status whose keys were changed is written, and is valid."""
    keys = dict.fromkeys(("signals", "signal_sources", "resonance", "memory"), strange)
    put(workspace.status_slim, json.dumps(keys).encode())
    assert write(workspace) == []
    assert slim(workspace)["signals"] == []


def test_sources_that_stand_still(workspace: Workspace) -> None:
    """What is watched is remembered in the status, and quiet in the end."""
    before: dict[str, Any] = {}
    work = {"blocked": {f"E2-{number}": ["E2-9"] for number in range(4)}}
    counts = []
    begin = datetime(2026, 1, 31, 12, tzinfo=UTC)
    for days in (0, 7, 14, 15):
        with freeze_time(begin + timedelta(days=days)):
            before, _ = signals.keys(workspace, before, pulse=PULSE, memory=None, work=work)
        counts.append(len(before["signals"]))
    assert counts == [1, 1, 1, 0]


def test_a_log_of_others_that_cannot_be_read(copy: Path, as_plain_user: list[str]) -> None:
    """It is a warning, and the rest of the status is written; `doit resonance` fails."""
    put(Workspace(copy).governance_logs[1], b"x").chmod(0)
    done = workspaces.run([*as_plain_user, *workspaces.command(copy, "status")], cwd=copy)
    assert done.returncode == 0, done.stdout
    assert "warning: the event log could not be read" in done.stderr
    assert "governance-events.jsonl" in done.stderr
    assert slim(Workspace(copy))["resonance"] == {"newest": "", "findings": []}
    done = workspaces.run([*as_plain_user, *workspaces.command(copy, "resonance")], cwd=copy)
    assert done.returncode == 1
    assert "governance-events.jsonl" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_real_beat(copy: Path) -> None:
    """A beat after a silence prints its signal, and the next one that it is over."""
    event = workspaces.log(copy)[-1]
    early = datetime.now(UTC) - timedelta(days=2)
    put(
        copy / ".claude" / "haios-events.jsonl",
        (json.dumps(event | {"ts": early.isoformat(), "beat": "20260101T000000-00000000"}) + "\n")
        .encode(),
    )  # fmt: skip
    done = workspaces.doit(copy)
    assert done.returncode == 0, done.stderr
    assert "   signal: LATE 4" in done.stdout
    assert workspaces.log(copy)[-1]["steps"]["status"]["waiting"] == 0
    found = slim(Workspace(copy))
    assert [one["name"] for one in found["signals"]] == ["LATE"]
    done = workspaces.doit(copy)
    assert "   over: LATE" in done.stdout
    assert named(Workspace(copy)) == []


def item(root: Path, name: str, **fields: object) -> None:
    """Write a work item."""
    head = "".join(f"{key}: {json.dumps(value)}\n" for key, value in fields.items())
    text = f"---\ntemplate: work_item\nid: {name}\n{head}---\n\n# {name}\n"
    put(root / "docs" / "work" / "active" / name / "WORK.md", text.encode())


@freeze_time(NOW)
def test_signals_of_work_items(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Milestones, blocked items and completions of the documents themselves, from beat to beat."""
    for number in range(20):
        status = "active" if number in (7, 17, 18, 19) else "complete"
        item(workspace.root, f"E2-{number:03}", status=status, milestone="M5-Work")
    for number in range(4):
        item(workspace.root, f"E2-10{number}", status="active", blocked_by=["E2-007"])
    assert write(workspace) == []
    assert named(workspace) == ["BOTTLENECK"]
    for number in (7, 17, 18, 19):
        item(workspace.root, f"E2-{number:03}", status="complete", milestone="M5-Work")
    item(workspace.root, "E2-020", status="active", milestone="M5-Work")
    capsys.readouterr()
    assert write(workspace) == []
    found = {one["name"]: one["evidence"] for one in slim(workspace)["signals"]}
    assert found == {
        "APPROACHING": {"milestones": {"M5-Work": 95}},
        "MOMENTUM": {"completed": 4, "items": ["E2-007", "E2-017", "E2-018", "E2-019"]},
    }
    assert capsys.readouterr().out == (
        "   signal: APPROACHING M5-Work is at 95%\n"
        "   signal: MOMENTUM 4 items were completed: E2-007, E2-017, E2-018, E2-019\n"
        "   over: BOTTLENECK\n"
    )
    item(workspace.root, "E2-020", status="complete", milestone="M5-Work")
    assert write(workspace) == []
    assert named(workspace) == []
