"""Leader clustering: an item joins the earliest leader within the threshold, else it leads.

The rule is HAIOS's own (contract section 2), kept up from beat to beat: leaders stay, so a beat
compares only its new items, and any split of the input into beats gives the same clusters as one
run over all of it. Source of the method: Hartigan, Clustering Algorithms (1975), chapter 3, the
leader algorithm.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from haios_dag.embedding.cosines import SLACK, candidates, cosine, rounded

if TYPE_CHECKING:
    from haios_dag.base.arrays import Matrix

BLOCK = 2048  # rows a matrix product: bounds memory, and is large enough for full speed


class Kept(NamedTuple):
    """Leaders of earlier beats: ids, unit vectors as rows, and how many members each has."""

    ids: Sequence[int]
    vectors: "Matrix"
    sizes: Sequence[int]


Near = Callable[["Matrix"], Kept | None]
_Candidate = tuple[int, float, "Matrix"]  # leader, cosine as the product gave it, its vector


class Leaders:
    """The leaders that new items are compared with.

    `near` is asked, for unit vectors as rows, for the leaders of earlier beats that may be within
    the threshold of any of them. `max_members` closes a cluster, its leader included, as HAIOS's
    cap of 20 does; then the next leader within the threshold is taken. 0 is no cap.
    """

    def __init__(self, threshold: float, near: Near = lambda _: None, max_members: int = 0) -> None:
        self.threshold = threshold
        self.max_members = max_members
        self._near = near
        self._blocks: list[tuple[list[int], Matrix]] = []  # leaders of this beat
        self._sizes: dict[int, int] = {}

    def add(self, ids: Sequence[int], vectors: "Matrix") -> None:
        """Take in leaders with their unit vectors as rows; they have no other members yet."""
        if not len(ids):
            return
        if self._blocks and len(self._blocks[-1][0]) < BLOCK:  # small blocks multiply slowly
            before, last = self._blocks.pop()
            ids, vectors = [*before, *ids], np.concatenate([last, vectors])
        self._blocks.append((list(ids), vectors))

    def assign(self, ids: Sequence[int], vectors: "Matrix") -> list[tuple[int, int, float]]:
        """Place new items (ascending ids, unit vectors as rows), up to a block of them at a time.

        Return (item, leader, cosine to six places) for each; an item that leads has itself and
        1.0. The new leaders are taken in.
        """
        candidates = self._candidates(vectors)
        own = vectors @ vectors.T
        lead = np.empty(len(ids), np.intp)  # rows of this block that lead
        leading = 0
        joins: list[tuple[int, Matrix]] = []  # each row's leader and its vector
        for row, item in enumerate(ids):
            among = candidates.get(row, [])
            new = lead[:leading]
            for one in new[own[row, new] >= self.threshold - SLACK].tolist():
                among.append((ids[one], float(own[row, one]), vectors[one]))
            joined = self._first(among, vectors[row])
            if joined is None:
                lead[leading] = row
                leading += 1
                joined = item, vectors[row]
            self._sizes[joined[0]] = self._sizes.get(joined[0], 1) + (joined[0] != item)
            joins.append(joined)
        self.add([ids[row] for row in lead[:leading]], vectors[lead[:leading]])
        rows = np.arange(len(ids))
        others = np.reshape([vector for _, vector in joins], vectors.shape)
        cosines = rounded(vectors, others, rows, rows).tolist()
        return [
            (item, leader, 1.0 if leader == item else similarity)
            for item, (leader, _), similarity in zip(ids, joins, cosines, strict=True)
        ]

    def _candidates(self, vectors: "Matrix") -> dict[int, list[_Candidate]]:
        """Return, by row, the leaders so far that may be within the threshold."""
        found: dict[int, list[_Candidate]] = {}
        for ids, block in self._known(vectors):
            cosines = vectors @ block.T
            rows, columns = candidates(cosines, self.threshold)
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                one = int(ids[column]), float(cosines[row, column]), block[column]
                found.setdefault(row, []).append(one)
        return found

    def _known(self, vectors: "Matrix") -> "Iterator[tuple[Sequence[int], Matrix]]":
        """Yield leaders of this and of earlier beats, but for those whose clusters are full."""
        kept = self._near(vectors)
        if kept:
            for leader, size in zip(kept.ids, kept.sizes, strict=True):
                self._sizes[leader] = max(size, self._sizes.get(leader, 0))
        for ids, block in [*self._blocks, *([kept[:2]] if kept else [])]:
            free = [row for row, one in enumerate(ids) if not self._is_full(one)]
            if len(free) == len(ids):
                yield ids, block
            elif free:
                yield [ids[row] for row in free], block[free]

    def _is_full(self, leader: int) -> bool:
        return bool(self.max_members) and self._sizes.get(leader, 1) >= self.max_members

    def _first(self, candidates: list[_Candidate], vector: "Matrix") -> "tuple[int, Matrix] | None":
        """Return the candidate with the lowest id that is within the threshold, exactly."""
        for leader, approximately, other in sorted(candidates, key=lambda one: one[0]):
            if self._is_full(leader):
                continue
            sure = approximately > self.threshold + SLACK
            if sure or cosine(vector, other) >= self.threshold:
                return leader, other
        return None
