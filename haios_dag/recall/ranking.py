"""Recall: what memory knows of a query, best first.

Two rankings are fused: the exact cosines of all vectors with the query's, and SQLite's BM25 of the
words. Reciprocal rank fusion (Cormack, Clarke and Buettcher, SIGIR 2009, k = 60) needs the ranks
alone, so the two scales, which have nothing in common, are never compared.

The query's vector is the sum of its words' vectors, the rarer the heavier: in the vectors of texts
all words weigh the same, so a query of one name and five common words would be about the five.
"""

import json as json_format
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from haios_dag.base.console import printable, say
from haios_dag.base.errors import HaiosError, MemoryUnavailableError
from haios_dag.embedding import space
from haios_dag.memory import open_memory
from haios_dag.memory.vectors import EMBEDDED_CHARACTERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from haios_dag.base.workspace import Workspace
    from haios_dag.memory.insights import Place
    from haios_dag.memory.search import FoundConcept, Origin
    from haios_dag.memory.store import Store

    Vector = NDArray[np.float32]

_K = 60  # of the paper
_DEPTH = 100  # how far down each ranking is looked at, at least
_BLOCK = 4096  # vectors in memory at a time: 12 MB
_SHOWN_CHARACTERS = 300
_SHOWN_PLACES = 5
_INDENT = " " * 11


@dataclass(frozen=True, slots=True)
class Ranked:
    """A concept in the fused ranking, with its place, from 1, in each of the two (None: in none).

    `similarity` is its cosine with the query, where it has a place by meaning.
    """

    id: int
    score: float
    by_meaning: int | None
    similarity: float | None
    by_words: int | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A concept that answers a query."""

    ranked: Ranked
    found: "FoundConcept"


def show(workspace: "Workspace", words: list[str], count: int = 10, *, json: bool = False) -> None:
    """Print the best answers to a query, and on stderr what could not be searched.

    With `json`, as JSON lines of the schema `recall`. Raise HaiosError.
    """
    query = " ".join(words)
    if not query.strip():
        raise HaiosError("nothing is asked; usage: doit recall [-n 10] [--json] WORDS")
    if count < 1:
        raise HaiosError(f"{count} answers cannot be shown; ask for 1 or more")
    answers, remarks = recall(workspace, query, count)
    say((f"searched in part: {remark}" for remark in remarks), sys.stderr)
    for rank, answer in enumerate(answers, start=1):
        say([_json(rank, answer)] if json else _lines(rank, answer))
    if not answers:
        say(["nothing in memory answers this"], sys.stderr if json else sys.stdout)


def recall(workspace: "Workspace", query: str, count: int) -> tuple[list[Answer], list[str]]:
    """Return up to `count` answers, best first, and why a ranking is missing.

    Any text is a query; the first 8,000 characters of it count, as of every text in memory. Raise
    MemoryUnavailableError when there is no memory or no beat has read it, or ModelError.
    """
    query = query[:EMBEDDED_CHARACTERS]
    remarks: list[str] = []
    with open_memory(workspace, write=False) as store:
        if not store.is_read():
            raise MemoryUnavailableError(
                f"no beat has worked on {store.path} yet; run doit heartbeat, then ask again"
            )
        with store.snapshot():
            depth = max(count, _DEPTH)
            words = terms(query)
            weights = [1.0] * len(words)
            wordy: list[int] = []
            if reason := store.lacks_words():
                remarks.append(f"by meaning only, {reason}")
            else:
                wordy = store.by_words(words, depth)
                weights = store.rarity(words)
            near: list[tuple[int, float]] = []
            if store.space() == space.DEFAULT.model:
                near = _by_meaning(store, _asked(query, words, weights), depth)
            else:
                remarks.append("no text has a vector of this release yet, the next beat makes them")
            ranking = fuse(near, wordy)[:count]
            return [Answer(one, store.found(one.id)) for one in ranking], remarks


def terms(query: str) -> list[str]:
    """Return the words of a query as the word index takes them, each once, in their order."""
    plain = "".join(one if one.isprintable() else " " for one in query)
    words = (word.lower() for word in plain.split() if any(map(str.isalnum, word)))
    return list(dict.fromkeys(words))


def fuse(near: Sequence[tuple[int, float]], wordy: Sequence[int]) -> list[Ranked]:
    """Return the ids of both rankings by the sum of 1 / (60 + rank), highest first, ties by id.

    `near` are ids with their cosines, both best first.
    """
    meaning = {id_: (rank, cosine) for rank, (id_, cosine) in enumerate(near, start=1)}
    words = {id_: rank for rank, id_ in enumerate(wordy, start=1)}
    fused = []
    for id_ in meaning.keys() | words.keys():
        by_meaning, similarity = meaning.get(id_, (None, None))
        by_words = words.get(id_)
        score = sum(1 / (_K + rank) for rank in (by_meaning, by_words) if rank)
        fused.append(Ranked(id_, score, by_meaning, similarity, by_words))
    return sorted(fused, key=lambda one: (-one.score, one.id))


def _asked(query: str, words: Sequence[str], weights: Sequence[float]) -> "Vector":
    """Return the unit vector of a query, each word as heavy as it weighs; none: of the text."""
    import numpy as np  # 70 ms

    vectors = space.embed(words or [query])
    asked: Vector = np.array(weights or [1.0], np.float32) @ vectors
    length = float(np.linalg.norm(asked))
    return asked / length if length else asked


def _by_meaning(store: "Store", asked: "Vector", limit: int) -> list[tuple[int, float]]:
    """Return the ids nearest to a unit vector with their cosines, best first, ties by id.

    Every vector is compared; one that shares nothing with the query, cosine 0 or less, is no
    answer.
    """
    import numpy as np  # 70 ms

    from haios_dag.embedding.cosines import rounded

    model, dimensions = space.DEFAULT.model, space.DEFAULT.dimensions
    all_ids, all_cosines = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for ids, vectors in store.all_vectors("concept", model, dimensions, _BLOCK):
        all_ids.append(ids)
        with np.errstate(all="ignore"):
            all_cosines.append(np.nan_to_num(vectors @ asked))
    every, cosines = np.concatenate(all_ids), np.concatenate(all_cosines)
    looked_at = 2 * limit  # not every concept may answer, so look at more until enough do
    while True:
        near = np.flatnonzero(cosines > 0)
        if len(near) > looked_at:
            near = near[cosines[near] >= np.partition(cosines[near], -looked_at)[-looked_at]]
        found = store.answering(np.unique(every[near]).tolist(), model)
        if len(found) >= limit or looked_at >= len(every):
            break
        looked_at *= 4
    rows = np.arange(len(found))
    vectors = store.vectors("concept", found, model, dimensions)
    with np.errstate(all="ignore"):  # a damaged vector is no number, and no answer
        exact = np.nan_to_num(rounded(vectors, asked[None], rows, np.zeros_like(rows)))
    best = np.argsort(-exact, kind="stable")[:limit]
    return [(found[row], float(exact[row])) for row in best if exact[row] > 0]


# --- as text and as JSON -------------------------------------------------------------------------


def _lines(rank: int, answer: Answer) -> Iterator[str]:
    """Yield what a person sees of an answer: cosine and text, where it stands or is from."""
    found = answer.found
    text = " ".join(found.text.split())
    if len(text) > _SHOWN_CHARACTERS:
        text = text[: _SHOWN_CHARACTERS - 3] + "..."
    kind = f"insight {found.id}: " if found.insight else ""
    cosine = answer.ranked.similarity
    yield printable(f"{rank:>3}  {'   -' if cosine is None else f'{cosine:.2f}'}  {kind}{text}")
    places = [*map(_place, found.places), *(line for o in found.sources for line in _origin(o))]
    places = list(dict.fromkeys(places)) or ["no document states it"]
    yield from (f"{_INDENT}{printable(place)}" for place in places[:_SHOWN_PLACES])
    if len(places) > _SHOWN_PLACES:
        yield f"{_INDENT}and {len(places) - _SHOWN_PLACES} more"


def _origin(origin: "Origin") -> list[str]:
    """Return where a source of an insight stands."""
    return [f"from {_place(place)}" for place in origin.places] or [
        f"from {origin.kind} {origin.id}, which no document states now"
    ]


def _place(place: "Place") -> str:
    return f"{place.path}:{place.line}" + (f"  {place.heading}" if place.heading else "")


def _json(rank: int, answer: Answer) -> str:
    """Return an answer as a line of ASCII JSON."""
    found, ranked = answer.found, answer.ranked
    line: dict[str, Any] = {
        "rank": rank,
        "id": found.id,
        "kind": "insight" if found.insight else "concept",
        "type": found.type,
        "text": found.text,
        "score": round(ranked.score, 6),
        "by_meaning": ranked.by_meaning,
        "similarity": ranked.similarity
        if ranked.similarity is None
        else round(ranked.similarity, 6),
        "by_words": ranked.by_words,
        "places": [asdict(place) for place in found.places],
        "sources": [asdict(source) for source in found.sources],
    }
    return json_format.dumps(line, separators=(",", ":"))
