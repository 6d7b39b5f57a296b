"""Texts and their vectors, each embedded once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from haios_dag.embedding import space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]


class Memo:
    """Embeds texts, each once: `prefetch` many together, then call for a few."""

    def __init__(self) -> None:
        self._known: dict[str, Vectors] = {}

    def prefetch(self, texts: Sequence[str]) -> None:
        """Embed the texts that are not known yet, and forget all others."""
        self._known = {text: self._known[text] for text in texts if text in self._known}
        if new := sorted(set(texts) - self._known.keys()):
            self._known |= dict(zip(new, space.embed(new), strict=True))

    def __call__(self, texts: Sequence[str]) -> "Vectors":
        """Return the unit vectors of prefetched texts as rows."""
        return np.stack([self._known[text] for text in texts])
