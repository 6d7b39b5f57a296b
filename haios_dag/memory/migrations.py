"""The tables that the beat adds to a memory, as an ordered list of migrations.

The version of a memory is how many of them it has had; `dag_meta` keeps it. The first writer of a
release applies what is missing, in one transaction. A migration that was released never changes:
what comes later is appended. HAIOS's own tables stay as they are, but for indexes.
"""

import functools
import re
from collections.abc import Callable
from pathlib import Path

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory.database import Database

# Columns of HAIOS's tables that this package names, in every statement: a database that HAIOS's
# migrations made has them in another order than `sql/haios_v3.sql` (contract section 1.1).
_NEEDED = {
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
# Columns looked up in every beat; indexed here where HAIOS has not done so.
_LOOKED_UP = [
    ("concept_occurrences", "artifact_id"),
    ("concept_occurrences", "concept_id"),
    ("embeddings", "concept_id"),
    ("synthesis_cluster_members", "cluster_id"),
    ("synthesis_provenance", "synthesized_concept_id"),
]


def _index_looked_up(database: Database) -> None:
    for table, column in _LOOKED_UP:
        indexes = (
            "pragma_index_list(?) AS list JOIN pragma_index_info(list.name) AS info"
            " WHERE info.seqno = 0 AND info.name = ? AND list.partial = 0"
        )
        if not database.exists(indexes, (table, column)):
            database.execute(f"CREATE INDEX dag_{table}_{column} ON {table} ({column})")


Migration = tuple[str | Callable[[Database], None], ...]
"""The names of SQL scripts, and functions, in their order."""

MIGRATIONS: tuple[Migration, ...] = (
    ("migration_1.sql", _index_looked_up),
    ("migration_2.sql",),
)
VERSION = len(MIGRATIONS)


@functools.cache
def script(name: str) -> str:
    """Return one of the SQL scripts, which a process reads once."""
    return (Path(__file__).parent / "sql" / name).read_text(encoding="utf-8")


def version(database: Database) -> int:
    """Return the version of a memory, 0 before its first beat; refuse that of a newer release."""
    if not database.columns("dag_meta"):
        return 0
    found = database.value("SELECT value FROM dag_meta WHERE key = 'version'")
    if not re.fullmatch("[1-9][0-9]{0,8}", str(found)):
        raise database.damaged("its dag_meta tells no version")
    if int(found) > VERSION:
        raise MemoryUnavailableError(
            f"{database.path} has tables of version {found}, this release knows up to {VERSION};"
            " install the release that wrote it"
        )
    return int(found)


def check(database: Database, *, create: bool) -> None:
    """Refuse what is no memory that this release can read; with `create`, empty will do."""
    if database.is_empty():
        if not create:
            raise MemoryUnavailableError(f"{database.path} is empty; a beat with ingest fills it")
        return
    done = version(database)
    if not done:
        _check_haios(database)
    # Read after the version: another writer may be applying migrations.
    there = set(database.column("SELECT name FROM sqlite_master WHERE type = 'table'"))
    ours = _tables(done or VERSION)
    if "dag_text" in there:
        ours |= {f"dag_text_{part}" for part in ("config", "data", "docsize", "idx")}  # of FTS5
    if (done or there & ours) and (missing := (ours | _NEEDED.keys()) - there):
        raise database.damaged(f"table {min(missing)} is missing")


def _tables(done: int) -> set[str]:
    """Return the names of the tables that the first migrations make."""
    scripts = (part for one in MIGRATIONS[:done] for part in one if isinstance(part, str))
    created = (re.findall(r"^CREATE TABLE (\w+)", script(one), re.MULTILINE) for one in scripts)
    return {name for names in created for name in names}


def _check_haios(database: Database) -> None:
    """Raise MemoryUnavailableError, naming what is missing, unless this is a HAIOS memory."""
    for table, needed in _NEEDED.items():
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


def apply(database: Database) -> None:
    """Apply what is missing, in one transaction; an empty database gets HAIOS's tables first."""
    if not database.is_empty() and version(database) == VERSION:
        return
    with database.transaction():
        if database.is_empty():
            database.run(script("haios_v3.sql"))
        done = version(database)  # again: another writer may have been first
        if not done:
            _check_haios(database)
        for part in (part for one in MIGRATIONS[done:] for part in one):
            if isinstance(part, str):
                database.run(script(part))
            else:
                part(database)
        database.execute(
            "INSERT OR REPLACE INTO dag_meta (key, value) VALUES ('version', ?)", (str(VERSION),)
        )
