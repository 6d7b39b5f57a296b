"""Databases as HAIOS makes them, built from the documented facts and never from the product.

Source: the HAIOS contract, sections 1.1 (schema v3) and 1.2 (what migrations 001 to 009 leave).
"""

import sqlite3
from pathlib import Path

# Tables that no migration touched once they were there.
_UNCHANGED = """
CREATE TABLE entities(
  id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, value TEXT NOT NULL,
  UNIQUE(type, value));
CREATE TABLE entity_occurrences(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
  entity_id INTEGER NOT NULL REFERENCES entities(id) ON DELETE CASCADE,
  line_number INTEGER, context_snippet TEXT);
CREATE TABLE concept_occurrences(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
  concept_id INTEGER NOT NULL REFERENCES concepts(id) ON DELETE CASCADE,
  line_number INTEGER, context_snippet TEXT);
CREATE TABLE processing_log(
  id INTEGER PRIMARY KEY AUTOINCREMENT, file_path TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK(status IN ('pending','success','error','skipped')),
  attempt_count INTEGER DEFAULT 0, last_attempt_at TIMESTAMP, error_message TEXT, file_hash TEXT);
CREATE TABLE quality_metrics(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  artifact_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
  entities_extracted INTEGER, concepts_extracted INTEGER, processing_time_seconds REAL,
  llm_tokens_used INTEGER, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE embeddings(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  artifact_id INTEGER REFERENCES artifacts(id) ON DELETE CASCADE,
  concept_id INTEGER REFERENCES concepts(id) ON DELETE CASCADE,
  entity_id INTEGER REFERENCES entities(id) ON DELETE CASCADE,
  vector BLOB NOT NULL, model TEXT NOT NULL, dimensions INTEGER NOT NULL,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE memory_metadata(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  memory_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
  key TEXT NOT NULL, value TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE memory_relationships(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
  target_id INTEGER NOT NULL REFERENCES artifacts(id) ON DELETE CASCADE,
  relationship_type TEXT NOT NULL CHECK(relationship_type IN
    ('implements','justifies','derived_from','supports','contradicts','related')),
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE agent_registry(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, description TEXT,
  type TEXT NOT NULL, capabilities JSON, tools JSON, input_schema JSON, output_schema JSON,
  status TEXT DEFAULT 'active', created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE skill_registry(
  id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT,
  provider_agent_id TEXT REFERENCES agent_registry(id), parameters JSON,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
"""
_ARTIFACT = """
  id INTEGER PRIMARY KEY AUTOINCREMENT, file_path TEXT NOT NULL UNIQUE, file_hash TEXT NOT NULL,
  last_processed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, version INTEGER DEFAULT 1"""
_CONCEPT = """
  id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, content TEXT NOT NULL,
  source_adr TEXT"""
_CONCEPT_SYNTHESIS = (
    "synthesis_source_count INTEGER DEFAULT 0",
    "synthesis_confidence REAL",
    "synthesized_at TIMESTAMP",
    "synthesis_cluster_id INTEGER",
)
_TRACE = """
  id INTEGER PRIMARY KEY AUTOINCREMENT, query TEXT NOT NULL, query_embedding BLOB,
  approach_taken TEXT NOT NULL, strategy_details JSON,
  outcome TEXT CHECK(outcome IN ('success','partial_success','failure')),
  failure_reason TEXT, success_factors JSON, memories_used JSON, memories_helpful JSON,
  context_snapshot JSON, execution_time_ms INTEGER, model_used TEXT"""
_TRACE_END = """
  timestamp TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  similar_to_trace_id INTEGER REFERENCES reasoning_traces(id) ON DELETE SET NULL"""
_TRACE_STRATEGY = (
    "strategy_title TEXT",
    "strategy_description TEXT",
    "strategy_content TEXT",
    "extraction_model TEXT",
)
_SYNTHESIS = {
    "synthesis_clusters": """
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  cluster_type TEXT NOT NULL CHECK(cluster_type IN ('concept','trace','cross')),
  centroid_embedding BLOB, member_count INTEGER DEFAULT 0,
  synthesized_concept_id INTEGER REFERENCES concepts(id) ON DELETE SET NULL,
  status TEXT DEFAULT 'pending' CHECK(status IN ('pending','synthesized','skipped')),
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, synthesized_at TIMESTAMP""",
    "synthesis_cluster_members": """
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  cluster_id INTEGER NOT NULL REFERENCES synthesis_clusters(id) ON DELETE CASCADE,
  member_type TEXT NOT NULL CHECK(member_type IN ('concept','trace','cross')),
  member_id INTEGER NOT NULL, similarity_to_centroid REAL,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP""",
    "synthesis_provenance": """
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  synthesized_concept_id INTEGER NOT NULL REFERENCES concepts(id) ON DELETE CASCADE,
  source_type TEXT NOT NULL CHECK(source_type IN ('concept','trace','cross')),
  source_id INTEGER NOT NULL, contribution_weight REAL DEFAULT 1.0,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP""",
}
_UNCONSTRAINED_SYNTHESIS = """
CREATE TABLE synthesis_clusters(
  id INTEGER PRIMARY KEY AUTOINCREMENT, cluster_type TEXT NOT NULL, centroid_embedding BLOB,
  member_count INTEGER DEFAULT 0, synthesized_concept_id INTEGER, status TEXT DEFAULT 'pending',
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, synthesized_at TIMESTAMP);
CREATE TABLE synthesis_cluster_members(
  id INTEGER PRIMARY KEY AUTOINCREMENT, cluster_id INTEGER NOT NULL, member_type TEXT NOT NULL,
  member_id INTEGER NOT NULL, similarity_to_centroid REAL,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE synthesis_provenance(
  id INTEGER PRIMARY KEY AUTOINCREMENT, synthesized_concept_id INTEGER NOT NULL,
  source_type TEXT NOT NULL, source_id INTEGER NOT NULL, contribution_weight REAL DEFAULT 1.0,
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
"""
_INDEXES = """
CREATE INDEX idx_concepts_cluster ON concepts(synthesis_cluster_id)
  WHERE synthesis_cluster_id IS NOT NULL;
CREATE INDEX idx_concepts_synthesized ON concepts(synthesized_at)
  WHERE synthesized_at IS NOT NULL;
CREATE INDEX idx_traces_strategy ON reasoning_traces(strategy_title)
  WHERE strategy_title IS NOT NULL;
"""
# Of the schema's 26 indexes, some that the product must not make a second time.
_V3_INDEXES = """
CREATE INDEX idx_concepts_type ON concepts(type);
CREATE INDEX idx_concept_occurrences_concept ON concept_occurrences(concept_id);
CREATE INDEX idx_embeddings_concept ON embeddings(concept_id);
CREATE INDEX idx_members_cluster ON synthesis_cluster_members(cluster_id);
"""

TABLES = (
    "agent_registry", "artifacts", "concept_occurrences", "concepts", "embeddings", "entities",
    "entity_occurrences", "memory_metadata", "memory_relationships", "processing_log",
    "quality_metrics", "reasoning_traces", "skill_registry", "synthesis_cluster_members",
    "synthesis_clusters", "synthesis_provenance",
)  # fmt: skip


def _build(path: Path, *scripts: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript("BEGIN;" + ";".join(scripts) + ";COMMIT;")
    connection.close()


def v3(path: Path) -> None:
    """Make a memory from HAIOS's schema file, version 3: 16 tables."""
    _build(
        path,
        f"CREATE TABLE artifacts({_ARTIFACT}, space_id TEXT)",
        f"CREATE TABLE concepts({_CONCEPT}, {', '.join(_CONCEPT_SYNTHESIS)})",
        f"CREATE TABLE reasoning_traces({_TRACE}, space_id TEXT, {_TRACE_END},"
        f" {', '.join(_TRACE_STRATEGY)})",
        _UNCHANGED,
        *(f"CREATE TABLE {table}({columns})" for table, columns in _SYNTHESIS.items()),
        _INDEXES,
        _V3_INDEXES,
    )


def migrated(path: Path, stage: int = 9) -> None:
    """Make a memory as HAIOS's migrations leave it when the last one applied is `stage` (6 to 9).

    The same columns in another order: those added by ALTER stand last. 007 came without its
    constraints; 008 rebuilt the three synthesis tables with them; 009 let members be 'cross'.
    """
    scripts = [
        _UNCHANGED,
        f"CREATE TABLE artifacts({_ARTIFACT})",
        f"CREATE TABLE concepts({_CONCEPT})",
        f"CREATE TABLE reasoning_traces({_TRACE}, {_TRACE_END})",
        *(f"ALTER TABLE reasoning_traces ADD COLUMN {column}" for column in _TRACE_STRATEGY),
        "ALTER TABLE reasoning_traces ADD COLUMN space_id TEXT",
        "ALTER TABLE artifacts ADD COLUMN space_id TEXT",
    ]
    if stage >= 7:
        scripts += [f"ALTER TABLE concepts ADD COLUMN {one}" for one in _CONCEPT_SYNTHESIS[::-1]]
        scripts += [_INDEXES, _UNCONSTRAINED_SYNTHESIS]
    for migration in range(8, stage + 1):
        for table, columns in _SYNTHESIS.items():
            cross = migration >= 9 or table == "synthesis_clusters"
            scripts.append(_rebuilt(table, columns if cross else _without_cross(columns)))
    scripts.append("CREATE TABLE concepts_backup_20260130 AS SELECT * FROM concepts")
    _build(path, *scripts)


def _rebuilt(table: str, columns: str) -> str:
    return (
        f"CREATE TABLE {table}_new({columns}); DROP TABLE {table};"
        f" ALTER TABLE {table}_new RENAME TO {table}"
    )


def _without_cross(columns: str) -> str:
    assert ",'cross')" in columns
    return columns.replace(",'cross')", ")")


def refuse_cross(path: Path, table: str) -> None:
    """Rebuild one synthesis table of a memory so that its type column takes no 'cross'."""
    _build(path, _rebuilt(table, _without_cross(_SYNTHESIS[table])))


def mirror_traces(path: Path) -> None:
    """Add what migration 005 adds: a vec0 table of the traces, and the triggers that feed it.

    The extension is not at hand here, so its table enters the schema as a row. Like any program
    without the extension, the caller can then no longer insert a trace.
    """
    _build(
        path,
        """
CREATE TRIGGER traces_vec_insert AFTER INSERT ON reasoning_traces BEGIN
  INSERT INTO reasoning_traces_vec(trace_id, query_embedding)
    VALUES (new.id, new.query_embedding);
END;
CREATE TRIGGER traces_vec_update AFTER UPDATE OF query_embedding ON reasoning_traces BEGIN
  UPDATE reasoning_traces_vec SET query_embedding = new.query_embedding
    WHERE trace_id = new.id;
END;
PRAGMA writable_schema = ON;
INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql) VALUES
  ('table', 'reasoning_traces_vec', 'reasoning_traces_vec', 0,
   'CREATE VIRTUAL TABLE reasoning_traces_vec USING vec0(trace_id INTEGER PRIMARY KEY,'
   || ' query_embedding FLOAT[768])');
""",
    )
