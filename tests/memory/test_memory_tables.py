"""A memory that the product makes has HAIOS's tables as they are, and our own beside them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import haios_databases
import pytest
from memory_checks import Foreign, connected

from haios_dag.memory.protocol import Store
from haios_dag.memory.store import SqliteStore


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    """A memory from HAIOS's schema, and one that the product made."""
    theirs, ours = tmp_path / "v3.db", tmp_path / "memory.db"
    haios_databases.v3(theirs)
    with SqliteStore.open(ours, write=True, create=True):
        pass
    return theirs, ours


def tables(path: Path) -> set[str]:
    """Return the names of a database's tables, SQLite's own aside."""
    with Foreign(path) as foreign:
        return {
            row[0]
            for row in foreign.rows(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*'"
            )
        }


def shape(path: Path, table: str) -> dict[str, list[tuple[object, ...]]]:
    """Return a table's columns, foreign keys and unique columns."""
    with Foreign(path) as foreign:
        unique = foreign.rows(
            "SELECT name FROM pragma_index_list(?) WHERE origin = 'u' ORDER BY name", table
        )
        return {
            "columns": foreign.rows(
                'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_info(?)', table
            ),
            "foreign keys": sorted(
                foreign.rows(
                    'SELECT "from", "table", "to", on_delete FROM pragma_foreign_key_list(?)', table
                )
            ),
            "unique": [
                tuple(foreign.rows("SELECT name FROM pragma_index_info(?)", name))
                for (name,) in unique
            ],
            "autoincrement": foreign.rows(
                "SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE name = ?", table
            ),
        }


def test_tables_are_haios_and_ours(both: tuple[Path, Path]) -> None:
    """A new memory has the 16 tables of HAIOS, and others only by the name dag_."""
    theirs, ours = both
    assert tables(theirs) == set(haios_databases.TABLES)
    assert len(haios_databases.TABLES) == 16
    added = tables(ours) - tables(theirs)
    assert tables(theirs) < tables(ours)
    assert all(name.startswith("dag_") for name in added)


@pytest.mark.parametrize("table", haios_databases.TABLES)
def test_columns_are_those_of_haios(both: tuple[Path, Path], table: str) -> None:
    """Each column has the place, type, default and constraints of schema v3."""
    theirs, ours = both

    def normal(path: Path) -> dict[str, list[tuple[object, ...]]]:
        return {
            part: [
                tuple("id" if value is None and part == "foreign keys" else value for value in row)
                for row in rows
            ]
            for part, rows in shape(path, table).items()
        }

    assert normal(ours) == normal(theirs)


@pytest.mark.parametrize("database", ["v3", "migrated"])
def test_preparing_a_haios_memory_only_adds(tmp_path: Path, database: str) -> None:
    """The first writer changes no table of HAIOS, nor any row in one."""
    path = tmp_path / "haios_memory.db"
    getattr(haios_databases, database)(path)
    with Foreign(path) as foreign:
        foreign.insight("[A] B.", [foreign.concept("One."), foreign.concept("Two.")])
        foreign.occurrence("docs/a.md", 1)
        before = foreign.rows("SELECT * FROM concepts"), foreign.rows("SELECT * FROM artifacts")
    names = tables(path)
    shapes = {name: shape(path, name) for name in names}
    with SqliteStore.open(path, write=True) as store, store.transaction():
        store.items.adopt()
    assert {name: shape(path, name) for name in names} == shapes
    assert all(name.startswith("dag_") for name in tables(path) - names)
    with Foreign(path) as foreign:
        assert before == (
            foreign.rows("SELECT * FROM concepts"),
            foreign.rows("SELECT * FROM artifacts"),
        )
        objects = foreign.rows(
            "SELECT type, tbl_name FROM sqlite_master WHERE type IN ('trigger', 'view')"
        )
        # Nothing that HAIOS writes reaches dag_items: it refers to no other table.
        assert set(objects) == {("trigger", "dag_items")}, "other programs must run no code of ours"
        assert foreign.rows("SELECT * FROM pragma_foreign_key_list('dag_items')") == []


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("processing_log.status", "skipped", "done"),
        ("reasoning_traces.outcome", "partial_success", "ok"),
        ("memory_relationships.relationship_type", "related", "knows"),
        ("synthesis_clusters.cluster_type", "cross", "bridge"),
        ("synthesis_clusters.status", "skipped", "done"),
        ("synthesis_cluster_members.member_type", "cross", "artifact"),
        ("synthesis_provenance.source_type", "cross", "artifact"),
    ],
)
def test_values_are_checked_as_haios_checks_them(
    both: tuple[Path, Path], column: str, good: str, bad: str
) -> None:
    """A column with a vocabulary takes its words and refuses others."""
    table, name = column.split(".")
    for path in both:
        with connected(path) as connection:
            needed = {
                row[0]: "concept"  # a word that every vocabulary but the one under test takes
                for row in connection.execute(
                    'SELECT name FROM pragma_table_info(?) WHERE "notnull" AND name != ?',
                    (table, name),
                )
            }
            names = ", ".join([*needed, name])
            marks = ", ".join("?" * (len(needed) + 1))
            sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"
            values = [1 if key.endswith("_id") else value for key, value in needed.items()]
            connection.execute(sql, [*values, good])
            connection.rollback()
            with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
                connection.execute(sql, [*values, bad])


def test_ids_are_never_used_again(both: tuple[Path, Path]) -> None:
    """A deleted row's id does not come back, so an id above the highest seen is new."""
    with Foreign(both[1]) as foreign:
        first = foreign.concept("One.")
        foreign.rows("DELETE FROM concepts")
        assert foreign.concept("Two.") > first


@pytest.mark.parametrize("database", ["v3", "migrated"])
def test_looking_up_is_indexed(tmp_path: Path, database: str) -> None:
    """What a beat looks up by the hour is found through an index, in any memory."""
    path = tmp_path / "haios_memory.db"
    getattr(haios_databases, database)(path)
    with Foreign(path) as foreign:  # an index that covers some rows only is no help
        foreign.rows(
            "CREATE INDEX some ON synthesis_provenance (synthesized_concept_id)"
            " WHERE source_type = 'cross'"
        )
    with SqliteStore.open(path, write=True):
        pass
    with Foreign(path) as foreign:
        for table, column in [
            ("concept_occurrences", "artifact_id"),
            ("concept_occurrences", "concept_id"),
            ("embeddings", "concept_id"),
            ("synthesis_cluster_members", "cluster_id"),
            ("synthesis_provenance", "synthesized_concept_id"),
        ]:
            sql = f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {column} = 1"
            ((*_, plan),) = foreign.rows(sql)
            assert plan.startswith(f"SEARCH {table} USING INDEX")


@pytest.mark.parametrize(
    "probe",
    [
        lambda store: store.vectors.has_unembedded(),
        lambda store: store.insights.has_unconsidered(),
        lambda store: store.bridges.has_unbridged(),
    ],
)
def test_asking_for_work_reads_only_work(
    both: tuple[Path, Path], probe: Callable[[Store], bool]
) -> None:
    """Whether anything waits is answered without a scan of a table."""
    asked: list[str] = []
    with SqliteStore.open(both[1], write=False) as store:
        store.database.connection.set_trace_callback(asked.append)
        assert not probe(store)
        store.database.connection.set_trace_callback(None)
    assert asked
    with Foreign(both[1]) as foreign:
        for question in asked:
            for row in foreign.rows(f"EXPLAIN QUERY PLAN {question}"):
                if "dag_" in row[-1] and "SCAN" in row[-1]:
                    assert "dag_items_to_" in row[-1] or "dag_bridges_waiting" in row[-1]
