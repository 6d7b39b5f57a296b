"""What the log says is held to what the memory has, whatever becomes of either."""

import json
import shutil
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import workspaces
from doctors import BEAT, sql
from freezegun import freeze_time
from workspaces import doit, log

from haios_dag import events
from haios_dag.base.workspace import Workspace
from haios_dag.doctor import count_checks
from haios_dag.doctor.findings import Finding
from haios_dag.memory.health import SqliteHealth
from haios_dag.memory.store import SqliteStore


def looked(root: Path) -> list[Finding]:
    """Return what the comparison finds, a second from now: until then a beat may pass for new."""
    later = datetime.now(UTC) + timedelta(seconds=1)
    with freeze_time(later), SqliteStore.open(root / "memory.db", write=False) as store:
        return list(count_checks.claims(Workspace(root), store))


def names(root: Path) -> list[str]:
    """Return the names of what it finds; a single empty one where all is well."""
    return [one.name for one in looked(root)]


def beat(root: Path, *words: str) -> None:
    """Run a command that must succeed."""
    done = doit(root, *words)
    assert done.returncode == 0, done.stdout + done.stderr


def learn(root: Path, number: int = 5) -> None:
    """Add a document that extends insights and makes new ones, and beat."""
    workspaces.grow(root, number, documents=2)
    text = (root / "docs" / "week-1.md").read_text(encoding="utf-8")
    (root / "docs" / f"week-{number}.md").write_text(
        text.replace("because", "as").replace("again", "twice"), encoding="utf-8"
    )
    beat(root)


def wrote(root: Path) -> list[int]:
    """Return how many insights, bridges and revisions each beat says it wrote."""
    return [
        one["new_insights"]
        + one["new_bridges"]
        + one["steps"].get("synthesize", {}).get("revised_insights", 0)
        for one in log(root)
    ]


def test_a_beat_its_undo_and_a_beat(copy: Path) -> None:
    """The event of a beat that was taken back is no fault, nor is that of the beat after it."""
    assert wrote(copy)[0] > 1
    beat(copy, "synthesis-undo")
    (found,) = looked(copy)
    assert (found.level, "1 more were taken back" in found.what) == ("ok", True)
    beat(copy)
    (found,) = looked(copy)
    assert "1 heartbeats claim exactly" in found.what
    assert "1 more were taken back" in found.what
    learn(copy)
    assert wrote(copy)[-1] > 0
    assert names(copy) == [""]
    beat(copy, "synthesis-undo")
    (found,) = looked(copy)
    assert "2 more were taken back" in found.what


def test_archives_count(copy: Path) -> None:
    """Beats in archives are compared too, and what is wrong there is found."""
    beat(copy, "events-clear")
    learn(copy)
    beat(copy, "events-clear")
    assert "2 heartbeats claim exactly" in looked(copy)[0].what
    archive = copy / ".claude" / "haios-events.0001.jsonl"
    text = archive.read_text()
    event = json.loads(text)
    archive.write_text(text.replace(f'"new_insights":{event["new_insights"]}', '"new_insights":0'))
    (found,) = looked(copy)
    assert (found.name, event["beat"] in found.what) == ("claims-fewer", True)
    archive.unlink()
    assert names(copy) == ["log-too-short"]
    (copy / ".claude" / "haios-events.0002.jsonl").unlink()
    (found,) = looked(copy)
    assert (found.level, found.name, "back to 2 beats" in found.what) == (
        "unknown", "log-too-short", True,
    )  # fmt: skip


def test_rotation_by_size(copy: Path) -> None:
    """A log that is archived as it grows is still one log."""
    (copy / "haios.toml").write_text("[events]\nrotate_at = 0.0001\n")
    for number in (5, 6):
        learn(copy, number)
    assert len(events.archives(Workspace(copy))) == 2
    assert "3 heartbeats claim exactly" in looked(copy)[0].what


def test_an_older_copy_of_the_memory(copy: Path, tmp_path: Path) -> None:
    """The beats that it has not got yet are named, and what a later beat does is compared."""
    shutil.copy(copy / "memory.db", tmp_path / "backup.db")
    learn(copy)
    shutil.copy(tmp_path / "backup.db", copy / "memory.db")
    lost = log(copy)[-1]["beat"]
    (found,) = looked(copy)
    assert (found.name, found.level) == ("claims-more", "warning")
    assert f"1 heartbeats claim rows that memory does not have: {lost}" in found.what
    beat(copy)
    (found,) = looked(copy)
    assert f"1 heartbeats claim rows that memory does not have: {lost}" in found.what


def test_a_copy_from_before_an_undo(copy: Path, tmp_path: Path) -> None:
    """A memory in which nothing was taken back yet has what its events claim."""
    shutil.copy(copy / "memory.db", tmp_path / "backup.db")
    beat(copy, "synthesis-undo")
    shutil.copy(tmp_path / "backup.db", copy / "memory.db")
    (found,) = looked(copy)
    assert (found.level, "taken back" in found.what) == ("ok", False)


def test_an_older_copy_of_the_log(copy: Path) -> None:
    """Beats after the end of the log have lost their events."""
    path = copy / ".claude" / "haios-events.jsonl"
    old = path.read_bytes()
    learn(copy)
    lost = log(copy)[-1]["beat"]
    path.write_bytes(old)
    (found,) = looked(copy)
    assert (found.name, lost in found.what) == ("beats-unlogged", True)
    path.unlink()
    assert names(copy) == ["log-too-short"]


def test_a_memory_of_another_workspace(copy: Path, tmp_path: Path) -> None:
    """Of beats that another log recorded nothing can be told here."""
    other = workspaces.make(tmp_path / "other")
    shutil.copy(copy / "memory.db", other / "memory.db")
    assert names(other) == ["log-too-short"]


def test_deleted_by_another_program(copy: Path) -> None:
    """Where another program deleted an insight, its beat claims a row too many, and may."""
    sql(
        copy,
        "PRAGMA foreign_keys = ON",
        "DELETE FROM concepts WHERE id = (SELECT max(synthesized_concept_id)"
        " FROM synthesis_clusters)",
    )
    (found,) = looked(copy)
    assert (found.level, found.name) == ("warning", "claims-more")


def test_steps_by_hand(copy: Path) -> None:
    """What steps run by hand wrote belongs to no beat."""
    workspaces.grow(copy, 5, documents=2)
    for step in ("ingest", "embed", "synthesize", "bridge"):
        beat(copy, step)
    assert names(copy) == [""]
    beat(copy, "synthesis-undo")
    assert names(copy) == [""]


def test_killed_and_recorded_by_the_next(copy: Path) -> None:
    """A beat killed before its event is excused while its marker stands, and then recorded."""
    path = copy / ".claude" / "haios-events.jsonl"
    before = path.read_bytes()
    learn(copy)
    lost = log(copy)[-1]
    path.write_bytes(before)
    marker = {"beat": lost["beat"], "pid": 1, "host": "h", "started": lost["started"]}
    (copy / BEAT).write_text(json.dumps(marker))
    assert names(copy) == [""]
    beat(copy)
    assert [one["outcome"] for one in log(copy)][1:] == ["interrupted", "idle"]
    assert names(copy) == [""]


def test_a_beat_that_ends_meanwhile(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat whose rows came after ours were read is compared once more."""
    written = SqliteHealth.written
    begun: list[int] = []

    def late(health: SqliteHealth) -> object:
        rows = written(health)
        if not begun:
            begun.append(1)
            learn(copy)
        return rows

    monkeypatch.setattr(SqliteHealth, "written", late)
    with SqliteStore.open(copy / "memory.db", write=False) as store:  # now, as that beat is new
        (found,) = count_checks.claims(Workspace(copy), store)
    assert (found.level, "2 heartbeats claim exactly" in found.what) == ("ok", True)
    assert begun


def test_a_beat_that_is_dated_ahead(copy: Path) -> None:
    """Whatever the clock said, in the end a heartbeat is right or wrong."""
    (event,) = log(copy)
    ahead = event | {"beat": "29990101T000000-00000000"}
    with (copy / ".claude" / "haios-events.jsonl").open("a") as file:
        file.write(json.dumps(ahead) + "\n")
    assert names(copy) == ["claims-more"]


HOSTILE = [
    f'{{"ts":"2026-01-01T00:00:00+00:00","type":"heartbeat","beat":{value},"new_insights":5}}'
    for value in ("[]", "{}", "1", "null", '""', '"x"', '"\\u001b[2J"', '"' + "9" * 5000 + '"')
]


def test_foreign_heartbeats(copy: Path) -> None:
    """Heartbeats of others, which name no beat of ours, are left out."""
    path = copy / ".claude" / "haios-events.jsonl"
    with path.open("a") as file:
        file.write("\n".join([*HOSTILE, '{"type":"heartbeat"}', "{", "[]", ""]) + "\n")
    assert names(copy) == [""]


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(new_insights="many"),
        lambda one: one.update(new_insights=None),
        lambda one: one.update(steps=[]),
        lambda one: one.update(steps={"synthesize": []}),
    ],
)
def test_counts_that_are_none(copy: Path, change: Callable[[dict[str, object]], None]) -> None:
    """A count that is no number claims nothing."""
    (event,) = log(copy)
    change(event)
    (copy / ".claude" / "haios-events.jsonl").write_text(json.dumps(event) + "\n")
    assert names(copy) == [""]


def test_constant_memory(copy: Path) -> None:
    """Fifty thousand heartbeats of other beats take no more memory than a thousand."""
    path = copy / ".claude" / "haios-events.jsonl"
    ours = path.read_text()
    line = json.dumps({"ts": "2026-01-01T00:00:00+00:00", "type": "heartbeat", "new_insights": 1})

    def most(number: int) -> int:
        with path.open("w") as file:
            for one in range(number):
                file.write(f'{line[:-1]}, "beat": "20200101T000000-{one:08x}"}}\n')
            file.write(ours)
        tracemalloc.start()
        assert names(copy) == ["claims-more"]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    most(10)
    assert most(50_000) < most(1000) + (1 << 20)
