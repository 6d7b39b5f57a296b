"""Clusters to insights: what one beat does with items that are new."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from haios_dag.base.progress import progress
from haios_dag.embedding import space
from haios_dag.embedding.cosines import SLACK
from haios_dag.memory.insights import ClusterMember, Draft, Source
from haios_dag.synthesis import insight_text
from haios_dag.synthesis.clustering import BLOCK, Kept, Leaders
from haios_dag.synthesis.text_vectors import Memo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from haios_dag.base.step import Counts
    from haios_dag.memory.store import Store
    from haios_dag.memory.vectors import Kind

    Ids = NDArray[np.int64]
    Vectors = NDArray[np.float32]

Results = dict[int, insight_text.Extract | insight_text.Refusal]

_BATCH = 256  # clusters a transaction


class Synthesizer:
    """One beat's synthesis. Whatever is committed is consistent, wherever the beat ends."""

    def __init__(
        self, store: "Store", beat: str | None, counts: "Counts", max_members: int = 0
    ) -> None:
        self.store = store
        self.beat = beat
        self.counts = counts
        self.max_members = max_members
        self.memo = Memo()
        counts.start("concepts", "traces", "new_insights", "revised_insights", "refused")

    def consider(self, kind: "Kind") -> None:
        """Place every new item of a kind in its cluster, and let the clusters speak."""
        clusters = self._place(kind)
        alone = [
            members
            for leader, members in clusters.items()
            if len(members) == 1 and members[0].id == leader
        ]
        if alone:
            self._let_stand(kind, [members[0] for members in alone])
        for members in alone:
            del clusters[members[0].id]
        grown = sorted(clusters)
        with progress(f"synthesize {kind}s", len(grown)) as advance:
            for start in range(0, len(grown), _BATCH):
                batch = {leader: clusters[leader] for leader in grown[start : start + _BATCH]}
                self._synthesize(kind, batch)
                advance(len(batch))

    def _let_stand(self, kind: "Kind", alone: list[ClusterMember]) -> None:
        """Record new items that lead nothing but themselves."""
        with self.store.undoable("synthesize", self.beat):
            self.store.put_members(kind, alone, self.beat)
        self.counts.add(**{f"{kind}s": len(alone)})

    def _place(self, kind: "Kind") -> dict[int, list[ClusterMember]]:
        """Return the new items by the leader of the cluster that they join."""
        new = self.store.unconsidered(kind)

        placed_now = np.array(new, np.int64)

        def near(vectors: "Vectors") -> Kept | None:
            return self._near(kind, vectors, placed_now)

        leaders = Leaders(space.DEFAULT.cluster, near, self.max_members)
        clusters: dict[int, list[ClusterMember]] = {}
        with progress(f"compare {kind}s", len(new)) as advance:
            for start in range(0, len(new), BLOCK):
                ids = new[start : start + BLOCK]
                vectors = self.store.vectors(
                    kind, ids, space.DEFAULT.model, space.DEFAULT.dimensions
                )
                for item, leader, similarity in leaders.assign(ids, vectors):
                    clusters.setdefault(leader, []).append(ClusterMember(item, leader, similarity))
                advance(len(ids))
        return clusters

    def _near(self, kind: "Kind", vectors: "Vectors", new: "Ids") -> Kept | None:
        """Return the leaders of earlier beats that may be within the threshold of any vector."""
        model, dimensions = space.DEFAULT.model, space.DEFAULT.dimensions
        found: set[int] = set()
        for ids, others in self.store.all_vectors(kind, model, dimensions, BLOCK):
            old = ~np.isin(ids, new)
            if old.any():
                cosines = vectors @ (others if old.all() else others[old]).T
                near = (cosines >= space.DEFAULT.cluster - SLACK).any(axis=0)
                found.update(ids[old][near].tolist())
        kept = self.store.leading(kind, sorted(found))
        if not kept:
            return None
        sizes = self.store.cluster_sizes(kind, kept) if self.max_members else [1] * len(kept)
        return Kept(kept, self.store.vectors(kind, kept, model, dimensions), sizes)

    def _synthesize(self, kind: "Kind", clusters: dict[int, list[ClusterMember]]) -> None:
        """Write or extend the insights of clusters that gained members, in one commit."""
        everyone = {
            leader: sorted(
                [*self.store.live_members(kind, leader), *gained], key=lambda member: member.id
            )
            for leader, gained in clusters.items()
        }
        quoted = {
            leader: [self._quoted(kind, member.id) for member in members]
            for leader, members in everyone.items()
        }
        self.memo.prefetch(
            [text for members in quoted.values() for text in insight_text.candidates(members)]
        )
        results = {leader: self._extract(kind, members) for leader, members in quoted.items()}
        self._commit(kind, clusters, everyone, results)

    def _commit(
        self,
        kind: "Kind",
        clusters: dict[int, list[ClusterMember]],
        everyone: dict[int, list[ClusterMember]],
        results: Results,
    ) -> None:
        """Write what was extracted, and the places of the new members."""
        spoken = {k: v for k, v in results.items() if isinstance(v, insight_text.Extract)}
        contents = {leader: f"[{one.title}] {one.text}" for leader, one in spoken.items()}
        vectors = space.embed(list(contents.values())).astype("<f4") if contents else ()
        blobs = {k: vector.tobytes() for k, vector in zip(contents, vectors, strict=True)}
        new = 0
        with self.store.undoable("synthesize", self.beat):
            for leader, members in everyone.items():
                if not self.store.are_live(kind, [member.id for member in members]):
                    del clusters[leader]  # another program took one meanwhile: for the next beat
                    spoken.pop(leader, None)
            for leader, gained in clusters.items():
                self.store.put_members(kind, gained, self.beat)
                if leader not in spoken:
                    continue
                draft = Draft(
                    content=contents[leader],
                    sources=[Source(m.id, m.similarity) for m in everyone[leader]],
                    confidence=spoken[leader].confidence,
                    vector=blobs[leader],
                    method=insight_text.METHOD,
                    reason=f"{len(gained)} new {kind}s",
                )
                new += self._write(kind, leader, draft)
        self.counts.add(
            **{f"{kind}s": sum(map(len, clusters.values()))},
            new_insights=new,
            revised_insights=len(spoken) - new,
            refused=len(clusters) - len(spoken),
        )

    def _write(self, kind: "Kind", leader: int, draft: Draft) -> bool:
        """Write the insight of a cluster, or extend it; return whether it is new."""
        model = space.DEFAULT.model
        known = self.store.insight_of(kind, leader)
        if known is None:
            insight = self.store.add_insight(kind, draft, model, self.beat)
            self.store.lead(kind, leader, insight)
        else:
            self.store.revise_insight(kind, known, draft, model, self.beat)
        return known is None

    def _quoted(self, kind: "Kind", item: int) -> insight_text.SourceText:
        places = self.store.places(kind, item)
        return insight_text.SourceText(
            item,
            self.store.text(kind, item),
            # Nobody knows where another program's item stands: it speaks for itself.
            frozenset(place.path for place in places) or frozenset({f"{kind} {item}"}),
            tuple(part for place in places for part in place.heading.split(" > ") if part),
        )

    def _extract(
        self, kind: "Kind", members: Sequence[insight_text.SourceText]
    ) -> insight_text.Extract | insight_text.Refusal:
        ids = [member.id for member in members]
        vectors = self.store.vectors(kind, ids, space.DEFAULT.model, space.DEFAULT.dimensions)
        return insight_text.extract(members, vectors, space.DEFAULT.duplicate, self.memo)
