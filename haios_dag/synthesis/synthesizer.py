"""Clusters to insights: what one beat does with items that are new."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from haios_dag.base.progress import batches
from haios_dag.embedding import space, thresholds
from haios_dag.embedding.cosines import SLACK
from haios_dag.memory.records import ClusterMember, Draft
from haios_dag.synthesis import insight_text
from haios_dag.synthesis.clustering import BLOCK, Kept, Leaders

if TYPE_CHECKING:
    from haios_dag.base.arrays import Ids, Matrix
    from haios_dag.base.step import Counts
    from haios_dag.memory.protocol import Store
    from haios_dag.memory.records import Kind

Clusters = dict[int, list[ClusterMember]]  # by the ids of their leaders

_BATCH = 256  # clusters a transaction


class _Grown(NamedTuple):
    """A cluster that gained members, with all its members and what they say together."""

    leader: int
    gained: list[ClusterMember]
    members: list[ClusterMember]
    said: insight_text.Extract | insight_text.Refusal


@dataclass
class Synthesizer:
    """One beat's synthesis. Every commit is consistent, wherever the beat ends.

    With `notes` it is a plan: nothing is written, each insight or refusal becomes a line there, and
    the clusters are counted too.
    """

    store: "Store"
    beat: str | None
    counts: "Counts"
    max_members: int = 0
    notes: list[str] | None = None

    def __post_init__(self) -> None:
        self.counts.start("concepts", "traces", "new_insights", "revised_insights", "refused")
        if self.notes is not None:
            self.counts.start("alone", "clusters_formed", "clusters_grown")

    def consider(self, kind: "Kind") -> None:
        """Place every new item of a kind in its cluster, and put the clusters into words."""
        clusters = self._place(kind)
        alone = [ms[0] for leader, ms in clusters.items() if len(ms) == 1 and ms[0].id == leader]
        if self.notes is not None:
            self.counts.add(alone=len(alone))
        elif alone:
            with self.store.undo.record("synthesize", self.beat):
                self.store.insights.put_members(kind, alone, self.beat)
        self.counts.add(**{f"{kind}s": len(alone)})
        write = self._commit if self.notes is None else self._note
        grown = sorted(clusters.keys() - {member.id for member in alone})
        for leaders in batches(f"synthesize {kind}s", grown, _BATCH):
            write(kind, self._spoken(kind, {leader: clusters[leader] for leader in leaders}))

    def _place(self, kind: "Kind") -> Clusters:
        """Return the new items by the leader of the cluster that they join."""
        new = self.store.insights.unconsidered(kind)
        placed_now = np.array(new, np.int64)
        leaders = Leaders(
            thresholds.CLUSTER,
            lambda vectors: self._near(kind, vectors, placed_now),
            self.max_members,
        )
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

    def _spoken(self, kind: "Kind", clusters: Clusters) -> list[_Grown]:
        """Put clusters that gained members into words."""
        everyone = {
            leader: sorted([*self.store.insights.live_members(kind, leader), *gained])
            for leader, gained in clusters.items()
        }
        quoted = {
            leader: [self._quoted(kind, member.id) for member in members]
            for leader, members in everyone.items()
        }
        embed = space.embed_once(
            text for members in quoted.values() for text in insight_text.candidates(members)
        )
        grown = []
        for leader, members in everyone.items():
            vectors = self._vectors(kind, [member.id for member in members])
            said = insight_text.extract(quoted[leader], vectors, embed)
            grown.append(_Grown(leader, clusters[leader], members, said))
        return grown

    def _note(self, kind: "Kind", grown: list[_Grown]) -> None:
        assert self.notes is not None  # noqa: S101 - else it is written
        for leader, gained, members, said in grown:
            known = self.store.insights.of_cluster(kind, leader)
            if isinstance(said, insight_text.Refusal):
                what = "refused"
                text = insight_text.shorten(self.store.items.text(kind, leader))
                note = f"refused, {said.reason}: {text}"
            else:
                what = "new_insights" if known is None else "revised_insights"
                sort = "new insight" if known is None else f"revised insight {known}"
                note = f"{sort} from {len(members)} {kind}s: {said.title}"
            self.notes.append(note)
            formed = any(member.id == leader for member in gained)
            cluster = "clusters_formed" if formed else "clusters_grown"
            self.counts.add(**{f"{kind}s": len(gained), cluster: 1, what: 1})

    def _commit(self, kind: "Kind", grown: list[_Grown]) -> None:
        """Write what was extracted, and the places of the new members, in one commit."""
        contents = {
            one.leader: f"[{one.said.title}] {one.said.text}"
            for one in grown
            if isinstance(one.said, insight_text.Extract)
        }
        vectors = dict(zip(contents, space.embed_as_bytes([*contents.values()]), strict=True))
        new = revised = 0
        with self.store.undo.record("synthesize", self.beat):
            # Another program may have taken one meanwhile: its cluster is for the next beat.
            insights = self.store.insights
            grown = [one for one in grown if insights.are_live(kind, [m.id for m in one.members])]
            for leader, gained, members, said in grown:
                insights.put_members(kind, gained, self.beat)
                if isinstance(said, insight_text.Refusal):
                    continue
                draft = Draft(
                    content=contents[leader],
                    sources=[(m.id, m.similarity) for m in members],
                    confidence=said.confidence,
                    model=space.DEFAULT.model,
                    vector=vectors[leader],
                    method=insight_text.METHOD,
                    reason=f"{len(gained)} new {kind}s",
                )
                known = insights.of_cluster(kind, leader)
                if known is None:
                    insights.lead(kind, leader, insights.add(kind, draft, self.beat))
                    new += 1
                else:
                    insights.revise(kind, known, draft, self.beat)
                    revised += 1
        self.counts.add(
            **{f"{kind}s": sum(len(one.gained) for one in grown)},
            new_insights=new,
            revised_insights=revised,
            refused=len(grown) - new - revised,
        )

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
