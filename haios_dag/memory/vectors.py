"""Which items have a vector in which embedding space, and the vectors themselves."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory.database import TRACE_TEXT, Database, cache_folder, meaning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from haios_dag.memory.vector_cache import Cache, Row

    Ids = NDArray[np.int64]
    Matrix = NDArray[np.float32]

Kind = Literal["concept", "trace"]

# HAIOS embeds at most this much of a text (contract section 1.6).
EMBEDDED_CHARACTERS = 8000

# Other programs may delete concepts and traces; what is gone takes no part in anything.
THERE = (
    "CASE kind WHEN 'concept' THEN EXISTS (SELECT 1 FROM concepts WHERE id = dag_items.id)"
    " ELSE EXISTS (SELECT 1 FROM reasoning_traces WHERE id = dag_items.id) END"
)
_TO_EMBED = f"model IS NULL AND state IN ('live', 'consumed', 'product') AND {THERE}"
_TEXTS = {
    "concept": "SELECT CAST(content AS TEXT) FROM concepts WHERE id = ?",
    "trace": f"SELECT {TRACE_TEXT} FROM reasoning_traces WHERE id = ?",
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


@dataclass(frozen=True, slots=True)
class Waiting:
    """An item without a vector."""

    kind: Kind
    id: int
    text: str
    text_hash: bytes


class Vectors(Database):
    """The part of the store that embed uses. Methods that change rows run in a transaction."""

    _cache: "Cache | None" = None

    def space(self) -> str | None:
        """Return the model of the embedding space in use; None before the first beat."""
        with meaning(self.path):
            if not self._is_prepared():
                return None
            row = self.connection.execute(
                "SELECT value FROM dag_meta WHERE key = 'space'"
            ).fetchone()
        return row[0] if row else None

    def use_space(self, model: str) -> None:
        """Make `model` the space in use: every item waits for a vector in it again.

        Vectors of other models stay in `embeddings`, and are never compared with these.
        """
        self.connection.execute(
            "INSERT OR REPLACE INTO dag_meta (key, value) VALUES ('space', ?)", (model,)
        )
        self.connection.execute(
            "UPDATE dag_items SET model = NULL WHERE model IS NOT NULL AND model != ?", (model,)
        )

    def has_unembedded(self) -> bool:
        """Tell whether any item waits for a vector, or other programs have added items."""
        with meaning(self.path):
            if not self._is_prepared():
                return bool(
                    self.connection.execute(
                        "SELECT EXISTS (SELECT 1 FROM concepts)"
                        " OR EXISTS (SELECT 1 FROM reasoning_traces)"
                    ).fetchone()[0]
                )
            return bool(
                self.connection.execute(
                    f"SELECT EXISTS (SELECT 1 FROM dag_items WHERE {_TO_EMBED})"
                    " OR (SELECT coalesce(max(id), 0) FROM concepts) >"
                    "    (SELECT coalesce(max(id), 0) FROM dag_items WHERE kind = 'concept')"
                    " OR (SELECT coalesce(max(id), 0) FROM reasoning_traces) >"
                    "    (SELECT coalesce(max(id), 0) FROM dag_items WHERE kind = 'trace')"
                ).fetchone()[0]
            )

    def count_unembedded(self) -> int:
        """Return how many items wait for a vector."""
        with meaning(self.path):
            return int(
                self.connection.execute(
                    f"SELECT count(*) FROM dag_items WHERE {_TO_EMBED}"
                ).fetchone()[0]
            )

    def unembedded(self, limit: int) -> list[Waiting]:
        """Return up to `limit` items that wait for a vector, in the order of their ids."""
        with meaning(self.path):
            rows = self.connection.execute(
                f"SELECT kind, id, text_hash FROM dag_items WHERE {_TO_EMBED}"
                " ORDER BY kind, id LIMIT ?",
                (limit,),
            ).fetchall()
            return [Waiting(kind, id_, self.text(kind, id_), digest) for kind, id_, digest in rows]

    def text(self, kind: Kind, item: int) -> str:
        """Return the text of an item that is embedded and compared."""
        with meaning(self.path):
            row = self.connection.execute(_TEXTS[kind], (item,)).fetchone()
        return str(row[0])[:EMBEDDED_CHARACTERS] if row else ""

    def vector_of_text(self, text_hash: bytes, model: str) -> bytes | None:
        """Return the vector some item with the same text already has, or None."""
        row = self.connection.execute(
            "SELECT kind, id FROM dag_items WHERE text_hash = ? AND model = ? LIMIT 1",
            (text_hash, model),
        ).fetchone()
        if row is None:
            return None
        found = self.connection.execute(_VECTOR[row[0]], (row[1], model)).fetchone()
        return bytes(found[0]) if found else None

    def put_vectors(self, model: str, rows: Sequence[tuple[Kind, int, bytes]]) -> None:
        """Store little-endian float32 vectors of items, and mark the items as embedded."""
        concepts = [
            (id_, blob, model, len(blob) // 4) for kind, id_, blob in rows if kind == "concept"
        ]
        self.connection.executemany(
            "DELETE FROM embeddings WHERE concept_id = ? AND model = ?",
            [(id_, model) for id_, *_ in concepts],
        )
        self.connection.executemany(
            "INSERT INTO embeddings (concept_id, vector, model, dimensions) VALUES (?, ?, ?, ?)",
            concepts,
        )
        self.connection.executemany(
            "INSERT OR REPLACE INTO dag_trace_vectors (trace_id, vector, model, dimensions)"
            " VALUES (?, ?, ?, ?)",
            [(id_, blob, model, len(blob) // 4) for kind, id_, blob in rows if kind == "trace"],
        )
        self.connection.executemany(
            "UPDATE dag_items SET model = ? WHERE kind = ? AND id = ?",
            [(model, kind, id_) for kind, id_, _ in rows],
        )

    def vectors(self, kind: Kind, ids: Sequence[int], model: str, dimensions: int) -> "Matrix":
        """Return the vectors of items as rows, in the order of `ids`.

        Raise MemoryUnavailableError when one is missing or has another length.
        """
        import numpy as np  # 70 ms

        found = np.empty((len(ids), dimensions), np.float32)
        with meaning(self.path):
            rows = self.connection.execute(
                f"SELECT value, ({_VECTOR[kind].replace('?', 'value', 1)}) FROM json_each(?)",
                (model, json.dumps(list(ids))),
            )
            for row, (id_, blob) in enumerate(rows):
                self._check_vector(kind, id_, blob, dimensions)
                found[row] = np.frombuffer(blob, "<f4")
        return found

    def all_vectors(
        self, kind: Kind, model: str, dimensions: int, size: int
    ) -> "Iterator[tuple[Ids, Matrix]]":
        """Yield ids and vectors of all items of a kind, insights too, up to `size` rows at a time.

        They are for looking, not for deciding: concepts come from the cache as far as it goes, and
        an item may come twice, with a vector that it had before. `vectors` says what is true. Raise
        MemoryUnavailableError when a vector has another length.
        """
        import numpy as np  # 70 ms

        last = 0
        if kind == "concept":
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
        """Bring the cache of the concepts' vectors up to date; return what to warn of.

        Then nothing is missing but speed: what is not cached is read from the database. The caller
        is the only writer, by the lock of the beat. Raise MemoryUnavailableError.
        """
        cached = self._cached(model, dimensions)
        try:
            if cached.is_worn():
                cached.remove()
            rows = self._rows("concept", model, dimensions, cached.last)
            cached.append(rows, self._last() - cached.last)
        except OSError as error:
            self._cache = None
            sentence = "vectors are read from the database itself, which is slower"
            return [f"{cached.folder} cannot be written ({error.strerror}); {sentence}"]
        return []

    def remove_cache(self) -> None:
        """Delete the cache, before ids that it knows are given again."""
        from haios_dag.memory import vector_cache  # numpy

        self._cache = None
        try:
            vector_cache.Cache(cache_folder(self.path), "", 0).remove()
        except OSError as error:
            raise MemoryUnavailableError(
                f"{cache_folder(self.path)} cannot be removed ({error.strerror}); delete it"
            ) from error

    def _cached(self, model: str, dimensions: int) -> "Cache":
        """Return the cache, empty where it disagrees with the database."""
        from haios_dag.memory import vector_cache  # numpy

        if self._cache is None:
            found = vector_cache.Cache(cache_folder(self.path), model, dimensions)
            if not self._agrees(found, model):
                found.forget()
            self._cache = found
        return self._cache

    def _agrees(self, cached: "Cache", model: str) -> bool:
        """Tell whether the database has given the cache's ids, and says the same in samples."""
        with meaning(self.path):
            if cached.last > self._last():
                return False
            sample = list(cached.sample())
            there = 0
            for embedding, concept, vector in sample:
                found = self.connection.execute(
                    "SELECT concept_id, model, vector FROM embeddings WHERE id = ?", (embedding,)
                ).fetchone()  # None: replaced by a later one
                if found and found != (concept, model, vector):
                    return False
                there += found is not None
        return there * 4 >= len(sample)

    def _last(self) -> int:
        """Return the highest id that `embeddings` has ever given."""
        with meaning(self.path):
            return int(
                self.connection.execute(
                    "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'embeddings'),"
                    " (SELECT max(id) FROM embeddings), 0)"
                ).fetchone()[0]
            )

    def _rows(self, kind: Kind, model: str, dimensions: int, after: int) -> "Iterator[Row]":
        """Yield the vectors of a kind with higher ids of their own, with these and the items'."""
        with meaning(self.path):
            for own, item, vector in self.connection.execute(_ROWS[kind], (after, model)):
                self._check_vector(kind, item, vector, dimensions)
                yield own, item, vector

    def _check_vector(self, kind: Kind, item: int, vector: bytes | None, dimensions: int) -> None:
        if vector is None or len(vector) != dimensions * 4:
            raise MemoryUnavailableError(
                f"{self.path}: the vector of {kind} {item} is missing or damaged;"
                " restore a backup, or move the database away and begin afresh"
            )
