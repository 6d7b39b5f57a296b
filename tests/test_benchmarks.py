"""The benchmarks run, on sizes that show nothing else, and their memories are what they seem."""

import json
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import memories
import numpy as np
import pages
import products
import pytest
import run
from memory_checks import assert_invariants

from haios_dag.embedding import space, thresholds
from haios_dag.memory.store import SqliteStore
from haios_dag.synthesis.clustering import BLOCK, Leaders

if TYPE_CHECKING:
    from haios_dag.memory.records import Kind


def test_every_case_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each case gives rows, in the table and in the JSON; the kept memory is used again."""
    results, kept = tmp_path / "results.json", tmp_path / "kept"
    kept.mkdir()
    run.main(["--tiny", "--json", str(results), "--keep", str(kept)])
    printed = capsys.readouterr().out.splitlines()[1:]
    rows = json.loads(results.read_text(encoding="utf-8"))["rows"]
    for row, line in zip(rows, printed, strict=True):
        assert line.startswith(row["case"])
    for start in (
        "pairs",
        "cluster",
        "2 new among",
        "first beat",
        "idle beat",
        "embed",
        "append",
        "events-stats",
        "validate",
        "a process that validates",
    ):
        assert [row for row in rows if row["case"].startswith(start) and row["ours"] > 0]
    made = (kept / "20" / "memory.db").stat().st_ino
    memories.workspace(kept / "20", 20, 20)
    assert (kept / "20" / "memory.db").stat().st_ino == made


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt case is named, with those that there are."""
    with pytest.raises(SystemExit):
        run.main(["--only", "pears"])
    assert "no case pears; there are pairs" in capsys.readouterr().err


def test_every_case_is_explained() -> None:
    """The page of benchmarks has each case, and no other."""
    rows = pages.table(pages.page("benchmarks"), "case", "what is measured", "baseline", "target")
    assert pages.names([row[0] for row in rows]) == run.CASES.keys()


def test_a_missing_library_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without faiss its row has no time and no ratio, and says what to install."""
    monkeypatch.setitem(sys.modules, "faiss", None)
    rows = [row for row in products.pairs(tmp_path, 40, 8, 1) if row.other is None]
    assert len(rows) == 1
    assert rows[0].ratio is None
    assert "[bench]" in run.line(rows[0])


def test_a_memory_is_what_beats_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits, invariants hold, and clustering the vectors anew gives the same clusters."""
    monkeypatch.setattr(memories, "CHUNK", 200)  # several chunks
    path = tmp_path / "memory.db"
    memories.make(path, 900, traces=300)
    with sqlite3.connect(path) as connection:
        assert_invariants(connection)
        kept = connection.execute(
            "SELECT kind, id, leader, similarity FROM dag_items WHERE state = 'live'"
            " ORDER BY kind, id"
        ).fetchall()
    connection.close()
    model, dimensions = space.DEFAULT.model, space.DEFAULT.dimensions
    with SqliteStore.open(path, write=False) as store:
        assert not store.vectors.has_unembedded()
        assert not store.insights.has_unconsidered()
        assert not store.bridges.has_unbridged()
        assert store.counts()["insights"] > 20
        assert len(store.search.by_words(["case"], 10)) == 10
        again = []
        kinds: list[tuple[Kind, int]] = [("concept", 900), ("trace", 300)]
        for kind, count in kinds:
            leaders = Leaders(thresholds.CLUSTER)
            for start in range(1, count + 1, BLOCK):
                ids = list(range(start, min(start + BLOCK, count + 1)))
                vectors = store.vectors.read(kind, ids, model, dimensions)
                assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
                again += [(kind, *placed) for placed in leaders.assign(ids, vectors)]
    assert [row[:3] for row in again] == [row[:3] for row in kept]
    assert np.allclose([row[3] for row in again], [row[3] for row in kept], atol=1e-6)
    shares = sum(row[1] == row[2] for row in kept) / len(kept)
    assert 0.6 < shares < 0.8


def test_the_same_arguments_give_the_same_memory(tmp_path: Path) -> None:
    """Two memories agree in every text, vector and cluster; another seed gives other vectors."""
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        memories.make(tmp_path / name, 50, traces=5, seed=seed)
        with sqlite3.connect(tmp_path / name) as connection:
            found.append(
                [
                    connection.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()
                    for table, columns in (
                        ("concepts", "content"),
                        ("embeddings", "concept_id, vector"),
                        ("dag_items", "kind, id, state, leader, similarity, bridged"),
                    )
                ]
            )
        connection.close()
    assert found[0] == found[1]
    assert found[0][1] != found[2][1]


def test_pairs_are_there_to_be_found(tmp_path: Path) -> None:
    """A memory that is not bridged has every pair before it, and some of them are near."""
    path = tmp_path / "memory.db"
    memories.make(path, 400, traces=50, bridged=False)
    model, dimensions = space.DEFAULT.model, space.DEFAULT.dimensions
    with SqliteStore.open(path, write=False) as store:
        concepts, traces = store.bridges.unbridged("concept"), store.bridges.unbridged("trace")
        assert len(traces) == 50
        left = store.vectors.read("concept", concepts, model, dimensions)
        right = store.vectors.read("trace", traces, model, dimensions)
    near = (left @ right.T >= thresholds.BRIDGE).sum()
    assert 40 < near < 400 * 50 / 10
