"""`doit synthesis-explain ID`: why an insight exists."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from haios_dag.base.console import printable, say
from haios_dag.base.errors import HaiosError
from haios_dag.base.workspace import Workspace
from haios_dag.embedding import space, thresholds
from haios_dag.memory import open_memory
from haios_dag.memory.records import title_and_text

if TYPE_CHECKING:
    from haios_dag.memory.protocol import Store
    from haios_dag.memory.records import Kind, Product

_BLOCK = 1024  # rows of the comparison of all sources with each other
# Why a concept is in no cluster, by its state.
_OUTSIDE = {
    "live": "waits for the next synthesis and is in no cluster yet",
    "orphan": "stands in no document any more and is in no cluster",
    "boilerplate": "is template text and in no cluster",
    "consumed": "was taken by the synthesis of another program and is in no cluster here",
    "product": "was an insight, and its cluster is gone",
}
_HIGHEST = 2**63 - 1  # what SQLite holds


def explain(workspace: Workspace, words: Sequence[str]) -> None:
    """Print why an insight or bridge exists, or where a concept stands; raise HaiosError."""
    digits = words[0] if len(words) == 1 else ""
    if not (digits.isascii() and digits.isdecimal() and int(digits[:20]) <= _HIGHEST):
        raise HaiosError("name one id of a concept or insight: doit synthesis-explain 12")
    with open_memory(workspace, write=False) as store, store.snapshot():
        store.check_prepared()
        lines = list(_Explanation(store).lines(int(digits)))
    say(map(printable, lines))


class _Explanation:
    """What memory knows of one id, as lines for a reader."""

    def __init__(self, store: "Store") -> None:
        self.store = store

    def lines(self, item: int) -> Iterator[str]:
        product = self.store.insights.product(item)
        if product is None:
            yield self._concept(item)
            return
        title, text = title_and_text(product.content)
        sort = "bridge" if product.kind == "cross" else "insight"
        yield f"{sort} {item}: {title or '(no title)'}"
        yield f"   {text}"
        revisions = product.revisions
        method = revisions[-1].method if revisions else "unknown, another program wrote it"
        yield f"method: {method}"
        yield from self._bridge(product) if product.kind == "cross" else self._cluster(product)
        if revisions:
            yield f"revisions: {len(revisions)}"
        for one in revisions:
            by = f"beat {one.beat}" if one.beat else "a step run by hand"
            yield f"   {one.number}: {one.created} UTC, {by}, {one.sources} sources: {one.reason}"
            if one is not revisions[-1]:
                yield f"      {one.content}"

    def _concept(self, item: int) -> str:
        standing = self.store.items.standing("concept", item)
        if standing is None:
            raise HaiosError(f"no concept or insight has the id {item}")
        if standing.leader is None:
            return f"concept {item} {_OUTSIDE[standing.state]}."
        insight = self.store.insights.of_cluster("concept", standing.leader)
        told = "which has no insight"
        if insight is not None and (product := self.store.insights.product(insight)):
            title, _ = title_and_text(product.content)
            told = f"which made insight {insight}: {title or '(no title)'}"
        size = f"a cluster of {standing.members}"
        if standing.leader == item:
            return f"concept {item} leads {size}, {told}."
        return (
            f"concept {item} is in {size} led by concept {standing.leader}"
            f" (similarity {standing.similarity:.2f}), {told}."
        )

    def _cluster(self, product: "Product") -> Iterator[str]:
        """Yield the sources of an insight, and how each came to it."""
        kind: Kind = "trace" if product.kind == "trace" else "concept"
        ids = [item for item, _ in product.sources]
        leader = product.leader
        if leader is not None:
            aside = "" if leader in ids else ", which is no source itself"
            yield (
                f"cluster: led by {kind} {leader}{aside}; a {kind} joins its earliest leader from"
                f" {thresholds.CLUSTER:.2f} on"
            )
            standing = self.store.items.standing(kind, leader)
            if standing and (others := standing.members - len({*ids, leader})) > 0:
                yield f"   {others} more in this cluster are no sources"
        documents = {place.path for item in ids for place in self.store.items.places(kind, item)}
        yield f"sources: {len(ids)} {kind}s in {len(documents)} documents"
        copies = self._copies(kind, ids)
        for item, similarity in product.sources:
            near = f"similarity {_number(similarity)} to the leader"
            how = "leads the cluster" if item == leader else near
            yield from self._source(kind, item, how + copies.get(item, ""))

    def _bridge(self, product: "Product") -> Iterator[str]:
        if len(product.sources) != 2:  # noqa: PLR2004 - another program's
            yield f"sources: {len(product.sources)}, where a bridge has a concept and a trace"
            return
        (concept, similarity), (trace, _) = product.sources
        yield (
            f"similarity: {_number(similarity)}; a concept explains a trace from"
            f" {thresholds.BRIDGE:.2f} on"
        )
        yield from self._source("concept", concept, "the statement")
        yield from self._source("trace", trace, "the attempt")

    def _source(self, kind: "Kind", item: int, how: str) -> Iterator[str]:
        standing = self.store.items.standing(kind, item)
        gone = standing and standing.state == "orphan"
        yield f"   {kind} {item}: {how}{'; no document states it any more' if gone else ''}"
        for place in self.store.items.places(kind, item):
            yield f"      {place.path}:{place.line}"
        text = " ".join(self.store.items.text(kind, item).split())
        yield f"      {text or '(removed by another program)'}"

    def _copies(self, kind: "Kind", ids: Sequence[int]) -> dict[int, str]:
        """Return, for each source that repeats earlier ones, a remark that names the first."""
        import numpy as np  # 70 ms

        from haios_dag.synthesis import near_copies  # patterns

        known = self.store.vectors.embedded(kind, sorted(ids), space.DEFAULT.model)
        texts = [self.store.items.text(kind, item) for item in known]
        vectors = self.store.vectors.read(kind, known, *space.DEFAULT)
        found: dict[int, str] = {}
        for start in range(0, len(known), _BLOCK):
            cosines = np.tril(vectors[start : start + _BLOCK] @ vectors.T, start - 1)
            rows, columns = np.nonzero(cosines >= thresholds.DUPLICATE)
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                item = known[start + row]
                if item not in found and near_copies.repeats(texts[start + row], texts[column]):
                    copy = f"{kind} {known[column]} ({cosines[row, column]:.2f})"
                    found[item] = f"; a near-copy of {copy}"
        return found


def _number(similarity: float | None) -> str:
    return "unknown" if similarity is None else f"{similarity:.2f}"
