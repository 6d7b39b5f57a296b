"""A memory that is locked, damaged, closed, planted or cut off, and what is left behind."""

import contextlib
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import haios_databases
import processes
import pytest
from memory_checks import Foreign, assert_invariants, connected, content_hash
from outside import LOCK, filled, held, refused, snapshot
from store_contract import read

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory import database
from haios_dag.memory.protocol import Store
from haios_dag.memory.store import SqliteStore


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait ten seconds for a lock that will not be released."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """A memory with some content."""
    return filled(tmp_path / "memory.db")


# --- locked, damaged, read-only, planted ---------------------------------------------------------


def test_lock_of_another_process(memory: Path) -> None:
    """While another process writes, readers read, writers are told, and work on afterwards."""
    with SqliteStore.open(memory, write=True) as store:
        with held(memory):
            with SqliteStore.open(memory, write=False) as reader:
                assert reader.counts()["concepts"] == 61
            with refused(memory, "is locked by another program"):
                read(store, "docs/c.md", "Something new.")
            with SqliteStore.open(memory, write=True) as second, refused(memory, "locked"):
                read(second, "docs/c.md", "Something new.")
        assert read(store, "docs/c.md", "Something new.") == 1


def test_writer_waits_for_its_turn(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that is released in time delays a writer and does not fail it."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 60)
    with SqliteStore.open(memory, write=True) as store, held(memory) as holder:
        assert holder.stdin is not None
        release = threading.Timer(0.2, holder.stdin.close)
        release.start()
        assert read(store, "docs/c.md", "Something new.") == 1
        release.join()


def test_transaction_takes_the_lock_first(memory: Path) -> None:
    """From its first moment a transaction keeps other writers out, so what it reads stays true."""
    with (
        SqliteStore.open(memory, write=True) as store,
        SqliteStore.open(memory, write=True) as other,
    ):
        with store.transaction(), refused(memory, "locked"):
            read(other, "docs/c.md", "Something new.")
        assert read(other, "docs/c.md", "Something new.") == 1


def test_lock_on_a_memory_that_is_not_prepared(tmp_path: Path) -> None:
    """A HAIOS memory in use at the first beat is left alone until it is free."""
    path = tmp_path / "haios_memory.db"
    haios_databases.v3(path)
    with held(path), refused(path, "locked"):
        SqliteStore.open(path, write=True)
    with SqliteStore.open(path, write=True) as store:
        assert read(store, "docs/a.md", LOCK) == 1


@pytest.mark.parametrize("write", [True, False])
def test_exclusive_lock(tmp_path: Path, write: bool) -> None:
    """A database that lets nobody read is said to be locked, to readers too."""
    path = tmp_path / "haios_memory.db"
    haios_databases.v3(path)
    with connected(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with held(path, "BEGIN EXCLUSIVE"), refused(path, "locked"):
        SqliteStore.open(path, write=write)


def _everything(path: Path) -> list[Callable[[], object]]:
    """Return uses of a memory that together read most of its pages."""

    def reading(use: Callable[[Store], object]) -> Callable[[], object]:
        def run() -> object:
            with SqliteStore.open(path, write=False) as store:
                return use(store)

        return run

    def writing() -> object:
        with SqliteStore.open(path, write=True) as store:
            return read(store, "docs/a.md", LOCK, "Something new.")

    return [
        reading(lambda store: store.counts()),
        reading(lambda store: store.documents.recorded()),
        reading(lambda store: store.vectors.space()),
        reading(lambda store: [store.items.text("concept", n) for n in range(62)]),
        reading(lambda store: store.items.text("trace", 1)),
        reading(lambda store: store.items.trace_title(1)),
        reading(lambda store: store.insights.of_cluster("concept", 1)),
        reading(lambda store: store.items.places("concept", 1)),
        reading(lambda store: store.vectors.read("concept", list(range(1, 62)), "test-4", 4)),
        reading(lambda store: store.vectors.has_unembedded()),
        reading(lambda store: store.insights.has_unconsidered()),
        reading(lambda store: store.bridges.has_unbridged()),
        reading(lambda store: store.insights.written_by("beat")),
        reading(lambda store: store.bridges.waiting(5)),
        writing,
    ]


def test_damaged_pages_are_reported(memory: Path) -> None:
    """Whatever page is damaged, each use of the memory works or gives the sentence on damage."""
    with connected(memory) as connection:
        ((size,),) = connection.execute("PRAGMA page_size")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = memory.stat().st_size // size
    copy = memory.with_name("damaged.db")
    reported = 0
    for page in range(1, pages, max(1, pages // 24)):
        damaged = bytearray(memory.read_bytes())
        damaged[page * size : (page + 1) * size] = b"\xa5" * size
        for use in _everything(copy):
            copy.write_bytes(damaged)
            for left in (f"{copy}-wal", f"{copy}-shm"):
                Path(left).unlink(missing_ok=True)
            try:
                use()
            except MemoryUnavailableError as error:
                reported += 1
                assert str(copy) in str(error)  # noqa: PT017 - it may also succeed
    assert reported > pages // 4


def test_cut_off_file_is_reported(memory: Path) -> None:
    """A database that lost its end is damaged."""
    with connected(memory) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.truncate(memory, memory.stat().st_size // 2)
    with refused(memory, "is damaged"):
        SqliteStore.open(memory, write=True)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """Run the body as nobody where the tests run as root, whom no mode stops."""
    if sys.platform == "win32":
        pytest.skip("modes work otherwise on Windows")
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder
        folder.chmod(0o777)


def test_read_only_file(memory: Path, open_folder: Path) -> None:
    """A memory that may only be read is read, and a writer is told what to change."""
    path = open_folder / "memory.db"
    shutil.copy(memory, path)
    path.chmod(0o444)
    with unprivileged():
        with refused(path, "is read-only"), SqliteStore.open(path, write=True) as store:
            read(store, "docs/c.md", "Something new.")
        with SqliteStore.open(path, write=False) as store:
            assert store.counts()["concepts"] == 61


def test_unreadable_file(memory: Path, open_folder: Path) -> None:
    """A memory that may not be read gives the sentence, to readers and writers."""
    path = open_folder / "memory.db"
    shutil.copy(memory, path)
    path.chmod(0)
    for write in (True, False):
        with unprivileged(), refused(path, "cannot be opened"):
            SqliteStore.open(path, write=write)


def test_closed_folder(memory: Path, open_folder: Path) -> None:
    """A folder that may not be entered or written gives the sentence."""
    folder = open_folder / "closed"
    folder.mkdir()
    path = folder / "memory.db"
    shutil.copy(memory, path)
    folder.chmod(0)
    for write in (True, False):
        with unprivileged(), refused(path):
            SqliteStore.open(path, write=write, create=write)
    path = folder / "new.db"
    folder.chmod(0o555)
    with unprivileged(), refused(path, "cannot be created"):
        SqliteStore.open(path, write=True, create=True)


def test_planted_link_is_not_followed(memory: Path, tmp_path: Path) -> None:
    """A symbolic link at the path is refused, whether it leads somewhere or not."""
    for target in (memory, tmp_path / "elsewhere.db"):
        link = tmp_path / "link.db"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        for write in (True, False):
            with refused(link, "symbolic link"):
                SqliteStore.open(link, write=write, create=write)
    assert not (tmp_path / "elsewhere.db").exists()


# --- what is left behind -------------------------------------------------------------------------


def test_reader_changes_nothing(memory: Path) -> None:
    """Reading leaves every byte, mode and time in the folder as they were."""
    before = snapshot(memory.parent)
    for use in _everything(memory)[:-1]:
        use()
    assert snapshot(memory.parent) == before
    with SqliteStore.open(memory, write=False) as store, refused(memory, "read-only"):
        read(store, "docs/c.md", "Something new.")
    assert snapshot(memory.parent) == before


def test_reader_of_a_haios_memory_adds_nothing(tmp_path: Path) -> None:
    """A reader answers for a memory that no beat has prepared, and does not prepare it."""
    path = tmp_path / "haios_memory.db"
    haios_databases.migrated(path)
    with Foreign(path) as foreign:
        foreign.concept(LOCK)
    before = snapshot(tmp_path)
    with SqliteStore.open(path, write=False) as store:
        assert store.documents.recorded() == {}
        assert store.vectors.space() is None
        assert store.counts() == {"concepts": 1, "entities": 0, "traces": 0}
        assert store.vectors.has_unembedded()
        assert store.insights.written_by("beat") == (0, 0)
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="modes work otherwise on Windows")
def test_new_memory_is_private(tmp_path: Path) -> None:
    """However lax the umask, nobody else can read a new memory or its journal."""
    old = os.umask(0)
    try:
        path = tmp_path / "folder" / "memory.db"
        with SqliteStore.open(path, write=True, create=True) as store:
            read(store, "docs/a.md", LOCK)
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == {"memory.db": 0o600, "memory.db-wal": 0o600, "memory.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_writes_are_durable(memory: Path) -> None:
    """A writer uses the write-ahead log, syncs every commit and checks foreign keys."""
    with SqliteStore.open(memory, write=True) as store:
        answers = [
            store.database.value(f"PRAGMA {name}")
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert answers == ["wal", 2, 1]


_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from memory_checks import blob
from store_contract import MODEL, draft, recorded, trace
from haios_dag.memory.records import ClusterMember, Statement
from haios_dag.memory.store import SqliteStore

left = int(sys.argv[2])

def count(_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

with SqliteStore.open(Path(sys.argv[1]), write=True) as store:
    store.database.execute("PRAGMA cache_size = 5")  # so that pages spill before the commit
    store.database.connection.set_trace_callback(count)
    with store.transaction():
        texts = [f"A new statement {'y' * 300} {n}." for n in range(40)]
        statements = [Statement(text, "Directive", "A", 1, text) for text in texts]
        store.documents.replace("docs/a.md", recorded("a"), statements, [trace("")], 5)
        store.vectors.put(MODEL, [("concept", n, blob(*range(200))) for n in range(1, 41)])
        members = [ClusterMember(1, 1, 1.0), ClusterMember(2, 1, 0.9)]
        store.insights.put_members("concept", members, "b")
        insight = store.insights.add("concept", draft("[A] B.", 1, 2), "b")
        store.insights.lead("concept", 1, insight)
    store.database.connection.set_trace_callback(None)
    print(left)
"""


def test_killed_writer_leaves_all_or_nothing(memory: Path, tmp_path: Path) -> None:
    """Killed between any two statements, a transaction leaves the database as it was before."""
    here = [str(Path(__file__).parents[1])]
    whole = tmp_path / "whole.db"
    shutil.copy(memory, whole)
    statements = 10_000 - int(processes.run(_KILLED, whole, 10_000, *here))
    assert_invariants(whole, "test-4")
    before = content_hash(memory)
    assert content_hash(whole) != before
    for number in range(1, statements, statements // 6):
        path = tmp_path / f"killed-{number}.db"
        shutil.copy(memory, path)
        with processes.start(_KILLED, path, number, *here) as process:
            process.communicate()
        assert process.returncode == -9
        assert content_hash(path) == before
        assert_invariants(path)
        with SqliteStore.open(path, write=True) as store:
            assert read(store, "docs/c.md", "Something new.") == 1
