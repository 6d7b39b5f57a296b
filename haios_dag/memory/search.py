"""Searching the memory: which concepts may answer, by their words, by their vectors."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from haios_dag.memory import word_index
from haios_dag.memory.database import meaning
from haios_dag.memory.insights import Insights, Place
from haios_dag.memory.vectors import Kind

# The kind of a source. Of a bridge's two, both of the type 'cross', the concept stands first.
_SOURCE_KIND = (
    "CASE WHEN origin.source_type != 'cross' THEN origin.source_type"
    " WHEN origin.id = (SELECT min(id) FROM synthesis_provenance"
    "   WHERE synthesized_concept_id = origin.synthesized_concept_id) THEN 'concept'"
    " ELSE 'trace' END"
)
# What nobody states any more answers nothing, nor does template text; an insight answers as long as
# one of its sources is still stated, or when nobody knows its sources.
_ANSWERS = f"""
dag_items.kind = 'concept' AND (
    dag_items.state IN ('live', 'consumed')
    OR dag_items.state = 'product' AND (
        NOT EXISTS (
            SELECT 1 FROM synthesis_provenance WHERE synthesized_concept_id = dag_items.id
        )
        OR EXISTS (
            SELECT 1 FROM synthesis_provenance AS origin
            JOIN dag_items AS source
                ON source.id = origin.source_id AND source.kind = {_SOURCE_KIND}
            WHERE origin.synthesized_concept_id = dag_items.id AND source.state != 'orphan'
        )
    )
)
"""


@dataclass(frozen=True, slots=True)
class Origin:
    """A source of an insight, and where it stands."""

    kind: Kind
    id: int
    places: list[Place]


@dataclass(frozen=True, slots=True)
class FoundConcept:
    """A concept as an answer: `sources` are an insight's, `places` a statement's."""

    id: int
    insight: bool
    type: str
    text: str
    places: list[Place]
    sources: list[Origin]


def _phrase(term: str) -> str:
    """Return a term for FTS5: in a string nothing but the quote has a meaning, so no operator."""
    return '"' + term.replace('"', '""') + '"'


class Search(Insights):
    """The part of the store that recall uses. It reads only."""

    def is_read(self) -> bool:
        """Tell whether a beat has ever worked on this memory."""
        with meaning(self.path):
            return self._is_prepared()

    def lacks_words(self) -> str | None:
        """Return why words cannot be searched, or None when they can."""
        with meaning(self.path):
            if not word_index.is_known(self.connection):
                return "the SQLite of this Python has no FTS5"
            if not word_index.is_current(self.connection):
                return "the memory has no word index yet, the next beat with work makes it"
        return None

    def by_words(self, terms: list[str], limit: int) -> list[int]:
        """Return the ids of concepts with any of the terms, best BM25 first, ties by id.

        A term of several words is a phrase. The terms may be any text without NUL.
        """
        if not terms:
            return []
        expression = " OR ".join(map(_phrase, terms))
        with meaning(self.path):
            return [
                row[0]
                for row in self.connection.execute(
                    "SELECT dag_text.rowid FROM dag_text"
                    " CROSS JOIN dag_items ON dag_items.id = dag_text.rowid"
                    " CROSS JOIN concepts ON concepts.id = dag_items.id"
                    f" WHERE dag_text MATCH ? AND {_ANSWERS}"
                    " ORDER BY bm25(dag_text), dag_text.rowid LIMIT ?",
                    (expression, limit),
                )
            ]

    def rarity(self, terms: Sequence[str]) -> list[float]:
        """Return how much each term tells: log(1 + (N - n + 0.5) / (n + 0.5)).

        That is the inverse document frequency of BM25 (Robertson and Zaragoza 2009), kept above 0;
        n concepts have the term, and N, the highest id, stands for how many there are. Terms as in
        `by_words`.
        """
        with meaning(self.path):
            (every,) = self.connection.execute(
                "SELECT coalesce(max(id), 0) FROM dag_text_docsize"
            ).fetchone()
            found = [
                self.connection.execute(
                    "SELECT count(*) FROM dag_text WHERE dag_text MATCH ?", (_phrase(term),)
                ).fetchone()[0]
                for term in terms
            ]
        return [math.log(1 + (every - n + 0.5) / (n + 0.5)) for n in found]

    def answering(self, concepts: Sequence[int], model: str) -> list[int]:
        """Return those of the concepts that may answer and have a vector, ascending."""
        with meaning(self.path):
            return [
                row[0]
                for row in self.connection.execute(
                    "SELECT dag_items.id FROM dag_items JOIN concepts ON concepts.id = dag_items.id"
                    " WHERE dag_items.id IN (SELECT value FROM json_each(?))"
                    f" AND {_ANSWERS} AND dag_items.model = ? ORDER BY dag_items.id",
                    (json.dumps(list(concepts)), model),
                )
            ]

    def found(self, concept: int) -> FoundConcept:
        """Return a concept with its places, or an insight with its sources and theirs."""
        with meaning(self.path):
            type_, text, insight = self.connection.execute(
                "SELECT type, CAST(content AS TEXT), state = 'product' FROM concepts"
                " JOIN dag_items ON kind = 'concept' AND dag_items.id = concepts.id"
                " WHERE concepts.id = ?",
                (concept,),
            ).fetchone()
            origins = self.connection.execute(
                f"SELECT {_SOURCE_KIND}, source_id FROM synthesis_provenance AS origin"
                " WHERE synthesized_concept_id = ? AND source_type IN ('concept', 'trace', 'cross')"
                " ORDER BY id",
                (concept,),
            ).fetchall()
        return FoundConcept(
            id=concept,
            insight=bool(insight),
            type=type_,
            text=text,
            places=self.places("concept", concept),
            sources=[Origin(kind, id_, self.places(kind, id_)) for kind, id_ in origins],
        )
