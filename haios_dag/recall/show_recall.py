"""`doit recall`: the answers to a query, as text for people and as JSON for programs."""

import json as json_format
import sys
from collections.abc import Iterator
from typing import Any

from haios_dag.base.console import printable, say
from haios_dag.base.errors import HaiosError
from haios_dag.base.workspace import Workspace
from haios_dag.memory.records import Origin, Place
from haios_dag.recall.ranking import Answer, recall

_SHOWN_CHARACTERS = 300
_SHOWN_PLACES = 5
_INDENT = " " * 11


def show(workspace: Workspace, words: list[str], count: int = 10, *, json: bool = False) -> None:
    """Print the answers, with `json` as the schema `recall`; raise HaiosError."""
    query = " ".join(words)
    if not query.strip():
        raise HaiosError("empty query; usage: recall [-n COUNT] [--json] WORDS")
    if count < 1:
        raise HaiosError(f"{count} answers cannot be shown; ask for 1 or more")
    answers, remarks = recall(workspace, query, count)
    say((f"searched in part: {remark}" for remark in remarks), sys.stderr)
    for rank, answer in enumerate(answers, start=1):
        say([_json(rank, answer)] if json else _lines(rank, answer))
    if not answers:
        say(["nothing in memory answers this"], sys.stderr if json else sys.stdout)


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


def _origin(origin: Origin) -> list[str]:
    gone = f"from {origin.kind} {origin.id}, which no document states now"
    return [f"from {_place(place)}" for place in origin.places] or [gone]


def _place(place: Place) -> str:
    return f"{place.path}:{place.line}" + (f"  {place.heading}" if place.heading else "")


def _json(rank: int, answer: Answer) -> str:
    found, ranked = answer.found, answer.ranked
    line: dict[str, Any] = {
        "rank": rank,
        "id": found.id,
        "kind": "insight" if found.insight else "concept",
        "type": found.type,
        "text": found.text,
        "score": round(ranked.score, 6),
        "by_meaning": ranked.by_meaning,
        "similarity": None if ranked.similarity is None else round(ranked.similarity, 6),
        "by_words": ranked.by_words,
        "places": _plain(found.places),
        "sources": [one._asdict() | {"places": _plain(one.places)} for one in found.sources],
    }
    return json_format.dumps(line, separators=(",", ":"))


def _plain(places: list[Place]) -> list[dict[str, Any]]:
    return [place._asdict() for place in places]
