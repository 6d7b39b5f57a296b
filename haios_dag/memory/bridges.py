"""Pairs of a concept and a trace: which are to be compared, which wait, which are bridged."""

import json
from collections.abc import Sequence

from haios_dag.memory.database import Database
from haios_dag.memory.items import AMONG, THERE, SqliteItems
from haios_dag.memory.records import Kind, Pair

_TO_BRIDGE = f"bridged = 0 AND model IS NOT NULL AND state IN ('live', 'consumed') AND {THERE}"
# A pair with a side that no document states any more sleeps until it is back.
WAITING_PAIR = (
    "dag_bridges INDEXED BY dag_bridges_waiting WHERE insight_id IS NULL"
    " AND EXISTS (SELECT 1 FROM dag_items WHERE kind = 'concept' AND id = concept_id"
    "   AND state IN ('live', 'consumed'))"
    " AND EXISTS (SELECT 1 FROM dag_items WHERE kind = 'trace' AND id = trace_id"
    "   AND state IN ('live', 'consumed'))"
)


class SqliteBridges:
    """See `protocol.Bridges`."""

    def __init__(self, database: Database, items: SqliteItems) -> None:
        self._db = database
        self._items = items

    def has_unbridged(self) -> bool:
        return self._items.exists(f"dag_items WHERE {_TO_BRIDGE}") or self._items.exists(
            WAITING_PAIR
        )

    def unbridged(self, kind: Kind) -> list[int]:
        return self._items.ids(f"kind = ? AND {_TO_BRIDGE}", kind)

    def bridgeable(self, kind: Kind, ids: Sequence[int]) -> list[int]:
        where = f"model IS NOT NULL AND state IN ('live', 'consumed') AND {THERE}"
        return self._items.ids(f"{AMONG} AND {where}", kind, ids)

    def count_bridgeable(self, kind: Kind) -> int:
        taking_part = "kind = ? AND state IN ('live', 'consumed') AND embedded"
        return int(
            self._db.value(f"SELECT sum(number) FROM dag_counts WHERE {taking_part}", (kind,))
        )

    def put_pairs(self, pairs: Sequence[Pair]) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO dag_bridges (concept_id, trace_id, similarity) VALUES (?, ?, ?)",
            pairs,
        )

    def mark_bridged(self, kind: Kind, ids: Sequence[int]) -> None:
        self._db.execute(
            f"UPDATE dag_items SET bridged = 1 WHERE {AMONG}", (kind, json.dumps(list(ids)))
        )

    def of_trace(self, trace: int) -> dict[int, int]:
        rows = self._db.rows(
            "SELECT concept_id, insight_id FROM dag_bridges WHERE trace_id = ?"
            " AND insight_id IN (SELECT insight_id FROM dag_revisions)",
            (trace,),
        )
        return dict(rows)

    def waiting(self, limit: int) -> list[Pair]:
        rows = self._db.rows(
            f"SELECT concept_id, trace_id, similarity FROM {WAITING_PAIR}"
            " ORDER BY similarity DESC, concept_id, trace_id LIMIT ?",
            (limit,),
        )
        return [Pair(*row) for row in rows]

    def drop(self, pair: Pair) -> None:
        self._db.execute(
            "DELETE FROM dag_bridges WHERE concept_id = ? AND trace_id = ?",
            (pair.concept, pair.trace),
        )

    def link(self, pair: Pair, insight: int) -> None:
        self._db.execute(
            "UPDATE dag_bridges SET insight_id = ? WHERE concept_id = ? AND trace_id = ?",
            (insight, pair.concept, pair.trace),
        )
