"""On real documents: any split of the input into beats gives the clusters of one beat."""

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import workspaces
from memory_checks import assert_invariants, connected
from workspaces import doit, log

from haios_dag.embedding import space, thresholds
from haios_dag.memory.store import SqliteStore

pytestmark = [pytest.mark.slow, pytest.mark.real]

DOCUMENTS = 240
SEEDS = (1, 2)


def beaten(root: Path, documents: list[Path], cuts: list[int], max_members: int = 0) -> Path:
    """Make a workspace and beat once for each part of the documents; return its memory.

    No text counts as template text: whether one does depends on all documents there are, and what
    was considered before it did stays considered. No budget holds a pair back. After each beat
    everything that has arrived was considered.
    """
    (root / ".claude").mkdir(parents=True)
    shutil.copy(workspaces.ROOT / "dodo.py", root / "dodo.py")
    (root / "haios.toml").write_text(
        f"[ingest]\nboilerplate_documents = {10 * DOCUMENTS}\n[bridge]\nbudget = 1000000\n"
        f"[synthesis]\nmax_members = {max_members}\n",
        encoding="utf-8",
    )
    for first, last in zip([0, *cuts], [*cuts, len(documents)], strict=True):
        for path in documents[first:last]:
            target = root / path.relative_to(workspaces.REAL)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        done = doit(root)
        assert log(root)[-1]["steps"]["synthesize"]["outcome"] == "ran", done.stdout + done.stderr
        assert rows(root / "memory.db", WAITING) == []
    assert len(log(root)) == len(cuts) + 1
    assert_invariants(root / "memory.db", "*")
    return root / "memory.db"


def rows(memory: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return all rows of a query, sorted."""
    with connected(memory) as connection:
        return sorted(connection.execute(sql).fetchall(), key=repr)


WAITING = "SELECT kind, id FROM dag_items WHERE state = 'live' AND leader IS NULL"
# Ids differ, as the insights of an earlier beat stand between the concepts of two: texts do not.
CLUSTERS = """
    SELECT i.kind, coalesce(m.content, mt.query), coalesce(l.content, lt.query), i.similarity
    FROM dag_items i
    LEFT JOIN concepts m ON i.kind = 'concept' AND m.id = i.id
    LEFT JOIN concepts l ON i.kind = 'concept' AND l.id = i.leader
    LEFT JOIN reasoning_traces mt ON i.kind = 'trace' AND mt.id = i.id
    LEFT JOIN reasoning_traces lt ON i.kind = 'trace' AND lt.id = i.leader
    WHERE i.state = 'live'
"""
PAIRS = """
    SELECT content, query, similarity FROM dag_bridges
    JOIN concepts c ON c.id = concept_id JOIN reasoning_traces t ON t.id = trace_id
"""
INSIGHTS = """
    SELECT cluster_type, member_count, content FROM synthesis_clusters s
    JOIN concepts c ON c.id = synthesized_concept_id WHERE cluster_type != 'cross'
"""


def chosen(seed: int, documents: int = DOCUMENTS) -> list[Path]:
    """Return some documents of the real workspace, in the order in which one beat reads them."""
    paths = sorted((workspaces.REAL / "docs").rglob("*.md"))
    return sorted(
        random.Random(seed).sample(paths, documents),  # noqa: S311 - no secret
        key=lambda path: path.relative_to(workspaces.REAL).as_posix(),
    )


def test_clusters_are_those_of_the_reference(tmp_path: Path) -> None:
    """With HAIOS's cap of 20, two beats cluster real vectors as its rule does in one run.

    The rule (contract section 2), one by one: the first free item seeds, and takes every later
    free one within the threshold, up to the cap.
    """
    memory = beaten(tmp_path / "beaten", chosen(3, 1200), [500], max_members=20)
    found = dict(rows(memory, "SELECT id, leader FROM dag_items WHERE kind = 'concept' AND leader"))
    ids = sorted(found)
    with SqliteStore.open(memory, write=False) as store:
        one = space.DEFAULT
        vectors = store.vectors.read("concept", ids, one.model, one.dimensions).astype(float)
    expected: dict[int, int] = {}
    for start in range(0, len(ids), 1000):
        cosines = vectors[start : start + 1000] @ vectors[start:].T
        assert np.abs(cosines - thresholds.CLUSTER).min() > 1e-12  # else rounding would decide
        for row, seed in enumerate(ids[start : start + 1000]):
            if seed not in expected:
                near = [ids[start + i] for i in np.flatnonzero(cosines[row] >= thresholds.CLUSTER)]
                free = [item for item in near if item > seed and item not in expected]
                expected |= dict.fromkeys([seed, *free[:19]], seed)
    assert found == expected
    sizes = Counter(found.values())
    assert max(sizes.values()) == 20  # else the cap would change nothing
    assert len(sizes) > 1000


@pytest.mark.parametrize("seed", SEEDS)
def test_split_into_beats_changes_no_cluster(seed: int, tmp_path: Path) -> None:
    """Three or four beats give each text the leader, and each pair the cosine, of one beat.

    The parts follow each other in the order in which one beat reads (by path), since a concept
    joins the earliest leader: in another order of arrival, another text is the earliest. What an
    insight says may be older than one of a single beat only where its cluster did not grow, so the
    same input given twice in one beat is compared whole, texts included.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    order = chosen(seed)
    cuts = sorted(chance.sample(range(40, DOCUMENTS - 20), chance.choice((2, 3))))
    whole = beaten(tmp_path / "whole", order, [])
    split = beaten(tmp_path / "split", order, cuts)
    again = beaten(tmp_path / "again", order, [])
    assert len(rows(whole, CLUSTERS)) > 1000
    assert len(rows(whole, INSIGHTS)) > 10
    assert rows(split, CLUSTERS) == rows(whole, CLUSTERS)
    assert rows(split, PAIRS) == rows(whole, PAIRS)
    for sql in (CLUSTERS, PAIRS, INSIGHTS):
        assert rows(again, sql) == rows(whole, sql)
