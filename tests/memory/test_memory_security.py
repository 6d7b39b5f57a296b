"""Links planted beside a memory, its files' modes, and texts and names that are SQL."""

import sys
from pathlib import Path

import processes
import pytest
from memory_checks import Foreign, assert_invariants, connected, content_hash
from outside import filled, refused
from store_contract import draft, forget, give_vectors, read, speak, trace

from haios_dag.memory.records import ClusterMember
from haios_dag.memory.store import SqliteStore

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")


# --- links and modes ------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("dangling", [False, True])
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_links_beside_the_memory_are_refused(
    tmp_path: Path, precious: Path, suffix: str, *, dangling: bool
) -> None:
    """SQLite follows no link at the files that it writes beside the memory."""
    memory = filled(tmp_path / "memory.db")
    before = content_hash(memory)
    target = tmp_path / "nowhere" if dangling else precious
    link = tmp_path / f"memory.db{suffix}"
    link.unlink(missing_ok=True)
    link.symlink_to(target)
    for write in (True, False):
        with refused(memory, "symbolic link"):
            SqliteStore.open(memory, write=write)
    link.unlink()
    assert not (tmp_path / "nowhere").exists()
    assert content_hash(memory) == before


@posix
def test_a_link_at_the_journal_of_a_new_memory_is_refused(tmp_path: Path, precious: Path) -> None:
    """The first transaction, before the write-ahead log, is not written through a link either."""
    (tmp_path / "memory.db-journal").symlink_to(tmp_path / "nowhere")
    with refused(tmp_path / "memory.db", "symbolic link"):
        SqliteStore.open(tmp_path / "memory.db", write=True, create=True)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "memory.db-journal").unlink()
    (tmp_path / "memory.db-journal").symlink_to(precious)
    with SqliteStore.open(tmp_path / "memory.db", write=True, create=True):
        pass


@posix
def test_the_files_beside_an_open_memory_are_private(tmp_path: Path) -> None:
    """The write-ahead log and its index get the mode of the memory, whatever the umask."""
    program = (
        "import os, stat, sys; from pathlib import Path; os.umask(0)\n"
        "from haios_dag.memory.store import SqliteStore\n"
        "path = Path(sys.argv[1])\n"
        "with SqliteStore.open(path, write=True, create=True):\n"
        "    for one in sorted(path.parent.iterdir()):\n"
        "        print(one.name, oct(stat.S_IMODE(one.stat().st_mode)))"
    )
    assert processes.run(program, tmp_path / "memory.db").splitlines() == [
        "memory.db 0o600", "memory.db-shm 0o600", "memory.db-wal 0o600",
    ]  # fmt: skip


# --- SQL ------------------------------------------------------------------------------------------

SQL = [
    "'; DROP TABLE concepts; --", '"; DROP TABLE concepts; --', "x') OR 1=1 --", "%_[]*?", "\\",
    "x\0y", "\ud800", "' || (SELECT 1) || '", "?1 :name @x $y", "🙂" * 2000,
]  # fmt: skip


@pytest.mark.parametrize("text", SQL, ids=range(len(SQL)))
def test_no_text_becomes_sql(tmp_path: Path, text: str) -> None:
    """Through every field of a document, a trace, an insight and a search, a text stays a text."""
    path = tmp_path / "memory.db"
    plain = text.encode("utf-8", "replace").decode()  # as documents are read
    with SqliteStore.open(path, write=True, create=True) as store:
        one = trace(plain, plain, failure_reason=plain, strategy_title=plain, timestamp=plain)
        assert read(store, plain, plain, f"{plain} again", traces=[one], heading=plain) == 2
        give_vectors(store, model=plain)
        insight = speak(store, "concept", f"{plain} said", 1, 2, beat=plain)
        assert store.items.text("concept", 1) == plain
        assert store.items.text("concept", insight) == f"{plain} said"
        assert list(store.documents.recorded()) == [plain]
        assert store.documents.recorded_hash(plain)
        assert store.vectors.space() == plain
        assert store.insights.written_by(plain) == (1, 0)
        assert set(store.search.by_words(plain.replace("\0", " ").split(), 5)) <= {1, 2, insight}
        forget(store, plain)
        assert store.documents.recorded() == {}
        assert store.counts()["concepts"] == 3
    assert_invariants(path)


@pytest.mark.parametrize("column", ['we"ird', "it's", "x', 1 AS b; DROP TABLE concepts; --", "a b"])
def test_a_foreign_column_may_have_any_name(tmp_path: Path, column: str) -> None:
    """A column that another program added is carried through a synthesis and its undoing."""
    path = filled(tmp_path / "memory.db")
    quoted = column.replace('"', '""')
    with connected(path) as connection:
        connection.execute(f"ALTER TABLE concepts ADD COLUMN \"{quoted}\" TEXT DEFAULT 'kept'")
        connection.execute(f"ALTER TABLE dag_items ADD COLUMN \"{quoted}\" TEXT DEFAULT 'kept'")
    with SqliteStore.open(path, write=True) as store:
        with store.undo.record("synthesize", "beat"):
            store.insights.put_members(
                "concept", [ClusterMember(1, 1, 1.0), ClusterMember(2, 1, 1.0)], "beat"
            )
            store.insights.lead(
                "concept", 1, store.insights.add("concept", draft("Sum.", 1, 2), "beat")
            )
            assert store.insights.written_by("beat") == (1, 0)
        assert store.undo.take_back().insights == 1
    with Foreign(path) as foreign:
        assert foreign.one(f'SELECT count(*) FROM concepts WHERE "{quoted}" = ?', "kept") == 61
    assert_invariants(path)
