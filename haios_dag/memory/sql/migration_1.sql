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
CREATE TRIGGER dag_counts_insert AFTER INSERT ON dag_items BEGIN
    UPDATE dag_counts SET number = number + 1
        WHERE kind = new.kind AND state = new.state AND embedded = (new.model IS NOT NULL);
END;
CREATE TRIGGER dag_counts_delete AFTER DELETE ON dag_items BEGIN
    UPDATE dag_counts SET number = number - 1
        WHERE kind = old.kind AND state = old.state AND embedded = (old.model IS NOT NULL);
END;
CREATE TRIGGER dag_counts_update AFTER UPDATE OF kind, state, model ON dag_items
    WHEN old.kind != new.kind OR old.state != new.state
        OR (old.model IS NULL) != (new.model IS NULL)
BEGIN
    UPDATE dag_counts SET number = number - 1
        WHERE kind = old.kind AND state = old.state AND embedded = (old.model IS NOT NULL);
    UPDATE dag_counts SET number = number + 1
        WHERE kind = new.kind AND state = new.state AND embedded = (new.model IS NOT NULL);
END;
-- SQLite counts the rows of a table in its smallest index, so HAIOS's get one without a column.
CREATE INDEX dag_count_concepts ON concepts (1);
CREATE INDEX dag_count_traces ON reasoning_traces (1);
CREATE INDEX dag_count_clusters ON synthesis_clusters (status, cluster_type);
