"""Clusters, insights, their sources and revisions.

An insight is written as HAIOS writes it (contract section 1.6), with these invariants at every
commit: member_count = rows of members = rows of provenance = synthesis_source_count; the three type
columns agree; the product and its concept sources share the cluster id; no source is a product.
"""

import datetime as dt
from collections.abc import Sequence

from haios_dag.base import clock
from haios_dag.memory.database import Database, text_hash
from haios_dag.memory.items import AMONG, THERE, SqliteItems
from haios_dag.memory.records import (
    ClusterMember,
    ClusterType,
    Draft,
    Insight,
    Kind,
    Product,
    Revision,
    title_and_text,
)
from haios_dag.memory.vectors import SqliteVectors
from haios_dag.memory.word_index import WordIndex

_TO_CONSIDER = f"leader IS NULL AND model IS NOT NULL AND state = 'live' AND {THERE}"


class SqliteInsights:
    """See `protocol.Insights`."""

    def __init__(
        self, database: Database, items: SqliteItems, vectors: SqliteVectors, words: WordIndex
    ) -> None:
        self._db = database
        self._items = items
        self._vectors = vectors
        self._words = words

    def has_unconsidered(self) -> bool:
        return self._items.exists(f"dag_items WHERE {_TO_CONSIDER}")

    def unconsidered(self, kind: Kind) -> list[int]:
        return self._items.ids(f"kind = ? AND {_TO_CONSIDER}", kind)

    def leading(self, kind: Kind, ids: Sequence[int]) -> list[int]:
        where = f"{AMONG} AND leader = id AND model IS NOT NULL AND {THERE}"
        return self._items.ids(where, kind, ids)

    def cluster_sizes(self, kind: Kind, leaders: Sequence[int]) -> list[int]:
        sql = "SELECT count(*) FROM dag_items WHERE kind = ? AND leader = ?"
        return [self._db.value(sql, (kind, one)) for one in leaders]

    def live_members(self, kind: Kind, leader: int) -> list[ClusterMember]:
        rows = self._db.rows(
            "SELECT id, leader, similarity FROM dag_items INDEXED BY dag_items_leader"
            f" WHERE kind = ? AND leader = ? AND state = 'live' AND {THERE} ORDER BY id",
            (kind, leader),
        )
        return [ClusterMember(*row) for row in rows]

    def are_live(self, kind: Kind, items: Sequence[int]) -> bool:
        sql = f"SELECT 1 FROM dag_items WHERE kind = ? AND id = ? AND state = 'live' AND {THERE}"
        return all(self._db.row(sql, (kind, item)) for item in items)

    def put_members(self, kind: Kind, members: Sequence[ClusterMember], beat: str | None) -> None:
        self._db.executemany(
            "UPDATE dag_items SET leader = ?, similarity = ?, beat = ? WHERE kind = ? AND id = ?",
            [(m.leader, m.similarity, beat, kind, m.id) for m in members],
        )

    def of_cluster(self, kind: Kind, leader: int) -> int | None:
        found: int | None = self._db.value(
            "SELECT synthesized_concept_id FROM dag_clusters"
            " JOIN synthesis_clusters ON synthesis_clusters.id = cluster_id"
            " WHERE kind = ? AND leader = ?",
            (kind, leader),
        )
        return found

    def lead(self, kind: Kind, leader: int, insight: int) -> None:
        self._db.execute(
            "INSERT INTO dag_clusters (kind, leader, cluster_id)"
            " SELECT ?, ?, synthesis_cluster_id FROM concepts WHERE id = ?"
            " ON CONFLICT (kind, leader) DO UPDATE SET cluster_id = excluded.cluster_id",
            (kind, leader, insight),
        )

    def add(self, kind: ClusterType, draft: Draft, beat: str | None) -> int:
        now = clock.local_naive(clock.now())
        insight = self._db.insert(
            "concepts",
            type="SynthesizedInsight",
            content=draft.content,
            source_adr="virtual:synthesis",
            synthesis_confidence=draft.confidence,
            synthesized_at=now,
        )
        cluster = self._db.insert(
            "synthesis_clusters",
            cluster_type=kind,
            synthesized_concept_id=insight,
            status="synthesized",
            synthesized_at=now,
        )
        self._db.execute(
            "UPDATE concepts SET synthesis_cluster_id = ? WHERE id = ?", (cluster, insight)
        )
        self._items.add("concept", insight, "product", text_hash(draft.content))
        self._items.see_clusters()
        self._add_sources(kind, insight, cluster, draft.sources)
        self._put_text(insight, draft, beat)
        return insight

    def revise(self, kind: ClusterType, insight: int, draft: Draft, beat: str | None) -> None:
        sql = "SELECT synthesis_cluster_id FROM concepts WHERE id = ?"
        cluster = self._db.value(sql, (insight,))
        sql = "SELECT member_id FROM synthesis_cluster_members WHERE cluster_id = ?"
        known = set(self._db.column(sql, (cluster,)))
        gained = [(id_, similarity) for id_, similarity in draft.sources if id_ not in known]
        self._add_sources(kind, insight, cluster, gained)
        now = clock.local_naive(clock.now())
        self._db.execute(
            "UPDATE concepts SET content = ?, synthesis_confidence = ?, synthesized_at = ?"
            " WHERE id = ?",
            (draft.content, draft.confidence, now, insight),
        )
        self._db.execute(
            "UPDATE synthesis_clusters SET synthesized_at = ? WHERE id = ?", (now, cluster)
        )
        old = self._db.value(
            "SELECT content FROM dag_revisions WHERE insight_id = ? ORDER BY revision DESC LIMIT 1",
            (insight,),
        )
        self._words.replace(insight, old, draft.content)
        self._put_text(insight, draft, beat)

    def _add_sources(
        self, kind: ClusterType, insight: int, cluster: int, sources: Sequence[tuple[int, float]]
    ) -> None:
        """Add one member and one provenance row a source, and make the counts agree."""
        self._db.executemany(
            "INSERT INTO synthesis_cluster_members (cluster_id, member_type, member_id,"
            " similarity_to_centroid) VALUES (?, ?, ?, ?)",
            [(cluster, kind, id_, similarity) for id_, similarity in sources],
        )
        self._db.executemany(
            "INSERT INTO synthesis_provenance (synthesized_concept_id, source_type, source_id)"
            " VALUES (?, ?, ?)",
            [(insight, kind, id_) for id_, _ in sources],
        )
        if kind == "concept":
            self._db.executemany(
                "UPDATE concepts SET synthesis_cluster_id = ? WHERE id = ?",
                [(cluster, id_) for id_, _ in sources],
            )
        self._db.execute(
            "UPDATE synthesis_clusters SET member_count = coalesce(member_count, 0) + ?"
            " WHERE id = ?",
            (len(sources), cluster),
        )
        self._db.execute(
            "UPDATE concepts SET synthesis_source_count = coalesce(synthesis_source_count, 0) + ?"
            " WHERE id = ?",
            (len(sources), insight),
        )

    def _put_text(self, insight: int, draft: Draft, beat: str | None) -> None:
        """Record the revision and make the new text searchable in the same commit."""
        self._db.execute(
            "INSERT INTO dag_revisions (insight_id, revision, content, sources, method, reason,"
            " beat, created_at) SELECT ?, 1 + (SELECT count(*) FROM dag_revisions"
            " WHERE insight_id = ?), ?, synthesis_source_count, ?, ?, ?, ? FROM concepts"
            " WHERE id = ?",
            (
                insight, insight, draft.content, draft.method, draft.reason, beat,
                clock.utc_sql(clock.now()), insight,
            ),
        )  # fmt: skip
        self._vectors.put(draft.model, [("concept", insight, draft.vector)])
        self._items.mark("concept", insight, text_hash=text_hash(draft.content), beat=beat)

    def written_by(self, beat: str) -> tuple[int, int]:
        if not self._items.is_prepared():
            return 0, 0
        rows = self._db.rows(
            "SELECT cluster_type = 'cross', count(*) FROM dag_revisions"
            " JOIN synthesis_clusters ON synthesized_concept_id = insight_id"
            " WHERE beat = ? AND revision = 1 GROUP BY 1",
            (beat,),
        )
        found = dict(rows)
        return found.get(0, 0), found.get(1, 0)

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

    def newest(self, count: int) -> list[Insight]:
        if not self._items.is_prepared():
            return []
        rows = self._db.rows(
            "SELECT concepts.id, CAST(content AS TEXT), synthesis_confidence, coalesce((SELECT"
            "   max(created_at) FROM dag_revisions WHERE insight_id = concepts.id),"
            "   datetime(concepts.synthesized_at, 'utc'))"  # HAIOS keeps local time
            " FROM concepts WHERE synthesized_at IS NOT NULL AND EXISTS (SELECT 1"
            "   FROM synthesis_clusters WHERE synthesized_concept_id = concepts.id"
            "   AND id = synthesis_cluster_id AND cluster_type != 'cross')"
            " ORDER BY synthesized_at DESC, concepts.id DESC LIMIT ?",
            (count,),
        )
        return [
            Insight(id_, *title_and_text(content), confidence, _instant(written))
            for id_, content, confidence, written in rows
        ]


def _instant(utc: str | None) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(utc or "").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
