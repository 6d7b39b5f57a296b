"""Why an insight exists: what synthesis recorded of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory.database import Database, meaning
from haios_dag.memory.vectors import Kind


@dataclass(frozen=True, slots=True)
class Product:
    """An insight or bridge (`kind` cross); `leader` is None where we know of none."""

    id: int
    kind: str
    content: str
    cluster: int
    leader: int | None


@dataclass(frozen=True, slots=True)
class Revision:
    """A text that an insight had; `beat` is None when its step was run by hand."""

    number: int
    content: str
    sources: int
    method: str
    reason: str
    beat: str | None
    created: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a concept or trace stands: its cluster, if it has been considered."""

    state: str
    leader: int | None
    similarity: float | None
    members: int


class Origins(Database):
    """The part of the store that explains. It only reads."""

    def check_prepared(self) -> None:
        """Raise MemoryUnavailableError when no beat has prepared this memory."""
        with meaning(self.path):
            if not self._is_prepared():
                raise MemoryUnavailableError(f"{self.path} has seen no beat yet; run one")

    def product(self, concept: int) -> Product | None:
        """Return the insight or bridge with this id, whoever wrote it."""
        with meaning(self.path):
            row = self.connection.execute(
                "SELECT concepts.id, cluster_type, CAST(content AS TEXT), synthesis_clusters.id,"
                " (SELECT leader FROM dag_clusters WHERE cluster_id = synthesis_clusters.id)"
                " FROM concepts JOIN synthesis_clusters ON synthesized_concept_id = concepts.id"
                " WHERE concepts.id = ? ORDER BY synthesis_clusters.id LIMIT 1",
                (concept,),
            ).fetchone()
        return Product(*row) if row else None

    def sources(self, cluster: int) -> list[tuple[int, float | None]]:
        """Return the sources' ids with their similarity; a bridge's concept comes first."""
        with meaning(self.path):
            return self.connection.execute(
                "SELECT member_id, similarity_to_centroid FROM synthesis_cluster_members"
                " WHERE cluster_id = ? ORDER BY id",
                (cluster,),
            ).fetchall()

    def revisions(self, insight: int) -> list[Revision]:
        """Return every text that an insight has had, the current one last."""
        with meaning(self.path):
            rows = self.connection.execute(
                "SELECT revision, content, sources, method, reason, beat, created_at"
                " FROM dag_revisions WHERE insight_id = ? ORDER BY revision",
                (insight,),
            )
            return [Revision(*row) for row in rows]

    def standing(self, kind: Kind, item: int) -> Standing | None:
        """Return where an item stands; None when the beat does not know it."""
        with meaning(self.path):
            row = self.connection.execute(
                "SELECT state, leader, similarity, (SELECT count(*) FROM dag_items AS alike"
                " WHERE alike.kind = dag_items.kind AND alike.leader = dag_items.leader)"
                " FROM dag_items WHERE kind = ? AND id = ?",
                (kind, item),
            ).fetchone()
        return Standing(*row) if row else None

    def embedded(self, kind: Kind, items: Sequence[int], model: str) -> list[int]:
        """Return those of the items that have a vector of this model, in the same order."""
        with meaning(self.path):
            return [
                item
                for item in items
                if self.connection.execute(
                    "SELECT 1 FROM dag_items WHERE kind = ? AND id = ? AND model = ?",
                    (kind, item, model),
                ).fetchone()
            ]
