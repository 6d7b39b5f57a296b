"""The tables that the beat adds to a memory, as an ordered list of migrations.

The version of a memory is how many of them it has had; `dag_meta` keeps it. The first writer of a
release applies what is missing, in one transaction. A migration that was released never changes:
what comes later is appended. HAIOS's own tables stay as they are, but for indexes.
"""

from collections.abc import Callable

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory import tables
from haios_dag.memory.database import Database

_COUNT = (
    "UPDATE dag_counts SET number = number {sign} 1 WHERE kind = {row}.kind"
    " AND state = {row}.state AND embedded = ({row}.model IS NOT NULL);"
)
_MORE, _LESS = _COUNT.format(sign="+", row="new"), _COUNT.format(sign="-", row="old")

_BOOKKEEPING = f"""
-- What the beat knows of itself: the version of these tables, the embedding space in use, the
-- highest synthesis cluster seen, and whether the word index is stale.
CREATE TABLE dag_meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The ledger of files read: what stat said when the artifact's hash was taken.
--   head    what the status needs of its front matter, as JSON
CREATE TABLE dag_documents (
    artifact_id INTEGER PRIMARY KEY REFERENCES artifacts (id) ON DELETE CASCADE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER NOT NULL,
    head TEXT
);

-- One row for every concept and trace that the beat has seen.
--   state   live: work on it · orphan: no document states it any more · boilerplate: template text
--           · consumed: another program's synthesis took it · product: it is an insight
--   form    a concept's text with numbers and names masked; NULL unless read from a document
--   model   the embedding space of its vector; NULL: it has none yet
--   leader  the item that leads its cluster (itself, or an earlier one); NULL: not considered yet
--   bridged its pairs with the other kind have been considered
CREATE TABLE dag_items (
    kind TEXT NOT NULL CHECK (kind IN ('concept', 'trace')),
    id INTEGER NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('live', 'orphan', 'boilerplate', 'consumed', 'product')),
    text_hash BLOB NOT NULL,
    form TEXT,
    model TEXT,
    leader INTEGER,
    similarity REAL,
    bridged INTEGER NOT NULL DEFAULT 0,
    beat TEXT,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX dag_items_text ON dag_items (text_hash);
CREATE INDEX dag_items_form ON dag_items (form) WHERE form IS NOT NULL;
CREATE INDEX dag_items_leader ON dag_items (kind, leader) WHERE leader IS NOT NULL;
-- The three partial indexes hold only waiting work, so asking "is there any?" costs microseconds.
CREATE INDEX dag_items_to_embed ON dag_items (kind, id)
    WHERE model IS NULL AND state IN ('live', 'consumed', 'product');
CREATE INDEX dag_items_to_consider ON dag_items (kind, id)
    WHERE leader IS NULL AND model IS NOT NULL AND state = 'live';
CREATE INDEX dag_items_to_bridge ON dag_items (kind, id)
    WHERE bridged = 0 AND model IS NOT NULL AND state IN ('live', 'consumed');

-- Where a trace was read: its file, and its key in the file ('' for a document's own trace).
CREATE TABLE dag_traces (
    trace_id INTEGER PRIMARY KEY REFERENCES reasoning_traces (id) ON DELETE CASCADE,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    UNIQUE (artifact_id, key)
);

-- Vectors of traces. HAIOS keeps one in reasoning_traces, without the model that made it.
CREATE TABLE dag_trace_vectors (
    trace_id INTEGER PRIMARY KEY REFERENCES reasoning_traces (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL
);

-- The HAIOS cluster, and so the insight, of a leader whose cluster has one.
CREATE TABLE dag_clusters (
    kind TEXT NOT NULL,
    leader INTEGER NOT NULL,
    cluster_id INTEGER NOT NULL UNIQUE REFERENCES synthesis_clusters (id) ON DELETE CASCADE,
    PRIMARY KEY (kind, leader)
) WITHOUT ROWID;

-- Every text an insight has had, the current one last, and which beat wrote it (NULL: by hand).
CREATE TABLE dag_revisions (
    insight_id INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    content TEXT NOT NULL,
    sources INTEGER NOT NULL,
    method TEXT NOT NULL,
    reason TEXT NOT NULL,
    beat TEXT,
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY (insight_id, revision)
) WITHOUT ROWID;

-- Pairs above the bridge threshold; insight_id NULL: waiting for a beat with budget left.
-- A pair whose insight is deleted goes with it, and is not bridged again.
CREATE TABLE dag_bridges (
    concept_id INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
    trace_id INTEGER NOT NULL REFERENCES reasoning_traces (id) ON DELETE CASCADE,
    similarity REAL,
    insight_id INTEGER REFERENCES concepts (id) ON DELETE CASCADE,
    PRIMARY KEY (concept_id, trace_id)
) WITHOUT ROWID;
CREATE INDEX dag_bridges_waiting ON dag_bridges (similarity DESC, concept_id, trace_id)
    WHERE insight_id IS NULL;
CREATE INDEX dag_bridges_trace ON dag_bridges (trace_id);

-- What the last synthesis changed, so that `doit synthesis-undo` can take it back: one row for each
-- row added, each field changed and each field of a row removed, with values of their own types.
CREATE TABLE dag_undo (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    change TEXT NOT NULL,
    field TEXT,
    before BLOB,
    after BLOB
);

-- The beats whose synthesis was taken back: their events stay in the log, and claim rows that are
-- rightly gone.
CREATE TABLE dag_undone (
    beat TEXT PRIMARY KEY
) WITHOUT ROWID;

-- How many rows of `dag_items` there are of each kind and state, kept by triggers on it.
--   embedded 1: the rows that have a vector · 0: those without
CREATE TABLE dag_counts (
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    embedded INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, state, embedded)
) WITHOUT ROWID;
INSERT INTO dag_counts SELECT kinds.value, states.value, embedded.value, 0
    FROM json_each('["concept", "trace"]') AS kinds,
        json_each('["live", "orphan", "boilerplate", "consumed", "product"]') AS states,
        json_each('[0, 1]') AS embedded;
CREATE TRIGGER dag_counts_insert AFTER INSERT ON dag_items BEGIN {_MORE} END;
CREATE TRIGGER dag_counts_delete AFTER DELETE ON dag_items BEGIN {_LESS} END;
CREATE TRIGGER dag_counts_update AFTER UPDATE OF kind, state, model ON dag_items
    WHEN old.kind != new.kind OR old.state != new.state
        OR (old.model IS NULL) != (new.model IS NULL)
    BEGIN {_LESS} {_MORE} END;
-- SQLite counts the rows of a table in its smallest index, so HAIOS's get one without a column.
CREATE INDEX dag_count_concepts ON concepts (1);
CREATE INDEX dag_count_traces ON reasoning_traces (1);
CREATE INDEX dag_count_clusters ON synthesis_clusters (status, cluster_type);
"""

# Columns looked up in every beat; indexed here where HAIOS has not done so.
_LOOKED_UP = [
    ("concept_occurrences", "artifact_id"),
    ("concept_occurrences", "concept_id"),
    ("embeddings", "concept_id"),
    ("synthesis_cluster_members", "cluster_id"),
    ("synthesis_provenance", "synthesized_concept_id"),
]


def _index_looked_up(database: Database) -> None:
    """Index the columns that are looked up and have no index yet."""
    for table, column in _LOOKED_UP:
        if not database.value(
            "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?) AS list"
            " JOIN pragma_index_info(list.name) AS info WHERE info.seqno = 0 AND info.name = ?"
            " AND list.partial = 0)",
            (table, column),
        ):
            database.execute(f"CREATE INDEX dag_{table}_{column} ON {table} ({column})")


# Files without a head are read again: their content counts as changed.
_EVERY_FILE_HAS_A_HEAD = """
UPDATE artifacts SET file_hash = ''
    WHERE id IN (SELECT artifact_id FROM dag_documents WHERE head IS NULL);
UPDATE dag_documents SET mtime_ns = 0, head = 'null' WHERE head IS NULL;
"""

Migration = tuple[str | Callable[[Database], None], ...]
"""SQL scripts and functions, in their order."""

MIGRATIONS: tuple[Migration, ...] = (
    (_BOOKKEEPING, _index_looked_up),
    (_EVERY_FILE_HAS_A_HEAD,),
)
VERSION = len(MIGRATIONS)


def scripts() -> str:
    """Return all SQL scripts of the migrations, one after the other."""
    return "".join(part for one in MIGRATIONS for part in one if isinstance(part, str))


def version(database: Database) -> int:
    """Return the version of a memory: 0 where no beat has worked on it.

    Raise MemoryUnavailableError when a newer release did.
    """
    if not database.columns("dag_meta"):
        return 0
    found = database.value("SELECT value FROM dag_meta WHERE key = 'version'")
    if found not in map(str, range(1, VERSION + 1)):
        raise MemoryUnavailableError(
            f"{database.path} has tables of version {found}, this release knows up to {VERSION};"
            " install the release that wrote it"
        )
    return int(found)


def check(database: Database, *, create: bool) -> None:
    """Raise MemoryUnavailableError unless this is a memory that this release can read.

    With `create`, an empty database will do. Nothing is changed.
    """
    if database.is_empty():
        if not create:
            raise MemoryUnavailableError(f"{database.path} is empty; a beat with ingest fills it")
    elif not version(database):
        tables.check(database)


def apply(database: Database) -> None:
    """Apply what is missing, in one transaction; an empty database gets HAIOS's tables first."""
    if not database.is_empty() and version(database) == VERSION:
        return
    with database.transaction():
        if database.is_empty():
            database.run(tables.HAIOS_V3)
        done = version(database)  # again: another writer may have been first
        if not done:
            tables.check(database)
        for part in (part for one in MIGRATIONS[done:] for part in one):
            if isinstance(part, str):
                database.run(part)
            else:
                part(database)
        database.execute(
            "INSERT OR REPLACE INTO dag_meta (key, value) VALUES ('version', ?)", (str(VERSION),)
        )
