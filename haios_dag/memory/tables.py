"""The tables of a memory: HAIOS's own, version 3, and the bookkeeping beside them.

HAIOS's tables and columns are exactly those of its schema v3 (contract section 1.1). Ours start
with `dag_`, so a HAIOS reader never meets them. A database built by HAIOS's migrations has the same
columns in another order: every statement of this package names its columns.
"""

import sqlite3
from pathlib import Path

from haios_dag.base.errors import MemoryUnavailableError

VERSION = "1"

HAIOS_V3 = """
CREATE TABLE artifacts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_path TEXT NOT NULL UNIQUE,
    file_hash TEXT NOT NULL,
    last_processed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    version INTEGER DEFAULT 1,
    space_id TEXT
);
CREATE TABLE entities (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (type, value)
);
CREATE TABLE concepts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    content TEXT NOT NULL,
    source_adr TEXT,
    synthesis_source_count INTEGER DEFAULT 0,
    synthesis_confidence REAL,
    synthesized_at TIMESTAMP,
    synthesis_cluster_id INTEGER
);
CREATE TABLE entity_occurrences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    entity_id INTEGER NOT NULL REFERENCES entities (id) ON DELETE CASCADE,
    line_number INTEGER,
    context_snippet TEXT
);
CREATE TABLE concept_occurrences (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    concept_id INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
    line_number INTEGER,
    context_snippet TEXT
);
CREATE TABLE processing_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    file_path TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('pending', 'success', 'error', 'skipped')),
    attempt_count INTEGER DEFAULT 0,
    last_attempt_at TIMESTAMP,
    error_message TEXT,
    file_hash TEXT
);
CREATE TABLE quality_metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    entities_extracted INTEGER,
    concepts_extracted INTEGER,
    processing_time_seconds REAL,
    llm_tokens_used INTEGER,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE embeddings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    artifact_id INTEGER REFERENCES artifacts (id) ON DELETE CASCADE,
    concept_id INTEGER REFERENCES concepts (id) ON DELETE CASCADE,
    entity_id INTEGER REFERENCES entities (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE reasoning_traces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    query TEXT NOT NULL,
    query_embedding BLOB,
    approach_taken TEXT NOT NULL,
    strategy_details JSON,
    outcome TEXT CHECK (outcome IN ('success', 'partial_success', 'failure')),
    failure_reason TEXT,
    success_factors JSON,
    memories_used JSON,
    memories_helpful JSON,
    context_snapshot JSON,
    execution_time_ms INTEGER,
    model_used TEXT,
    space_id TEXT,
    timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    similar_to_trace_id INTEGER REFERENCES reasoning_traces (id) ON DELETE SET NULL,
    strategy_title TEXT,
    strategy_description TEXT,
    strategy_content TEXT,
    extraction_model TEXT
);
CREATE TABLE memory_metadata (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    memory_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE memory_relationships (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    source_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    target_id INTEGER NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    relationship_type TEXT NOT NULL CHECK (relationship_type IN
        ('implements', 'justifies', 'derived_from', 'supports', 'contradicts', 'related')),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE synthesis_clusters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster_type TEXT NOT NULL CHECK (cluster_type IN ('concept', 'trace', 'cross')),
    centroid_embedding BLOB,
    member_count INTEGER DEFAULT 0,
    synthesized_concept_id INTEGER REFERENCES concepts (id) ON DELETE SET NULL,
    status TEXT DEFAULT 'pending' CHECK (status IN ('pending', 'synthesized', 'skipped')),
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    synthesized_at TIMESTAMP
);
CREATE TABLE synthesis_cluster_members (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    cluster_id INTEGER NOT NULL REFERENCES synthesis_clusters (id) ON DELETE CASCADE,
    member_type TEXT NOT NULL CHECK (member_type IN ('concept', 'trace', 'cross')),
    member_id INTEGER NOT NULL,
    similarity_to_centroid REAL,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE synthesis_provenance (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    synthesized_concept_id INTEGER NOT NULL REFERENCES concepts (id) ON DELETE CASCADE,
    source_type TEXT NOT NULL CHECK (source_type IN ('concept', 'trace', 'cross')),
    source_id INTEGER NOT NULL,
    contribution_weight REAL DEFAULT 1.0,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE agent_registry (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    description TEXT,
    type TEXT NOT NULL,
    capabilities JSON,
    tools JSON,
    input_schema JSON,
    output_schema JSON,
    status TEXT DEFAULT 'active',
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE TABLE skill_registry (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT,
    provider_agent_id TEXT REFERENCES agent_registry (id),
    parameters JSON,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX idx_concepts_synthesis_cluster ON concepts (synthesis_cluster_id)
    WHERE synthesis_cluster_id IS NOT NULL;
CREATE INDEX idx_concepts_synthesized ON concepts (synthesized_at)
    WHERE synthesized_at IS NOT NULL;
CREATE INDEX idx_traces_strategy_title ON reasoning_traces (strategy_title)
    WHERE strategy_title IS NOT NULL;
"""

UNDO = """
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
"""

UNDONE = """
-- The beats whose synthesis was taken back: their events stay in the log, and claim rows that are
-- rightly gone.
CREATE TABLE IF NOT EXISTS dag_undone (
    beat TEXT PRIMARY KEY
) WITHOUT ROWID;
"""

BOOKKEEPING = (
    """
-- What the beat knows of itself: the version of these tables, the embedding space in use, the
-- highest synthesis cluster seen, and whether the word index is stale.
CREATE TABLE dag_meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The ledger of files read: what stat said when the artifact's hash was taken.
--   head    what the status needs of its front matter, as JSON; NULL: an earlier release read it
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
-- A pair whose insight somebody deletes goes with it, and is not bridged again.
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
"""
    + UNDO
    + UNDONE
)

# Columns of HAIOS's tables that the statements here name.
NEEDED = {
    "artifacts": {"id", "file_path", "file_hash", "last_processed_at", "version"},
    "concepts": {
        "id", "type", "content", "source_adr", "synthesis_source_count", "synthesis_confidence",
        "synthesized_at", "synthesis_cluster_id",
    },
    "concept_occurrences": {"id", "artifact_id", "concept_id", "line_number", "context_snippet"},
    "entities": {"id"},
    "embeddings": {"id", "concept_id", "vector", "model", "dimensions"},
    "reasoning_traces": {
        "id", "query", "approach_taken", "outcome", "failure_reason", "context_snapshot",
        "timestamp", "strategy_title", "strategy_description", "strategy_content",
        "extraction_model",
    },
    "synthesis_clusters": {
        "id", "cluster_type", "member_count", "synthesized_concept_id", "status", "synthesized_at",
    },
    "synthesis_cluster_members": {
        "cluster_id", "member_type", "member_id", "similarity_to_centroid",
    },
    "synthesis_provenance": {"synthesized_concept_id", "source_type", "source_id"},
}  # fmt: skip

# Columns looked up by the hour; indexed here where HAIOS has not done so.
LOOKED_UP = [
    ("concept_occurrences", "artifact_id"),
    ("concept_occurrences", "concept_id"),
    ("embeddings", "concept_id"),
    ("synthesis_cluster_members", "cluster_id"),
    ("synthesis_provenance", "synthesized_concept_id"),
]


def columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """Return the column names of a table; empty when there is no such table."""
    return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def is_empty(connection: sqlite3.Connection) -> bool:
    """Tell whether the database has no table at all, as a new file has none."""
    return not connection.execute("SELECT EXISTS (SELECT 1 FROM sqlite_master)").fetchone()[0]


def has_bookkeeping(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether a beat has prepared this database; raise when a newer release did."""
    if not columns(connection, "dag_meta"):
        return False
    row = connection.execute("SELECT value FROM dag_meta WHERE key = 'version'").fetchone()
    if row is None or row[0] != VERSION:
        raise MemoryUnavailableError(
            f"{path} has bookkeeping of version {row and row[0]}, this release knows {VERSION};"
            " install the release that wrote it"
        )
    return True


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise MemoryUnavailableError, naming what is missing, unless this is a HAIOS memory."""
    for table, needed in NEEDED.items():
        if missing := needed - columns(connection, table):
            raise MemoryUnavailableError(
                f"{path} is not a HAIOS memory: table {table} lacks {', '.join(sorted(missing))};"
                " apply HAIOS's migrations (to 009), or name another database"
            )
    for table in ("synthesis_clusters", "synthesis_cluster_members", "synthesis_provenance"):
        found = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
        (definition,) = found.fetchone()
        if "CHECK" in definition.upper() and "'cross'" not in definition:
            raise MemoryUnavailableError(
                f"{path} takes no bridges ({table} knows no 'cross'); apply HAIOS's migration 009"
            )


def statements(script: str) -> list[str]:
    """Return the statements of a script, so that they can run inside one transaction."""
    found, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            found.append(pending)
            pending = ""
    return found


def add_bookkeeping(connection: sqlite3.Connection) -> None:
    """Create our tables and the missing indexes; the caller holds the transaction."""
    for statement in statements(BOOKKEEPING):
        connection.execute(statement)
    for table, column in LOOKED_UP:
        indexed = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM pragma_index_list(?) AS list"
            " JOIN pragma_index_info(list.name) AS info WHERE info.seqno = 0 AND info.name = ?"
            " AND list.partial = 0)",
            (table, column),
        ).fetchone()[0]
        if not indexed:
            connection.execute(f"CREATE INDEX dag_{table}_{column} ON {table} ({column})")
    connection.execute("INSERT INTO dag_meta (key, value) VALUES ('version', ?)", (VERSION,))
