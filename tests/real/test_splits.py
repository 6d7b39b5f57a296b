"""On real documents: any split of the input into beats gives the clusters of one beat."""

import random
import shutil
from pathlib import Path

import pytest
import workspaces
from memory_checks import assert_invariants, connected
from workspaces import doit, log

pytestmark = [pytest.mark.slow, pytest.mark.real]

DOCUMENTS = 240
SEEDS = (1, 2)


def beaten(root: Path, documents: list[Path], cuts: list[int]) -> Path:
    """Make a workspace and beat once for each part of the documents; return its memory.

    No text counts as template text: whether one does depends on all documents there are, and what
    was considered before it did stays considered. No budget holds a pair back.
    """
    (root / ".claude").mkdir(parents=True)
    shutil.copy(workspaces.ROOT / "dodo.py", root / "dodo.py")
    (root / "haios.toml").write_text(
        f"[ingest]\nboilerplate_documents = {10 * DOCUMENTS}\n[bridge]\nbudget = 1000000\n",
        encoding="utf-8",
    )
    for first, last in zip([0, *cuts], [*cuts, len(documents)], strict=True):
        for path in documents[first:last]:
            target = root / path.relative_to(workspaces.REAL)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        done = doit(root)
        assert log(root)[-1]["steps"]["synthesize"]["outcome"] == "ran", done.stdout + done.stderr
    assert len(log(root)) == len(cuts) + 1
    assert_invariants(root / "memory.db", "*")
    return root / "memory.db"


def rows(memory: Path, sql: str) -> list[tuple[object, ...]]:
    """Return all rows of a query, sorted."""
    with connected(memory) as connection:
        return sorted(connection.execute(sql).fetchall(), key=repr)


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


@pytest.mark.parametrize("seed", SEEDS)
def test_split_into_beats_changes_no_cluster(seed: int, tmp_path: Path) -> None:
    """Three or four beats give each text the leader, and each pair the cosine, of one beat.

    The parts follow each other in the order in which one beat reads (by path), since a concept
    joins the earliest leader: in another order of arrival, another text is the earliest. What an
    insight says may be older than one of a single beat only where its cluster did not grow, so the
    same input given twice in one beat is compared whole, texts included.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    paths = sorted((workspaces.REAL / "docs").rglob("*.md"))
    order = sorted(
        chance.sample(paths, DOCUMENTS),
        key=lambda path: path.relative_to(workspaces.REAL).as_posix(),
    )
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
