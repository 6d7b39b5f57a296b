"""What tests of the database look at from outside: sentences, files, locks of other processes."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import processes
import pytest
from store_contract import give_vectors, read, trace

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory.store import SqliteStore

LOCK = "A lock must be held by the kernel so that it dies with the process."


def filled(path: Path) -> Path:
    """Make a memory of many pages; return its path."""
    with SqliteStore.open(path, write=True, create=True) as store:
        read(store, "docs/a.md", LOCK, *(f"Filler {'x' * 400} {n}." for n in range(60)))
        read(store, "docs/b.md", traces=[trace("")])
        give_vectors(store)
    return path


@contextlib.contextmanager
def refused(path: Path, *words: str) -> Iterator[None]:
    """Expect one sentence that names the path and says these words."""
    with pytest.raises(MemoryUnavailableError) as caught:
        yield
    sentence = str(caught.value)
    assert sentence.count(str(path)) == 1
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def snapshot(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Return what is in a folder: content, mode and time of change of each file."""
    return {
        file.name: (file.read_bytes(), file.stat().st_mode, file.stat().st_mtime_ns)
        for file in sorted(folder.iterdir())
        if file.is_file()
    }


_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held(path: Path, statement: str = "BEGIN IMMEDIATE") -> Iterator[subprocess.Popen[str]]:
    """Let another process hold a lock on a database."""
    with processes.start(_HOLD, path, statement) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            if process.stdin and not process.stdin.closed:
                process.stdin.close()
            process.wait()
