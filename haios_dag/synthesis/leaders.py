"""Leader clustering: an item joins the earliest leader within the threshold, else it leads.

The rule is HAIOS's own, kept up from beat to beat: leaders stay, so a beat compares only its new
items with the leaders, and any split of the input into beats gives the same clusters as one run
over all of it. Source of the method: Hartigan, Clustering Algorithms (1975),
chapter 3, the leader algorithm.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Ids = NDArray[np.int64]

BLOCK = 2048  # rows a matrix product: bounds memory, and is large enough for full speed
_NONE = np.iinfo(np.int64).max


@dataclass(slots=True)
class Leaders:
    """Leaders with their vectors, in blocks; within each block the ids ascend."""

    threshold: float
    blocks: "list[tuple[Ids, Vectors]]" = field(default_factory=list)

    def add(self, ids: Iterable[int], vectors: "Vectors") -> None:
        """Take in leaders (ascending ids) with their unit vectors as rows."""
        if len(vectors):
            self.blocks.append((np.fromiter(ids, np.int64), vectors))

    def assign(self, ids: list[int], vectors: "Vectors") -> list[tuple[int, int, float]]:
        """Place new items (ascending ids, unit vectors as rows), up to a block of them at a time.

        Return (item, leader, cosine) for each; an item that leads has itself and 1.0. The new
        leaders are taken in.
        """
        leader, similarity = self._earliest(vectors)
        own = vectors @ vectors.T
        placed: list[tuple[int, int, float]] = []
        new: list[int] = []  # rows of this block that lead
        for row, item in enumerate(ids):
            near = np.flatnonzero(own[row, new] >= self.threshold)
            if near.size and ids[new[near[0]]] < leader[row]:
                leader[row] = ids[new[near[0]]]
                similarity[row] = own[row, new[near[0]]]
            if leader[row] == _NONE:
                new.append(row)
                placed.append((item, item, 1.0))
            else:
                placed.append((item, int(leader[row]), float(similarity[row])))
        self.add((ids[row] for row in new), vectors[new])
        return placed

    def _earliest(self, vectors: "Vectors") -> "tuple[Ids, Vectors]":
        """Return, a row, the lowest leader id within the threshold (or _NONE) and its cosine."""
        leader = np.full(len(vectors), _NONE, np.int64)
        similarity = np.zeros(len(vectors), np.float32)
        rows = np.arange(len(vectors))
        for ids, block in self.blocks:
            cosines = vectors @ block.T
            first = (cosines >= self.threshold).argmax(axis=1)  # ids ascend: the first is earliest
            found = np.where(cosines[rows, first] >= self.threshold, ids[first], _NONE)
            better = found < leader
            leader[better] = found[better]
            similarity[better] = cosines[rows, first][better]
        return leader, similarity
