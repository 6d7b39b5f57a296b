"""`doit synthesize --dry-run`: what synthesis would do with what is embedded already."""

from typing import TYPE_CHECKING

from haios_dag.base.step import Counts
from haios_dag.memory.insights import ClusterMember
from haios_dag.synthesis import insight_text
from haios_dag.synthesis.synthesizer import Results, Synthesizer

if TYPE_CHECKING:
    from haios_dag.memory.store import Store
    from haios_dag.memory.vectors import Kind


class Plan(Synthesizer):
    """A synthesis that notes down where the real one would write; `store` may be read-only."""

    def __init__(self, store: "Store", max_members: int) -> None:
        super().__init__(store, None, Counts(), max_members)
        self.counts.start("alone", "clusters_formed", "clusters_grown")
        self.notes: list[str] = []

    def _let_stand(self, kind: "Kind", alone: list[ClusterMember]) -> None:
        self.counts.add(**{f"{kind}s": len(alone)}, alone=len(alone))

    def _commit(
        self,
        kind: "Kind",
        clusters: dict[int, list[ClusterMember]],
        everyone: dict[int, list[ClusterMember]],
        results: Results,
    ) -> None:
        for leader, result in results.items():
            gained = clusters[leader]
            formed = any(member.id == leader for member in gained)
            known = self.store.insight_of(kind, leader)
            if isinstance(result, insight_text.Refusal):
                what = "refused"
                text = insight_text.shorten(self.store.text(kind, leader))
                note = f"refused, {result.reason}: {text}"
            else:
                what = "new_insights" if known is None else "revised_insights"
                sort = "new insight" if known is None else f"revised insight {known}"
                note = f"{sort} from {len(everyone[leader])} {kind}s: {result.title}"
            self.notes.append(note)
            cluster = "clusters_formed" if formed else "clusters_grown"
            self.counts.add(**{f"{kind}s": len(gained), cluster: 1, what: 1})
