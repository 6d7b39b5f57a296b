"""The whole of a real workspace: 2,276 Markdown files, from nothing to a second, idle beat."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import quality
import workspaces
from memory_checks import assert_invariants, content_hash
from workspaces import doit, log, steps

pytestmark = [pytest.mark.slow, pytest.mark.real]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the real workspace, made a workspace of ours by `init`, after its first beat."""
    target = tmp_path_factory.mktemp("real") / "haios"
    shutil.copytree(workspaces.REAL, target)
    for folder, _, files in os.walk(target):
        Path(folder).chmod(0o755)
        for name in files:
            (Path(folder) / name).chmod(0o644)
    subprocess.run(
        [sys.executable, "-m", "haios_dag", "init", str(target)],
        env=workspaces.environment(None),
        check=True,
    )
    done = doit(target)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def one(root: Path, sql: str) -> int:
    """Return the single number of a query."""
    return int(sqlite3.connect(root / "haios_memory.db").execute(sql).fetchone()[0])


def test_first_beat(root: Path) -> None:
    """Five-digit concepts, hundreds of traces, insights and bridges; the event's counts agree."""
    event = log(root)[0]
    assert event["outcome"] == "ok"
    assert 10_000 <= one(root, "SELECT count(*) FROM concepts") < 100_000
    assert one(root, "SELECT count(*) FROM reasoning_traces") >= 300
    insights = "SELECT count(*) FROM synthesis_clusters WHERE cluster_type"
    assert event["new_insights"] == one(root, f"{insights} != 'cross'") >= 300
    assert event["new_bridges"] == one(root, f"{insights} = 'cross'") >= 300
    assert_invariants(root / "haios_memory.db", "*")


def test_confidence_means_something(root: Path) -> None:
    """Of the insights that a reader has labelled, the more confident are the more useful ones."""
    found = quality.labelled(list(quality.insights(root / "haios_memory.db")))
    assert found["compared"] >= 100
    for name, thirds in found["by confidence"].items():
        useful = [third["useful"] for third in thirds]
        assert useful == sorted(useful), name
        assert useful[-1] >= useful[0] + 0.25, name
        assert thirds[-1]["useless"] <= thirds[0]["useless"], name


def test_facts_are_linked(root: Path) -> None:
    """Every number, date, id and name of a cluster stands in a source that provenance names."""
    kept = quality.facts_kept(list(quality.insights(root / "haios_memory.db")))
    assert kept["linked"] == 1.0
    assert kept["quoted"] >= 0.8


def test_bad_front_matter_is_reported_by_path(root: Path) -> None:
    """The documents whose front matter is not YAML are named, and the beat does not fail."""
    warnings = log(root)[0]["steps"]["ingest"]["warnings"]
    named = [warning for warning in warnings if "front matter" in warning]
    assert any(warning.startswith("docs/work/active/WORK.md: ") for warning in named)
    assert sum("refinement-layer-S" in warning for warning in named) == 4


def test_live_state_is_kept(root: Path) -> None:
    """What hooks and gates own in the slim status is exactly what it was."""
    before = json.loads((workspaces.REAL / ".claude/haios-status-slim.json").read_text("utf-8"))
    after = json.loads((root / ".claude/haios-status-slim.json").read_text("utf-8"))
    for key in ("session_state", "context_pct", "milestone", "blocked_items"):
        assert after[key] == before[key]
    assert before.keys() <= after.keys()


def test_second_beat_writes_nothing_to_memory(root: Path) -> None:
    """Every table has the same content hash after an idle beat, which gives its reasons."""
    connection = sqlite3.connect(root / "haios_memory.db")
    before = content_hash(connection)
    done = doit(root)
    assert done.returncode == 0
    assert done.stdout.startswith("-- ingest\n-- embed\n-- synthesize\n-- bridge\n")
    assert content_hash(connection) == before
    event = log(root)[-1]
    assert event["outcome"] == "idle"
    assert list(steps(event).values()) == ["skipped"] * 4 + ["ran"]


def test_changed_paragraph(root: Path) -> None:
    """One paragraph more in one document: one new concept embedded and considered."""
    path = root / "README.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text + "\n\nA heron stood in the shallow water and waited for the fish to come.\n", "utf-8"
    )
    assert doit(root).returncode == 0
    done = log(root)[-1]["steps"]
    assert done["ingest"]["documents"] == 1
    assert done["ingest"]["new_concepts"] == 1
    assert done["embed"]["vectors"] == 1
    assert done["synthesize"]["concepts"] == 1


def test_deleted_file(root: Path) -> None:
    """A deleted document's occurrences go; insights keep their sources."""
    sources = one(root, "SELECT count(*) FROM synthesis_provenance")
    occurrences = one(root, "SELECT count(*) FROM concept_occurrences")
    (root / "docs/OPERATIONS.md").unlink()
    assert doit(root).returncode == 0
    assert one(root, "SELECT count(*) FROM synthesis_provenance") == sources
    assert one(root, "SELECT count(*) FROM concept_occurrences") < occurrences
    assert_invariants(root / "haios_memory.db", "*")
