"""What was read: documents, their statements as concepts, and reasoning traces."""

import json
import sqlite3
from collections.abc import Iterable, Sequence

from haios_dag.base import clock
from haios_dag.memory.database import Database, text_hash
from haios_dag.memory.items import SqliteItems
from haios_dag.memory.records import FileState, Recorded, Statement, Trace

# A concept is boilerplate when its form stands in too many documents, an orphan when it stands in
# none. Both are derived from the occurrences, so the order of arrival does not matter. Documents
# are counted once a form, no further than needed; rows that stay as they are are not written.
_DERIVED = (
    "CASE WHEN EXISTS (SELECT 1 FROM concept_occurrences WHERE concept_id = dag_items.id)"
    " THEN (SELECT state FROM stated) ELSE 'orphan' END"
)
_DERIVE_STATES = f"""
WITH stated (state) AS (
    SELECT CASE WHEN count(*) >= :boilerplate THEN 'boilerplate' ELSE 'live' END
    FROM (SELECT DISTINCT artifact_id
          FROM dag_items AS alike JOIN concept_occurrences ON concept_id = alike.id
          WHERE alike.form = :form AND alike.kind = 'concept' LIMIT :boilerplate))
UPDATE dag_items SET state = {_DERIVED}
WHERE kind = 'concept' AND form = :form AND state IN ('live', 'orphan', 'boilerplate')
    AND state != {_DERIVED}
"""
_LEDGER = "FROM dag_documents JOIN artifacts ON id = artifact_id"


class SqliteDocuments:
    """See `protocol.Documents`."""

    def __init__(self, database: Database, items: SqliteItems) -> None:
        self._db = database
        self._items = items

    def recorded(self) -> dict[str, FileState]:
        if not self._items.is_prepared():
            return {}
        rows = self._db.rows(f"SELECT file_path, size, mtime_ns, ctime_ns {_LEDGER}")
        return {path: (size, mtime, ctime) for path, size, mtime, ctime in rows}

    def heads(self) -> list[tuple[str, FileState, str]]:
        if not self._items.is_prepared():
            return []
        rows = self._db.rows(
            f"SELECT file_path, size, mtime_ns, ctime_ns, head {_LEDGER} WHERE head IS NOT NULL"
        )
        return [(path, (size, mtime, ctime), head) for path, size, mtime, ctime, head in rows]

    def recorded_hash(self, path: str) -> str | None:
        sql = f"SELECT file_hash {_LEDGER} WHERE file_path = ?"
        found: str | None = self._db.value(sql, (path,))
        return found

    def refuses_traces(self) -> str | None:
        # HAIOS's migration 005 mirrors traces by triggers into a table of the extension sqlite-vec:
        # without it no trace can be written, and its triggers may ask for an embedding too.
        triggers = "sqlite_master WHERE type = 'trigger' AND tbl_name = 'reasoning_traces'"
        if not self._db.exists(triggers):
            return None
        self._db.execute("SAVEPOINT trial")
        try:
            self._db.connection.execute(
                "INSERT INTO reasoning_traces (query, approach_taken, outcome)"
                " VALUES ('trial', 'trial', 'success')"
            )
        except sqlite3.OperationalError as error:
            return str(error)
        finally:
            self._db.execute("ROLLBACK TO trial")
            self._db.execute("RELEASE trial")
        return None

    def replace(
        self,
        path: str,
        recorded: Recorded,
        statements: Sequence[Statement],
        traces: Sequence[Trace],
        boilerplate_documents: int,
    ) -> int:
        self._items.adopt()
        artifact = self._artifact(path, recorded)
        forms = self._remove_occurrences(artifact)
        new = 0
        rows = []
        for statement in statements:
            concept, was_new = self._concept(statement)
            new += was_new
            rows.append((artifact, concept, statement.line, statement.heading))
            forms.add(statement.form)
        self._db.executemany(
            "INSERT INTO concept_occurrences (artifact_id, concept_id, line_number,"
            " context_snippet) VALUES (?, ?, ?, ?)",
            rows,
        )
        self._derive_states(forms, boilerplate_documents)
        self._replace_traces(artifact, path, traces)
        return new

    def remove(self, path: str, boilerplate_documents: int) -> None:
        artifact = self._db.value("SELECT id FROM artifacts WHERE file_path = ?", (path,))
        forms = self._remove_occurrences(artifact)
        self._derive_states(forms, boilerplate_documents)
        self._replace_traces(artifact, path, [])
        self._db.execute("DELETE FROM dag_documents WHERE artifact_id = ?", (artifact,))

    def touch(self, path: str, state: FileState) -> None:
        self._db.execute(
            "UPDATE dag_documents SET size = ?, mtime_ns = ?, ctime_ns = ?"
            " WHERE artifact_id = (SELECT id FROM artifacts WHERE file_path = ?)",
            (*state, path),
        )

    def _artifact(self, path: str, recorded: Recorded) -> int:
        artifact = self._db.value(
            "INSERT INTO artifacts (file_path, file_hash, last_processed_at, version)"
            " VALUES (?, ?, ?, 1) ON CONFLICT (file_path) DO UPDATE SET"
            " version = version + (file_hash != excluded.file_hash),"
            " file_hash = excluded.file_hash, last_processed_at = excluded.last_processed_at"
            " RETURNING id",
            (path, recorded.sha256, clock.utc_sql(clock.now())),
        )
        self._db.execute(
            "INSERT OR REPLACE INTO dag_documents (artifact_id, size, mtime_ns, ctime_ns, head)"
            " VALUES (?, ?, ?, ?, ?)",
            (artifact, *recorded.state, recorded.head),
        )
        return int(artifact)

    def _remove_occurrences(self, artifact: int) -> set[str]:
        """Remove the file's occurrences of concepts read by us; return those concepts' forms."""
        forms = self._db.column(
            "SELECT DISTINCT form FROM dag_items JOIN concept_occurrences ON concept_id ="
            " dag_items.id WHERE kind = 'concept' AND form IS NOT NULL AND artifact_id = ?",
            (artifact,),
        )
        self._db.execute(
            "DELETE FROM concept_occurrences WHERE artifact_id = ? AND concept_id IN (SELECT id"
            " FROM dag_items WHERE kind = 'concept' AND form IS NOT NULL AND id = concept_id)",
            (artifact,),
        )
        return set(forms)

    def _concept(self, statement: Statement) -> tuple[int, bool]:
        """Return the id of the concept with this text, made when missing, and whether it was."""
        digest = text_hash(statement.text)
        known = self._db.row(
            "SELECT dag_items.id, form FROM dag_items JOIN concepts ON concepts.id = dag_items.id"
            " WHERE text_hash = ? AND kind = 'concept' AND state != 'product' AND content = ?"
            " ORDER BY dag_items.id LIMIT 1",
            (digest, statement.text),
        )
        if known:
            if known[1] is None:  # another program's concept; now a document states it too
                self._items.mark("concept", known[0], form=statement.form)
            return known[0], False
        concept = self._db.insert("concepts", type=statement.type, content=statement.text)
        self._items.add("concept", concept, "live", digest, statement.form)
        return concept, True

    def _derive_states(self, forms: Iterable[str], boilerplate_documents: int) -> None:
        self._db.executemany(
            _DERIVE_STATES,
            [{"boilerplate": boilerplate_documents, "form": one} for one in sorted(forms)],
        )

    def _replace_traces(self, artifact: int, path: str, traces: Sequence[Trace]) -> None:
        """Make these the traces of a file; one that it no longer has becomes an orphan."""
        sql = "SELECT key, trace_id FROM dag_traces WHERE artifact_id = ?"
        known = dict(self._db.rows(sql, (artifact,)))
        for trace in traces:
            digest = text_hash(repr(trace))
            values = trace._asdict()
            key = values.pop("key")
            values["timestamp"] = trace.timestamp or clock.utc_sql(clock.now())
            if key in known:
                self._put_trace(known.pop(key), digest, values)
                continue
            added = self._db.insert(
                "reasoning_traces",
                **values,
                context_snapshot=json.dumps({"source": path}),
                extraction_model="haios-dag:structure",
            )
            self._db.execute(
                "INSERT INTO dag_traces (trace_id, artifact_id, key) VALUES (?, ?, ?)",
                (added, artifact, key),
            )
            self._items.add("trace", added, "live", digest)
        for gone in known.values():
            self._items.mark("trace", gone, state="orphan")

    def _put_trace(self, trace: int, digest: bytes, values: dict[str, str | None]) -> None:
        """Make a known trace live, with these values."""
        if self._db.execute(
            "UPDATE dag_items SET state = 'live' WHERE kind = 'trace' AND id = ? AND text_hash = ?",
            (trace, digest),
        ).rowcount:
            return  # unchanged
        self._db.execute(
            f"UPDATE reasoning_traces SET {' = ?, '.join(values)} = ? WHERE id = ?",
            (*values.values(), trace),
        )
        # Its text is new, so its vector and its bridges are; its cluster was considered once.
        self._db.execute(
            "DELETE FROM dag_bridges WHERE trace_id = ? AND insight_id IS NULL", (trace,)
        )
        self._items.mark("trace", trace, state="live", text_hash=digest, model=None, bridged=0)
