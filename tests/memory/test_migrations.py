"""Memories of earlier versions are brought up to date at once or not at all; later ones refused."""

import shutil
import sys
from pathlib import Path

import processes
import pytest
import themes
from memory_checks import Foreign, assert_invariants, connected, content_hash
from outside import refused, snapshot

from haios_dag.base.step import BeatContext, Counts
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import space
from haios_dag.ingest import ingest_step
from haios_dag.memory import migrations
from haios_dag.memory.records import Undone
from haios_dag.memory.store import SqliteStore
from haios_dag.memory.word_index import INDEX

FILES = {
    "docs/lock-1.md": "# What we learned about locking\n\nSQLite needs a busy timeout, or the"
    " ingester crashes when synthesis holds the write lock.\n",
    "docs/lock-2.md": "# Notes\n\nThe ingester crashed because the SQLite database was locked by a"
    " long synthesis run.\n\nBananas ripen faster beside apples in a closed paper bag.\n",
    "docs/lock-3.md": "# Later\n\nA long synthesis holds the SQLite write lock, so the ingester"
    " crashes on a locked database.\n",
    "docs/plan-1.md": "# Plans\n\nReviewing the plan before the work starts saves days of work on"
    " the wrong plan.\n",
    "docs/plan-2.md": "# Plans\n\nThe review of a plan must come before the work on it starts, not"
    " after the work.\n",
    "traces/lock.jsonl": '{"id": 7, "query": "Why did the ingester crash on the SQLite lock?",'
    ' "approach_taken": "A busy timeout on the SQLite lock stopped the crash of the ingester during'
    ' a long synthesis.", "outcome": "success", "strategy_title": "Busy timeout for the'
    ' ingester"}\n',
}
BEAT = "20261128T200555-b5f82828"  # the later of the two


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a memory of version 1."""
    root = tmp_path_factory.mktemp("old")
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    script = Path(__file__).with_name("version_1.sql").read_text(encoding="utf-8")
    with connected(root / "memory.db") as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {script}; {INDEX}; COMMIT;")
        connection.execute("INSERT INTO dag_text (dag_text) VALUES ('rebuild')")
        of_trace = (
            "SELECT 1, query || char(10) || approach_taken || char(10) || strategy_title"
            " || char(10) || char(10) FROM reasoning_traces"
        )
        for table, key, sql in (
            ("embeddings", "concept_id", "SELECT id, content FROM concepts"),
            ("dag_trace_vectors", "trace_id", of_trace),
        ):
            rows = connection.execute(sql).fetchall()
            vectors = space.embed([text for _, text in rows]).astype("<f4")
            connection.executemany(
                f"UPDATE {table} SET vector = ? WHERE {key} = ?",
                [(v.tobytes(), id_) for (id_, _), v in zip(rows, vectors, strict=True)],
            )
        ((first,),) = connection.execute("SELECT content FROM dag_revisions WHERE revision = 1 AND"
            " insight_id IN (SELECT insight_id FROM dag_revisions WHERE revision = 2)")  # fmt: skip
        connection.execute(
            "UPDATE dag_undo SET before = ? WHERE name = 'embeddings' AND field = 'vector'",
            (space.embed([first]).astype("<f4").tobytes(),),
        )
        connection.commit()
    return root


@pytest.fixture
def old(made: Path, tmp_path: Path) -> Workspace:
    """A copy of it."""
    root = tmp_path / "old"
    shutil.copytree(made, root)
    return Workspace(root)


def version(path: Path) -> str:
    """Return the version that a memory says it has."""
    with Foreign(path) as foreign:
        return str(foreign.one("SELECT value FROM dag_meta WHERE key = 'version'"))


def schema(path: Path) -> dict[str, str]:
    """Return the definition of everything in a database, without its blanks."""
    with Foreign(path) as foreign:
        rows = foreign.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {name: "".join(sql.split()) for name, sql in rows}


def test_an_older_memory_is_upgraded_once(old: Workspace, tmp_path: Path) -> None:
    """The first writer brings it to what a new memory is, and changes no row but the version."""
    before = content_hash(old.memory)
    with SqliteStore.open(old.memory, write=True):
        pass
    after = content_hash(old.memory)
    assert {name for name in after if after[name] != before.get(name)} == {"dag_meta"}
    assert version(old.memory) == str(migrations.VERSION)
    with SqliteStore.open(tmp_path / "new.db", write=True, create=True):
        pass
    assert schema(old.memory) == schema(tmp_path / "new.db")
    with SqliteStore.open(old.memory, write=True):
        pass
    assert content_hash(old.memory) == after
    assert_invariants(old.memory, "*")


def test_an_older_memory_can_be_read(old: Workspace) -> None:
    """Readers, the probes of an idle beat among them, work on it as it is and upgrade nothing."""
    before = snapshot(old.root)
    with SqliteStore.open(old.memory, write=False) as store:
        assert store.counts()["insights"] == 2
        assert len(store.documents.heads()) == len(store.documents.recorded()) == len(FILES)
        assert store.search.by_words(["bananas"], 5) == [3]
        assert store.health().written()[BEAT] == (1, 3, 1, 0)
        assert store.health().undone() == set()
    assert ingest_step.idle(old) == "no document changed"
    assert themes.idle(old)
    assert snapshot(old.root) == before
    assert version(old.memory) == "1"


def test_a_beat_is_idle_after_the_upgrade(old: Workspace) -> None:
    """Nothing is read, embedded, clustered or bridged a second time."""
    with SqliteStore.open(old.memory, write=True):
        pass
    before = content_hash(old.memory)
    assert ingest_step.idle(old) == "no document changed"
    assert themes.idle(old)
    assert content_hash(old.memory) == before


def test_an_older_synthesis_can_be_taken_back(old: Workspace) -> None:
    """What the last beat before the upgrade made is taken back, and the next makes the same."""
    with Foreign(old.memory) as foreign:
        made = foreign.rows("SELECT id, content, synthesis_source_count FROM concepts ORDER BY id")
    with SqliteStore.open(old.memory, write=True) as store:
        assert store.undo.take_back() == Undone(BEAT, 1, 1, 3, 3, 1)
        assert store.counts()["insights"] == 1
        assert store.health().undone() == {BEAT}
    assert_invariants(old.memory, "*")
    counts = themes.beat(old, "again")
    assert (counts["new_insights"], counts["revised_insights"], counts["new_bridges"]) == (1, 1, 3)
    with Foreign(old.memory) as foreign:
        again = foreign.rows("SELECT id, content, synthesis_source_count FROM concepts ORDER BY id")
    assert again == made
    assert_invariants(old.memory, "*")


def test_a_file_without_a_head_is_read_again(old: Workspace) -> None:
    """The ledger of version 1 could lack the head of a file; the next beat reads that file."""
    with Foreign(old.memory) as foreign:
        foreign.rows("UPDATE dag_documents SET head = NULL WHERE artifact_id = 3")
    with SqliteStore.open(old.memory, write=True):
        pass
    assert ingest_step.idle(old) is None
    counts = Counts()
    ingest_step.run(BeatContext(old, counts=counts))
    assert (counts["documents"], counts["new_concepts"]) == (1, 0)
    assert ingest_step.idle(old) == "no document changed"


@pytest.mark.parametrize("write", [True, False])
def test_a_newer_memory_is_refused_untouched(old: Workspace, write: bool) -> None:
    """It keeps every byte, and the sentence says what to do."""
    with Foreign(old.memory) as foreign:
        newer = str(migrations.VERSION + 1)
        foreign.rows("UPDATE dag_meta SET value = ? WHERE key = 'version'", newer)
    before = snapshot(old.root)
    with refused(old.memory, f"version {newer}", "install the release that wrote it"):
        SqliteStore.open(old.memory, write=write)
    assert snapshot(old.root) == before


def test_the_version_is_one_that_version_1_refuses(old: Workspace) -> None:
    """Programs of version 1 take nothing but the text `1`."""
    with SqliteStore.open(old.memory, write=True):
        pass
    assert version(old.memory) not in {"1", ""}


_KILLED = """
import os, signal, sys
from pathlib import Path
from haios_dag.memory.database import Database
from haios_dag.memory.store import SqliteStore
left = int(sys.argv[2])
def count(_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
make_durable = Database.make_durable
def armed(database):
    make_durable(database)
    database.connection.set_trace_callback(count)
Database.make_durable = armed
with SqliteStore.open(Path(sys.argv[1]), write=True, create=True):
    print(left)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is a POSIX signal")
@pytest.mark.parametrize("new", [False, True])
def test_killed_between_any_statements(old: Workspace, tmp_path: Path, new: bool) -> None:
    """A migration is whole or has not happened, and the next writer completes it."""
    whole = tmp_path / "whole.db"
    if not new:
        shutil.copy(old.memory, whole)
    statements = 10_000 - int(processes.run(_KILLED, whole, 10_000))
    versions = set()
    for number in range(1, statements + 1, 5 if new else 1):
        path = tmp_path / f"killed-{number}.db"
        if not new:
            shutil.copy(old.memory, path)
        with processes.start(_KILLED, path, number) as process:
            process.communicate()
        assert process.returncode == -9
        with Foreign(path) as foreign:
            made = foreign.rows("SELECT 1 FROM sqlite_master WHERE name = 'dag_meta'")
        versions.add(version(path) if made else "")
        with SqliteStore.open(path, write=True, create=True):
            pass
        assert schema(path) == schema(whole)
        assert version(path) == str(migrations.VERSION)
    assert versions == {"" if new else "1", str(migrations.VERSION)}
