"""`doit synthesize --dry-run`: what synthesis would do with what is embedded already."""

from typing import TYPE_CHECKING

from haios_dag.counts import Counts
from haios_dag.memory.insights import Member
from haios_dag.synthesis import extract
from haios_dag.synthesis.insights import Results, Synthesis

if TYPE_CHECKING:
    from haios_dag.memory.store import Store
    from haios_dag.memory.vectors import Kind


class Plan(Synthesis):
    """A synthesis that notes down where the real one would write; `store` may be read-only."""

    def __init__(self, store: "Store", max_members: int) -> None:
        super().__init__(store, None, Counts(), max_members)
        self.counts.start("alone", "clusters_formed", "clusters_grown")
        self.notes: list[str] = []

    def _let_stand(self, kind: "Kind", alone: list[Member]) -> None:
        self.counts.add(**{f"{kind}s": len(alone)}, alone=len(alone))

    def _commit(
        self,
        kind: "Kind",
        clusters: dict[int, list[Member]],
        everyone: dict[int, list[Member]],
        results: Results,
    ) -> None:
        for leader, result in results.items():
            gained = clusters[leader]
            formed = any(member.id == leader for member in gained)
            known = self.store.insight_of(kind, leader)
            if isinstance(result, extract.Refusal):
                what = "refused"
                text = extract.shorten(self.store.text(kind, leader))
                note = f"refused, {result.reason}: {text}"
            else:
                what = "new_insights" if known is None else "revised_insights"
                sort = "new insight" if known is None else f"revised insight {known}"
                note = f"{sort} from {len(everyone[leader])} {kind}s: {result.title}"
            self.notes.append(note)
            cluster = "clusters_formed" if formed else "clusters_grown"
            self.counts.add(**{f"{kind}s": len(gained), cluster: 1, what: 1})
