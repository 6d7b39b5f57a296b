"""Clusters, insights, their sources and revisions.

An insight is written as HAIOS writes it (contract section 1.6), with these invariants at every
commit: member_count = rows of members = rows of provenance = synthesis_source_count; the three type
columns agree; the product and its concept sources share the cluster id; no source is a product.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from haios_dag.base import clock
from haios_dag.memory.database import Database, meaning, text_hash
from haios_dag.memory.vectors import THERE, Kind

ClusterType = Literal["concept", "trace", "cross"]

_TO_CONSIDER = f"leader IS NULL AND model IS NOT NULL AND state = 'live' AND {THERE}"
AMONG = "kind = ? AND id IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class ClusterMember:
    """A place of an item in a cluster; the leader's own similarity is 1."""

    id: int
    leader: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document states a concept, or holds a trace; heading `A > B`, line from 1."""

    path: str
    heading: str
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """One source of an insight. `similarity` is its cosine to the leader of its cluster."""

    id: int
    similarity: float


@dataclass(frozen=True, slots=True)
class Draft:
    """An insight about to be written.

    `content` is `[title] text`; `vector` its little-endian float32 embedding; `confidence` is
    between 0 and 1.
    """

    content: str
    sources: list[Source]
    confidence: float
    vector: bytes
    method: str
    reason: str


class Insights(Database):
    """The part of the store that synthesize and bridge use. Writers run in a transaction."""

    def _exists(self, where: str) -> bool:
        with meaning(self.path):
            sql = f"SELECT EXISTS (SELECT 1 FROM {where})"
            return self._is_prepared() and bool(self.connection.execute(sql).fetchone()[0])

    def has_unconsidered(self) -> bool:
        """Tell whether any concept or trace has not been clustered yet."""
        return self._exists(f"dag_items WHERE {_TO_CONSIDER}")

    def unconsidered(self, kind: Kind) -> list[int]:
        """Return the ids of items not clustered yet, ascending."""
        return self._ids(f"kind = ? AND {_TO_CONSIDER}", kind)

    def leading(self, kind: Kind, ids: Sequence[int]) -> list[int]:
        """Return those of the items that lead a cluster, ascending."""
        return self._ids(f"{AMONG} AND leader = id AND model IS NOT NULL AND {THERE}", kind, ids)

    def cluster_sizes(self, kind: Kind, leaders: Sequence[int]) -> list[int]:
        """Return how many members each cluster has, its leader too."""
        sql = "SELECT count(*) FROM dag_items WHERE kind = ? AND leader = ?"
        with meaning(self.path):
            return [self.connection.execute(sql, (kind, one)).fetchone()[0] for one in leaders]

    def _ids(self, where: str, kind: Kind, among: Sequence[int] | None = None) -> list[int]:
        values = (kind,) if among is None else (kind, json.dumps(list(among)))
        with meaning(self.path):
            sql = f"SELECT id FROM dag_items WHERE {where} ORDER BY id"
            return [row[0] for row in self.connection.execute(sql, values)]

    def live_members(self, kind: Kind, leader: int) -> list[ClusterMember]:
        """Return the members of a cluster that some document still states, by id."""
        with meaning(self.path):
            return [
                ClusterMember(id_, leader, similarity)
                for id_, similarity in self.connection.execute(
                    "SELECT id, similarity FROM dag_items INDEXED BY dag_items_leader"
                    " WHERE kind = ? AND leader = ?"
                    f" AND state = 'live' AND {THERE} ORDER BY id",
                    (kind, leader),
                )
            ]

    def are_live(self, kind: Kind, items: Sequence[int]) -> bool:
        """Tell whether all these items may still be taken as sources."""
        with meaning(self.path):
            return all(
                self.connection.execute(
                    "SELECT 1 FROM dag_items WHERE kind = ? AND id = ? AND state = 'live'"
                    f" AND {THERE}",
                    (kind, item),
                ).fetchone()
                for item in items
            )

    def places(self, kind: Kind, item: int) -> list[Place]:
        """Return where an item stands in the documents, ordered by path and line."""
        concept = (
            "SELECT file_path, coalesce(context_snippet, ''), coalesce(line_number, 1)"
            " FROM concept_occurrences JOIN artifacts ON artifacts.id = artifact_id"
            " WHERE concept_id = ? ORDER BY file_path, line_number"
        )
        trace = (
            "SELECT file_path, coalesce(strategy_title, ''), 1 FROM dag_traces"
            " JOIN artifacts ON artifacts.id = artifact_id"
            " JOIN reasoning_traces ON reasoning_traces.id = trace_id WHERE trace_id = ?"
        )
        with meaning(self.path):
            rows = self.connection.execute(concept if kind == "concept" else trace, (item,))
            return [Place(*row) for row in rows]

    def trace_title(self, trace: int) -> str:
        """Return the title of a trace's strategy, or what it asked."""
        with meaning(self.path):
            (title,) = self.connection.execute(
                "SELECT coalesce(nullif(strategy_title, ''), query) FROM reasoning_traces"
                " WHERE id = ?",
                (trace,),
            ).fetchone()
        return str(title)

    def insight_of(self, kind: Kind, leader: int) -> int | None:
        """Return the id of a cluster's insight, or None when it has none."""
        with meaning(self.path):
            row = self.connection.execute(
                "SELECT synthesized_concept_id FROM dag_clusters"
                " JOIN synthesis_clusters ON synthesis_clusters.id = cluster_id"
                " WHERE kind = ? AND leader = ?",
                (kind, leader),
            ).fetchone()
        return row[0] if row else None

    def put_members(self, kind: Kind, members: Sequence[ClusterMember], beat: str | None) -> None:
        """Record the clusters of new items; from then on they are considered."""
        self.connection.executemany(
            "UPDATE dag_items SET leader = ?, similarity = ?, beat = ? WHERE kind = ? AND id = ?",
            [(m.leader, m.similarity, beat, kind, m.id) for m in members],
        )

    def add_insight(self, kind: ClusterType, draft: Draft, model: str, beat: str | None) -> int:
        """Write a new insight with its cluster, members, provenance, embedding; return its id."""
        now = clock.local_naive(clock.now())
        insight = self.connection.execute(
            "INSERT INTO concepts (type, content, source_adr, synthesis_confidence,"
            " synthesized_at) VALUES ('SynthesizedInsight', ?, 'virtual:synthesis', ?, ?)",
            (draft.content, draft.confidence, now),
        ).lastrowid
        cluster = self.connection.execute(
            "INSERT INTO synthesis_clusters (cluster_type, synthesized_concept_id, status,"
            " synthesized_at) VALUES (?, ?, 'synthesized', ?)",
            (kind, insight, now),
        ).lastrowid
        assert insight is not None  # noqa: S101 - sqlite3 sets it on every INSERT
        assert cluster is not None  # noqa: S101 - likewise
        self.connection.execute(
            "UPDATE concepts SET synthesis_cluster_id = ? WHERE id = ?", (cluster, insight)
        )
        self.connection.execute(
            "INSERT INTO dag_items (kind, id, state, text_hash) VALUES ('concept', ?, 'product',"
            " ?)",
            (insight, text_hash(draft.content)),
        )
        self._see_clusters()
        self._add_sources(kind, insight, cluster, draft.sources)
        self._put_text(insight, draft, model, beat)
        return insight

    def lead(self, kind: Kind, leader: int, insight: int) -> None:
        """Make `insight` the one of the cluster that `leader` leads."""
        self.connection.execute(
            "INSERT INTO dag_clusters (kind, leader, cluster_id)"
            " SELECT ?, ?, synthesis_cluster_id FROM concepts WHERE id = ?"
            " ON CONFLICT (kind, leader) DO UPDATE SET cluster_id = excluded.cluster_id",
            (kind, leader, insight),
        )

    def revise_insight(
        self, kind: ClusterType, insight: int, draft: Draft, model: str, beat: str | None
    ) -> None:
        """Give an insight its new text and the sources it gained; earlier texts are kept."""
        (cluster,) = self.connection.execute(
            "SELECT synthesis_cluster_id FROM concepts WHERE id = ?", (insight,)
        ).fetchone()
        known = {
            row[0]
            for row in self.connection.execute(
                "SELECT member_id FROM synthesis_cluster_members WHERE cluster_id = ?", (cluster,)
            )
        }
        gained = [source for source in draft.sources if source.id not in known]
        self._add_sources(kind, insight, cluster, gained)
        now = clock.local_naive(clock.now())
        self.connection.execute(
            "UPDATE concepts SET content = ?, synthesis_confidence = ?, synthesized_at = ?"
            " WHERE id = ?",
            (draft.content, draft.confidence, now, insight),
        )
        self.connection.execute(
            "UPDATE synthesis_clusters SET synthesized_at = ? WHERE id = ?", (now, cluster)
        )
        self.connection.execute(
            "UPDATE dag_items SET text_hash = ? WHERE kind = 'concept' AND id = ?",
            (text_hash(draft.content), insight),
        )
        (old,) = self.connection.execute(
            "SELECT content FROM dag_revisions WHERE insight_id = ? ORDER BY revision DESC LIMIT 1",
            (insight,),
        ).fetchone()
        self._index_again(insight, old, draft.content)
        self._put_text(insight, draft, model, beat)

    def _add_sources(
        self, kind: ClusterType, insight: int, cluster: int, sources: Sequence[Source]
    ) -> None:
        """Add one member and one provenance row a source, and make the counts agree."""
        self.connection.executemany(
            "INSERT INTO synthesis_cluster_members (cluster_id, member_type, member_id,"
            " similarity_to_centroid) VALUES (?, ?, ?, ?)",
            [(cluster, kind, source.id, source.similarity) for source in sources],
        )
        self.connection.executemany(
            "INSERT INTO synthesis_provenance (synthesized_concept_id, source_type, source_id)"
            " VALUES (?, ?, ?)",
            [(insight, kind, source.id) for source in sources],
        )
        if kind == "concept":
            self.connection.executemany(
                "UPDATE concepts SET synthesis_cluster_id = ? WHERE id = ?",
                [(cluster, source.id) for source in sources],
            )
        self.connection.execute(
            "UPDATE synthesis_clusters SET member_count = coalesce(member_count, 0) + ?"
            " WHERE id = ?",
            (len(sources), cluster),
        )
        self.connection.execute(
            "UPDATE concepts SET synthesis_source_count = coalesce(synthesis_source_count, 0) + ?"
            " WHERE id = ?",
            (len(sources), insight),
        )

    def _put_text(self, insight: int, draft: Draft, model: str, beat: str | None) -> None:
        """Record the revision and make the new text searchable in the same commit."""
        self.connection.execute(
            "INSERT INTO dag_revisions (insight_id, revision, content, sources, method, reason,"
            " beat, created_at) SELECT ?, 1 + (SELECT count(*) FROM dag_revisions"
            " WHERE insight_id = ?), ?, synthesis_source_count, ?, ?, ?, ? FROM concepts"
            " WHERE id = ?",
            (
                insight, insight, draft.content, draft.method, draft.reason, beat,
                clock.utc_sql(clock.now()), insight,
            ),
        )  # fmt: skip
        self.connection.execute(
            "DELETE FROM embeddings WHERE concept_id = ? AND model = ?", (insight, model)
        )
        self.connection.execute(
            "INSERT INTO embeddings (concept_id, vector, model, dimensions) VALUES (?, ?, ?, ?)",
            (insight, draft.vector, model, len(draft.vector) // 4),
        )
        self.connection.execute(
            "UPDATE dag_items SET model = ?, beat = ? WHERE kind = 'concept' AND id = ?",
            (model, beat, insight),
        )

    def written_by(self, beat: str) -> tuple[int, int]:
        """Return how many insights and how many bridges a beat has added."""
        with meaning(self.path):
            if not self._is_prepared():
                return 0, 0
            found = dict(
                self.connection.execute(
                    "SELECT cluster_type = 'cross', count(*) FROM dag_revisions"
                    " JOIN synthesis_clusters ON synthesized_concept_id = insight_id"
                    " WHERE beat = ? AND revision = 1 GROUP BY 1",
                    (beat,),
                ).fetchall()
            )
        return found.get(0, 0), found.get(1, 0)
