"""The cache of vectors: it answers as the database does, whatever became of its files."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from memory_checks import Foreign, blob
from store_contract import MODEL, give_vectors, read

from haios_dag.base.errors import UndoError
from haios_dag.memory.protocol import Store
from haios_dag.memory.store import SqliteStore
from haios_dag.memory.vectors import cache_folder

Rows = list[tuple[int, list[float]]]


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """Return a memory with nine vectors, cached."""
    path = tmp_path / "memory.db"
    with SqliteStore.open(path, write=True, create=True) as store:
        add(store, *(f"Statement {number} of the first document." for number in range(9)))
        assert store.vectors.refresh_cache(MODEL, 4) == []
    return path


def add(store: Store, *texts: str, path: str = "docs/a.md") -> None:
    """Read a document and give its statements vectors."""
    read(store, path, *texts)
    give_vectors(store, lambda text: blob(len(text), *text.encode()[-4:-1]))


def rows(path: Path, size: int = 4) -> Rows:
    """Return what can be compared, sorted."""
    with SqliteStore.open(path, write=False) as store:
        found = list(store.vectors.blocks("concept", MODEL, 4, size))
    assert all(0 < len(ids) <= size for ids, _ in found)
    return sorted(
        (int(one), vector.tolist())
        for ids, vectors in found
        for one, vector in zip(ids, vectors, strict=True)
    )


def truth(path: Path) -> Rows:
    """Return what the database says, by another program."""
    with Foreign(path) as foreign:
        stored = foreign.rows("SELECT concept_id, vector FROM embeddings ORDER BY concept_id")
    return [(concept, np.frombuffer(vector, "<f4").tolist()) for concept, vector in stored]


def cached(path: Path) -> int:
    """Return how many rows the cache holds and the database agrees with."""
    with SqliteStore.open(path, write=False) as store:
        return len(store._vectors._cached(MODEL, 4).ids)


def files_of(path: Path) -> dict[str, Path]:
    """Return the files of a cache by their suffixes."""
    return {one.suffix: one for one in cache_folder(path).iterdir()}


def refresh(path: Path) -> list[str]:
    """Bring the cache up to date as a step does."""
    with SqliteStore.open(path, write=True) as store:
        return store.vectors.refresh_cache(MODEL, 4)


def test_new_vectors_are_read_behind_the_cache(memory: Path) -> None:
    """What came after the last refresh comes from the database, and with the next from the map."""
    with SqliteStore.open(memory, write=True) as store:
        add(store, "A statement of a later document.", "And another one.", path="docs/b.md")
    assert cached(memory) == 9
    assert rows(memory) == truth(memory)
    assert refresh(memory) == []
    assert cached(memory) == 11
    assert rows(memory) == truth(memory)
    assert sorted(files_of(memory)) == [".ids", ".json", ".vectors"]


def shorten(path: Path) -> None:
    """Cut the last numbers off."""
    os.truncate(path, path.stat().st_size - 16)


def lengthen(path: Path) -> None:
    """Add zeros at the end."""
    path.write_bytes(path.read_bytes() + bytes(16))


def empty(path: Path) -> None:
    """Leave nothing."""
    path.write_bytes(b"")


def garble(path: Path) -> None:
    """Change the content, and neither the size nor the time of the last change."""
    stat = path.stat()
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def swap(path: Path) -> None:
    """Put a link to another file there."""
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


def remove(path: Path) -> None:
    """Delete it."""
    path.unlink()


DAMAGES = [shorten, lengthen, empty, garble, swap, remove]


@pytest.mark.parametrize("part", [".vectors", ".ids", ".json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_cache_is_not_believed(
    memory: Path, damage: Callable[[Path], None], part: str
) -> None:
    """Whatever happens to its files, the answers are the database's, before a refresh and after."""
    damage(files_of(memory)[part])
    assert rows(memory) == truth(memory)
    assert refresh(memory) == []
    assert cached(memory) == 9
    assert rows(memory) == truth(memory)


def test_deleted_cache_is_made_anew(memory: Path) -> None:
    """The folder is safe to delete."""
    shutil.rmtree(cache_folder(memory))
    assert rows(memory) == truth(memory)
    assert refresh(memory) == []
    assert cached(memory) == 9


def test_cache_of_another_database_is_not_believed(memory: Path, tmp_path: Path) -> None:
    """A memory that takes the place of another brings its own vectors, as many as they may be."""
    for texts in (["Wholly different."], [f"Of another memory, {n}." for n in range(20)]):
        other = tmp_path / "other.db"
        with SqliteStore.open(other, write=True, create=True) as store:
            add(store, *texts)
        for suffix in ("", "-wal", "-shm"):
            memory.with_name(memory.name + suffix).unlink(missing_ok=True)
        other.rename(memory)
        assert cached(memory) == 0
        assert rows(memory) == truth(memory)
        refresh(memory)
        assert rows(memory) == truth(memory)


def test_restored_backup_is_not_mixed_with_later_vectors(memory: Path, tmp_path: Path) -> None:
    """After a restore, ids are given again; what the cache had for them is forgotten."""
    backup = tmp_path / "backup.db"
    shutil.copy(memory, backup)
    with SqliteStore.open(memory, write=True) as store:
        add(store, "Written before the restore.", path="docs/b.md")
        store.vectors.refresh_cache(MODEL, 4)
    backup.replace(memory)
    assert cached(memory) == 0
    with SqliteStore.open(memory, write=True) as store:
        add(store, "Read after the restore, with the same id.", "And more.", path="docs/c.md")
    assert rows(memory) == truth(memory)
    refresh(memory)
    assert rows(memory) == truth(memory)


def test_another_space_begins_another_cache(memory: Path) -> None:
    """Vectors of another model are neither compared nor kept."""
    with SqliteStore.open(memory, write=True) as store:
        assert list(store.vectors.blocks("concept", "another", 4, 9)) == []
        assert store.vectors.refresh_cache("another", 4) == []
        assert store.vectors.refresh_cache(MODEL, 4) == []
    assert rows(memory) == truth(memory)


def test_replaced_vectors_wear_the_cache_out(memory: Path) -> None:
    """An item with a later vector comes with it too, and a worn cache is made anew."""
    for turn in range(1, 5):
        with SqliteStore.open(memory, write=True) as store:
            with store.transaction():
                store.vectors.put(MODEL, [("concept", 1, blob(turn, 0, 0, 0))])
            assert (1, [turn, 0, 0, 0]) in rows(memory)
            assert store.vectors.refresh_cache(MODEL, 4) == []
        assert (1, [turn, 0, 0, 0]) in rows(memory)
    assert cached(memory) == 9 + 4
    assert refresh(memory) == []
    assert cached(memory) == 9
    assert rows(memory) == truth(memory)


def test_undo_removes_the_cache(memory: Path) -> None:
    """Its ids are given again after an undo; one that takes nothing back leaves the cache."""
    with SqliteStore.open(memory, write=True) as store:
        with pytest.raises(UndoError):
            store.undo.take_back()
        assert files_of(memory)
        with store.undo.record("synthesize", "b"):
            pass
        store.undo.take_back()
        assert files_of(memory) == {}


@pytest.mark.parametrize("planted", ["file", "link", "dangling"])
def test_unwritable_cache_is_a_warning(memory: Path, tmp_path: Path, planted: str) -> None:
    """Nothing but speed is missing where it cannot be written, and nothing foreign is touched."""
    folder, elsewhere = cache_folder(memory), tmp_path / "elsewhere"
    shutil.rmtree(folder)
    if planted == "file":
        folder.write_text("mine")
    else:
        if planted == "link":
            elsewhere.mkdir()
            (elsewhere / "head.json").write_text("mine")
        folder.symlink_to(elsewhere)
    (warning,) = refresh(memory)
    assert str(folder) in warning
    assert rows(memory) == truth(memory)
    if planted == "file":
        assert folder.read_text() == "mine"
    if planted == "link":
        assert [one.name for one in elsewhere.iterdir()] == ["head.json"]
        assert (elsewhere / "head.json").read_text() == "mine"


def test_cache_is_never_what_fills_the_disk(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not begun where it would take more than half of the free space."""
    usage = shutil.disk_usage(memory)
    shutil.rmtree(cache_folder(memory))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=9 * 16 * 2 - 1))
    (warning,) = refresh(memory)
    assert "too little space" in warning
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=9 * 16 * 2))
    assert refresh(memory) == []


KILLED = """
    import os, sys
    from pathlib import Path
    from haios_dag.memory.protocol import Store
    from haios_dag.memory.store import SqliteStore
    calls, at = 0, int(sys.argv[2])
    def counted(call):
        def instead(*words, **named):
            global calls
            calls += 1
            if calls == at:
                os.kill(os.getpid(), 9)
            return call(*words, **named)
        return instead
    os.fsync, os.open, os.replace = counted(os.fsync), counted(os.open), counted(os.replace)
    Path.replace, Path.unlink = counted(Path.replace), counted(Path.unlink)
    with SqliteStore.open(Path(sys.argv[1]), write=True) as store:
        store.vectors.refresh_cache("test-4", 4)
"""


@pytest.mark.parametrize("fresh", [True, False])
def test_kill_at_any_moment_leaves_a_cache_that_agrees(memory: Path, *, fresh: bool) -> None:
    """At every file operation of a refresh, the killed process leaves nothing that is believed."""
    for at in itertools.count(1):
        if fresh:
            shutil.rmtree(cache_folder(memory))
        with SqliteStore.open(memory, write=True) as store:
            add(
                store,
                f"A statement of its own: {'abcdefghijklmnopqrstuvwxyz'[at] * 9}.",
                path=f"docs/{at}.md",
            )
        words = [sys.executable, "-c", textwrap.dedent(KILLED), str(memory), str(at)]
        code = subprocess.run(words, check=False).returncode
        assert code in {0, -signal.SIGKILL}
        assert rows(memory) == truth(memory)
        assert refresh(memory) == []
        assert cached(memory) == 9 + at
        assert len(files_of(memory)) == 3
        if code == 0:
            break
    assert at > 5


def test_reader_keeps_its_map_while_the_cache_is_made_anew(memory: Path) -> None:
    """A reader that is in the middle of it reads on what it began with."""
    with SqliteStore.open(memory, write=False) as reader:
        found = reader.vectors.blocks("concept", MODEL, 4, 4)
        first = next(found)[1].tolist()
        shutil.rmtree(cache_folder(memory))
        refresh(memory)
        both = first + [row for _, vectors in found for row in vectors.tolist()]
    assert both == [vector for _, vector in truth(memory)]
