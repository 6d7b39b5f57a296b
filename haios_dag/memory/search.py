"""Which concepts may answer a query, by their words and by their vectors. It only reads."""

import json
import math
from collections.abc import Sequence

from haios_dag.memory.database import Database, quoted
from haios_dag.memory.items import SqliteItems
from haios_dag.memory.records import FoundConcept, Origin
from haios_dag.memory.word_index import WordIndex

# The kind of a source. Of a bridge's two, both of the type 'cross', the concept stands first.
_SOURCE_KIND = (
    "CASE WHEN origin.source_type != 'cross' THEN origin.source_type"
    " WHEN origin.id = (SELECT min(id) FROM synthesis_provenance"
    "   WHERE synthesized_concept_id = origin.synthesized_concept_id) THEN 'concept'"
    " ELSE 'trace' END"
)
# What no document states any more answers nothing, nor does template text; an insight answers as
# long as one of its sources is still stated, or when its sources are unknown.
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


class SqliteSearch:
    """See `protocol.Search`."""

    def __init__(self, database: Database, items: SqliteItems, words: WordIndex) -> None:
        self._db = database
        self._items = items
        self._words = words

    def lacks_words(self) -> str | None:
        return self._words.lacks()

    def by_words(self, terms: Sequence[str], limit: int) -> list[int]:
        if not terms:
            return []
        return self._db.column(
            "SELECT dag_text.rowid FROM dag_text"
            " CROSS JOIN dag_items ON dag_items.id = dag_text.rowid"
            " CROSS JOIN concepts ON concepts.id = dag_items.id"
            f" WHERE dag_text MATCH ? AND {_ANSWERS}"
            " ORDER BY bm25(dag_text), dag_text.rowid LIMIT ?",
            (" OR ".join(map(quoted, terms)), limit),
        )

    def rarity(self, terms: Sequence[str]) -> list[float]:
        # As in BM25 (Robertson and Zaragoza 2009); the highest id stands for their number.
        every = self._db.value("SELECT coalesce(max(id), 0) FROM dag_text_docsize")
        counted = "SELECT count(*) FROM dag_text WHERE dag_text MATCH ?"
        found = [self._db.value(counted, (quoted(term),)) for term in terms]
        return [math.log(1 + (every - n + 0.5) / (n + 0.5)) for n in found]

    def answering(self, concepts: Sequence[int], model: str) -> list[int]:
        return self._db.column(
            "SELECT dag_items.id FROM dag_items JOIN concepts ON concepts.id = dag_items.id"
            " WHERE dag_items.id IN (SELECT value FROM json_each(?))"
            f" AND {_ANSWERS} AND dag_items.model = ? ORDER BY dag_items.id",
            (json.dumps(list(concepts)), model),
        )

    def found(self, concept: int) -> FoundConcept:
        type_, text, insight = self._db.row(
            "SELECT type, CAST(content AS TEXT), state = 'product' FROM concepts"
            " JOIN dag_items ON kind = 'concept' AND dag_items.id = concepts.id"
            " WHERE concepts.id = ?",
            (concept,),
        )
        origins = self._db.rows(
            f"SELECT {_SOURCE_KIND}, source_id FROM synthesis_provenance AS origin"
            " WHERE synthesized_concept_id = ? AND source_type IN ('concept', 'trace', 'cross')"
            " ORDER BY id",
            (concept,),
        )
        return FoundConcept(
            id=concept,
            insight=bool(insight),
            type=type_,
            text=text,
            places=self._items.places("concept", concept),
            sources=[Origin(kind, id_, self._items.places(kind, id_)) for kind, id_ in origins],
        )
