"""Clusters to insights: what one beat does with items that are new."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from haios_dag.base.progress import batches
from haios_dag.embedding import space, thresholds
from haios_dag.embedding.cosines import SLACK
from haios_dag.memory.records import ClusterMember, Draft, Source
from haios_dag.synthesis import insight_text
from haios_dag.synthesis.clustering import BLOCK, Kept, Leaders

if TYPE_CHECKING:
    from haios_dag.base.arrays import Ids, Matrix
    from haios_dag.base.step import Counts
    from haios_dag.memory.protocol import Store
    from haios_dag.memory.records import Kind

Clusters = dict[int, list[ClusterMember]]  # by the ids of their leaders
Results = dict[int, insight_text.Extract | insight_text.Refusal]

_BATCH = 256  # clusters a transaction


class Synthesizer:
    """One beat's synthesis. Every commit is consistent, wherever the beat ends.

    With `notes` it is a plan: nothing is written, each insight or refusal becomes a line there, and
    the clusters are counted too.
    """

    def __init__(
        self,
        store: "Store",
        beat: str | None,
        counts: "Counts",
        max_members: int = 0,
        notes: list[str] | None = None,
    ) -> None:
        self.store = store
        self.beat = beat
        self.counts = counts
        self.max_members = max_members
        self.notes = notes
        counts.start("concepts", "traces", "new_insights", "revised_insights", "refused")
        if notes is not None:
            counts.start("alone", "clusters_formed", "clusters_grown")

    def consider(self, kind: "Kind") -> None:
        """Place every new item of a kind in its cluster, and put the clusters into words."""
        clusters = self._place(kind)
        alone = [ms[0] for leader, ms in clusters.items() if len(ms) == 1 and ms[0].id == leader]
        self._put_alone(kind, alone)
        grown = sorted(clusters.keys() - {member.id for member in alone})
        for batch in batches(f"synthesize {kind}s", grown, _BATCH):
            self._synthesize(kind, {leader: clusters[leader] for leader in batch})

    def _put_alone(self, kind: "Kind", alone: list[ClusterMember]) -> None:
        """Record new items that are alone in their cluster."""
        if self.notes is not None:
            self.counts.add(alone=len(alone))
        elif alone:
            with self.store.undo.record("synthesize", self.beat):
                self.store.insights.put_members(kind, alone, self.beat)
        self.counts.add(**{f"{kind}s": len(alone)})

    def _place(self, kind: "Kind") -> Clusters:
        """Return the new items by the leader of the cluster that they join."""
        new = self.store.insights.unconsidered(kind)
        placed_now = np.array(new, np.int64)

        def near(vectors: "Matrix") -> Kept | None:
            return self._near(kind, vectors, placed_now)

        leaders = Leaders(thresholds.CLUSTER, near, self.max_members)
        clusters: Clusters = {}
        for ids in batches(f"compare {kind}s", new, BLOCK):
            for item, leader, similarity in leaders.assign(ids, self._vectors(kind, ids)):
                clusters.setdefault(leader, []).append(ClusterMember(item, leader, similarity))
        return clusters

    def _near(self, kind: "Kind", vectors: "Matrix", new: "Ids") -> Kept | None:
        """Return the leaders of earlier beats that may be within the threshold of any vector."""
        found: set[int] = set()
        for ids, others in self.store.vectors.blocks(kind, *space.DEFAULT, BLOCK):
            old = ~np.isin(ids, new)
            if old.any():
                cosines = vectors @ (others if old.all() else others[old]).T
                near = (cosines >= thresholds.CLUSTER - SLACK).any(axis=0)
                found.update(ids[old][near].tolist())
        kept = self.store.insights.leading(kind, sorted(found))
        if not kept:
            return None
        sizes = [1] * len(kept)
        if self.max_members:
            sizes = self.store.insights.cluster_sizes(kind, kept)
        return Kept(kept, self._vectors(kind, kept), sizes)

    def _synthesize(self, kind: "Kind", clusters: Clusters) -> None:
        """Put clusters that gained members into words, and write or note what they say."""
        everyone = {
            leader: sorted(
                [*self.store.insights.live_members(kind, leader), *gained],
                key=lambda member: member.id,
            )
            for leader, gained in clusters.items()
        }
        quoted = {
            leader: [self._quoted(kind, member.id) for member in members]
            for leader, members in everyone.items()
        }
        embed = space.embed_once(
            text for members in quoted.values() for text in insight_text.candidates(members)
        )
        results: Results = {}
        for leader, members in quoted.items():
            vectors = self._vectors(kind, [member.id for member in members])
            results[leader] = insight_text.extract(members, vectors, thresholds.DUPLICATE, embed)
        write = self._commit if self.notes is None else self._note
        write(kind, clusters, everyone, results)

    def _note(self, kind: "Kind", clusters: Clusters, everyone: Clusters, results: Results) -> None:
        """Note what would be written."""
        assert self.notes is not None  # noqa: S101 - else it is written
        for leader, result in results.items():
            known = self.store.insights.of_cluster(kind, leader)
            if isinstance(result, insight_text.Refusal):
                what = "refused"
                text = insight_text.shorten(self.store.items.text(kind, leader))
                note = f"refused, {result.reason}: {text}"
            else:
                what = "new_insights" if known is None else "revised_insights"
                sort = "new insight" if known is None else f"revised insight {known}"
                note = f"{sort} from {len(everyone[leader])} {kind}s: {result.title}"
            self.notes.append(note)
            formed = any(member.id == leader for member in clusters[leader])
            cluster = "clusters_formed" if formed else "clusters_grown"
            self.counts.add(**{f"{kind}s": len(clusters[leader]), cluster: 1, what: 1})

    def _commit(
        self, kind: "Kind", clusters: Clusters, everyone: Clusters, results: Results
    ) -> None:
        """Write what was extracted, and the places of the new members, in one commit."""
        spoken = {k: v for k, v in results.items() if isinstance(v, insight_text.Extract)}
        contents = {leader: f"[{one.title}] {one.text}" for leader, one in spoken.items()}
        vectors = dict(zip(contents, space.embed_as_bytes([*contents.values()]), strict=True))
        new = 0
        with self.store.undo.record("synthesize", self.beat):
            for leader, members in everyone.items():
                if not self.store.insights.are_live(kind, [member.id for member in members]):
                    del clusters[leader]  # another program took one meanwhile: for the next beat
                    spoken.pop(leader, None)
            for leader, gained in clusters.items():
                self.store.insights.put_members(kind, gained, self.beat)
                if leader not in spoken:
                    continue
                draft = Draft(
                    content=contents[leader],
                    sources=[Source(m.id, m.similarity) for m in everyone[leader]],
                    confidence=spoken[leader].confidence,
                    model=space.DEFAULT.model,
                    vector=vectors[leader],
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
        known = self.store.insights.of_cluster(kind, leader)
        if known is None:
            insight = self.store.insights.add(kind, draft, self.beat)
            self.store.insights.lead(kind, leader, insight)
        else:
            self.store.insights.revise(kind, known, draft, self.beat)
        return known is None

    def _quoted(self, kind: "Kind", item: int) -> insight_text.SourceText:
        places = self.store.items.places(kind, item)
        return insight_text.SourceText(
            item,
            self.store.items.text(kind, item),
            # Where another program's item stands is unknown: it speaks for itself.
            frozenset(place.path for place in places) or frozenset({f"{kind} {item}"}),
            tuple(part for place in places for part in place.heading.split(" > ") if part),
        )

    def _vectors(self, kind: "Kind", ids: Sequence[int]) -> "Matrix":
        return self.store.vectors.read(kind, ids, *space.DEFAULT)
