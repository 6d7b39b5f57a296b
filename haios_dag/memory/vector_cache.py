"""A copy of the concepts' vectors in a file that is mapped into memory, to compare them all fast.

A new concept is compared with every vector there is. SQLite copies each one out of its pages; from
the map they are multiplied where they lie, and the memory in use is the system's own page cache.

The cache is a copy that can be deleted at any time; the next beat that needs it makes a new one. It
is used only where it names this embedding space, its files are as we left them, and sampled rows
equal those of the database. Even then it only proposes: what a beat writes and what recall answers
is decided on vectors read from the database.

In the folder `<database>-vectors`:

- `head.json` names the two files and says how they were left; replaced when their rows are on disk
- `<generation>.vectors`: float32, little-endian, a vector a row
- `<generation>.ids`: int64, little-endian: id in `embeddings`, and the concept's id, a pair a row
"""

import contextlib
import errno
import json
import mmap
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from haios_dag.base import files
from haios_dag.base.progress import progress

if TYPE_CHECKING:
    from haios_dag.base.arrays import Ids, Matrix

_VERSION = 1
_CHUNK = 4096  # rows written at a time: 12 MB
_FREE = 2  # times what is to be written: a cache must never be what fills a disk
_OURS = re.compile(r"[0-9a-f]{16}\.(vectors|ids)")
_SAMPLES = 16

Row = tuple[int, int, bytes]  # id in embeddings, concept, vector


class Cache:
    """Rows of vectors in the order of their ids in `embeddings`; empty where there is no cache.

    `ids` is int64 of shape (rows, 2): id in `embeddings`, concept. `vectors` is float32 of shape
    (rows, dimensions). Both are maps that cannot be written to.
    """

    def __init__(self, where: Path, model: str, dimensions: int) -> None:
        self.folder = where
        self._dimensions = dimensions
        self._space = {"version": _VERSION, "model": model, "dimensions": dimensions}
        self.forget()
        # Anything but a cache of this space, as we left it, is ignored.
        with contextlib.suppress(
            OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError
        ):
            self._load()

    @property
    def last(self) -> int:
        """The highest id in `embeddings` that is cached; 0 when there is none."""
        return int(self.ids[-1, 0]) if len(self.ids) else 0

    def sample(self) -> Iterator[Row]:
        """Yield rows to be compared with the database: the last ones, and some from everywhere."""
        rows = len(self.ids)
        numbers = {*range(max(rows - _SAMPLES, 0), rows), *range(0, rows, rows // _SAMPLES + 1)}
        for row in sorted(numbers):
            yield int(self.ids[row, 0]), int(self.ids[row, 1]), self.vectors[row].tobytes()

    def append(self, rows: Iterator[Row], number: int) -> None:
        """Add rows with higher ids; `number` is how many at least, for the space they take."""
        first = list(islice(rows, 1))
        if not first:
            return
        self._make_folder(number)
        new = not len(self.ids)
        generation = secrets.token_hex(8) if new else self._generation
        superseded = self._superseded
        paths = self._paths(generation)
        with (
            _appending(paths[0]) as vectors,
            _appending(paths[1]) as ids,
            progress("cache vectors", number) as advance,
        ):
            while chunk := first + list(islice(rows, _CHUNK)):
                pairs = np.array([row[:2] for row in chunk], "<i8")
                superseded += int(np.isin(pairs[:, 1], self.ids[:, 1]).sum())
                vectors.write(b"".join(row[2] for row in chunk))
                ids.write(pairs.tobytes())
                first = []
                advance(len(chunk))
        head = self._space | {
            "generation": generation,
            "superseded": superseded,
            "left": [_left(path) for path in paths],
        }
        files.write_atomic(self.folder / "head.json", json.dumps(head).encode())
        self._load()
        self._sweep()

    def is_worn(self) -> bool:
        """Tell whether a quarter of the rows are of vectors that were replaced since."""
        return self._superseded * 4 > len(self.ids)

    def remove(self) -> None:
        """Delete the cache; raise OSError."""
        self.forget()
        if not self.folder.is_symlink():
            (self.folder / "head.json").unlink(missing_ok=True)
            self._sweep()

    def forget(self) -> None:
        """Be empty; the files stay until others are written."""
        self._generation = ""
        self._superseded = 0
        self.ids: Ids = np.empty((0, 2), np.int64)
        self.vectors: Matrix = np.empty((0, self._dimensions), np.float32)

    def _load(self) -> None:
        """Map what the head names; raise where it is not as the head says."""
        self._check_folder()
        head = json.loads(files.read(self.folder / "head.json"))
        generation, superseded = str(head["generation"]), int(head["superseded"])
        if any(head[key] != value for key, value in self._space.items()) or not _OURS.fullmatch(
            f"{generation}.ids"
        ):
            raise ValueError("of another space")
        paths = self._paths(generation)
        if [_left(path) for path in paths] != head["left"]:
            raise ValueError("changed since")
        vectors = np.frombuffer(_map(paths[0]), "<f4").reshape(-1, self._dimensions)
        ids = np.frombuffer(_map(paths[1]), "<i8").reshape(-1, 2)
        if len(ids) != len(vectors):
            raise ValueError("torn")
        self._generation, self._superseded = generation, superseded
        self.ids, self.vectors = ids, vectors

    def _make_folder(self, number: int) -> None:
        """Make the folder; raise OSError where the rows would take more than half of the disk."""
        self._check_folder()
        files.ensure_folder(self.folder)
        needed = number * self._dimensions * 4
        if shutil.disk_usage(self.folder).free < needed * _FREE:
            raise OSError(errno.ENOSPC, "too little space is left", str(self.folder))

    def _check_folder(self) -> None:
        if self.folder.is_symlink():
            raise OSError(errno.ELOOP, "it is a symbolic link", str(self.folder))

    def _paths(self, generation: str) -> tuple[Path, Path]:
        return self.folder / f"{generation}.vectors", self.folder / f"{generation}.ids"

    def _sweep(self) -> None:
        """Remove the files of other generations."""
        if not self.folder.is_dir():
            return
        for one in self.folder.iterdir():
            if _OURS.fullmatch(one.name) and one.stem != self._generation:
                with contextlib.suppress(PermissionError):  # mapped on Windows: the next sweep's
                    one.unlink(missing_ok=True)
        files.remove_leftovers(self.folder / "head.json")


@contextlib.contextmanager
def _appending(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to append to; it is on the disk when the body ends."""
    descriptor = files.open_private(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with os.fdopen(descriptor, "ab") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _left(path: Path) -> list[int]:
    stat = path.lstat()
    return [stat.st_size, stat.st_mtime_ns]


def _map(path: Path) -> mmap.mmap:
    with files.open_plain(path) as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
