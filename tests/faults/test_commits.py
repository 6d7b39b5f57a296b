"""kill -9 before and after every commit of a beat: nothing is doubled, lost or out of reach."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import workspaces
from forks import Forks
from memory_checks import assert_invariants, connected
from workspaces import doit, log

from haios_dag.embedding import space
from haios_dag.memory.store import SqliteStore

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="kill -9 is a POSIX signal"),
]

# doit in a process that kills itself, without any clean-up, at one of its commits. Small batches
# make many commits of a small workspace; a write outside a transaction would be one unseen.
CHILD = """
import signal, sqlite3
from doit.doit_cmd import DoitMain
from haios_dag.ingest import ingest_step
from haios_dag.embedding import embed_step
from haios_dag.synthesis import bridger, synthesizer

ingest_step._BATCH, embed_step._BATCH, synthesizer._BATCH = 2, 4, 1
bridger._BATCH, bridger._KEPT = 2, 3
moment, number, *words = sys.argv[1:]
commits = 0

def die(now):
    if (now, str(commits)) == (moment, number):
        os.kill(os.getpid(), signal.SIGKILL)

class Connection(sqlite3.Connection):
    def execute(self, sql, *values):
        global commits
        if sql != "COMMIT":
            outside, changes = not self.in_transaction, self.total_changes
            cursor = super().execute(sql, *values)
            assert not (outside and self.total_changes != changes), sql
            return cursor
        commits += 1
        die("before")
        cursor = super().execute(sql)
        die("after")
        return cursor

def connect(path, *rest, **options):
    return plain(path, *rest, **options | ({} if path == ":memory:" else {"factory": Connection}))

plain, sqlite3.connect = sqlite3.connect, connect
status = DoitMain().run(words)
print("commits", commits)
sys.exit(status)
"""


def run(forks: Forks, root: Path, moment: str, number: int, *words: str) -> tuple[int, int]:
    """Run doit, killed at one of its commits; return its exit code and how many it made."""
    done = forks.run(CHILD, moment, number, "-f", root / "dodo.py", *words)
    assert done.code in {0, -signal.SIGKILL}, done.out
    return done.code, 0 if done.code else int(done.out.rpartition("commits ")[2])


def content(root: Path) -> dict[str, list[Any]]:
    """Return what a memory holds, by texts instead of ids, without times and beats."""
    text = (
        "CASE {kind} WHEN 'trace' THEN (SELECT query FROM reasoning_traces t WHERE t.id = {id})"
        " ELSE (SELECT content FROM concepts c WHERE c.id = {id}) END"
    )
    items = text.format(kind="i.kind", id="i.id"), text.format(kind="i.kind", id="i.leader")
    # Of a bridge's two rows the concept's is first.
    kind = (
        "CASE WHEN s.{type} != 'cross' THEN s.{type} WHEN s.id = (SELECT min(id) FROM {table} o"
        " WHERE o.{of} = s.{of}) THEN 'concept' ELSE 'trace' END"
    )
    member = kind.format(type="member_type", table="synthesis_cluster_members", of="cluster_id")
    origin = kind.format(
        type="source_type", table="synthesis_provenance", of="synthesized_concept_id"
    )
    queries = {
        "items": f"SELECT kind, {items[0]}, {items[1]}, state, similarity, bridged, model"
        " FROM dag_items i",
        "occurrences": "SELECT file_path, content, line_number FROM concept_occurrences"
        " JOIN artifacts a ON a.id = artifact_id JOIN concepts c ON c.id = concept_id",
        "insights": "SELECT cluster_type, content, member_count, synthesis_source_count,"
        " synthesis_confidence, status FROM synthesis_clusters k"
        " JOIN concepts c ON c.id = synthesized_concept_id",
        "members": "SELECT p.content, similarity_to_centroid, "
        + text.format(kind=member, id="s.member_id")
        + " FROM synthesis_cluster_members s JOIN synthesis_clusters k ON k.id = s.cluster_id"
        " JOIN concepts p ON p.id = k.synthesized_concept_id",
        "provenance": "SELECT p.content, "
        + text.format(kind=origin, id="s.source_id")
        + " FROM synthesis_provenance s JOIN concepts p ON p.id = s.synthesized_concept_id",
        "vectors": "SELECT content, hex(vector), model FROM embeddings"
        " JOIN concepts c ON c.id = concept_id",
        "revisions": "SELECT c.content, revision, r.content, sources, method, reason"
        " FROM dag_revisions r JOIN concepts c ON c.id = insight_id",
        "bridges": "SELECT c.content, query, similarity, p.content FROM dag_bridges"
        " JOIN concepts c ON c.id = concept_id JOIN reasoning_traces t ON t.id = trace_id"
        " LEFT JOIN concepts p ON p.id = insight_id",
    }
    with connected(root / "memory.db") as connection:
        return {
            name: sorted(connection.execute(sql).fetchall(), key=repr)
            for name, sql in queries.items()
        }


def assert_whole(root: Path) -> None:
    """Check what readers find in a memory just after the kill: every source, every insight."""
    memory = root / "memory.db"
    with connected(memory) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if not {"dag_items", "dag_text_docsize"} <= known:  # killed before any source was read
            assert not known or connection.execute("SELECT * FROM concepts").fetchall() == []
            return
        living = connection.execute(
            "SELECT c.id, content, i.state = 'product' FROM concepts c"
            " JOIN dag_items i ON i.kind = 'concept' AND i.id = c.id"
            " WHERE i.state IN ('live', 'product')"
        ).fetchall()
        (concepts,) = connection.execute("SELECT count(*) FROM concepts").fetchone()
        (items,) = connection.execute(
            "SELECT count(*) FROM dag_items WHERE kind = 'concept'"
        ).fetchone()
    assert items == concepts
    assert_invariants(memory, space.DEFAULT.model)
    with SqliteStore.open(memory, write=False) as store, store.snapshot():
        assert store.search.lacks_words() is None
        for concept, text, _ in living:
            assert concept in store.search.by_words(
                [text], concepts
            )  # the whole text as one phrase
        insights = sorted(concept for concept, _, product in living if product)
        assert store.search.answering(insights, space.DEFAULT.model) == insights


def assert_counted(root: Path) -> None:
    """Check that the events' counts, of killed beats too, add up to the rows."""
    events = log(root)
    beats = [event["beat"] for event in events]
    assert len(set(beats)) == len(beats)
    with connected(root / "memory.db") as connection:
        for name, where in (("new_insights", "!="), ("new_bridges", "=")):
            (rows,) = connection.execute(
                f"SELECT count(*) FROM synthesis_clusters WHERE cluster_type {where} 'cross'"
            ).fetchone()
            assert sum(event[name] for event in events) == rows


# --- what is killed ------------------------------------------------------------------------------


def fresh(root: Path) -> None:
    """A first beat, over statements and traces that become insights and bridges."""
    workspaces.make(root, documents=4)
    for number in range(2):
        text = workspaces.CHECKPOINT.replace("Session 7", f"Session {number + 8}")
        (root / "docs" / f"checkpoint-{number}.md").write_text(
            text.replace("We found", f"On day {number} we found"), encoding="utf-8"
        )


def grown(root: Path) -> None:
    """A later beat, whose documents extend clusters, change a trace and take a document away."""
    fresh(root)
    assert doit(root).returncode == 0
    for number, (theme, sentences) in enumerate(workspaces.THEMES.items()):
        said = sentences[number].replace(".", f", as the audit of {theme} noted.")
        (root / "docs" / f"audit-{theme}.md").write_text(
            f"# The audit of {theme}\n\n{said}\n", encoding="utf-8"
        )
    path = root / "docs" / "checkpoint.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("ended the ingester", "stopped the ingester"), encoding="utf-8")
    (root / "docs" / "week-3.md").unlink()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("prepare", [fresh, grown])
def test_beat_killed_at_every_commit(
    prepare: Callable[[Path], None], moment: str, tmp_path: Path, forks: Forks
) -> None:
    """Wherever a beat was killed, the next one ends in the memory of one that was left alone."""
    base, alone = tmp_path / "base", tmp_path / "alone"
    base.mkdir()
    prepare(base)
    shutil.copytree(base, alone)
    assert run(forks, alone, "never", 0)[0] == 0
    assert_whole(alone)
    expected = content(alone)
    kinds = {row[0] for row in expected["insights"]}
    assert kinds == {"concept", "trace", "cross"}
    assert prepare is fresh or max(row[1] for row in expected["revisions"]) > 1
    point = 0
    while True:
        point += 1
        root = tmp_path / f"killed-{point}"
        shutil.copytree(base, root)
        code, commits = run(forks, root, moment, point)
        if not code:
            break
        assert_whole(root)
        done = forks.beat(root)
        assert done.code == 0, done.out
        assert_whole(root)
        assert content(root) == expected, f"{moment} commit {point}"
        assert_counted(root)
        assert log(root)[-2]["outcome"] == "interrupted"
        assert log(root)[-1]["outcome"] in {"ok", "idle"}
        shutil.rmtree(root)
    print(f"{prepare.__name__}: killed {moment} each of {commits} commits")
    assert point == commits + 1
    assert commits >= 12


@pytest.mark.parametrize("moment", ["before", "after"])
def test_undo_killed_at_every_commit(moment: str, tmp_path: Path, forks: Forks) -> None:
    """An undo that was killed is done or is not; the beat after it makes what one makes alone."""
    base, alone = tmp_path / "base", tmp_path / "alone"
    base.mkdir()
    grown(base)
    assert doit(base).returncode == 0
    shutil.copytree(base, alone)
    before = content(base)
    _, total = run(forks, alone, "never", 0, "synthesis-undo")
    undone = content(alone)
    assert undone != before
    rewrite(alone)
    assert forks.beat(alone).code == 0
    expected = content(alone)
    for point in range(1, total + 1):
        root = tmp_path / f"killed-{point}"
        shutil.copytree(base, root)
        assert run(forks, root, moment, point, "synthesis-undo")[0] == -signal.SIGKILL
        assert_whole(root)
        assert content(root) in (before, undone)
        if content(root) == before:
            assert run(forks, root, "never", 0, "synthesis-undo")[0] == 0
        assert content(root) == undone
        rewrite(root)
        assert forks.beat(root).code == 0
        assert_whole(root)
        assert content(root) == expected
    print(f"synthesis-undo: killed {moment} each of {total} commits")
    assert total >= 1


def rewrite(root: Path) -> None:
    """Change a document, so that ids that an undo gave back go to other texts."""
    for path in sorted((root / "docs").glob("audit-*.md")):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("audit", "inspection"), encoding="utf-8")
