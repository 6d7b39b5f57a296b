"""Opening a memory: what is refused, with which sentence, and what is left untouched."""

import contextlib
import sqlite3
from pathlib import Path

import haios_databases
import pytest
from memory_checks import Foreign, connected, content_hash
from outside import LOCK, filled, refused, snapshot
from store_contract import give_vectors, read, trace

from haios_dag.memory import migrations
from haios_dag.memory.store import SqliteStore


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A memory with some content."""
    return filled(tmp_path / "memory.db")


# --- missing, empty, not a memory ----------------------------------------------------------------


@pytest.mark.parametrize("write", [True, False])
def test_missing_memory_is_not_made(tmp_path: Path, write: bool) -> None:
    """Only a writer who says so creates a memory; anybody else is told that there is none."""
    path = tmp_path / "folder" / "memory.db"
    with refused(path, "no memory", "ingest"):
        SqliteStore.open(path, write=write)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [True, False])
def test_empty_file_is_no_memory(tmp_path: Path, write: bool) -> None:
    """A file that holds nothing is refused as empty and stays so."""
    path = tmp_path / "memory.db"
    path.touch()
    with refused(path, "empty"):
        SqliteStore.open(path, write=write)
    assert path.stat().st_size == 0


def test_empty_file_is_filled_by_the_first_writer(tmp_path: Path) -> None:
    """An empty file left by a plain sqlite3.connect becomes a memory."""
    path = tmp_path / "memory.db"
    sqlite3.connect(path).close()
    path.touch()
    with SqliteStore.open(path, write=True, create=True) as store:
        assert store.counts()["concepts"] == 0


@pytest.mark.parametrize("content", [b"not a database " * 500, b"\0" * 4096, b"SQLite format 3"])
@pytest.mark.parametrize("write", [True, False])
def test_other_files_are_refused_untouched(tmp_path: Path, content: bytes, write: bool) -> None:
    """A file that is not a database is named as such and keeps its bytes."""
    path = tmp_path / "memory.db"
    path.write_bytes(content)
    with refused(path, "is not a database"):
        SqliteStore.open(path, write=write, create=write)
    assert path.read_bytes() == content


@pytest.mark.parametrize("write", [True, False])
def test_database_of_another_program_is_refused_untouched(tmp_path: Path, write: bool) -> None:
    """Somebody else's database is no memory: it keeps its bytes, its mode and its journal."""
    path = tmp_path / "firefox.db"
    with connected(path) as connection:
        connection.execute("CREATE TABLE bookmarks (id INTEGER PRIMARY KEY, url TEXT)")
    before = snapshot(tmp_path)
    with refused(path, "not a HAIOS memory"):
        SqliteStore.open(path, write=write, create=write)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("write", [True, False])
def test_folder_is_no_memory(tmp_path: Path, write: bool) -> None:
    """A folder at the path is refused."""
    with refused(tmp_path, "is not a file"):
        SqliteStore.open(tmp_path, write=write, create=write)


def test_memory_in_a_missing_folder_is_made(tmp_path: Path) -> None:
    """A new memory makes its folder."""
    path = tmp_path / "new" / "folder" / "memory.db"
    with SqliteStore.open(path, write=True, create=True) as store:
        assert store.counts()["concepts"] == 0


def test_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    """A path through a file cannot be made, and the sentence says so."""
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "memory.db"
    with refused(path, "cannot be created"):
        SqliteStore.open(path, write=True, create=True)


@pytest.mark.parametrize("name", ["x" * 300 + ".db", "nul\0.db"])
def test_name_that_cannot_be_is_named(tmp_path: Path, name: str) -> None:
    """A path that no file can have is refused with a sentence, for readers and writers."""
    for write in (True, False):
        with refused(tmp_path / name, "cannot be reached", "check its name"):
            SqliteStore.open(tmp_path / name, write=write, create=write)


@pytest.mark.parametrize("name", ["a b?c#d%41&e=f.db", "ümläut ☃.db", "file:x?mode=memory"])
def test_any_name_names_that_file(tmp_path: Path, name: str) -> None:
    """Characters that mean something in an address mean nothing in a path."""
    path = tmp_path / name
    with SqliteStore.open(path, write=True, create=True) as store:
        read(store, "docs/a.md", LOCK)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    with SqliteStore.open(path, write=False) as store:
        assert store.counts()["concepts"] == 1


# --- stages of HAIOS's migrations ----------------------------------------------------------------


@pytest.mark.parametrize("write", [True, False])
def test_memory_before_007_is_refused(tmp_path: Path, write: bool) -> None:
    """Without synthesis columns there is no synthesis: the sentence names what to apply."""
    path = tmp_path / "haios_memory.db"
    haios_databases.migrated(path, stage=6)
    before = content_hash(path)
    with refused(path, "synthesis_cluster_id", "migrations (to 009)"):
        SqliteStore.open(path, write=write)
    assert content_hash(path) == before


@pytest.mark.parametrize("write", [True, False])
def test_memory_before_009_is_refused(tmp_path: Path, write: bool) -> None:
    """A memory that takes no 'cross' takes no bridges: the sentence names 009."""
    path = tmp_path / "haios_memory.db"
    haios_databases.migrated(path, stage=8)
    before = content_hash(path)
    with refused(path, "'cross'", "migration 009"):
        SqliteStore.open(path, write=write)
    assert content_hash(path) == before


@pytest.mark.parametrize(
    "table", ["synthesis_clusters", "synthesis_cluster_members", "synthesis_provenance"]
)
def test_every_table_must_take_bridges(tmp_path: Path, table: str) -> None:
    """One table without 'cross' is enough to refuse, before any work is done."""
    path = tmp_path / "haios_memory.db"
    haios_databases.v3(path)
    haios_databases.refuse_cross(path, table)
    with refused(path, "'cross'", table):
        SqliteStore.open(path, write=True)


def test_memory_without_constraints_is_taken(tmp_path: Path) -> None:
    """007 as it came to the live database, without constraints, takes insights and bridges."""
    path = tmp_path / "haios_memory.db"
    haios_databases.migrated(path, stage=7)
    with SqliteStore.open(path, write=True) as store:
        read(store, "docs/a.md", LOCK)


def test_traces_mirrored_without_the_extension(tmp_path: Path) -> None:
    """Where a trigger feeds a vec0 table, a trace gets one sentence and all else works."""
    if hasattr(sqlite3.Connection, "enable_load_extension") and _has_sqlite_vec():
        pytest.skip("this Python has sqlite-vec, so the made-up table would be opened by it")
    path = tmp_path / "haios_memory.db"
    haios_databases.migrated(path)
    with Foreign(path) as foreign:
        foreign.trace("How was it done before?")
    haios_databases.mirror_traces(path)
    with SqliteStore.open(path, write=True) as store:
        read(store, "docs/a.md", LOCK)
        give_vectors(store)
        assert store.insights.unconsidered("trace") == [1]
        before = content_hash(path)
        with refused(path, "sqlite-vec", "haios-dag[vec]"):
            read(store, "docs/b.md", "More.", traces=[trace("")])
        assert content_hash(path) == before
        read(store, "docs/b.md", "More.")
    with SqliteStore.open(path, write=False) as store:
        assert store.counts()["concepts"] == 2


def _has_sqlite_vec() -> bool:
    try:
        import sqlite_vec  # noqa: F401 - an extra
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("version", ["abc", "01", "", " 3", "3.5", "0", "-1", "9" * 5000, None])
@pytest.mark.parametrize("write", [True, False])
def test_a_version_that_is_none_is_damage(memory: Path, write: bool, version: str | None) -> None:
    """No release would know what to do with it, so a backup is to be restored."""
    with Foreign(memory) as foreign:
        if version is None:
            foreign.rows("DELETE FROM dag_meta WHERE key = 'version'")
        else:
            foreign.rows("UPDATE dag_meta SET value = ? WHERE key = 'version'", version)
    before = content_hash(memory)
    with refused(memory, "is damaged: its dag_meta tells no version; restore a backup"):
        SqliteStore.open(memory, write=write)
    assert content_hash(memory) == before


OTHER_TABLES = ["concepts", "synthesis_provenance", "dag_text_data", "dag_text_docsize"]


def our_tables() -> set[str]:
    """Return the names of the tables that the beat adds."""
    with contextlib.closing(sqlite3.connect(":memory:")) as new:
        for name in ("haios_v3.sql", "migration_1.sql", "migration_2.sql"):
            new.executescript(migrations.script(name))
        names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'dag_*'"
        return {name for (name,) in new.execute(names)}


@pytest.mark.parametrize("table", [*sorted(our_tables()), *OTHER_TABLES])
@pytest.mark.parametrize("write", [True, False])
def test_a_missing_table_is_damage(memory: Path, write: bool, table: str) -> None:
    """A table that another program dropped is named, and nothing is made in its place."""
    with contextlib.closing(sqlite3.connect(memory)) as other:
        other.execute(f"DROP TABLE {table}")
        left = other.execute("SELECT name FROM sqlite_master").fetchall()
        with refused(memory, f"is damaged: table {table} is missing; restore a backup"):
            SqliteStore.open(memory, write=write)
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == left
