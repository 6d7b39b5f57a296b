"""Whether a memory is sound: what must hold in it at every commit, and what can be put right.

The invariants of HAIOS are those of its contract, section 1.6. Another program may break one in
rows of its own; what matters is said of our rows and of theirs apart.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from haios_dag.base import files
from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory import row_counts, tables, word_index
from haios_dag.memory.database import BUSY_SECONDS, cache_folder, meaning
from haios_dag.memory.store import Store
from haios_dag.memory.vectors import THERE

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
_LEADERLESS = (
    "SELECT id FROM dag_items AS i WHERE leader IS NOT NULL AND NOT EXISTS (SELECT 1"
    " FROM dag_items AS l WHERE l.kind = i.kind AND l.id = i.leader AND l.leader = l.id)"
)
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


Rows = tuple[int, int, int, int]
"""What a beat wrote: insights, bridges, revised insights, revised bridges."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that some products break: how many, a few ids, and whether we wrote one."""

    what: str
    number: int
    some: list[int]
    ours: bool


class Health(Store):
    """A memory that is examined, and put right where that is safe."""

    def damage(self) -> list[str]:
        """Return what SQLite finds wrong with the file's pages and indexes, at most ten things."""
        try:
            with meaning(self.path):
                rows = self.connection.execute("PRAGMA integrity_check(10)").fetchall()
        except MemoryUnavailableError as error:
            return [str(error)]
        return [row[0] for row in rows if row[0] != "ok"]

    def dangling(self) -> dict[str, int]:
        """Return how many rows of each table refer to a row that is gone."""
        found: dict[str, int] = {}
        with meaning(self.path):
            for row in self.connection.execute("PRAGMA foreign_key_check"):
                found[row[0]] = found.get(row[0], 0) + 1
        return found

    def is_prepared(self) -> bool:
        """Tell whether a beat has prepared this memory."""
        with meaning(self.path):
            return self._is_prepared()

    def broken(self) -> Iterator[Broken]:
        """Yield the invariants of synthesis that do not hold."""
        with meaning(self.path):
            for what, sql in INVARIANTS.items():
                rows = self.connection.execute(
                    f"SELECT DISTINCT product, {_OWN} FROM ({sql}) ORDER BY product"
                ).fetchall()
                if rows:
                    some = [row[0] for row in rows[:5]]
                    yield Broken(what, len(rows), some, any(row[1] for row in rows))

    def count_leaderless(self) -> int:
        """Return how many items belong to a cluster whose leader does not lead."""
        return self._count(f"({_LEADERLESS})")

    def count_vanished(self) -> int:
        """Return how many items another program has deleted and we still work on."""
        return self._count(f"dag_items WHERE {_LOST}")

    def count_damaged_vectors(self, model: str, dimensions: int) -> int:
        """Return how many items need a new vector: theirs is missing or of another length."""
        size = {"model": model, "size": dimensions * 4}
        return self._count(
            f"(SELECT kind, id FROM dag_items WHERE {_NO_VECTOR}"
            f" UNION SELECT 'concept', concept_id {_WRONG_LENGTH.format('embeddings')}"
            f" UNION SELECT 'trace', trace_id {_WRONG_LENGTH.format('dag_trace_vectors')})",
            size,
        )

    def count_mixed(self) -> int:
        """Return how many items are marked with another space than the one in use."""
        return self._count(
            "dag_items WHERE model IS NOT NULL AND model IS NOT"
            " (SELECT value FROM dag_meta WHERE key = 'space')"
        )

    def coverage(self) -> tuple[int, int]:
        """Return how many items have a vector in the space in use, and how many are to have one."""
        with meaning(self.path):
            embedded, every = self.connection.execute(
                "SELECT count(model), count(*) FROM dag_items"
                " WHERE state IN ('live', 'consumed', 'product')"
            ).fetchone()
        return embedded, every

    def count_products_unembedded(self) -> int:
        """Return how many insights and bridges have no vector in the space in use."""
        return self._count("dag_items WHERE state = 'product' AND model IS NULL")

    def count_wrong_totals(self) -> int:
        """Return how many of the kept counts are not those of the items."""
        with meaning(self.path):
            if not row_counts.are_kept(self.connection):
                return 0  # an earlier release's; the next writer begins to keep them
        return self._count(
            "dag_counts LEFT JOIN (SELECT kind AS k, state AS s, model IS NOT NULL AS e,"
            " count(*) AS n FROM dag_items GROUP BY 1, 2, 3)"
            " ON k = kind AND s = state AND e = embedded WHERE number != coalesce(n, 0)"
        )

    def word_index(self, seconds: float = BUSY_SECONDS / 2) -> str | None:
        """Return what is wrong with the word index, or None.

        Where another program has edited texts, the index rightly says what they were. Takes the
        writer's lock, at most for some seconds, so that a beat that waits for it still gets it;
        raise MemoryUnavailableError where they are too few.
        """
        connection = self.connection
        with meaning(self.path):
            if not word_index.is_known(connection) or not word_index.is_current(connection):
                return "there is none, or it is stale"
            missing = self._count(
                "concepts WHERE id <= (SELECT max(id) FROM dag_items WHERE kind = 'concept')"
                " AND id NOT IN (SELECT id FROM dag_text_docsize)"
            )
            if missing:
                return f"{missing:,} concepts are not in it"
            edited = self._count(
                "dag_items JOIN concepts ON concepts.id = dag_items.id WHERE kind = 'concept'"
                " AND dag_hash(CAST(content AS BLOB)) != text_hash"
            )
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
                        f"the word index of {self.path} is so large that looking through it would"
                        " hold up a beat"
                    ) from error
                if not name.startswith("SQLITE_CORRUPT"):
                    raise
                return "it disagrees with the texts"
            finally:
                connection.set_progress_handler(None, 0)
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.execute("PRAGMA query_only = ON")
        return None

    def cache_disagrees(self, model: str, dimensions: int) -> str | None:
        """Return where the vector cache is not what the database says, or None. Reads all of it."""
        folder = cache_folder(self.path)
        if not (folder / "head.json").exists():
            return None
        from haios_dag.memory import vector_cache  # numpy

        cached = vector_cache.Cache(folder, model, dimensions)
        if not len(cached.ids):
            return "it is not as it was left, and is not used"
        if cached.last > self._last():
            return "it has ids that the database never gave"
        place = {int(id_): row for row, id_ in enumerate(cached.ids[:, 0])}
        with meaning(self.path):
            for id_, concept, vector, of in self.connection.execute(
                "SELECT id, concept_id, vector, model FROM embeddings WHERE id <= ?",
                (cached.last,),
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
        """Return the beats whose synthesis was taken back."""
        with meaning(self.path):
            if not tables.columns(self.connection, "dag_undone"):
                return set()
            return {row[0] for row in self.connection.execute("SELECT beat FROM dag_undone")}

    def written(self) -> dict[str, Rows]:
        """Return what each beat wrote: insights, bridges, and revisions of either."""
        cross = "cluster_type = 'cross'"
        with meaning(self.path):
            rows = self.connection.execute(
                f"SELECT beat, total(revision = 1 AND NOT {cross}),"
                f" total(revision = 1 AND {cross}), total(revision > 1 AND NOT {cross}),"
                f" total(revision > 1 AND {cross}) FROM dag_revisions"
                " JOIN synthesis_clusters ON synthesized_concept_id = insight_id"
                " WHERE beat IS NOT NULL GROUP BY beat"
            )
            return {row[0]: (int(row[1]), int(row[2]), int(row[3]), int(row[4])) for row in rows}

    def back_up(self, target: Path, step: Callable[[int, int], None]) -> None:
        """Copy the memory to a new, private file; `step` hears the pages left and in all.

        Raise OSError, or MemoryUnavailableError; then there is no copy.
        """
        os.close(files.open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        try:
            with meaning(target), contextlib.closing(sqlite3.connect(target)) as copy:
                self.connection.backup(copy, pages=4096, progress=lambda _, left, n: step(left, n))
            with target.open("rb+") as file:
                os.fsync(file.fileno())
            files.sync_folder(target.parent)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def forget_vanished(self) -> int:
        """Set aside items that another program has deleted; return how many."""
        with self.transaction() as connection:
            return connection.execute(
                f"UPDATE dag_items SET state = 'orphan', model = NULL WHERE {_LOST}"
            ).rowcount

    def forget_dangling(self) -> int:
        """Remove rows of our tables whose row is gone, as its deletion should have done."""
        removed = 0
        with self.transaction() as connection:
            for table in [name for name in self.dangling() if name.startswith("dag_")]:
                for parent, ours, theirs in connection.execute(
                    'SELECT "table", "from", "to" FROM pragma_foreign_key_list(?)', (table,)
                ).fetchall():
                    removed += connection.execute(
                        f"DELETE FROM {table} WHERE {ours} IS NOT NULL AND NOT EXISTS"
                        f" (SELECT 1 FROM {parent} AS p WHERE p.{theirs} = {table}.{ours})"
                    ).rowcount
        return removed

    def embed_again(self, model: str, dimensions: int) -> int:
        """Let items with a missing, damaged or foreign vector wait for one; return how many."""
        size = {"model": model, "size": dimensions * 4}
        with self.transaction() as connection:
            for table in ("embeddings", "dag_trace_vectors"):
                connection.execute(f"DELETE {_WRONG_LENGTH.format(table)}", size)
            return connection.execute(
                f"UPDATE dag_items SET model = NULL WHERE {_NO_VECTOR} OR model IS NOT NULL"
                " AND model IS NOT (SELECT value FROM dag_meta WHERE key = 'space')",
                size,
            ).rowcount

    def count_again(self) -> None:
        """Make the kept counts those of the items."""
        with self.transaction() as connection:
            connection.execute(
                "UPDATE dag_counts SET number = (SELECT count(*) FROM dag_items AS i WHERE i.kind ="
                " dag_counts.kind AND i.state = dag_counts.state"
                " AND (i.model IS NOT NULL) = embedded)"
            )

    def rebuild_words(self) -> None:
        """Make the word index anew."""
        with self.transaction() as connection:
            if tables.columns(connection, "dag_text"):
                connection.execute("DROP TABLE dag_text")
            word_index.fill(connection)

    def _count(self, rows: str, values: dict[str, object] | None = None) -> int:
        with meaning(self.path):
            found = self.connection.execute(f"SELECT count(*) FROM {rows}", values or {})
            return int(found.fetchone()[0])
