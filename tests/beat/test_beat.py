"""A beat as the scheduler runs it: real doit processes in real workspaces."""

import contextlib
import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import haios_databases
import pytest
import workspaces
from memory_checks import assert_invariants, content_hash
from workspaces import doit, log, steps

from haios_dag.base import files


def memory(root: Path) -> sqlite3.Connection:
    """Return a copy of a workspace's memory to look at; nothing is left open or behind."""
    copy = sqlite3.connect(":memory:")
    with contextlib.closing(sqlite3.connect(root / "memory.db")) as original:
        original.backup(copy)
    return copy


def one(root: Path, sql: str) -> int:
    """Return the single number of a query."""
    return int(memory(root).execute(sql).fetchone()[0])


def test_first_beat_does_everything(beaten: Path) -> None:
    """The first beat fills memory, makes insights and bridges, and leaves one valid event."""
    (event,) = log(beaten)
    assert steps(event) == dict.fromkeys(
        ["ingest", "embed", "synthesize", "bridge", "status"], "ran"
    )
    assert event["outcome"] == "ok"
    assert event["synthesis"] is True
    assert event["new_insights"] == one(
        beaten, "SELECT count(*) FROM synthesis_clusters WHERE cluster_type != 'cross'"
    )
    assert event["new_insights"] >= 2
    assert event["new_bridges"] >= 1
    assert event["steps"]["ingest"]["documents"] == 4
    assert_invariants(memory(beaten), "*")
    slim = json.loads((beaten / ".claude" / "haios-status-slim.json").read_text(encoding="utf-8"))
    assert slim["counts"]["concepts"] == one(beaten, "SELECT count(*) FROM concepts")
    assert slim["pulse"]["beat"] == event["beat"]


def test_second_beat_is_idle(copy: Path) -> None:
    """Without new work every probe says so, memory keeps its content, the event its reasons."""
    before = content_hash(memory(copy))
    done = doit(copy)
    assert done.returncode == 0
    for name in ("ingest", "embed", "synthesize", "bridge"):
        assert f"-- {name}\n" in done.stdout
    assert content_hash(memory(copy)) == before
    event = log(copy)[-1]
    assert event["outcome"] == "idle"
    assert event["synthesis"] is False
    assert all(
        event["steps"][name]["reason"] for name in ("ingest", "embed", "synthesize", "bridge")
    )


def test_touched_file_is_no_work(copy: Path) -> None:
    """A new time stamp on the same content is not a change."""
    os.utime(copy / "docs" / "week-0.md")
    before = content_hash(memory(copy))
    assert doit(copy).returncode == 0
    assert log(copy)[-1]["outcome"] == "idle"
    assert content_hash(memory(copy)) == before


def test_changed_paragraph_costs_only_itself(copy: Path) -> None:
    """One changed paragraph: one document read, one concept embedded and considered."""
    path = copy / "docs" / "week-0.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("about fruit of kind 0", "about cheese of a rare kind"), "utf-8")
    assert doit(copy).returncode == 0
    event = log(copy)[-1]
    assert event["steps"]["ingest"]["documents"] == 1
    assert event["steps"]["ingest"]["new_concepts"] == 1
    assert event["steps"]["embed"]["vectors"] == 1
    assert event["steps"]["synthesize"]["concepts"] == 1
    assert_invariants(memory(copy), "*")


def test_deleted_file_takes_its_occurrences_only(copy: Path) -> None:
    """A deleted document's occurrences go; its concepts stay, marked; insights keep sources."""
    insights = one(copy, "SELECT count(*) FROM synthesis_provenance")
    concepts = one(copy, "SELECT count(*) FROM concepts")
    (copy / "docs" / "week-1.md").unlink()
    assert doit(copy).returncode == 0
    assert log(copy)[-1]["steps"]["ingest"]["removed"] == 1
    assert one(copy, "SELECT count(*) FROM synthesis_provenance") == insights
    assert one(copy, "SELECT count(*) FROM concepts") == concepts
    gone = "SELECT count(*) FROM concept_occurrences JOIN artifacts ON artifacts.id = artifact_id"
    assert one(copy, f"{gone} WHERE file_path = 'docs/week-1.md'") == 0
    assert one(copy, "SELECT count(*) FROM dag_items WHERE state = 'orphan'") >= 4
    assert doit(copy).returncode == 0
    assert log(copy)[-1]["outcome"] == "idle"


def test_any_current_directory(copy: Path, tmp_path: Path) -> None:
    """`doit -f DIR/dodo.py` works from any directory, and writes nothing there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert doit(copy, cwd=elsewhere).returncode == 0
    assert not list(elsewhere.iterdir())


def test_bare_doit_beats(copy: Path) -> None:
    """Bare `doit` runs the heartbeat, and nothing that clears the log."""
    command = workspaces.command(copy)[:-1]
    done = workspaces.run(command, cwd=copy)
    assert done.returncode == 0
    assert len(log(copy)) == 2


# --- failures ---------------------------------------------------------------------------------


def failed(root: Path, name: str) -> str:
    """Beat; check that exactly this step failed in its event; return its error."""
    done = doit(root)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    event = log(root)[-1]
    assert event["outcome"] == "degraded"
    assert [step for step, outcome in steps(event).items() if outcome == "failed"] == [name]
    return str(event["steps"][name]["error"])


def recovers(root: Path) -> None:
    """Beat again: the work is done now."""
    done = doit(root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert log(root)[-1]["outcome"] in {"ok", "idle"}
    assert_invariants(memory(root), "*")
    assert one(root, "SELECT count(*) FROM dag_items WHERE model IS NULL AND state='live'") == 0


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"# A\n\nText with a \0 byte in it\n", "NUL"),
        (b"x" * 10_000_001, "max_megabytes"),
    ],
)
def test_bad_document_fails_ingest_alone(copy: Path, data: bytes, reason: str) -> None:
    """A binary or too long document is named; the others are read; it is retried."""
    bad = copy / "docs" / "bad.md"
    bad.write_bytes(data)
    (copy / "docs" / "good.md").write_text(
        "# Good\n\nThis one good document is still read by the same beat.\n", encoding="utf-8"
    )
    error = failed(copy, "ingest")
    assert "docs/bad.md" in error
    assert reason in error
    assert log(copy)[-1]["steps"]["ingest"]["documents"] == 1
    assert "docs/bad.md" in failed(copy, "ingest")
    bad.write_text("# Fine\n\nNow this document can be read by everyone again.\n", "utf-8")
    recovers(copy)


def test_unreadable_document(copy: Path, as_plain_user: list[str]) -> None:
    """A document without read permission is named, and read once it may be."""
    bad = copy / "docs" / "secret.md"
    bad.write_text("# Hidden\n\nNobody but the owner may read this very text.\n", "utf-8")
    bad.chmod(0)
    done = workspaces.run([*as_plain_user, *workspaces.command(copy)], cwd=copy)
    assert done.returncode == 1, done.stdout + done.stderr
    error = log(copy)[-1]["steps"]["ingest"]["error"]
    assert "docs/secret.md: cannot be read: Permission denied" in error
    bad.chmod(0o600)
    recovers(copy)


def test_read_only_folders(copy: Path, as_plain_user: list[str]) -> None:
    """Where no file can be created, each step says so, and the event is still written."""
    (copy / "docs" / "new.md").write_text(
        "# New\n\nA new statement that nobody can keep.\n", "utf-8"
    )
    folders = [copy, copy / ".claude"]
    for folder in folders:
        folder.chmod(0o500)
    done = workspaces.run([*as_plain_user, *workspaces.command(copy)], cwd=copy)
    for folder in folders:
        folder.chmod(0o700)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    event = log(copy)[-1]
    assert str(copy / "memory.db") in event["steps"]["ingest"]["error"]
    assert "haios-status" in event["steps"]["status"]["error"]
    recovers(copy)


def test_locked_memory(copy: Path) -> None:
    """A memory that another program keeps locked fails the step; the work waits."""
    (copy / "docs" / "new.md").write_text(
        "# New\n\nThis statement has to wait until the lock is gone.\n", encoding="utf-8"
    )
    other = sqlite3.connect(copy / "memory.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked by another program" in failed(copy, "ingest")
    other.rollback()
    other.close()
    recovers(copy)


def test_corrupt_memory(copy: Path) -> None:
    """A damaged memory is named, left as it is, and the event is written."""
    path = copy / "memory.db"
    whole = path.read_bytes()
    path.write_bytes(b"this is not a database at all" * 100)
    done = doit(copy)
    assert done.returncode == 1
    event = log(copy)[-1]
    assert "is not a database" in event["steps"]["ingest"]["error"]
    assert "Traceback" not in done.stdout + done.stderr
    assert path.read_bytes().startswith(b"this is not a database")
    path.write_bytes(whole)
    recovers(copy)


@pytest.mark.parametrize("words", [["heartbeat"], ["recall", "lock"], ["synthesis-undo"]])
def test_dropped_table(copy: Path, words: list[str]) -> None:
    """Every command names the table that a memory lost, in one sentence."""
    with contextlib.closing(sqlite3.connect(copy / "memory.db")) as other:
        other.execute("DROP TABLE dag_items")
    done = doit(copy, *words)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "is damaged: table dag_items is missing; restore a backup" in said
    assert "Traceback" not in said


def test_missing_model(root: Path, tmp_path: Path) -> None:
    """Without the model, embed says what to install; the next beat embeds."""
    broken = tmp_path / "broken" / "wordllama"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no model here')\n", "utf-8")
    path = os.pathsep.join([str(broken.parent), str(workspaces.ROOT)])
    done = doit(root, env={"PYTHONPATH": path})
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    event = log(root)[-1]
    assert "pip install" in event["steps"]["embed"]["error"]
    assert steps(event)["ingest"] == "ran"
    recovers(root)


def test_unwritable_log(copy: Path) -> None:
    """A beat whose event cannot be written exits with 2; the next beat records it."""
    log_file = copy / ".claude" / "haios-events.jsonl"
    log_file.unlink()
    log_file.mkdir()
    done = doit(copy)
    assert done.returncode == 2
    assert "haios-events.jsonl" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    log_file.rmdir()
    assert doit(copy).returncode == 0
    lost, last = log(copy)
    assert lost["outcome"] == "interrupted"
    assert "reason" in lost
    assert last["outcome"] == "idle"


def test_console_without_the_character(copy: Path) -> None:
    """A name that the console cannot show comes out as an escape, and the beat goes on."""
    (copy / "docs" / "\u2192.md").write_bytes(b"\0" * 100)
    done = doit(copy, env={"PYTHONIOENCODING": "cp1252"})
    assert done.returncode == 1
    assert "\\u2192.md: it is not text" in done.stderr
    assert steps(log(copy)[-1])["status"] == "ran"


def test_memory_that_refuses_traces(root: Path) -> None:
    """Where traces cannot be mirrored, ingest says so and reads the documents all the same."""
    haios_databases.migrated(root / "memory.db")
    haios_databases.mirror_traces(root / "memory.db")
    for _ in range(2):
        error = failed(root, "ingest")
        assert "refuses 1 traces" in error
        assert "haios-dag[vec]" in error
    assert log(root)[0]["steps"]["ingest"]["documents"] == 4
    assert log(root)[0]["new_insights"] >= 1
    assert log(root)[1]["steps"]["ingest"]["documents"] == 1


def test_bad_config(copy: Path) -> None:
    """A wrong key in haios.toml fails every step with its name, and the event says so."""
    (copy / "haios.toml").write_text("[ingest]\nfolder = ['docs']\n", encoding="utf-8")
    done = doit(copy)
    assert done.returncode == 1
    event = log(copy)[-1]
    assert event["outcome"] == "failed"
    assert all("folder" in step["error"] for step in event["steps"].values())


def test_step_by_hand_fails_as_itself(copy: Path) -> None:
    """Run by hand, a failing step is an ordinary failure: exit code 1, no event."""
    (copy / "docs" / "bad.md").write_bytes(b"\0" * 100)
    done = doit(copy, "ingest")
    assert done.returncode == 1
    assert "docs/bad.md" in done.stderr
    assert len(log(copy)) == 1


def test_step_by_hand_needs_the_lock(copy: Path) -> None:
    """A step by hand does not run beside a beat."""
    (copy / "docs" / "new.md").write_text("# New\n\nA new statement for a hand to read.\n", "utf-8")
    with files.lock(copy / ".haios" / "beat.lock", wait=False):
        done = doit(copy, "ingest")
    assert done.returncode == 1
    assert "another beat is running" in done.stdout


def test_ingest_switched_off(tmp_path: Path) -> None:
    """With ingest off and no memory, none is created and every skip says why."""
    root = workspaces.make(tmp_path / "space")
    (root / "haios.toml").write_text("[ingest]\nenabled = false\n", encoding="utf-8")
    assert doit(root).returncode == 0
    (event,) = log(root)
    assert event["outcome"] == "idle"
    assert event["steps"]["ingest"]["reason"] == "switched off in haios.toml"
    assert "no memory" in event["steps"]["synthesize"]["reason"]
    assert not (root / "memory.db").exists()
    slim = json.loads((root / ".claude" / "haios-status-slim.json").read_text(encoding="utf-8"))
    assert slim["counts"]["concepts"] is None


def test_memory_on_the_command_line(root: Path, tmp_path: Path) -> None:
    """`memory=PATH` names the database, before everything else."""
    named = tmp_path / "elsewhere" / "mine.db"
    assert doit(root, "memory=" + str(named), "heartbeat").returncode == 0
    assert named.exists()
    assert not (root / "memory.db").exists()


# --- locks and signals --------------------------------------------------------------------------


@pytest.fixture
def slow(root: Path) -> Path:
    """A workspace whose beat stops in `embed` until it is stopped."""
    model = root.parent / "slow" / "wordllama"
    model.mkdir(parents=True)
    (model / "__init__.py").write_text(
        f"import pathlib, time\npathlib.Path({str(root / 'reached')!r}).touch()\ntime.sleep(600)\n",
        encoding="utf-8",
    )
    return root


def start(root: Path) -> "workspaces.Process":
    """Start a beat that stops in `embed`."""
    path = os.pathsep.join([str(root.parent / "slow"), str(workspaces.ROOT)])
    return workspaces.start(root, env={"PYTHONPATH": path})


def test_three_at_once(slow: Path) -> None:
    """Of beats started together exactly one runs; the others say so and do nothing."""
    running = [start(slow) for _ in range(3)]
    while sum(process.poll() is not None for process in running) < 2:
        time.sleep(0.02)
    (holder,) = [process for process in running if process.poll() is None]
    while not (slow / "reached").exists():
        assert holder.poll() is None
        time.sleep(0.02)
    holder.kill()
    for process in running:
        out, _ = process.communicate()
        assert process is holder or process.returncode == 1
        assert process is holder or "another beat is running" in out
    assert log(slow) == []
    recovers(slow)
    assert [event["outcome"] for event in log(slow)] == ["interrupted", "ok"]


def started(root: Path) -> "workspaces.Process":
    """Start a beat and wait until it stands in `embed`."""
    process = start(root)
    while not (root / "reached").exists():
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(slow: Path, number: signal.Signals) -> None:
    """A signal ends the beat with its event, and 128 + the signal as exit code."""
    process = started(slow)
    process.send_signal(number)
    out, err = process.communicate()
    assert process.returncode == 128 + number
    assert "Traceback" not in out + err
    (event,) = log(slow)
    assert event["outcome"] == "interrupted"
    assert steps(event)["ingest"] == "ran"
    assert steps(event)["embed"] == "interrupted"
    assert steps(event)["synthesize"] == "not reached"
    recovers(slow)
    assert len(log(slow)) == 2


def test_killed(slow: Path) -> None:
    """After kill -9 the next beat records the one that never ended, once, and does its work."""
    process = started(slow)
    process.kill()
    process.communicate()
    assert log(slow) == []
    leftover = slow / ".claude" / "haios-status.json.0123456789ab.tmp"
    leftover.touch()
    recovers(slow)
    assert not leftover.exists()
    lost, last = log(slow)
    assert lost["outcome"] == "interrupted"
    assert lost["seconds"] is None
    assert lost["beat"] != last["beat"]
    assert doit(slow).returncode == 0
    assert len(log(slow)) == 3


def test_running_beat_is_named(slow: Path) -> None:
    """Who holds the lock is told by process and time."""
    process = started(slow)
    done = doit(slow)
    process.kill()
    process.communicate()
    assert done.returncode == 1
    assert f"pid {process.pid}" in done.stdout
