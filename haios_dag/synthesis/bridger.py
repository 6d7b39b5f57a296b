"""Bridges: pairs of a concept and a reasoning trace that it explains.

Exact over all new pairs, (new concepts x all traces) and (old concepts x new traces), as blocked
matrix products. The pairs found are kept first; then the best of all that wait are written, so
a budget delays a pair but never loses it.
"""

import itertools
from typing import TYPE_CHECKING

import numpy as np

from haios_dag.base.progress import progress
from haios_dag.embedding import space
from haios_dag.embedding.cosines import SLACK, above, rounded
from haios_dag.memory.bridges import Pair
from haios_dag.memory.insights import Draft, Source
from haios_dag.synthesis import insight_text
from haios_dag.synthesis.text_vectors import Memo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from haios_dag.base.step import Counts
    from haios_dag.memory.store import Store
    from haios_dag.memory.vectors import Kind

    Ids = NDArray[np.int64]
    Vectors = NDArray[np.float32]

BLOCK = 4096  # rows a matrix product
_BATCH = 128  # bridges a transaction
_KEPT = 10_000  # pairs kept in a transaction


class Bridger:
    """One beat's bridging: `search`, then `write`."""

    def __init__(self, store: "Store", beat: str | None, counts: "Counts") -> None:
        self.store = store
        self.beat = beat
        self.counts = counts
        self.memo = Memo()
        self._known_paths: dict[tuple[Kind, int], frozenset[str]] = {}
        counts.start("compared", "new_bridges", "revised_bridges", "refused", "waiting")

    def search(self) -> None:
        """Compare every pair that has a new side, and keep those above the threshold.

        A trace whose text changed counts as new; what its bridges say is then written anew.
        """
        concepts, traces = self.store.unbridged("concept"), self.store.unbridged("trace")
        if not concepts and not traces:
            return
        pairs = itertools.chain(self._of_concepts(concepts), self._of_traces(traces, concepts))
        while kept := list(itertools.islice(pairs, _KEPT)):
            with self.store.undoable("bridge", self.beat):
                self.store.put_pairs(kept)
        for trace in traces:
            self._revise(trace)
        # Last, so that a beat cut short before it compares and revises again.
        with self.store.undoable("bridge", self.beat):
            self.store.mark_bridged("concept", concepts)
            self.store.mark_bridged("trace", traces)

    def _of_concepts(self, new: "Sequence[int]") -> "Iterator[Pair]":
        """Yield the pairs of new concepts with all traces."""
        if not new:
            return
        for ids, vectors in self._all("trace"):
            there = np.isin(ids, self.store.bridgeable("trace", ids.tolist()))
            traces, trace_vectors = ids[there], vectors[there]
            with progress("compare concepts with traces", len(new)) as advance:
                for concepts in _blocks(new):
                    concept_vectors = self._vectors("concept", concepts)
                    self.counts.add(compared=len(concepts) * len(traces))
                    yield from self._above(concepts, concept_vectors, traces, trace_vectors)
                    advance(len(concepts))

    def _of_traces(self, new: "Sequence[int]", seen: "Sequence[int]") -> "Iterator[Pair]":
        """Yield the pairs of new traces with the concepts that were there before."""
        before = self.store.count_bridgeable("concept") - len(seen)
        self.counts.add(compared=before * len(new))
        if not before:
            return
        for traces in _blocks(new):
            trace_vectors = self._vectors("trace", traces)
            for ids, vectors in self._all("concept"):
                old = ~np.isin(ids, np.array(seen, np.int64))
                if not old.any():
                    continue
                near = (vectors @ trace_vectors.T >= space.DEFAULT.bridge - SLACK).any(axis=1)
                concepts = self.store.bridgeable("concept", ids[old & near].tolist())
                concept_vectors = self._vectors("concept", concepts)
                yield from self._above(concepts, concept_vectors, traces, trace_vectors)

    def _above(
        self,
        concepts: "Sequence[int]",
        concept_vectors: "Vectors",
        traces: "Sequence[int] | Ids",
        trace_vectors: "Vectors",
    ) -> "Iterator[Pair]":
        """Yield the pairs above the threshold, those of one document aside."""
        for rows, columns, cosines in above(concept_vectors, trace_vectors, space.DEFAULT.bridge):
            for row, column, similarity in zip(
                rows.tolist(), columns.tolist(), cosines.tolist(), strict=True
            ):
                pair = Pair(concepts[row], int(traces[column]), similarity)
                if not self._paths("concept", pair.concept) & self._paths("trace", pair.trace):
                    yield pair

    def _paths(self, kind: "Kind", item: int) -> frozenset[str]:
        """Return the documents in which an item stands."""
        if (kind, item) not in self._known_paths:
            places = self.store.places(kind, item)
            self._known_paths[kind, item] = frozenset(place.path for place in places)
        return self._known_paths[kind, item]

    def _revise(self, trace: int) -> None:
        """Write the bridges of a trace anew, where its text says something else by now."""
        bridges = self.store.bridges_of(trace)
        if not bridges:
            return
        concepts = self.store.bridgeable("concept", list(bridges))
        cosines = rounded(
            self._vectors("concept", concepts),
            self._vectors("trace", [trace]),
            np.arange(len(concepts)),
            np.zeros(len(concepts), int),
        )
        pairs = [
            Pair(concept, trace, similarity)
            for concept, similarity in zip(concepts, cosines.tolist(), strict=True)
            if similarity >= space.DEFAULT.bridge
        ]
        for start in range(0, len(pairs), _BATCH):
            drafts = self._drafts(pairs[start : start + _BATCH], "the trace changed")
            changed = {
                pair: draft
                for pair, draft in drafts.items()
                if draft.content != self.store.text("concept", bridges[pair.concept])
            }
            with self.store.undoable("bridge", self.beat):
                for pair, draft in changed.items():
                    insight = bridges[pair.concept]
                    self.store.revise_insight(
                        "cross", insight, draft, space.DEFAULT.model, self.beat
                    )
            self.counts.add(revised_bridges=len(changed))

    def write(self, budget: int) -> None:
        """Write the best waiting pairs as insights, up to the budget."""
        new = 0
        waiting = self.store.count_waiting_pairs()
        with progress("bridge", min(budget, waiting)) as advance:
            while pairs := self.store.waiting_pairs(min(_BATCH, budget - new)):
                written = self._write_batch(pairs)
                new += written
                waiting -= len(pairs)
                self.counts.add(new_bridges=written, refused=len(pairs) - written)
                advance(written)
        self.counts.add(waiting=waiting)

    def _write_batch(self, pairs: "list[Pair]") -> int:
        """Write the pairs that can be put in words, in one commit; return how many."""
        drafts = self._drafts(pairs)
        model = space.DEFAULT.model
        with self.store.undoable("bridge", self.beat):
            for pair in pairs:
                if pair not in drafts:
                    self.store.drop_pair(pair)
            for pair, draft in drafts.items():
                self.store.link(pair, self.store.add_insight("cross", draft, model, self.beat))
        return len(drafts)

    def _drafts(self, pairs: "Sequence[Pair]", reason: str = "") -> dict[Pair, Draft]:
        """Return what to write of each pair that can be put in words."""
        said = {
            pair: insight_text.quotable(self.store.text("concept", pair.concept)) for pair in pairs
        }
        done = {pair: insight_text.quotable(self.store.text("trace", pair.trace)) for pair in pairs}
        self.memo.prefetch(
            [text for pair in pairs if said[pair] for text in [said[pair][0], *done[pair]]]
        )
        contents = {
            pair: content
            for pair in pairs
            if (content := self._content(pair, said[pair], done[pair]))
        }
        vectors = space.embed(list(contents.values())).astype("<f4") if contents else ()
        return {
            pair: Draft(
                content=content,
                # The concept first: HAIOS tells the two apart by their order.
                sources=[
                    Source(pair.concept, pair.similarity),
                    Source(pair.trace, pair.similarity),
                ],
                confidence=round(pair.similarity, 4),
                vector=vector.tobytes(),
                method=insight_text.METHOD,
                reason=reason or f"similarity {pair.similarity:.2f}",
            )
            for (pair, content), vector in zip(contents.items(), vectors, strict=True)
        }

    def _content(self, pair: Pair, said: "Sequence[str]", done: "Sequence[str]") -> str | None:
        """Return `[title] what the concept says, and what the trace says of it`, or None."""
        if not said or not done:
            return None
        vectors = self.memo([said[0], *done])
        cosines = vectors[1:] @ vectors[0]
        cosines[cosines >= insight_text.SAME] = -1  # the trace only repeats it
        if cosines.max() < 0:
            return None
        nearest = done[int(np.argmax(cosines))]
        where = self.store.trace_title(pair.trace)
        title = insight_text.clean_title(where) or insight_text.shorten(where)
        return f"[{title}] {said[0]} In practice: {nearest}"

    def _vectors(self, kind: "Kind", ids: "Sequence[int]") -> "Vectors":
        return self.store.vectors(kind, ids, space.DEFAULT.model, space.DEFAULT.dimensions)

    def _all(self, kind: "Kind") -> "Iterator[tuple[Ids, Vectors]]":
        one = space.DEFAULT
        return self.store.all_vectors(kind, one.model, one.dimensions, BLOCK)


def _blocks(ids: "Sequence[int]") -> "Iterator[Sequence[int]]":
    for start in range(0, len(ids), BLOCK):
        yield ids[start : start + BLOCK]
