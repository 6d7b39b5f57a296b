"""Concepts and traces, which every part of the store speaks of: texts, places, adoption."""

import json
from collections.abc import Sequence

from haios_dag.memory.database import Database
from haios_dag.memory.records import EMBEDDED_CHARACTERS, Kind, Place, Standing

# What is embedded and compared of a trace, as SQL over reasoning_traces.
TRACE_TEXT = (
    "query || char(10) || approach_taken || char(10) || coalesce(strategy_title, '') || char(10)"
    " || coalesce(strategy_description, '') || char(10) || coalesce(strategy_content, '')"
)
# Other programs may delete concepts and traces; what is gone takes no part in anything.
THERE = (
    "CASE kind WHEN 'concept' THEN EXISTS (SELECT 1 FROM concepts WHERE id = dag_items.id)"
    " ELSE EXISTS (SELECT 1 FROM reasoning_traces WHERE id = dag_items.id) END"
)
TABLES: dict[Kind, str] = {"concept": "concepts", "trace": "reasoning_traces"}
# Ids only grow, so every id above the highest known one is new.
HIGHEST: dict[Kind, str] = {
    kind: f"(SELECT coalesce(max(id), 0) FROM dag_items WHERE kind = '{kind}')" for kind in TABLES
}
AMONG = "kind = ? AND id IN (SELECT value FROM json_each(?))"
# The highest synthesis cluster that we wrote or adopted.
_SEEN_CLUSTERS = (
    "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM dag_meta WHERE key = 'clusters'"
)
_TEXTS = {
    "concept": "SELECT CAST(content AS TEXT) FROM concepts WHERE id = ?",
    "trace": f"SELECT {TRACE_TEXT} FROM reasoning_traces WHERE id = ?",
}
_PLACES = {
    "concept": (
        "SELECT file_path, coalesce(context_snippet, ''), coalesce(line_number, 1)"
        " FROM concept_occurrences JOIN artifacts ON artifacts.id = artifact_id"
        " WHERE concept_id = ? ORDER BY file_path, line_number"
    ),
    "trace": (
        "SELECT file_path, coalesce(strategy_title, ''), 1 FROM dag_traces"
        " JOIN artifacts ON artifacts.id = artifact_id"
        " JOIN reasoning_traces ON reasoning_traces.id = trace_id WHERE trace_id = ?"
    ),
}
_CONSUME = (
    "UPDATE dag_items SET state = 'consumed' WHERE kind = 'concept' AND state != 'product'"
    " AND id IN (SELECT member_id FROM synthesis_cluster_members"
    "   JOIN synthesis_clusters ON synthesis_clusters.id = cluster_id"
    "   WHERE cluster_type = 'concept' AND synthesized_concept_id IS NOT NULL"
    f"   AND cluster_id > ({_SEEN_CLUSTERS}))"
)
# HAIOS types both sides 'cross': the concept is the one that was written first (contract section
# 1.6). It keeps no similarity.
_ADOPT_BRIDGES = (
    "INSERT INTO dag_bridges (concept_id, trace_id, insight_id)"
    " SELECT concept.member_id, trace.member_id, synthesized_concept_id FROM synthesis_clusters"
    " JOIN synthesis_cluster_members AS concept ON concept.id = (SELECT min(id)"
    "   FROM synthesis_cluster_members WHERE cluster_id = synthesis_clusters.id)"
    " JOIN synthesis_cluster_members AS trace ON trace.id = (SELECT max(id)"
    "   FROM synthesis_cluster_members WHERE cluster_id = synthesis_clusters.id)"
    f" WHERE synthesis_clusters.id > ({_SEEN_CLUSTERS}) AND cluster_type = 'cross'"
    " AND synthesized_concept_id IN (SELECT id FROM concepts)"
    " AND concept.member_id IN (SELECT id FROM concepts)"
    " AND trace.member_id IN (SELECT id FROM reasoning_traces)"
    " ON CONFLICT (concept_id, trace_id) DO UPDATE SET insight_id = excluded.insight_id"
    " WHERE dag_bridges.insight_id IS NULL"
)


class SqliteItems:
    """See `protocol.Items`; what it does not name is for the other parts."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def is_prepared(self) -> bool:
        return self._db.exists("sqlite_master WHERE name = 'dag_items'")

    def exists(self, where: str) -> bool:
        """Tell whether there is a row in `table WHERE …` of a prepared memory."""
        return self.is_prepared() and self._db.exists(where)

    def ids(self, where: str, kind: Kind, among: Sequence[int] | None = None) -> list[int]:
        """Return the ids of items, ascending; with `among`, the condition has `AMONG` in it."""
        values = (kind,) if among is None else (kind, json.dumps(list(among)))
        return self._db.column(f"SELECT id FROM dag_items WHERE {where} ORDER BY id", values)

    def add(
        self, kind: Kind, item: int, state: str, text_hash: bytes, form: str | None = None
    ) -> None:
        """Take in an item that this program has written."""
        values = {"state": state, "text_hash": text_hash, "form": form}
        self._db.insert("dag_items", kind=kind, id=item, **values)

    def mark(self, kind: Kind, item: int, **values: object) -> None:
        """Give an item new values."""
        fields = ", ".join(f"{name} = ?" for name in values)
        self._db.execute(
            f"UPDATE dag_items SET {fields} WHERE kind = ? AND id = ?",
            (*values.values(), kind, item),
        )

    def text(self, kind: Kind, item: int) -> str:
        return str(self._db.value(_TEXTS[kind], (item,)) or "")[:EMBEDDED_CHARACTERS]

    def places(self, kind: Kind, item: int) -> list[Place]:
        return [Place(*row) for row in self._db.rows(_PLACES[kind], (item,))]

    def standing(self, kind: Kind, item: int) -> Standing | None:
        row = self._db.row(
            "SELECT state, leader, similarity, (SELECT count(*) FROM dag_items AS alike"
            " WHERE alike.kind = dag_items.kind AND alike.leader = dag_items.leader)"
            " FROM dag_items WHERE kind = ? AND id = ?",
            (kind, item),
        )
        return Standing(*row) if row else None

    def trace_title(self, trace: int) -> str:
        sql = (
            "SELECT coalesce(nullif(strategy_title, ''), query) FROM reasoning_traces WHERE id = ?"
        )
        return str(self._db.value(sql, (trace,)))

    def adopt(self) -> int:
        # Each transaction of ours that adds concepts adopts first, and so never takes its own rows
        # for another program's.
        concepts = self._db.execute(
            "INSERT INTO dag_items (kind, id, state, text_hash)"
            " SELECT 'concept', id, CASE WHEN synthesized_at IS NOT NULL THEN 'product'"
            "   WHEN synthesis_cluster_id IS NOT NULL THEN 'consumed' ELSE 'live' END,"
            "   dag_hash(CAST(content AS BLOB))"
            f" FROM concepts WHERE id > {HIGHEST['concept']}"
        ).rowcount
        traces = self._db.execute(
            "INSERT INTO dag_items (kind, id, state, text_hash)"
            f" SELECT 'trace', id, 'live', dag_hash(CAST({TRACE_TEXT} AS BLOB))"
            f" FROM reasoning_traces WHERE id > {HIGHEST['trace']}"
        ).rowcount
        self._db.execute(_CONSUME)
        self._db.execute(_ADOPT_BRIDGES)
        self.see_clusters()
        return concepts + traces

    def see_clusters(self) -> None:
        """Count every synthesis cluster up to now as seen."""
        self._db.execute(
            "INSERT INTO dag_meta (key, value) SELECT 'clusters', last"
            " FROM (SELECT max(id) AS last FROM synthesis_clusters)"
            f" WHERE last > ({_SEEN_CLUSTERS})"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
