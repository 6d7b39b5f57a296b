"""Bridges: pairs of a concept and a reasoning trace that it explains.

Exact over all new pairs, (new concepts x all traces) and (old concepts x new traces), as blocked
matrix products. The pairs found are kept first; then the best of all that wait are written, so
a budget delays a pair but never loses it.
"""

from typing import TYPE_CHECKING

import numpy as np

from haios_dag.embedding import space
from haios_dag.memory.insights import Draft, Pair, Source
from haios_dag.progress import progress
from haios_dag.synthesis import extract

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from haios_dag.counts import Counts
    from haios_dag.memory.store import Store
    from haios_dag.memory.vectors import Kind

BLOCK = 4096  # rows a matrix product
_BATCH = 128  # bridges a transaction


class Bridging:
    """One beat's bridging: `search`, then `write`."""

    def __init__(self, store: "Store", beat: str | None, counts: "Counts") -> None:
        self.store = store
        self.beat = beat
        self.counts = counts
        counts.start("compared", "new_bridges", "refused", "waiting")

    def search(self) -> None:
        """Compare every pair that has a new side, and keep those above the threshold."""
        new_concepts, new_traces = self.store.unbridged("concept"), self.store.unbridged("trace")
        if not new_concepts and not new_traces:
            return
        seen = set(new_concepts)
        old_concepts = (
            [one for one in self.store.bridgeable("concept") if one not in seen]
            if new_traces
            else []
        )
        pairs = [
            *self._above(new_concepts, self.store.bridgeable("trace")),
            *self._above(old_concepts, new_traces),
        ]
        with self.store.undoable("bridge", self.beat):
            self.store.put_pairs(pairs)
            self.store.mark_bridged("concept", new_concepts)
            self.store.mark_bridged("trace", new_traces)
        compared = len(new_concepts) * len(self.store.bridgeable("trace"))
        self.counts.add(compared=compared + len(old_concepts) * len(new_traces))

    def _above(self, concepts: "Sequence[int]", traces: "Sequence[int]") -> "Iterator[Pair]":
        """Yield the pairs above the threshold, those of one document aside."""
        documents: dict[tuple[Kind, int], frozenset[str]] = {}

        def of(kind: "Kind", item: int) -> frozenset[str]:
            if (kind, item) not in documents:
                places = self.store.places(kind, item)
                documents[kind, item] = frozenset(place.path for place in places)
            return documents[kind, item]

        model, dimensions = space.DEFAULT.model, space.DEFAULT.dimensions
        if not concepts:
            return
        for trace_ids, trace_vectors in self.store.vector_blocks(
            "trace", traces, model, dimensions, BLOCK
        ):
            for ids, vectors in self.store.vector_blocks(
                "concept", concepts, model, dimensions, BLOCK
            ):
                cosines = vectors @ trace_vectors.T
                rows, columns = np.nonzero(cosines >= space.DEFAULT.bridge - 1e-5)
                for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                    concept, trace = ids[row], trace_ids[column]
                    # A matrix product's last bits depend on its shape; what is kept must not.
                    one, other = vectors[row].astype(float), trace_vectors[column].astype(float)
                    similarity = round(float(one @ other), 6)
                    if similarity < space.DEFAULT.bridge:
                        continue
                    if not of("concept", concept) & of("trace", trace):
                        yield Pair(concept, trace, similarity)

    def write(self, budget: int) -> None:
        """Write the best waiting pairs as insights, up to the budget."""
        new = 0
        waiting = self.store.count_waiting_pairs()
        with progress("bridge", min(budget, waiting)) as advance:
            while pairs := self.store.waiting_pairs(min(_BATCH, budget - new)):
                written = self._write_batch(pairs)
                new += written
                self.counts.add(new_bridges=written, refused=len(pairs) - written)
                advance(written)
        self.counts.add(waiting=self.store.count_waiting_pairs())

    def _write_batch(self, pairs: "list[Pair]") -> int:
        """Write the pairs that can be put in words, in one commit; return how many."""
        contents = {pair: content for pair in pairs if (content := self._content(pair))}
        vectors = space.embed(list(contents.values())).astype("<f4") if contents else ()
        model = space.DEFAULT.model
        with self.store.undoable("bridge", self.beat):
            for pair in pairs:
                if pair not in contents:
                    self.store.drop_pair(pair)
            for (pair, content), vector in zip(contents.items(), vectors, strict=True):
                draft = Draft(
                    content=content,
                    # The concept first: HAIOS tells the two apart by their order.
                    sources=[
                        Source(pair.concept, pair.similarity),
                        Source(pair.trace, pair.similarity),
                    ],
                    confidence=round(pair.similarity, 4),
                    vector=vector.tobytes(),
                    method=extract.METHOD,
                    reason=f"similarity {pair.similarity:.2f}",
                )
                self.store.link(pair, self.store.add_insight("cross", draft, model, self.beat))
        return len(contents)

    def _content(self, pair: Pair) -> str | None:
        """Return `[title] what the concept says, and what the trace says of it`, or None."""
        said = extract.quotable(self.store.text("concept", pair.concept))
        done = extract.quotable(self.store.text("trace", pair.trace))
        if not said or not done:
            return None
        vectors = space.embed([said[0], *done])
        cosines = vectors[1:] @ vectors[0]
        cosines[cosines >= extract.SAME] = -1  # the trace only repeats it
        if cosines.max() < 0:
            return None
        nearest = done[int(np.argmax(cosines))]
        where = self.store.trace_title(pair.trace)
        title = extract.clean_title(where) or extract.shorten(where)
        return f"[{title}] {said[0]} In practice: {nearest}"
