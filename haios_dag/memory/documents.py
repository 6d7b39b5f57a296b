"""What was read: documents, their statements as concepts, and reasoning traces."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from haios_dag.base import clock
from haios_dag.memory.database import SEEN_CLUSTERS, TRACE_TEXT, Database, meaning, text_hash
from haios_dag.memory.tables import columns

if TYPE_CHECKING:
    from haios_dag.ingest.markdown import Statement
    from haios_dag.ingest.traces import Trace

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


# What stat said of a file: its size in bytes, mtime and ctime in nanoseconds; mtime 0 means that it
# is not to be trusted. A plain tuple: one is made for every file at every beat.
FileState = tuple[int, int, int]


class Recorded(NamedTuple):
    """A file as memory knows it; `sha256` in hexadecimal, `head` as `haios_dag.head` gives it."""

    state: FileState
    sha256: str
    head: str = "null"


class Documents(Database):
    """The part of the store that ingest uses. Methods that change rows run in a transaction."""

    def recorded(self) -> dict[str, FileState | None]:
        """Return every file read so far by its path from the workspace, with `/`.

        The state is None where an earlier release read the file and kept no head of it.
        """
        with meaning(self.path):
            if not self._is_prepared():
                return {}
            if not self._keeps_heads():
                paths = "SELECT file_path FROM dag_documents JOIN artifacts ON id = artifact_id"
                return {path: None for (path,) in self.connection.execute(paths)}
            return {
                path: (size, mtime, ctime) if has_head else None
                for path, size, mtime, ctime, has_head in self.connection.execute(
                    "SELECT file_path, size, mtime_ns, ctime_ns, head IS NOT NULL"
                    " FROM dag_documents JOIN artifacts ON id = artifact_id"
                )
            }

    def heads(self) -> list[tuple[str, FileState, str]]:
        """Return the path, state and head of every file of which a head is kept, in no order."""
        with meaning(self.path):
            if not self._is_prepared() or not self._keeps_heads():
                return []
            return [
                (path, (size, mtime, ctime), head)
                for path, size, mtime, ctime, head in self.connection.execute(
                    "SELECT file_path, size, mtime_ns, ctime_ns, head"
                    " FROM dag_documents JOIN artifacts ON id = artifact_id"
                    " WHERE head IS NOT NULL"
                )
            ]

    def _keeps_heads(self) -> bool:
        return "head" in columns(self.connection, "dag_documents")

    def recorded_hash(self, path: str) -> str | None:
        """Return the SHA-256 of a file when it was read, in hexadecimal; None if it never was."""
        with meaning(self.path):
            row = self.connection.execute(
                "SELECT file_hash FROM dag_documents JOIN artifacts ON id = artifact_id"
                " WHERE file_path = ?",
                (path,),
            ).fetchone()
        return row[0] if row else None

    def adopt(self) -> int:
        """Take in concepts and traces that other programs have added; return how many.

        Concepts that another program's synthesis has taken since are marked as consumed.

        Ids only grow, so whatever is above the highest known id is new. Every transaction of ours
        that adds concepts adopts first, and so never takes its own rows for somebody else's.
        """
        concepts = self.connection.execute(
            "INSERT INTO dag_items (kind, id, state, text_hash)"
            " SELECT 'concept', id, CASE WHEN synthesized_at IS NOT NULL THEN 'product'"
            "   WHEN synthesis_cluster_id IS NOT NULL THEN 'consumed' ELSE 'live' END,"
            "   dag_hash(CAST(content AS BLOB))"
            " FROM concepts WHERE id > (SELECT coalesce(max(id), 0) FROM dag_items"
            "   WHERE kind = 'concept')"
        ).rowcount
        traces = self.connection.execute(
            "INSERT INTO dag_items (kind, id, state, text_hash)"
            f" SELECT 'trace', id, 'live', dag_hash(CAST({TRACE_TEXT} AS BLOB))"
            " FROM reasoning_traces WHERE id > (SELECT coalesce(max(id), 0) FROM dag_items"
            "   WHERE kind = 'trace')"
        ).rowcount
        self.connection.execute(
            "UPDATE dag_items SET state = 'consumed' WHERE kind = 'concept' AND state != 'product'"
            " AND id IN (SELECT member_id FROM synthesis_cluster_members"
            "   JOIN synthesis_clusters ON synthesis_clusters.id = cluster_id"
            "   WHERE cluster_type = 'concept' AND synthesized_concept_id IS NOT NULL"
            f"   AND cluster_id > ({SEEN_CLUSTERS}))"
        )
        self._adopt_bridges()
        self._see_clusters()
        return concepts + traces

    def _adopt_bridges(self) -> None:
        """Take pairs that another program has bridged for bridged.

        HAIOS types both sides 'cross': the concept is the one that was written first (contract
        section 1.6). It keeps no similarity.
        """
        self.connection.execute(
            "INSERT INTO dag_bridges (concept_id, trace_id, insight_id)"
            " SELECT concept.member_id, trace.member_id, synthesized_concept_id"
            " FROM synthesis_clusters"
            " JOIN synthesis_cluster_members AS concept ON concept.id ="
            "   (SELECT min(id) FROM synthesis_cluster_members WHERE cluster_id ="
            "    synthesis_clusters.id)"
            " JOIN synthesis_cluster_members AS trace ON trace.id ="
            "   (SELECT max(id) FROM synthesis_cluster_members WHERE cluster_id ="
            "    synthesis_clusters.id)"
            f" WHERE synthesis_clusters.id > ({SEEN_CLUSTERS}) AND cluster_type = 'cross'"
            " AND synthesized_concept_id IN (SELECT id FROM concepts)"
            " AND concept.member_id IN (SELECT id FROM concepts)"
            " AND trace.member_id IN (SELECT id FROM reasoning_traces)"
            " ON CONFLICT (concept_id, trace_id) DO UPDATE SET insight_id = excluded.insight_id"
            " WHERE dag_bridges.insight_id IS NULL"
        )

    def refuses_traces(self) -> str | None:
        """Return why this database takes no new traces, or None; nothing is left of the trial.

        HAIOS's migration 005 mirrors traces by triggers into a table of the extension sqlite-vec:
        without it no trace can be written, and its triggers may ask for an embedding too.
        """
        mirrored = self.connection.execute(
            "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger'"
            " AND tbl_name = 'reasoning_traces')"
        ).fetchone()[0]
        if not mirrored:
            return None
        self.connection.execute("SAVEPOINT trial")
        try:
            self.connection.execute(
                "INSERT INTO reasoning_traces (query, approach_taken, outcome)"
                " VALUES ('trial', 'trial', 'success')"
            )
        except sqlite3.OperationalError as error:
            return str(error)
        finally:
            self.connection.execute("ROLLBACK TO trial")
            self.connection.execute("RELEASE trial")
        return None

    def replace_document(
        self,
        path: str,
        recorded: Recorded,
        statements: "Sequence[Statement]",
        traces: "Sequence[Trace]",
        boilerplate_documents: int,
    ) -> int:
        """Make memory say what the file says now; return how many concepts are new.

        Occurrences and traces that the file no longer has are removed; concepts never are.
        """
        self.adopt()
        artifact = self._artifact(path, recorded)
        forms = self._remove_occurrences(artifact)
        new = 0
        rows = []
        for statement in statements:
            form = statement.form
            concept, was_new = self._concept(statement, form)
            new += was_new
            rows.append((artifact, concept, statement.line, statement.heading))
            forms.add(form)
        self.connection.executemany(
            "INSERT INTO concept_occurrences (artifact_id, concept_id, line_number,"
            " context_snippet) VALUES (?, ?, ?, ?)",
            rows,
        )
        self._derive_states(forms, boilerplate_documents)
        self._replace_traces(artifact, path, traces)
        return new

    def remove_document(self, path: str, boilerplate_documents: int) -> None:
        """Forget where a deleted file stated its concepts; the concepts and traces stay."""
        (artifact,) = self.connection.execute(
            "SELECT id FROM artifacts WHERE file_path = ?", (path,)
        ).fetchone()
        forms = self._remove_occurrences(artifact)
        self._derive_states(forms, boilerplate_documents)
        self._replace_traces(artifact, path, [])
        self.connection.execute("DELETE FROM dag_documents WHERE artifact_id = ?", (artifact,))

    def touch_document(self, path: str, state: FileState) -> None:
        """Note a file's new time stamps; its content is unchanged."""
        self.connection.execute(
            "UPDATE dag_documents SET size = ?, mtime_ns = ?, ctime_ns = ?"
            " WHERE artifact_id = (SELECT id FROM artifacts WHERE file_path = ?)",
            (*state, path),
        )

    def _artifact(self, path: str, recorded: Recorded) -> int:
        (artifact,) = self.connection.execute(
            "INSERT INTO artifacts (file_path, file_hash, last_processed_at, version)"
            " VALUES (?, ?, ?, 1) ON CONFLICT (file_path) DO UPDATE SET"
            " version = version + (file_hash != excluded.file_hash),"
            " file_hash = excluded.file_hash, last_processed_at = excluded.last_processed_at"
            " RETURNING id",
            (path, recorded.sha256, clock.utc_sql(clock.now())),
        ).fetchone()
        self.connection.execute(
            "INSERT OR REPLACE INTO dag_documents (artifact_id, size, mtime_ns, ctime_ns, head)"
            " VALUES (?, ?, ?, ?, ?)",
            (artifact, *recorded.state, recorded.head),
        )
        return int(artifact)

    def _remove_occurrences(self, artifact: int) -> set[str]:
        """Remove the file's occurrences of concepts read by us; return those concepts' forms."""
        ours = (
            "concept_id IN (SELECT id FROM dag_items WHERE kind = 'concept' AND form IS NOT NULL"
            " AND id = concept_id)"
        )
        forms = {
            row[0]
            for row in self.connection.execute(
                "SELECT DISTINCT form FROM dag_items JOIN concept_occurrences ON concept_id ="
                " dag_items.id WHERE kind = 'concept' AND form IS NOT NULL AND artifact_id = ?",
                (artifact,),
            )
        }
        self.connection.execute(
            f"DELETE FROM concept_occurrences WHERE artifact_id = ? AND {ours}",
            (artifact,),
        )
        return forms

    def _concept(self, statement: "Statement", form: str) -> tuple[int, bool]:
        """Return the id of the concept with this text, made when missing, and whether it was."""
        digest = text_hash(statement.text)
        known = self.connection.execute(
            "SELECT dag_items.id, form FROM dag_items JOIN concepts ON concepts.id = dag_items.id"
            " WHERE text_hash = ? AND kind = 'concept' AND state != 'product' AND content = ?"
            " ORDER BY dag_items.id LIMIT 1",
            (digest, statement.text),
        ).fetchone()
        if known:
            if known[1] is None:  # another program's concept; now a document states it too
                self.connection.execute(
                    "UPDATE dag_items SET form = ? WHERE kind = 'concept' AND id = ?",
                    (form, known[0]),
                )
            return known[0], False
        concept = self.connection.execute(
            "INSERT INTO concepts (type, content) VALUES (?, ?)", (statement.type, statement.text)
        ).lastrowid
        assert concept is not None  # noqa: S101 - sqlite3 sets it on every INSERT
        self.connection.execute(
            "INSERT INTO dag_items (kind, id, state, text_hash, form)"
            " VALUES ('concept', ?, 'live', ?, ?)",
            (concept, digest, form),
        )
        return concept, True

    def _derive_states(self, forms: Iterable[str], boilerplate_documents: int) -> None:
        self.connection.executemany(
            _DERIVE_STATES,
            [{"boilerplate": boilerplate_documents, "form": one} for one in sorted(forms)],
        )

    def _replace_traces(self, artifact: int, path: str, traces: "Sequence[Trace]") -> None:
        """Make the traces of a file those given; one that is gone becomes an orphan."""
        known = dict(
            self.connection.execute(
                "SELECT key, trace_id FROM dag_traces WHERE artifact_id = ?", (artifact,)
            ).fetchall()
        )
        for trace in traces:
            self._put_trace(known.pop(trace.key, None), artifact, path, trace)
        self.connection.executemany(
            "UPDATE dag_items SET state = 'orphan' WHERE kind = 'trace' AND id = ?",
            [(gone,) for gone in known.values()],
        )

    def _put_trace(self, known: int | None, artifact: int, path: str, trace: "Trace") -> None:
        digest = text_hash(repr(trace))
        values = (
            trace.query, trace.approach_taken, trace.outcome, trace.failure_reason,
            trace.strategy_title, trace.strategy_description, trace.strategy_content,
            trace.timestamp or clock.utc_sql(clock.now()),
        )  # fmt: skip
        if known is None:
            new = self.connection.execute(
                "INSERT INTO reasoning_traces (query, approach_taken, outcome, failure_reason,"
                " strategy_title, strategy_description, strategy_content, timestamp,"
                " context_snapshot, extraction_model)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'haios-dag:structure')",
                (*values, json.dumps({"source": path})),
            ).lastrowid
            self.connection.execute(
                "INSERT INTO dag_traces (trace_id, artifact_id, key) VALUES (?, ?, ?)",
                (new, artifact, trace.key),
            )
            self.connection.execute(
                "INSERT INTO dag_items (kind, id, state, text_hash) VALUES ('trace', ?, 'live', ?)",
                (new, digest),
            )
            return
        unchanged = self.connection.execute(
            "UPDATE dag_items SET state = 'live' WHERE kind = 'trace' AND id = ? AND text_hash = ?",
            (known, digest),
        ).rowcount
        if unchanged:
            return
        self.connection.execute(
            "UPDATE reasoning_traces SET query = ?, approach_taken = ?, outcome = ?,"
            " failure_reason = ?, strategy_title = ?, strategy_description = ?,"
            " strategy_content = ?, timestamp = ? WHERE id = ?",
            (*values, known),
        )
        # Its text is new, so its vector and its bridges are; its cluster was considered once.
        self.connection.execute(
            "DELETE FROM dag_bridges WHERE trace_id = ? AND insight_id IS NULL", (known,)
        )
        self.connection.execute(
            "UPDATE dag_items SET state = 'live', text_hash = ?, model = NULL, bridged = 0"
            " WHERE kind = 'trace' AND id = ?",
            (digest, known),
        )
