"""The word index: one FTS5 row for every concept, written in the commit that writes the concept.

The index is an external-content table: it holds which words stand where, and no text, which
`concepts` has already. Texts of other programs may change below it, so what is taken out again is
always the text that was put in: of an insight, its latest revision; nothing else ever changes.

Porter's stemmer makes `crashed` find `crash`; words of other languages stay as good as whole.
"""

import contextlib
import functools
import sqlite3

from haios_dag.memory.database import Database

INDEX = """
-- Which concept has which words, for BM25: an FTS5 index over `concepts`, which keeps the texts.
-- FTS5 keeps it in four tables of its own, named `dag_text_…`; `dag_meta` says when it is stale.
CREATE VIRTUAL TABLE IF NOT EXISTS dag_text USING fts5 (
    content, content='concepts', content_rowid='id', tokenize='porter unicode61'
)
"""
# Ids only grow, so every id above the highest known one is new: rows of ours, of others, and of a
# writer whose SQLite had no FTS5.
_ADD_NEW = (
    "INSERT INTO dag_text (rowid, content) SELECT id, coalesce((SELECT content FROM dag_revisions"
    " WHERE insight_id = concepts.id ORDER BY revision DESC LIMIT 1), content) FROM concepts"
    " WHERE id > (SELECT coalesce(max(id), 0) FROM dag_text_docsize) ORDER BY id"
)
_STALE = "dag_meta WHERE key = 'text'"


@functools.cache
def has_fts5() -> bool:
    """Tell whether this Python's SQLite can index words."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        found = connection.execute("SELECT 1 FROM pragma_module_list WHERE name = 'fts5'")
        return found.fetchone() is not None


def sqlite() -> tuple[str, bool]:
    """Return the version of this Python's SQLite, and whether it can index words."""
    return sqlite3.sqlite_version, has_fts5()


class WordIndex:
    """The word index of one memory. Methods that change it run in the caller's transaction.

    A writer without FTS5 marks the index as stale, and the next writer with it fills it again.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._is_kept = False

    def keep(self) -> None:
        """Make the index where it is missing or stale, if this SQLite can, and keep it current."""
        self._is_kept = has_fts5()
        if self._is_kept:
            if not self.is_current():
                with self._db.transaction():
                    self._fill()
            self._db.before_commit.append(self._add_new)

    def lacks(self) -> str | None:
        """Return why words cannot be searched, or None when they can."""
        if not has_fts5():
            return "the SQLite of this Python has no FTS5"
        if not self.is_current():
            return "the memory has no word index yet, the next beat with work makes it"
        return None

    def is_current(self) -> bool:
        """Tell whether there is an index, and its texts are those of the concepts."""
        made = self._db.exists("sqlite_master WHERE name = 'dag_text'")
        return made and not self._db.exists(_STALE)

    def replace(self, concept: int, old: str, new: str) -> None:
        """Index the new text of an insight; `old` must be the one that was indexed."""
        if not self._is_kept:
            self._mark_stale()
            return
        self._add_new()  # the insight itself may be new
        self._db.execute(
            "INSERT INTO dag_text (dag_text, rowid, content) VALUES ('delete', ?, ?)",
            (concept, old),
        )
        self._db.execute("INSERT INTO dag_text (rowid, content) VALUES (?, ?)", (concept, new))

    def refill(self) -> None:
        """Index all concepts again."""
        self._mark_stale()
        if self._is_kept:
            self._fill()

    def rebuild(self) -> None:
        """Make the index again from nothing."""
        self._db.execute("DROP TABLE IF EXISTS dag_text")
        self._fill()

    def _fill(self) -> None:
        self._db.execute(INDEX)
        if self._db.exists(_STALE):
            self._db.execute("INSERT INTO dag_text (dag_text) VALUES ('delete-all')")
            self._db.execute("DELETE FROM dag_meta WHERE key = 'text'")
        self._add_new()

    def _add_new(self) -> None:
        self._db.execute(_ADD_NEW)

    def _mark_stale(self) -> None:
        self._db.execute("INSERT OR REPLACE INTO dag_meta (key, value) VALUES ('text', 'stale')")
