"""What every memory must keep, checked from outside; and another program that writes to one.

Source: the HAIOS contract, section 1.6. What the product itself can tell is asked of it, for each
of its findings has a test of its own that plants the fault; the rest is written here once more.
"""

import contextlib
import hashlib
import sqlite3
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from haios_dag.memory.database import Database
from haios_dag.memory.store import SqliteStore

Row = tuple[Any, ...]
Memory = Path | sqlite3.Connection

# This finds no row in a memory that we have opened for writing.
_CANNOT_BE_SEARCHED = """
    SELECT id FROM dag_items WHERE kind = 'concept' AND EXISTS (SELECT 1 FROM concepts
    WHERE concepts.id = dag_items.id) AND id NOT IN (SELECT id FROM dag_text_docsize) LIMIT 5"""


def blob(*floats: float) -> bytes:
    """Return a vector as a memory holds it: little-endian float32."""
    return struct.pack(f"<{len(floats)}f", *floats)


class Foreign:
    """Another program at the same database: it knows HAIOS's tables only."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Return all rows of a query, or run a statement."""
        return self.connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a column of any type
        """Return the only value of a query."""
        ((value,),) = self.rows(sql, *values)
        return value

    def concept(self, content: str, kind: str = "techne") -> int:
        """Insert a concept as an ingester does; return its id."""
        return int(
            self.one(
                "INSERT INTO concepts (type, content) VALUES (?, ?) RETURNING id", kind, content
            )
        )

    def trace(self, query: str, title: str = "A strategy that was used before") -> int:
        """Insert a reasoning trace as a search with experience does; return its id."""
        return int(
            self.one(
                "INSERT INTO reasoning_traces (query, approach_taken, outcome, strategy_title)"
                " VALUES (?, 'searched', 'success', ?) RETURNING id",
                query,
                title,
            )
        )

    def occurrence(self, path: str, concept: int) -> None:
        """Say that an artifact, made when missing, states a concept."""
        self.rows(
            "INSERT INTO artifacts (file_path, file_hash) VALUES (?, 'theirs')"
            " ON CONFLICT (file_path) DO NOTHING",
            path,
        )
        self.rows(
            "INSERT INTO concept_occurrences (artifact_id, concept_id, line_number,"
            " context_snippet) SELECT id, ?, 7, 'their snippet' FROM artifacts"
            " WHERE file_path = ?",
            concept,
            path,
        )

    def vector(self, concept: int, vector: bytes, model: str) -> None:
        """Add an embedding of a concept; there may be others."""
        self.rows(
            "INSERT INTO embeddings (concept_id, vector, model, dimensions) VALUES (?, ?, ?, ?)",
            concept,
            vector,
            model,
            len(vector) // 4,
        )

    def insight(self, content: str, sources: Sequence[int], kind: str = "concept") -> int:
        """Write the product of a synthesis as HAIOS does, in its order; return its id."""
        self.rows("BEGIN IMMEDIATE")
        product = self.one(
            "INSERT INTO concepts (type, content, source_adr, synthesis_source_count,"
            " synthesis_confidence, synthesized_at) VALUES ('SynthesizedInsight', ?,"
            " 'virtual:synthesis', ?, 0.5, '2026-01-19T10:00:00.000001') RETURNING id",
            content,
            len(sources),
        )
        cluster = self.one(
            "INSERT INTO synthesis_clusters (cluster_type, member_count, synthesized_concept_id,"
            " status, synthesized_at) VALUES (?, ?, ?, 'synthesized', '2026-01-19T10:00:00')"
            " RETURNING id",
            kind,
            len(sources),
            product,
        )
        for source in sources:
            self.rows(
                "INSERT INTO synthesis_cluster_members (cluster_id, member_type, member_id)"
                " VALUES (?, ?, ?)",
                cluster,
                kind,
                source,
            )
        for source in sources:
            self.rows(
                "INSERT INTO synthesis_provenance (synthesized_concept_id, source_type, source_id)"
                " VALUES (?, ?, ?)",
                product,
                kind,
                source,
            )
        marked = [product, *(sources if kind == "concept" else [])]
        for concept in marked:
            self.rows("UPDATE concepts SET synthesis_cluster_id = ? WHERE id = ?", cluster, concept)
        self.rows("COMMIT")
        return int(product)


@contextlib.contextmanager
def connected(memory: Memory) -> Iterator[sqlite3.Connection]:
    """Give a connection of its own, closed at the end, or the one that is given."""
    if isinstance(memory, sqlite3.Connection):
        yield memory
        return
    connection = sqlite3.connect(memory)
    try:
        yield connection
    finally:
        connection.close()


def content_hash(memory: Memory) -> dict[str, str]:
    """Return a digest of each table's rows, whatever their order, but not of how FTS5 packs words.

    The counters of ids are among them.
    """
    with connected(memory) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            " AND sql NOT LIKE 'CREATE VIRTUAL%'"
            " AND name NOT IN ('dag_text_data', 'dag_text_idx')"
            " ORDER BY name"
        ).fetchall()
        return {
            name: hashlib.sha256(
                repr(sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"')))).encode()
            ).hexdigest()
            for (name,) in tables
        }


def assert_invariants(memory: Memory, model: str | None = None) -> None:
    """Check what section 1.6 demands of every synthesis result, whoever wrote it, and our tables.

    With `model`, also that each product has exactly one vector in that space, `*` being any.
    """
    with connected(memory) as connection:

        def rows(sql: str, *values: object) -> list[Row]:
            return connection.execute(sql, values).fetchall()

        health = SqliteStore(Database(connection, Path("memory"))).health()
        assert (health.damage(), health.dangling(), list(health.broken())) == ([], {}, [])
        assert health.count("leaderless", "", 0) == 0
        assert rows(_CANNOT_BE_SEARCHED) == []
        products = {row[0] for row in rows("SELECT id FROM concepts WHERE synthesized_at NOTNULL")}
        clusters = rows(
            "SELECT id, cluster_type, member_count, synthesized_concept_id FROM synthesis_clusters"
            " WHERE synthesized_concept_id IS NOT NULL"
        )
        assert sorted(row[3] for row in clusters) == sorted(products), "one cluster a product"
        for cluster, kind, member_count, product in clusters:
            ((type_, adr, of_cluster, source_count),) = rows(
                "SELECT type, source_adr, synthesis_cluster_id, synthesis_source_count"
                " FROM concepts WHERE id = ?",
                product,
            )
            assert (type_, adr) == ("SynthesizedInsight", "virtual:synthesis")
            members = rows(
                "SELECT member_id, member_type FROM synthesis_cluster_members WHERE cluster_id = ?"
                " ORDER BY id",
                cluster,
            )
            provenance = rows(
                "SELECT source_id, source_type FROM synthesis_provenance"
                " WHERE synthesized_concept_id = ? ORDER BY id",
                product,
            )
            assert members == provenance
            assert len(members) == member_count == source_count >= 2
            assert {type_ for _, type_ in members} == {kind}
            assert of_cluster == cluster
            if model is not None:
                ((vectors,),) = rows(
                    "SELECT count(*) FROM embeddings WHERE concept_id = ? AND model GLOB ?",
                    product,
                    model,
                )
                assert vectors == 1
            _assert_sources(rows, kind, cluster, [source for source, _ in members], products)


def _assert_sources(
    rows: Any,  # noqa: ANN401 - the caller's query
    kind: str,
    cluster: int,
    sources: list[int],
    products: set[int],
) -> None:
    if kind == "cross":
        concepts, traces = sources[:1], sources[1:]  # the concept has the lowest id of the rows
        assert len(traces) == 1
    else:
        assert len(set(sources)) == len(sources)
        concepts, traces = (sources, []) if kind == "concept" else ([], sources)
    assert not products & set(concepts), "a source is a product"
    for concept in concepts:
        ((of_cluster,),) = rows("SELECT synthesis_cluster_id FROM concepts WHERE id = ?", concept)
        assert kind == "cross" or of_cluster == cluster
    for trace in traces:
        assert rows("SELECT 1 FROM reasoning_traces WHERE id = ?", trace) == [(1,)]
