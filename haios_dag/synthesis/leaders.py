"""Leader clustering: an item joins the earliest leader within the threshold, else it leads.

The rule is HAIOS's own, kept up from beat to beat: leaders stay, so a beat compares only its new
items with the leaders, and any split of the input into beats gives the same clusters as one run
over all of it. Source of the method: Hartigan, Clustering Algorithms (1975),
chapter 3, the leader algorithm.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Ids = NDArray[np.int64]

BLOCK = 2048  # rows a matrix product: bounds memory, and is large enough for full speed
# The last bits of a matrix product depend on its shape and on the machine. So that neither decides
# who joins whom, a cosine this close to the threshold is computed again, exactly.
_SLACK = 1e-5
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
        leader, nearest = self._earliest(vectors)
        own = vectors @ vectors.T
        placed: list[tuple[int, int, float]] = []
        new: list[int] = []  # rows of this block that lead
        for row, item in enumerate(ids):
            first = self._first(own[row, new], vectors[row], lambda i: vectors[new[i]])
            if first is not None and ids[new[first]] < leader[row]:
                leader[row], nearest[row] = ids[new[first]], vectors[new[first]]
            if leader[row] == _NONE:
                new.append(row)
                placed.append((item, item, 1.0))
            else:
                placed.append((item, int(leader[row]), cosine(vectors[row], nearest[row])))
        self.add((ids[row] for row in new), vectors[new])
        return placed

    def _earliest(self, vectors: "Vectors") -> "tuple[Ids, Vectors]":
        """Return, a row, the lowest leader id within the threshold (or _NONE) and its vector."""
        leader = np.full(len(vectors), _NONE, np.int64)
        nearest = np.zeros_like(vectors)
        rows = np.arange(len(vectors))
        for ids, block in self.blocks:
            cosines = vectors @ block.T
            first = (cosines >= self.threshold - _SLACK).argmax(axis=1)  # ids ascend: the earliest
            found = np.where(cosines[rows, first] >= self.threshold + _SLACK, ids[first], _NONE)
            for row in np.flatnonzero(np.abs(cosines[rows, first] - self.threshold) <= _SLACK):
                column = self._first(cosines[row], vectors[row], block.__getitem__)
                if column is not None:
                    first[row], found[row] = column, ids[column]
            better = found < leader
            leader[better] = found[better]
            nearest[better] = block[first[better]]
        return leader, nearest

    def _first(
        self, cosines: "Vectors", vector: "Vectors", other: "Callable[[int], Vectors]"
    ) -> int | None:
        """Return the first place whose cosine to `vector` is within the threshold, exactly."""
        for i in np.flatnonzero(cosines >= self.threshold - _SLACK).tolist():
            sure = cosines[i] > self.threshold + _SLACK
            if sure or cosine(vector, other(i)) >= self.threshold:
                return int(i)
        return None


def cosine(one: "Vectors", other: "Vectors") -> float:
    """Return the dot product of two unit vectors, correctly rounded: the same everywhere."""
    return math.fsum((one.astype(np.float64) * other.astype(np.float64)).tolist())
