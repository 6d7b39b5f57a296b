"""Cosines of many pairs of unit vectors, the same on every machine.

The last bits of a matrix product depend on its shape and on the machine, so a product only
proposes: near a threshold the cosine is computed again, exactly, and what is kept is rounded.
"""

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from haios_dag.base.arrays import Matrix

    Rows = NDArray[np.intp]
    Cosines = NDArray[np.float64]

SLACK = 1e-5  # of a product of float32: 768 terms of unit vectors stay far within it
PLACES = 6
_BLOCK = 4096  # rows a matrix product
_PAIRS = 2048  # pairs computed again at a time: 25 MB


def cosine(one: "Matrix", other: "Matrix") -> float:
    """Return the dot product of two unit vectors, correctly rounded: the same everywhere."""
    return math.fsum((one.astype(np.float64) * other.astype(np.float64)).tolist())


def unit(vector: "Matrix") -> "Matrix":
    """Return a vector at length 1; zeros stay."""
    length = float(np.linalg.norm(vector))
    scaled: Matrix = vector / length if length else vector
    return scaled


def candidates(products: "Matrix", threshold: float) -> "tuple[Rows, Rows]":
    """Return rows and columns of a matrix of products that may reach the threshold."""
    # Flat, because the search for places in two dimensions costs half as much as the product.
    flat = np.flatnonzero(products >= threshold - SLACK)
    return np.divmod(flat, products.shape[1])


def rounded(left: "Matrix", right: "Matrix", rows: "Rows", columns: "Rows") -> "Cosines":
    """Return the cosine of each pair, a row of `left` and one of `right`, to six places."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _PAIRS):
        part = slice(start, start + _PAIRS)
        one, other = left[rows[part]], right[columns[part]]
        found[part] = np.einsum("ij,ij->i", one.astype(np.float64), other.astype(np.float64))
    return np.round(found, PLACES)


def above(
    left: "Matrix", right: "Matrix", threshold: float
) -> "Iterator[tuple[Rows, Rows, Cosines]]":
    """Yield, a block at a time, rows, columns and cosines of the pairs that reach the threshold."""
    for start in range(0, len(left), _BLOCK):
        block = left[start : start + _BLOCK]
        for begin in range(0, len(right), _BLOCK):
            other = right[begin : begin + _BLOCK]
            rows, columns = candidates(block @ other.T, threshold)
            if not len(rows):
                continue
            cosines = rounded(block, other, rows, columns)
            kept = cosines >= threshold
            yield rows[kept] + start, columns[kept] + begin, cosines[kept]
