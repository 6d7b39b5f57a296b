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
