"""Whether a database has HAIOS's tables, as `sql/haios_v3.sql` makes them (contract section 1.1).

A database that HAIOS's migrations made has the same columns in another order, so every statement of
this package names its columns.
"""

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory.database import Database

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


def check(database: Database) -> None:
    """Raise MemoryUnavailableError, naming what is missing, unless this is a HAIOS memory."""
    for table, needed in NEEDED.items():
        if missing := needed - database.columns(table):
            raise MemoryUnavailableError(
                f"{database.path} is not a HAIOS memory: table {table} lacks"
                f" {', '.join(sorted(missing))}; apply HAIOS's migrations (to 009), or name another"
                " database"
            )
    for table in ("synthesis_clusters", "synthesis_cluster_members", "synthesis_provenance"):
        definition = database.value("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
        if "CHECK" in definition.upper() and "'cross'" not in definition:
            raise MemoryUnavailableError(
                f"{database.path} takes no bridges ({table} knows no 'cross'); apply HAIOS's"
                " migration 009"
            )
