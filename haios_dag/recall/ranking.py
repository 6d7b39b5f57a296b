"""Recall: what memory knows of a query, best first.

Two rankings are fused: the exact cosines of all vectors with the query's, and SQLite's BM25 of the
words. Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009, k = 60) needs the ranks
alone, so the two scales, which have nothing in common, are never compared.

The query's vector is the sum of its words' vectors, the rarer the heavier: in the vectors of texts
all words weigh the same, so a query of one name and five common words would be about the five.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from haios_dag.embedding import space
from haios_dag.memory import open_memory
from haios_dag.memory.records import EMBEDDED_CHARACTERS, FoundConcept

if TYPE_CHECKING:
    from haios_dag.base.arrays import Matrix
    from haios_dag.base.workspace import Workspace
    from haios_dag.memory.protocol import Store

_K = 60  # of the paper
_DEPTH = 100  # how far down each ranking is looked at, at least
_BLOCK = 4096  # vectors in memory at a time: 12 MB


class Ranked(NamedTuple):
    """A concept in the fused ranking, with its place, from 1, in each of the two (None: in none).

    `similarity` is its cosine with the query, where it has a place by meaning.
    """

    id: int
    score: float
    by_meaning: int | None
    similarity: float | None
    by_words: int | None


class Answer(NamedTuple):
    """A concept that answers a query."""

    ranked: Ranked
    found: FoundConcept


def recall(workspace: "Workspace", query: str, count: int) -> tuple[list[Answer], list[str]]:
    """Return up to `count` answers, best first, and why a ranking is missing.

    Raise MemoryUnavailableError when no beat has worked on the memory, or ModelError.
    """
    query = query[:EMBEDDED_CHARACTERS]
    remarks: list[str] = []
    depth = min(max(count, _DEPTH), sys.maxsize)  # SQLite takes no higher number
    words = terms(query)
    weights, wordy = [1.0] * len(words), list[int]()
    near: list[tuple[int, float]] = []
    with open_memory(workspace, write=False) as store, store.snapshot():
        store.check_prepared()
        if reason := store.search.lacks_words():
            remarks.append(f"by meaning only, {reason}")
        else:
            wordy, weights = store.search.by_words(words, depth), store.search.rarity(words)
        if store.vectors.space() == space.DEFAULT.model:
            near = _by_meaning(store, _vector(query, words, weights), depth)
        else:
            remarks.append("no text has a vector of this release yet, the next beat makes them")
        ranking = fuse(near, wordy)[:count]
        return [Answer(one, store.search.found(one.id)) for one in ranking], remarks


def terms(query: str) -> list[str]:
    """Return the words of a query as the word index takes them, each once, in their order."""
    plain = "".join(one if one.isprintable() else " " for one in query)
    words = (word.lower() for word in plain.split() if any(map(str.isalnum, word)))
    return list(dict.fromkeys(words))


def fuse(near: Sequence[tuple[int, float]], wordy: Sequence[int]) -> list[Ranked]:
    """Return the ids by the sum of 1 / (60 + rank), ties by id; both rankings are best first."""
    meaning = {id_: (rank, cosine) for rank, (id_, cosine) in enumerate(near, start=1)}
    words = {id_: rank for rank, id_ in enumerate(wordy, start=1)}
    fused = []
    for id_ in meaning.keys() | words.keys():
        by_meaning, similarity = meaning.get(id_, (None, None))
        by_words = words.get(id_)
        score = sum(1 / (_K + rank) for rank in (by_meaning, by_words) if rank)
        fused.append(Ranked(id_, score, by_meaning, similarity, by_words))
    return sorted(fused, key=lambda one: (-one.score, one.id))


def _vector(query: str, words: Sequence[str], weights: Sequence[float]) -> "Matrix":
    """Return the unit vector of a query: of its words by their weights, or of a text without."""
    import numpy as np  # 70 ms

    from haios_dag.embedding.cosines import unit

    return unit(np.array(weights or [1.0], np.float32) @ space.embed(words or [query]))


def _by_meaning(store: "Store", asked: "Matrix", limit: int) -> list[tuple[int, float]]:
    """Return the nearest ids with their cosines above 0, best first, ties by id."""
    import numpy as np  # 70 ms

    from haios_dag.embedding.cosines import rounded

    all_ids, all_cosines = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for ids, vectors in store.vectors.blocks("concept", *space.DEFAULT, _BLOCK):
        all_ids.append(ids)
        with np.errstate(all="ignore"):
            all_cosines.append(np.nan_to_num(vectors @ asked))
    every, cosines = np.concatenate(all_ids), np.concatenate(all_cosines)
    looked_at = 2 * limit  # not every concept may answer, so look at more until enough do
    while True:
        near = np.flatnonzero(cosines > 0)
        if len(near) > looked_at:
            near = near[cosines[near] >= np.partition(cosines[near], -looked_at)[-looked_at]]
        found = store.search.answering(np.unique(every[near]).tolist(), space.DEFAULT.model)
        if len(found) >= limit or looked_at >= len(every):
            break
        looked_at *= 4
    rows = np.arange(len(found))
    vectors = store.vectors.read("concept", found, *space.DEFAULT)
    with np.errstate(all="ignore"):  # a damaged vector gives NaN
        exact = np.nan_to_num(rounded(vectors, asked[None], rows, np.zeros_like(rows)))
    best = np.argsort(-exact, kind="stable")[:limit]
    return [(found[row], float(exact[row])) for row in best if exact[row] > 0]
