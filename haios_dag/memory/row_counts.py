"""What memory holds, in numbers that cost the same at a thousand and at a million rows.

Rows of our own table are counted by triggers as they change, in the same commit. HAIOS's tables get
no trigger: SQLite counts their rows in the smallest index, so each gets one without a column.
"""

import sqlite3
from collections.abc import Mapping

from haios_dag.memory import tables

TABLE = """
-- How many rows of `dag_items` there are of each kind and state, kept by triggers on it.
--   embedded 1: the rows that have a vector · 0: those without
CREATE TABLE dag_counts (
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    embedded INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, state, embedded)
) WITHOUT ROWID;
"""
_ADD = (
    "UPDATE dag_counts SET number = number {sign} 1 WHERE kind = {row}.kind"
    " AND state = {row}.state AND embedded = ({row}.model IS NOT NULL);"
)
_MORE, _LESS = _ADD.format(sign="+", row="new"), _ADD.format(sign="-", row="old")
_MADE = f"""
INSERT INTO dag_counts
    SELECT kind, state, model IS NOT NULL, count(*) FROM dag_items GROUP BY 1, 2, 3;
INSERT OR IGNORE INTO dag_counts SELECT kinds.value, states.value, embedded.value, 0
    FROM json_each('["concept", "trace"]') AS kinds,
        json_each('["live", "orphan", "boilerplate", "consumed", "product"]') AS states,
        json_each('[0, 1]') AS embedded;
CREATE TRIGGER dag_counts_insert AFTER INSERT ON dag_items BEGIN {_MORE} END;
CREATE TRIGGER dag_counts_delete AFTER DELETE ON dag_items BEGIN {_LESS} END;
CREATE TRIGGER dag_counts_update AFTER UPDATE OF kind, state, model ON dag_items
    WHEN old.kind != new.kind OR old.state != new.state
        OR (old.model IS NULL) != (new.model IS NULL)
    BEGIN {_LESS} {_MORE} END;
CREATE INDEX dag_count_concepts ON concepts (1);
CREATE INDEX dag_count_traces ON reasoning_traces (1);
CREATE INDEX dag_count_clusters ON synthesis_clusters (status, cluster_type);
"""
_STATES = (
    "total((state = 'live') * number), total((state = 'boilerplate') * number),"
    " total((state = 'orphan') * number), total(embedded * number)"
)
# Tells whether every known item is still there, and only those not known yet are not counted: other
# programs may delete rows, and add some. :concepts and :traces are the rows that there are.
_KNOWN = "(SELECT total(number) FROM dag_counts WHERE kind = '{kind}')"
_UNKNOWN = (
    "(SELECT count(*) FROM {table} WHERE id >"
    " (SELECT coalesce(max(id), 0) FROM dag_items WHERE kind = '{kind}'))"
)
_ALL_THERE = " AND ".join(
    f":{rows} = {_KNOWN.format(kind=kind)} + {_UNKNOWN.format(kind=kind, table=table)}"
    for rows, kind, table in (
        ("concepts", "concept", "concepts"),
        ("traces", "trace", "reasoning_traces"),
    )
)
_ONE_BY_ONE = "(SELECT state, model IS NOT NULL AS embedded, 1 AS number FROM dag_items WHERE {})"


def are_kept(connection: sqlite3.Connection) -> bool:
    """Tell whether this memory keeps its counts; one of an earlier release does not."""
    return bool(tables.columns(connection, "dag_counts"))


def keep(connection: sqlite3.Connection) -> None:
    """Count all rows, and keep the counts from now on; the caller holds the transaction."""
    if not are_kept(connection):
        for statement in tables.statements(TABLE + _MADE):
            connection.execute(statement)


def states(connection: sqlite3.Connection, rows: Mapping[str, int], there: str) -> dict[str, int]:
    """Return the numbers of items by state, and of those with a vector.

    `rows` has the numbers of `concepts` and `traces`. While another program has deleted some, the
    items are counted one by one, where `there` is true of them.
    """
    kept = (
        are_kept(connection)
        and connection.execute(f"SELECT {_ALL_THERE}", dict(rows)).fetchone()[0]
    )
    source = "dag_counts" if kept else _ONE_BY_ONE.format(there)
    found = connection.execute(f"SELECT {_STATES} FROM {source}").fetchone()
    return dict(zip(("live", "boilerplate", "orphans", "embedded"), map(int, found), strict=True))
