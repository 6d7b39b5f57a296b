"""Whether a memory is sound: what must hold in it at every commit, and what can be put right.

The invariants of HAIOS are those of its contract, section 1.6. Another program may break one in
rows of its own; what matters is said of our rows and of theirs apart.
"""

import collections
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from haios_dag.base import files
from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory.database import BUSY_SECONDS, Database
from haios_dag.memory.items import THERE
from haios_dag.memory.records import Broken, Fault, WrittenRows
from haios_dag.memory.vectors import SqliteVectors, cache_folder
from haios_dag.memory.word_index import WordIndex

_OWN = "EXISTS (SELECT 1 FROM dag_revisions WHERE insight_id = product)"
_MEMBERS = "SELECT count(*) FROM synthesis_cluster_members WHERE cluster_id = cluster"
_PROVENANCE = "SELECT count(*) FROM synthesis_provenance WHERE synthesized_concept_id = product"
_OF = (
    "FROM (SELECT id AS cluster, synthesized_concept_id AS product, * FROM synthesis_clusters"
    " WHERE synthesized_concept_id IS NOT NULL)"
)
_SOURCES = f"{_OF} JOIN synthesis_cluster_members AS m ON m.cluster_id = cluster"
# What no product of a synthesis may show; each query gives the ids of the products that do.
INVARIANTS = {
    "its counts of sources differ": (
        f"SELECT product {_OF} JOIN concepts AS p ON p.id = product"
        f" WHERE member_count IS NOT ({_MEMBERS}) OR member_count IS NOT ({_PROVENANCE})"
        " OR member_count IS NOT p.synthesis_source_count"
    ),
    "its sources are of another type than its cluster": (
        f"SELECT product {_SOURCES} WHERE m.member_type != cluster_type UNION SELECT product {_OF}"
        " JOIN synthesis_provenance AS o ON o.synthesized_concept_id = product"
        " WHERE o.source_type != cluster_type"
    ),
    "its members are not its provenance": (
        f"SELECT product {_SOURCES} WHERE NOT EXISTS (SELECT 1 FROM synthesis_provenance AS o"
        "   WHERE o.synthesized_concept_id = product AND o.source_id = m.member_id)"
    ),
    "a source is missing": (
        f"SELECT product {_SOURCES} WHERE cluster_type = 'concept'"
        " AND m.member_id NOT IN (SELECT id FROM concepts) OR cluster_type = 'trace'"
        " AND m.member_id NOT IN (SELECT id FROM reasoning_traces)"
    ),
    "a source names another cluster": (
        f"SELECT product {_SOURCES} JOIN concepts AS s ON s.id = m.member_id"
        " WHERE cluster_type = 'concept' AND s.synthesis_cluster_id IS NOT cluster"
    ),
    "a source is a product itself": (
        f"SELECT product {_SOURCES} JOIN concepts AS s ON s.id = m.member_id"
        " WHERE cluster_type = 'concept' AND s.synthesized_at IS NOT NULL"
    ),
    "a source stands in it twice": (
        f"SELECT product {_SOURCES} WHERE cluster_type != 'cross'"
        " GROUP BY product, m.member_id HAVING count(*) > 1"
    ),
    "it is a bridge without two sides": (
        f"SELECT product {_OF} WHERE cluster_type = 'cross' AND ({_MEMBERS}) != 2"
    ),
    "its cluster is not marked as synthesized": (
        f"SELECT product {_OF} WHERE status IS NOT 'synthesized' OR synthesized_at IS NULL"
    ),
    "it stands outside its cluster": (
        "SELECT id AS product FROM concepts WHERE synthesized_at IS NOT NULL"
        " AND 1 != (SELECT count(*) FROM synthesis_clusters AS c WHERE c.id ="
        "   concepts.synthesis_cluster_id AND c.synthesized_concept_id = concepts.id)"
    ),
}
_LOST = f"NOT ({THERE}) AND state != 'orphan'"
# Items that are marked as embedded in the space in use, and have no vector of its length there.
_WHOLE = "model = :model AND length(vector) = :size"
_NO_VECTOR = (
    f"model = :model AND {THERE} AND (kind = 'concept' AND id NOT IN (SELECT concept_id"
    f"  FROM embeddings WHERE {_WHOLE} AND concept_id IS NOT NULL) OR kind = 'trace' AND id NOT IN"
    f"  (SELECT trace_id FROM dag_trace_vectors WHERE {_WHOLE}))"
)
_WRONG_LENGTH = (
    "FROM {} WHERE model = :model AND (typeof(vector) != 'blob' OR length(vector) != :size)"
)
_OTHERS = "model IS NOT NULL AND model IS NOT (SELECT value FROM dag_meta WHERE key = 'space')"
# The rows that have a fault.
FAULTS: dict[Fault, str] = {
    "leaderless": (
        "dag_items AS i WHERE leader IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dag_items AS l"
        " WHERE l.kind = i.kind AND l.id = i.leader AND l.leader = l.id)"
    ),
    "vanished": f"dag_items WHERE {_LOST}",
    "vector damaged": (
        f"(SELECT kind, id FROM dag_items WHERE {_NO_VECTOR}"
        f" UNION SELECT 'concept', concept_id {_WRONG_LENGTH.format('embeddings')}"
        f" UNION SELECT 'trace', trace_id {_WRONG_LENGTH.format('dag_trace_vectors')})"
    ),
    "vector of others": f"dag_items WHERE {_OTHERS}",
    "product unembedded": "dag_items WHERE state = 'product' AND model IS NULL",
    "total": (
        "dag_counts LEFT JOIN (SELECT kind AS k, state AS s, model IS NOT NULL AS e,"
        " count(*) AS n FROM dag_items GROUP BY 1, 2, 3)"
        " ON k = kind AND s = state AND e = embedded WHERE number != coalesce(n, 0)"
    ),
}


class SqliteHealth:
    """See `protocol.Health`."""

    def __init__(self, database: Database, vectors: SqliteVectors, words: WordIndex) -> None:
        self._db = database
        self._vectors = vectors
        self._words = words

    def damage(self) -> list[str]:
        try:
            rows = self._db.column("PRAGMA integrity_check(10)")
        except MemoryUnavailableError as error:
            return [str(error)]
        return [row for row in rows if row != "ok"]

    def dangling(self) -> dict[str, int]:
        return dict(collections.Counter(self._db.column("PRAGMA foreign_key_check")))

    def broken(self) -> Iterator[Broken]:
        for what, sql in INVARIANTS.items():
            rows = self._db.rows(f"SELECT DISTINCT product, {_OWN} FROM ({sql}) ORDER BY product")
            if rows:
                some = [row[0] for row in rows[:5]]
                yield Broken(what, len(rows), some, any(row[1] for row in rows))

    def count(self, fault: Fault, model: str, dimensions: int) -> int:
        return self._count(FAULTS[fault], model=model, size=dimensions * 4)

    def coverage(self) -> tuple[int, int]:
        embedded, every = self._db.row(
            "SELECT count(model), count(*) FROM dag_items"
            " WHERE state IN ('live', 'consumed', 'product')"
        )
        return embedded, every

    def word_index(self, seconds: float = BUSY_SECONDS / 2) -> str | None:
        if self._words.lacks():
            return "it is missing or stale"
        missing = self._count(
            "concepts WHERE id <= (SELECT max(id) FROM dag_items WHERE kind = 'concept')"
            " AND id NOT IN (SELECT id FROM dag_text_docsize)"
        )
        if missing:
            return f"{missing:,} concepts are not in it"
        # Where another program has edited texts, the index rightly says what they were.
        edited = self._count(
            "dag_items JOIN concepts ON concepts.id = dag_items.id WHERE kind = 'concept'"
            " AND dag_hash(CAST(content AS BLOB)) != text_hash"
        )
        with self._db.translated():
            agrees = self._words_agree(seconds, edited=bool(edited))
        return None if agrees else "it disagrees with the texts"

    def _words_agree(self, seconds: float, *, edited: bool) -> bool:
        """Let FTS5 check its index, against the texts where none was edited."""
        connection = self._db.connection
        connection.execute("PRAGMA query_only = OFF")
        try:
            connection.execute("BEGIN IMMEDIATE")
            end = time.monotonic() + seconds
            connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
            connection.execute(
                "INSERT INTO dag_text (dag_text, rank) VALUES ('integrity-check', ?)",
                (0 if edited else 1,),
            )
        except sqlite3.DatabaseError as error:
            name = str(getattr(error, "sqlite_errorname", ""))
            if name == "SQLITE_INTERRUPT":
                raise MemoryUnavailableError(
                    f"the word index of {self._db.path} is so large that looking through it would"
                    " hold up a beat"
                ) from error
            if not name.startswith("SQLITE_CORRUPT"):
                raise
            return False
        finally:
            connection.set_progress_handler(None, 0)
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.execute("PRAGMA query_only = ON")
        return True

    def cache_disagrees(self, model: str, dimensions: int) -> str | None:
        folder = cache_folder(self._db.path)
        if not (folder / "head.json").exists():
            return None
        from haios_dag.memory import vector_cache  # numpy

        cached = vector_cache.Cache(folder, model, dimensions)
        if not len(cached.ids):
            return "it is not as it was left, and is not used"
        if cached.last > self._vectors.last():
            return "it has ids that the database never gave"
        place = {int(id_): row for row, id_ in enumerate(cached.ids[:, 0])}
        for id_, concept, vector, of in self._db.stream(
            "SELECT id, concept_id, vector, model FROM embeddings WHERE id <= ?", (cached.last,)
        ):
            row = place.get(id_)
            if row is None and of == model and concept is not None:
                return f"the vector {id_} is missing in it"
            if row is not None and (
                of != model
                or concept != cached.ids[row, 1]
                or vector != cached.vectors[row].tobytes()
            ):
                return f"the vector {id_} is another one in it"
        return None

    def undone(self) -> set[str]:
        return set(self._db.column("SELECT beat FROM dag_undone"))

    def written(self) -> dict[str, WrittenRows]:
        cross = "cluster_type = 'cross'"
        rows = self._db.rows(
            f"SELECT beat, total(revision = 1 AND NOT {cross}),"
            f" total(revision = 1 AND {cross}), total(revision > 1 AND NOT {cross}),"
            f" total(revision > 1 AND {cross}) FROM dag_revisions"
            " JOIN synthesis_clusters ON synthesized_concept_id = insight_id"
            " WHERE beat IS NOT NULL GROUP BY beat"
        )
        return {row[0]: (int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in rows}

    def back_up(self, target: Path, step: Callable[[int, int], None]) -> None:
        os.close(files.open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            copied = Database(sqlite3.connect(target), target)
            with copied.translated(), contextlib.closing(copied.connection) as copy:
                self._db.connection.backup(
                    copy, pages=4096, progress=lambda _, left, n: step(left, n)
                )
            with target.open("rb+") as file:
                os.fsync(file.fileno())
            files.sync_folder(target.parent)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def forget_vanished(self) -> int:
        gone = f"UPDATE dag_items SET state = 'orphan', model = NULL WHERE {_LOST}"
        with self._db.transaction():
            return self._db.execute(gone).rowcount

    def forget_dangling(self) -> int:
        removed = 0
        keys = 'SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)'
        with self._db.transaction():
            for table in [name for name in self.dangling() if name.startswith("dag_")]:
                for parent, ours, theirs in self._db.rows(keys, (table,)):
                    removed += self._db.execute(
                        f"DELETE FROM {table} WHERE {ours} IS NOT NULL AND NOT EXISTS"
                        f" (SELECT 1 FROM {parent} AS p WHERE p.{theirs} = {table}.{ours})"
                    ).rowcount
        return removed

    def embed_again(self, model: str, dimensions: int) -> int:
        size = {"model": model, "size": dimensions * 4}
        with self._db.transaction():
            for table in ("embeddings", "dag_trace_vectors"):
                self._db.execute(f"DELETE {_WRONG_LENGTH.format(table)}", size)
            again = f"UPDATE dag_items SET model = NULL WHERE {_NO_VECTOR} OR {_OTHERS}"
            return self._db.execute(again, size).rowcount

    def count_again(self) -> None:
        with self._db.transaction():
            self._db.execute(
                "UPDATE dag_counts SET number = (SELECT count(*) FROM dag_items AS i WHERE i.kind ="
                " dag_counts.kind AND i.state = dag_counts.state"
                " AND (i.model IS NOT NULL) = embedded)"
            )

    def rebuild_words(self) -> None:
        with self._db.transaction():
            self._words.rebuild()

    def _count(self, rows: str, **values: object) -> int:
        return int(self._db.value(f"SELECT count(*) FROM {rows}", values))
