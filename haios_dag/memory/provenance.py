"""Why an insight exists: what synthesis recorded of it. It only reads."""

from collections.abc import Sequence

from haios_dag.memory.database import Database
from haios_dag.memory.records import Kind, Product, Revision, Standing


class SqliteProvenance:
    """See `protocol.Provenance`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def product(self, concept: int) -> Product | None:
        row = self._db.row(
            "SELECT synthesis_clusters.id, cluster_type, CAST(content AS TEXT),"
            " (SELECT leader FROM dag_clusters WHERE cluster_id = synthesis_clusters.id)"
            " FROM concepts JOIN synthesis_clusters ON synthesized_concept_id = concepts.id"
            " WHERE concepts.id = ? ORDER BY synthesis_clusters.id LIMIT 1",
            (concept,),
        )
        if not row:
            return None
        cluster, kind, content, leader = row
        sources = self._db.rows(
            "SELECT member_id, similarity_to_centroid FROM synthesis_cluster_members"
            " WHERE cluster_id = ? ORDER BY id",
            (cluster,),
        )
        revisions = self._db.rows(
            "SELECT revision, content, sources, method, reason, beat, created_at"
            " FROM dag_revisions WHERE insight_id = ? ORDER BY revision",
            (concept,),
        )
        return Product(kind, content, leader, sources, [Revision(*one) for one in revisions])

    def standing(self, kind: Kind, item: int) -> Standing | None:
        row = self._db.row(
            "SELECT state, leader, similarity, (SELECT count(*) FROM dag_items AS alike"
            " WHERE alike.kind = dag_items.kind AND alike.leader = dag_items.leader)"
            " FROM dag_items WHERE kind = ? AND id = ?",
            (kind, item),
        )
        return Standing(*row) if row else None

    def embedded(self, kind: Kind, items: Sequence[int], model: str) -> list[int]:
        sql = "SELECT 1 FROM dag_items WHERE kind = ? AND id = ? AND model = ?"
        return [item for item in items if self._db.row(sql, (kind, item, model))]
