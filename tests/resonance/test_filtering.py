"""What is not real work is left out, and counted."""

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time
from zones import local_time

from haios_dag import events
from haios_dag.base.errors import EventError
from haios_dag.base.workspace import Workspace
from haios_dag.events import Entry
from haios_dag.resonance import filtering, story_reader
from haios_dag.resonance.story import Story, StoryEvent

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW = "2026-01-31T12:00:00"


def entry(seconds: float, name: str = "") -> Entry:
    """Return a line some seconds after noon."""
    return Entry(0, {"type": "note", "name": name}, None, NOON + timedelta(seconds=seconds), ())


def calm(*entries: Entry) -> tuple[list[str], dict[str, int]]:
    """Return the names of the events that are left, and what was left out."""
    left_out: Counter[str] = Counter()
    found = [told["name"] for _, told in filtering.calm(entries, left_out)]
    return found, dict(left_out)


def test_a_second_of_ten_is_a_burst() -> None:
    """Nine events in a second stay, ten are left out, their neighbours stay."""
    nine = [entry(n / 10) for n in range(9)]
    assert calm(*nine) == ([""] * 9, {})
    ten = [*nine, entry(0.95)]
    found = calm(entry(-1, "before"), *ten, entry(1, "after"))
    assert found == (["before", "after"], {"in bursts": 10})
    assert calm(*ten * 100) == ([], {"in bursts": 1000})


def test_bursts_out_of_order() -> None:
    """Writers side by side put lines of neighbouring seconds in turns; both are full."""
    turns = [entry(n % 2) for n in range(24)]
    assert calm(*turns, entry(60, "later")) == (["later"], {"in bursts": 24})


def test_what_cannot_be_placed_is_counted() -> None:
    """Lines that cannot be read, or have no time, are no events, and are not forgotten."""
    torn = Entry(0, None, "torn last line", None, ())
    timeless = Entry(0, {"type": "note", "name": ""}, None, None, ())
    assert calm(torn, timeless, entry(0, "a")) == (
        ["a"],
        {"unreadable: torn last line": 1, "without a readable time": 1},
    )


def made_up(root: Path, item: str, kind: str = "completion", *, known: bool = False) -> bool:
    """Tell whether an event about an item is left out."""
    return filtering.fixtures(Workspace(root), known=known)(StoryEvent(NOON, "x", kind, item, {}))


def test_made_up_items(tmp_path: Path) -> None:
    """By default those of HAIOS's tests; `[resonance] fixtures` has others."""
    for item in ("WORK-5V", "WORK-ARCH", "WORK-T10", "WORK-999", "TEST-1"):
        assert made_up(tmp_path, item)
    for item in ("WORK-101", "E2-240", "INV-052", "M7", ""):
        assert not made_up(tmp_path, item)
    (tmp_path / "haios.toml").write_text('[resonance]\nfixtures = ["E2-24*"]\n')
    assert made_up(tmp_path, "E2-240")
    assert not made_up(tmp_path, "WORK-5V")
    (tmp_path / "haios.toml").write_text("[resonance]\nfixtures = []\n")
    assert not made_up(tmp_path, "WORK-5V")


def test_sessions_to_come_are_made_up(tmp_path: Path) -> None:
    """One beyond that of `.claude/session`; without the file all of them may be."""
    assert not made_up(tmp_path, "999", "session")
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "session").write_text("# 12 comments\nx\n486\n7\n")
    assert not made_up(tmp_path, "486", "session")
    assert made_up(tmp_path, "487", "session")


def test_items_without_a_folder(tmp_path: Path) -> None:
    """In the governance log an item is real when it has a folder, where any item has one."""
    assert not made_up(tmp_path, "WORK-1", known=True)
    (tmp_path / "docs" / "work" / "active" / "WORK-2").mkdir(parents=True)
    (tmp_path / "docs" / "work" / "archive" / "WORK-3").mkdir(parents=True)
    assert [made_up(tmp_path, f"WORK-{n}", known=True) for n in (1, 2, 3)] == [True, False, False]
    assert not made_up(tmp_path, "WORK-1")


def write(root: Path, *told: dict[str, Any], governance: str = "") -> Workspace:
    """Write both logs."""
    folder = root / ".claude" / "haios"
    folder.mkdir(parents=True, exist_ok=True)
    (root / ".claude" / "haios-events.jsonl").write_text(
        "".join(json.dumps(one) + "\n" for one in told)
    )
    (folder / "governance-events.jsonl").write_text(governance)
    return Workspace(root)


def done(when: datetime, item: str) -> dict[str, Any]:
    """Return an item's completion."""
    return {"ts": when.isoformat(), "type": "cascade", "source": item, "effects": []}


def items(story: Story) -> list[str]:
    """Return the items of a story's work, in its order."""
    return [event.item for event in story.of("completion", "phase")]


@freeze_time(NOW)
def test_both_logs_are_one_story(tmp_path: Path) -> None:
    """Governance times are local; the older place of that log is read too."""
    with local_time("Asia/Tokyo"):
        local = (
            '{"timestamp": "2026-01-31T19:30:00.5", "work_id": "B", "phase": "DO", "type": "%s"}\n'
        )
        noon = NOON - timedelta(hours=1)
        late = NOON - timedelta(hours=2)
        workspace = write(
            tmp_path, done(noon, "C"), done(late, "A"), governance=local % "CyclePhaseEntered"
        )
        (tmp_path / ".claude" / "governance-events.jsonl").write_text(
            '{"timestamp": "2026-01-31T20:30:00+09:00", "work_id": "D", "event": "WorkClosed"}\n'
            "torn"
        )
        story = story_reader.since(workspace, NOON - timedelta(hours=3))
    assert items(story) == ["A", "B", "C", "D"]
    assert story.left_out == {"unreadable: torn last line": 1}


@freeze_time(NOW)
def test_look_back_is_thirty_days(tmp_path: Path) -> None:
    """What is older than that before the instant is not even kept."""
    instant = NOON - timedelta(days=1)
    told = [done(instant - timedelta(days=days), f"{days}") for days in (31, 29, 0)]
    assert items(story_reader.since(write(tmp_path, *told), instant)) == ["29", "0"]


@freeze_time(NOW)
def test_the_first_instant_there_is(tmp_path: Path) -> None:
    """Nothing lies thirty days before year one."""
    instant = datetime(1, 1, 1, tzinfo=UTC)
    assert items(story_reader.since(write(tmp_path, done(NOON, "A")), instant)) == ["A"]


@freeze_time(NOW)
def test_a_story_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more events than are kept the oldest go, and that is said."""
    monkeypatch.setattr(story_reader, "MOST", 3)
    told = [done(NOON - timedelta(minutes=9 - n), str(n)) for n in range(8)]
    story = story_reader.since(write(tmp_path, *told), NOON - timedelta(days=1))
    assert items(story) == ["5", "6", "7"]
    assert story.left_out == {"older than the newest 100,000": 5}


@freeze_time(NOW)
def test_lately_reads_the_ends_alone(tmp_path: Path) -> None:
    """So many last lines of each log, archives before it, in their order."""
    told = [done(NOON - timedelta(minutes=9 - n), str(n)) for n in range(8)]
    workspace = write(tmp_path, *told[:6])
    events.clear(workspace)
    line = '{"timestamp": "%s", "work_id": "%s", "type": "WorkClosed"}\n'
    stamps = [(NOON - timedelta(minutes=90 - n)).isoformat() for n in range(5)]
    write(
        tmp_path, *told[6:], governance="".join(line % (ts, f"g{n}") for n, ts in enumerate(stamps))
    )
    assert items(story_reader.lately(workspace, 1, 3)) == ["g2", "g3", "g4", "5", "6", "7"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_what_is_no_file_is_an_error(tmp_path: Path) -> None:
    """A folder, or a pipe that would hang, in place of the governance log is named."""
    workspace = write(tmp_path)
    path = workspace.governance_logs[1]
    for make in (os.mkdir, os.mkfifo):
        path.unlink(missing_ok=True)
        make(path)
        with pytest.raises(EventError, match=str(path)):
            story_reader.since(workspace, NOON)
        path.rmdir() if path.is_dir() else path.unlink()
    assert story_reader.since(workspace, NOON).left_out == {}
