"""Bridges: pairs of a concept and a reasoning trace that it explains.

Exact over all new pairs, (new concepts x all traces) and (old concepts x new traces), as blocked
matrix products. The pairs found are kept first; then the best of all that wait are written, so
a budget delays a pair but never loses it.
"""

import itertools
from typing import TYPE_CHECKING

import numpy as np

from haios_dag.base.progress import batches, progress
from haios_dag.embedding import space, thresholds
from haios_dag.embedding.cosines import SLACK, above
from haios_dag.memory.records import Draft, Pair
from haios_dag.synthesis import insight_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from haios_dag.base.arrays import Ids, Matrix
    from haios_dag.base.step import Counts
    from haios_dag.memory.protocol import Store
    from haios_dag.memory.records import Kind

BLOCK = 4096  # rows a matrix product
_BATCH = 128  # bridges a transaction
_KEPT = 10_000  # pairs kept in a transaction


class Bridger:
    """One beat's bridging: `search`, then `write`."""

    def __init__(self, store: "Store", beat: str | None, counts: "Counts") -> None:
        self.store, self.beat, self.counts = store, beat, counts
        self._known_paths: dict[tuple[Kind, int], frozenset[str]] = {}
        counts.start("compared", "new_bridges", "revised_bridges", "refused", "waiting")

    def search(self) -> None:
        """Compare every pair that has a new side, a trace's new text too; keep those alike."""
        concepts = self.store.bridges.unbridged("concept")
        traces = self.store.bridges.unbridged("trace")
        if not concepts and not traces:
            return
        pairs = itertools.chain(self._of_concepts(concepts), self._of_traces(traces, concepts))
        while kept := list(itertools.islice(pairs, _KEPT)):
            with self.store.undo.record("bridge", self.beat):
                self.store.bridges.put_pairs(kept)
        for trace in traces:
            self._revise(trace)
        # Last, so that a beat cut short before it compares and revises again.
        with self.store.undo.record("bridge", self.beat):
            self.store.bridges.mark_bridged("concept", concepts)
            self.store.bridges.mark_bridged("trace", traces)

    def _of_concepts(self, new: "Sequence[int]") -> "Iterator[Pair]":
        """Yield the pairs of new concepts with all traces."""
        if not new:
            return
        for ids, vectors in self._all("trace"):
            there = np.isin(ids, self.store.bridges.bridgeable("trace", ids.tolist()))
            traces, trace_vectors = ids[there], vectors[there]
            for concepts in batches("compare concepts with traces", new, BLOCK):
                self.counts.add(compared=len(concepts) * len(traces))
                yield from self._above(concepts, traces, trace_vectors)

    def _of_traces(self, new: "Sequence[int]", seen: "Sequence[int]") -> "Iterator[Pair]":
        """Yield the pairs of new traces with the concepts that were there before."""
        before = self.store.bridges.count_bridgeable("concept") - len(seen)
        self.counts.add(compared=before * len(new))
        if not before:
            return
        for traces in batches("compare traces with concepts", new, BLOCK):
            trace_vectors = self._vectors("trace", traces)
            for ids, vectors in self._all("concept"):
                old = ~np.isin(ids, np.array(seen, np.int64))
                if not old.any():
                    continue
                near = (vectors @ trace_vectors.T >= thresholds.BRIDGE - SLACK).any(axis=1)
                concepts = self.store.bridges.bridgeable("concept", ids[old & near].tolist())
                yield from self._above(concepts, traces, trace_vectors)

    def _above(
        self, concepts: "Sequence[int]", traces: "Sequence[int] | Ids", trace_vectors: "Matrix"
    ) -> "Iterator[Pair]":
        """Yield the pairs above the threshold whose sides stand in different documents."""
        vectors = self._vectors("concept", concepts)
        for rows, columns, cosines in above(vectors, trace_vectors, thresholds.BRIDGE):
            for row, column, similarity in zip(
                rows.tolist(), columns.tolist(), cosines.tolist(), strict=True
            ):
                pair = Pair(concepts[row], int(traces[column]), similarity)
                if not self._paths("concept", pair.concept) & self._paths("trace", pair.trace):
                    yield pair

    def _paths(self, kind: "Kind", item: int) -> frozenset[str]:
        if (kind, item) not in self._known_paths:
            places = self.store.items.places(kind, item)
            self._known_paths[kind, item] = frozenset(place.path for place in places)
        return self._known_paths[kind, item]

    def _revise(self, trace: int) -> None:
        """Write the bridges of a trace again, where its text says something else by now."""
        bridges = self.store.bridges.of_trace(trace)
        if not bridges:
            return
        concepts = self.store.bridges.bridgeable("concept", list(bridges))
        vectors = self._vectors("concept", concepts), self._vectors("trace", [trace])
        pairs = [
            Pair(concepts[row], trace, similarity)
            for rows, _, cosines in above(*vectors, thresholds.BRIDGE)
            for row, similarity in zip(rows.tolist(), cosines.tolist(), strict=True)
        ]
        for some in batches("revise bridges", pairs, _BATCH):
            drafts = self._drafts(some, "the trace changed")
            revised = 0
            with self.store.undo.record("bridge", self.beat):
                for pair, draft in drafts.items():
                    insight = bridges[pair.concept]
                    if draft.content != self.store.items.text("concept", insight):
                        self.store.insights.revise("cross", insight, draft, self.beat)
                        revised += 1
            self.counts.add(revised_bridges=revised)

    def write(self, budget: int) -> None:
        """Write the best waiting pairs as insights, up to the budget."""
        new = 0
        waiting = self.store.counts()["waiting_pairs"]
        with progress("bridge", min(budget, waiting)) as advance:
            while pairs := self.store.bridges.waiting(min(_BATCH, budget - new)):
                written = self._write_batch(pairs)
                new += written
                waiting -= len(pairs)
                self.counts.add(new_bridges=written, refused=len(pairs) - written)
                advance(written)
        self.counts.add(waiting=waiting)

    def _write_batch(self, pairs: "list[Pair]") -> int:
        """Write the pairs that can be put in words, in one commit; return how many."""
        drafts = self._drafts(pairs)
        with self.store.undo.record("bridge", self.beat):
            for pair in pairs:
                if pair not in drafts:
                    self.store.bridges.drop(pair)
            for pair, draft in drafts.items():
                insight = self.store.insights.add("cross", draft, self.beat)
                self.store.bridges.link(pair, insight)
        return len(drafts)

    def _drafts(self, pairs: "Sequence[Pair]", reason: str = "") -> dict[Pair, Draft]:
        """Return what to write of each pair that can be put in words."""
        quotes = {
            pair: (
                insight_text.quotable(self.store.items.text("concept", pair.concept))[:1],
                insight_text.quotable(self.store.items.text("trace", pair.trace)),
            )
            for pair in pairs
        }
        quotes = {pair: both for pair, both in quotes.items() if all(both)}
        embed = space.embed_once(one for said, done in quotes.values() for one in [*said, *done])
        contents = {
            pair: content
            for pair, (said, done) in quotes.items()
            if (content := self._content(pair, said[0], done, embed))
        }
        vectors = space.embed_as_bytes(list(contents.values()))
        return {
            pair: Draft(
                content=content,
                # HAIOS tells the concept from the trace by their order.
                sources=[(one, pair.similarity) for one in (pair.concept, pair.trace)],
                confidence=round(pair.similarity, 4),
                model=space.DEFAULT.model,
                vector=vector,
                method=insight_text.METHOD,
                reason=reason or f"similarity {pair.similarity:.2f}",
            )
            for (pair, content), vector in zip(contents.items(), vectors, strict=True)
        }

    def _content(
        self, pair: Pair, said: str, done: "Sequence[str]", embed: insight_text.Embed
    ) -> str | None:
        """Return `[title] what the concept says, and what the trace says of it`, or None."""
        vectors = embed([said, *done])
        cosines = vectors[1:] @ vectors[0]
        cosines[cosines >= thresholds.SAME_SENTENCE] = -1  # the trace only repeats it
        if cosines.max() < 0:
            return None
        nearest = done[int(np.argmax(cosines))]
        where = self.store.items.trace_title(pair.trace)
        title = insight_text.clean_title(where) or insight_text.shorten(where)
        return f"[{title}] {said} In practice: {nearest}"

    def _vectors(self, kind: "Kind", ids: "Sequence[int]") -> "Matrix":
        return self.store.vectors.read(kind, ids, *space.DEFAULT)

    def _all(self, kind: "Kind") -> "Iterator[tuple[Ids, Matrix]]":
        return self.store.vectors.blocks(kind, *space.DEFAULT, BLOCK)
