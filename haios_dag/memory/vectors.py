"""Which items have a vector in which embedding space, and the vectors themselves."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory.database import Database
from haios_dag.memory.items import HIGHEST, THERE, SqliteItems
from haios_dag.memory.records import Kind, Waiting

if TYPE_CHECKING:
    from haios_dag.base.arrays import Ids, Matrix
    from haios_dag.memory.vector_cache import Cache, Row

_TO_EMBED = f"model IS NULL AND state IN ('live', 'consumed', 'product') AND {THERE}"
_ANY_ITEM = "SELECT EXISTS (SELECT 1 FROM concepts) OR EXISTS (SELECT 1 FROM reasoning_traces)"
_ANY_TO_EMBED = (
    f"SELECT EXISTS (SELECT 1 FROM dag_items WHERE {_TO_EMBED})"
    f" OR EXISTS (SELECT 1 FROM concepts WHERE id > {HIGHEST['concept']})"
    f" OR EXISTS (SELECT 1 FROM reasoning_traces WHERE id > {HIGHEST['trace']})"
)
_TABLES = {
    "concept": ("embeddings", "concept_id"),
    "trace": ("dag_trace_vectors", "trace_id"),
}
# One vector an item: where a concept has several of one model, the latest.
_VECTOR = {
    "concept": (
        "SELECT vector FROM embeddings WHERE concept_id = ? AND model = ? ORDER BY id DESC LIMIT 1"
    ),
    "trace": "SELECT vector FROM dag_trace_vectors WHERE trace_id = ? AND model = ?",
}
# Every vector with an id that grows with time.
_ROWS = {
    "concept": (
        "SELECT id, concept_id, vector FROM embeddings"
        " WHERE id > ? AND model = ? AND concept_id IS NOT NULL ORDER BY id"
    ),
    "trace": (
        "SELECT trace_id, trace_id, vector FROM dag_trace_vectors"
        " WHERE trace_id > ? AND model = ? ORDER BY trace_id"
    ),
}


def cache_folder(path: Path) -> Path:
    """Return the folder of a database's vector cache (see `vector_cache`, which imports numpy)."""
    return path.with_name(f"{path.name}-vectors")


class SqliteVectors:
    """See `protocol.Vectors`."""

    def __init__(self, database: Database, items: SqliteItems) -> None:
        self._db = database
        self._items = items
        self._cache: Cache | None = None

    def space(self) -> str | None:
        if not self._items.is_prepared():
            return None
        found: str | None = self._db.value("SELECT value FROM dag_meta WHERE key = 'space'")
        return found

    def use_space(self, model: str) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO dag_meta (key, value) VALUES ('space', ?)", (model,)
        )
        self._db.execute(
            "UPDATE dag_items SET model = NULL WHERE model IS NOT NULL AND model != ?", (model,)
        )

    def has_unembedded(self) -> bool:
        prepared = self._items.is_prepared()
        return bool(self._db.value(_ANY_TO_EMBED if prepared else _ANY_ITEM))

    def unembedded(self, limit: int) -> list[Waiting]:
        rows = self._db.rows(
            f"SELECT kind, id, text_hash FROM dag_items WHERE {_TO_EMBED}"
            " ORDER BY kind, id LIMIT ?",
            (limit,),
        )
        text = self._items.text
        return [Waiting(kind, id_, text(kind, id_), digest) for kind, id_, digest in rows]

    def of_text(self, text_hash: bytes, model: str) -> bytes | None:
        row = self._db.row(
            "SELECT kind, id FROM dag_items WHERE text_hash = ? AND model = ? LIMIT 1",
            (text_hash, model),
        )
        found = self._db.value(_VECTOR[row[0]], (row[1], model)) if row else None
        return bytes(found) if found else None

    def embedded(self, kind: Kind, items: Sequence[int], model: str) -> list[int]:
        sql = "SELECT 1 FROM dag_items WHERE kind = ? AND id = ? AND model = ?"
        return [item for item in items if self._db.row(sql, (kind, item, model))]

    def put(self, model: str, rows: Sequence[tuple[Kind, int, bytes]]) -> None:
        self._db.executemany(
            "DELETE FROM embeddings WHERE concept_id = ? AND model = ?",
            [(id_, model) for kind, id_, _ in rows if kind == "concept"],
        )
        for kind, (table, key) in _TABLES.items():
            self._db.executemany(
                f"INSERT OR REPLACE INTO {table} ({key}, vector, model, dimensions)"
                " VALUES (?, ?, ?, ?)",
                [(id_, blob, model, len(blob) // 4) for of, id_, blob in rows if of == kind],
            )
        self._db.executemany(
            "UPDATE dag_items SET model = ? WHERE kind = ? AND id = ?",
            [(model, kind, id_) for kind, id_, _ in rows],
        )

    def read(self, kind: Kind, ids: Sequence[int], model: str, dimensions: int) -> "Matrix":
        import numpy as np  # 70 ms

        found = np.empty((len(ids), dimensions), np.float32)
        rows = self._db.stream(
            f"SELECT value, ({_VECTOR[kind].replace('?', 'value', 1)}) FROM json_each(?)",
            (model, json.dumps(list(ids))),
        )
        for row, (id_, blob) in enumerate(rows):
            self._check_vector(kind, id_, blob, dimensions)
            found[row] = np.frombuffer(blob, "<f4")
        return found

    def blocks(
        self, kind: Kind, model: str, dimensions: int, size: int
    ) -> "Iterator[tuple[Ids, Matrix]]":
        import numpy as np  # 70 ms

        last = 0
        if kind == "concept":  # from the cache as far as it goes
            cached = self._cached(model, dimensions)
            last = cached.last
            for start in range(0, len(cached.ids), size):
                yield cached.ids[start : start + size, 1], cached.vectors[start : start + size]
        rows = self._rows(kind, model, dimensions, last)
        while block := list(itertools.islice(rows, size)):
            data = b"".join(vector for *_, vector in block)
            ids = np.array([id_ for _, id_, _ in block], np.int64)
            yield ids, np.frombuffer(data, "<f4").reshape(-1, dimensions)

    def refresh_cache(self, model: str, dimensions: int) -> list[str]:
        cached = self._cached(model, dimensions)
        try:
            if cached.is_worn():
                cached.remove()
            rows = self._rows("concept", model, dimensions, cached.last)
            cached.append(rows, self.last() - cached.last)
        except OSError as error:
            self._cache = None
            sentence = "vectors are read from the database itself, which is slower"
            return [f"{cached.folder} cannot be written ({error.strerror}); {sentence}"]
        return []

    def remove_cache(self) -> None:
        from haios_dag.memory import vector_cache  # numpy

        self._cache = None
        folder = cache_folder(self._db.path)
        try:
            vector_cache.Cache(folder, "", 0).remove()
        except OSError as error:
            raise MemoryUnavailableError(
                f"{folder} cannot be removed ({error.strerror}); delete it"
            ) from error

    def last(self) -> int:
        """Return the highest id that `embeddings` has ever given."""
        given = "(SELECT seq FROM sqlite_sequence WHERE name = 'embeddings')"
        return int(self._db.value(f"SELECT coalesce({given}, (SELECT max(id) FROM embeddings), 0)"))

    def _cached(self, model: str, dimensions: int) -> "Cache":
        """Return the cache, empty where it disagrees with the database."""
        from haios_dag.memory import vector_cache  # numpy

        if self._cache is None:
            found = vector_cache.Cache(cache_folder(self._db.path), model, dimensions)
            if not self._agrees(found, model):
                found.forget()
            self._cache = found
        return self._cache

    def _agrees(self, cached: "Cache", model: str) -> bool:
        """Tell whether the database has given the cache's ids, and says the same in samples."""
        if cached.last > self.last():
            return False
        sample = list(cached.sample())
        there = 0
        for embedding, concept, vector in sample:
            found = self._db.row(
                "SELECT concept_id, model, vector FROM embeddings WHERE id = ?", (embedding,)
            )  # None: replaced by a later one
            if found and found != (concept, model, vector):
                return False
            there += found is not None
        return there * 4 >= len(sample)

    def _rows(self, kind: Kind, model: str, dimensions: int, after: int) -> "Iterator[Row]":
        """Yield the vectors of a kind with higher ids of their own, with these and the items'."""
        for own, item, vector in self._db.stream(_ROWS[kind], (after, model)):
            self._check_vector(kind, item, vector, dimensions)
            yield own, item, vector

    def _check_vector(self, kind: Kind, item: int, vector: bytes | None, dimensions: int) -> None:
        if vector is None or len(vector) != dimensions * 4:
            raise MemoryUnavailableError(
                f"{self._db.path}: the vector of {kind} {item} is missing or damaged;"
                " restore a backup, or move the database away and let a beat make a new one"
            )
