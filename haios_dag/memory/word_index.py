"""The word index: one FTS5 row for every concept, written in the commit that writes the concept.

The index is an external-content table: it holds which words stand where, and no text, which
`concepts` has already. Texts of other programs may change below it, so what is taken out again is
always the text that was put in: of an insight, its latest revision; nothing else ever changes.

Porter's stemmer makes `crashed` find `crash`; words of other languages stay as good as whole.
"""

import sqlite3

INDEX = """
-- Which concept has which words, for BM25: an FTS5 index over `concepts`, which keeps the texts.
-- FTS5 keeps it in four tables of its own, named `dag_text_…`; `dag_meta` says when it is stale.
CREATE VIRTUAL TABLE IF NOT EXISTS dag_text USING fts5 (
    content, content='concepts', content_rowid='id', tokenize='porter unicode61'
)
"""
# Ids only grow, so whatever is above the highest known id is new: rows of ours, of others, and of
# a writer whose SQLite had no FTS5.
_ADD_NEW = (
    "INSERT INTO dag_text (rowid, content) SELECT id, coalesce((SELECT content FROM dag_revisions"
    " WHERE insight_id = concepts.id ORDER BY revision DESC LIMIT 1), content) FROM concepts"
    " WHERE id > (SELECT coalesce(max(id), 0) FROM dag_text_docsize) ORDER BY id"
)
_STALE = "SELECT EXISTS (SELECT 1 FROM dag_meta WHERE key = 'text')"


def is_known(connection: sqlite3.Connection) -> bool:
    """Tell whether this Python's SQLite has FTS5."""
    return bool(
        connection.execute(
            "SELECT EXISTS (SELECT 1 FROM pragma_module_list WHERE name = 'fts5')"
        ).fetchone()[0]
    )


def is_current(connection: sqlite3.Connection) -> bool:
    """Tell whether there is an index, and its texts are those of the concepts."""
    made = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'dag_text')"
    ).fetchone()[0]
    return bool(made) and not connection.execute(_STALE).fetchone()[0]


def fill(connection: sqlite3.Connection) -> None:
    """Make the index, or make a stale one anew; the caller holds the transaction."""
    connection.execute(INDEX)
    if connection.execute(_STALE).fetchone()[0]:
        connection.execute("INSERT INTO dag_text (dag_text) VALUES ('delete-all')")
        connection.execute("DELETE FROM dag_meta WHERE key = 'text'")
    add_new(connection)


def add_new(connection: sqlite3.Connection) -> None:
    """Index every concept that is not indexed yet; the caller holds the transaction."""
    connection.execute(_ADD_NEW)


def replace(connection: sqlite3.Connection, concept: int, old: str, new: str) -> None:
    """Index another text of a concept; `old` must be the one that was indexed."""
    connection.execute(
        "INSERT INTO dag_text (dag_text, rowid, content) VALUES ('delete', ?, ?)", (concept, old)
    )
    connection.execute("INSERT INTO dag_text (rowid, content) VALUES (?, ?)", (concept, new))


def mark_stale(connection: sqlite3.Connection) -> None:
    """Note that a text changed where there was no FTS5 to index it."""
    connection.execute("INSERT OR REPLACE INTO dag_meta (key, value) VALUES ('text', 'stale')")
