"""Which items have a vector in which embedding space, and the vectors themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from haios_dag.errors import MemoryUnavailableError
from haios_dag.memory.database import TRACE_TEXT, Database, meaning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class Waiting:
    """An item without a vector."""

    kind: Kind
    id: int
    text: str
    text_hash: bytes


class Vectors(Database):
    """The part of the store that embed uses. Methods that change rows run in a transaction."""

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

    def vectors(
        self, kind: Kind, ids: Sequence[int], model: str, dimensions: int
    ) -> "NDArray[np.float32]":
        """Return the vectors of items as rows, in the order of `ids`.

        Raise MemoryUnavailableError when one is missing or has another length.
        """
        import numpy as np  # noqa: PLC0415 - 70 ms, only where used

        found = np.empty((len(ids), dimensions), np.float32)
        with meaning(self.path):
            for row, id_ in enumerate(ids):
                blob = self.connection.execute(_VECTOR[kind], (id_, model)).fetchone()
                if blob is None or len(blob[0]) != dimensions * 4:
                    raise MemoryUnavailableError(
                        f"{self.path}: the vector of {kind} {id_} is missing or damaged;"
                        " restore a backup, or move the database away and begin afresh"
                    )
                found[row] = np.frombuffer(blob[0], "<f4")
        return found

    def vector_blocks(
        self, kind: Kind, ids: Sequence[int], model: str, dimensions: int, size: int
    ) -> Iterator[tuple[list[int], "NDArray[np.float32]"]]:
        """Yield `ids` with their vectors in blocks of up to `size` rows."""
        for start in range(0, len(ids), size):
            block = list(ids[start : start + size])
            yield block, self.vectors(kind, block, model, dimensions)
