"""Taking back: what synthesis and bridging change is recorded, and replayed backwards.

Triggers of the writing connection make the record, so every change by the statements of the package
is in it, and the work of other programs never is. Source of the method: "Automatic
Undo/Redo Using SQLite" in SQLite's documentation; here the record is data, never SQL to execute.
"""

import contextlib
import itertools
import json
import sqlite3
from collections.abc import Iterator
from typing import Any

from haios_dag.base.errors import UndoError
from haios_dag.memory.database import Database, quoted
from haios_dag.memory.items import SqliteItems
from haios_dag.memory.records import UndoableStep, Undone
from haios_dag.memory.vectors import SqliteVectors
from haios_dag.memory.word_index import WordIndex

Change = tuple[str, str, str, str | None, Any, Any]

# The tables that the two steps write, with their keys.
_WATCHED = {
    "concepts": ("id",),
    "synthesis_clusters": ("id",),
    "synthesis_cluster_members": ("id",),
    "synthesis_provenance": ("id",),
    "embeddings": ("id",),
    "dag_items": ("kind", "id"),
    "dag_clusters": ("kind", "leader"),
    "dag_revisions": ("insight_id", "revision"),
    "dag_bridges": ("concept_id", "trace_id"),
    "dag_meta": ("key",),
}
# What a later ingest or adoption may rightly have changed: it then stays as it is.
_MAY_DIFFER = {("dag_items", "bridged"), ("dag_meta", "value")}
# What the record holds, in the order of `Undone`. An insight is written with its first revision;
# every other one replaced a text.
_COUNTED = """
WITH made (type) AS (
    SELECT cluster_type FROM synthesis_clusters WHERE id IN (SELECT json_extract(key, '$[0]')
    FROM dag_undo WHERE name = 'synthesis_clusters' AND change = 'insert')),
considered (kind) AS (
    SELECT json_extract(key, '$[0]') FROM dag_undo
    WHERE name = 'dag_items' AND change = 'update' AND field = 'leader')
SELECT (SELECT count(*) FROM made WHERE type != 'cross'),
    (SELECT count(*) FROM dag_undo
        WHERE name = 'dag_revisions' AND change = 'insert' AND json_extract(key, '$[1]') > 1),
    (SELECT count(*) FROM made WHERE type = 'cross'),
    (SELECT count(*) FROM considered WHERE kind = 'concept'),
    (SELECT count(*) FROM considered WHERE kind = 'trace')
"""
_RECORDED = "INSERT INTO dag_undo (name, key, change, field, before, after)"


class SqliteUndo:
    """See `protocol.Undo`."""

    def __init__(
        self, database: Database, items: SqliteItems, vectors: SqliteVectors, words: WordIndex
    ) -> None:
        self._db = database
        self._items = items
        self._vectors = vectors
        self._words = words
        self._in_run = False

    @contextlib.contextmanager
    def record(self, step: UndoableStep, beat: str | None) -> Iterator[None]:
        with self._db.transaction():
            self._items.adopt()
            if not self._in_run:
                self._begin(step, beat)
            for trigger in self._triggers():
                self._db.execute(trigger)
            try:
                yield
            finally:
                for name, event in itertools.product(_WATCHED, ("insert", "update", "delete")):
                    self._db.connection.execute(
                        f"DROP TRIGGER IF EXISTS temp.dag_undo_{name}_{event}"
                    )
        self._in_run = True

    def _triggers(self) -> Iterator[str]:
        """Yield the statements that let this connection record its own changes."""
        for name, key in _WATCHED.items():
            fields = sorted(self._db.columns(name))
            old, new = (", ".join(f'{row}."{one}"' for one in key) for row in ("old", "new"))
            row = f"SELECT '{name}', json_array({old})"
            temp = f"CREATE TEMP TRIGGER dag_undo_{name}_"
            # Another program may have given a column any name; triggers take no parameters.
            pairs = [(quoted(one, "'"), quoted(one)) for one in fields]
            was = " UNION ALL ".join(f"SELECT {text} AS f, old.{one} AS b" for text, one in pairs)
            changed = " UNION ALL ".join(
                f"SELECT {text} AS f, old.{one} AS b, new.{one} AS a"
                f" WHERE old.{one} IS NOT new.{one}"
                for text, one in pairs
            )
            yield (
                f"{temp}insert AFTER INSERT ON main.{name} BEGIN {_RECORDED}"
                f" VALUES ('{name}', json_array({new}), 'insert', NULL, NULL, NULL); END"
            )
            yield (
                f"{temp}update AFTER UPDATE ON main.{name} BEGIN {_RECORDED}"
                f" {row}, 'update', f, b, a FROM ({changed}); END"
            )
            yield (
                f"{temp}delete AFTER DELETE ON main.{name} BEGIN {_RECORDED}"
                f" {row}, 'delete', f, b, NULL FROM ({was}); END"
            )

    def _begin(self, step: UndoableStep, beat: str | None) -> None:
        """Go on with the record of this beat, or begin a new one."""
        steps = self._steps()
        if not steps or any(of != beat for of in steps.values()) or (beat is None and (
            step == "synthesize" or step in steps
        )):  # fmt: skip
            self._db.execute("DELETE FROM dag_undo")
            self._db.executemany(
                f"{_RECORDED} SELECT ?, '', 'counter', NULL,"
                " (SELECT seq FROM sqlite_sequence WHERE name = ?), NULL",
                [(name, name) for name in _WATCHED],
            )
        elif step in steps:
            return
        self._db.execute(
            f"{_RECORDED} SELECT ?, '', 'step', ?, (SELECT value FROM dag_meta"
            " WHERE key = 'space'), NULL",
            (step, beat),
        )

    def _steps(self) -> dict[str, str | None]:
        return dict(self._db.rows("SELECT name, field FROM dag_undo WHERE change = 'step'"))

    def take_back(self) -> Undone:
        # No cascade may silently take other programs' rows along; what dangles is found below.
        self._db.execute("PRAGMA foreign_keys = OFF")
        try:
            with self._db.transaction():
                return self._take_back()
        finally:
            self._db.execute("PRAGMA foreign_keys = ON")

    def _take_back(self) -> Undone:
        if not self._steps():
            raise UndoError("there is no synthesis to take back")
        self._check_untouched()
        beat = next(iter(self._steps().values()))
        undone = Undone(beat, *self._db.row(_COUNTED))
        self._vectors.remove_cache()  # before the ids that it knows are given again
        dangling = set(self._db.rows("PRAGMA foreign_key_check"))
        products, clusters = self._inserted("concepts"), self._inserted("synthesis_clusters")
        self._replay()
        # As when it changed: pairs of a trace that will be compared again do not wait.
        self._db.execute(
            "DELETE FROM dag_bridges WHERE insight_id IS NULL AND EXISTS (SELECT 1 FROM dag_items"
            " WHERE kind = 'trace' AND id = trace_id AND bridged = 0)"
        )
        broken = set(self._db.rows("PRAGMA foreign_key_check")) - dangling
        if broken or self._used(products, clusters):
            raise UndoError("another program has built on an insight of it; nothing was taken back")
        self._reset_counters()
        self._words.refill()  # before the ids of what was taken back are given again
        self._db.execute("DELETE FROM dag_undo")
        if beat is not None:
            self._db.execute("INSERT OR IGNORE INTO dag_undone (beat) VALUES (?)", (beat,))
        return undone

    def _check_untouched(self) -> None:
        """Raise UndoError when the texts or the space are no longer those of the record."""
        if self._db.exists(
            "dag_undo WHERE change = 'step' AND before IS NOT"
            " (SELECT value FROM dag_meta WHERE key = 'space')"
        ):
            raise UndoError("the vectors are of another model by now; nothing was taken back")
        edited = self._db.value(
            "SELECT concepts.id FROM dag_revisions JOIN concepts ON concepts.id = insight_id"
            " JOIN dag_items ON kind = 'concept' AND dag_items.id = insight_id"
            " WHERE json_array(insight_id, revision) IN (SELECT key FROM dag_undo"
            "   WHERE name = 'dag_revisions' AND change = 'insert')"
            " AND dag_hash(CAST(concepts.content AS BLOB)) != text_hash"
        )
        if edited:
            raise UndoError(
                f"another program has edited insight {edited} since; nothing was taken back"
            )

    def _inserted(self, table: str) -> str:
        """Return the ids of the rows that were added to a table, as a JSON array."""
        sql = "SELECT json_extract(key, '$[0]') FROM dag_undo WHERE name = ? AND change = 'insert'"
        return json.dumps(self._db.column(sql, (table,)))

    def _replay(self) -> None:
        """Reverse every recorded change, the last one first."""
        known = {name: self._db.columns(name) for name in _WATCHED}
        changes: Iterator[Change] = self._db.stream(
            "SELECT name, key, change, field, before, after FROM dag_undo"
            " WHERE change IN ('insert', 'update', 'delete') ORDER BY number DESC"
        )
        for (name, key, change), group in itertools.groupby(changes, lambda row: row[:3]):
            rows = list(group)
            if name not in known or any(row[3] not in known[name] for row in rows if row[3]):
                # What is recorded goes into SQL; nothing else may.
                raise UndoError(
                    f"the record names {name} with a column that is not there; nothing was taken"
                    " back"
                )
            where = " AND ".join(f'"{column}" = ?' for column in _WATCHED[name])
            keys = json.loads(key)
            if change == "insert":
                # A pair that another program has bridged since stays bridged.
                free = " AND insight_id IS NULL" if name == "dag_bridges" else ""
                self._db.execute(f"DELETE FROM {name} WHERE {where}{free}", keys)
            elif change == "update":
                for row in rows:
                    self._restore(row, where, keys)
            else:
                self._insert(name, {str(row[3]): row[4] for row in rows})

    def _restore(self, change: Change, where: str, keys: list[Any]) -> None:
        """Give a field its earlier value; refuse when it is no longer what synthesis left."""
        name, _, _, field, before, after = change
        column = quoted(str(field))
        restored = self._db.execute(
            f"UPDATE {name} SET {column} = ? WHERE {where} AND {column} IS ?",
            (before, *keys, after),
        ).rowcount
        if restored or (name, field) in _MAY_DIFFER:
            return
        if self._db.row(f"SELECT 1 FROM {name} WHERE {where}", keys):
            raise UndoError(
                f"another program has changed {name} {', '.join(map(str, keys))} since;"
                " nothing was taken back"
            )

    def _insert(self, name: str, row: dict[str, Any]) -> None:
        names, marks = ", ".join(map(quoted, row)), ", ".join("?" * len(row))
        try:
            self._db.execute(f"INSERT INTO {name} ({names}) VALUES ({marks})", [*row.values()])
        except sqlite3.IntegrityError as error:
            raise UndoError(
                f"a removed row of {name} cannot be put back ({error}); nothing was taken back"
            ) from error

    def _used(self, products: str, clusters: str) -> bool:
        """Tell whether something that is still there names an insight or cluster taken back."""
        return bool(
            self._db.value(
                "SELECT EXISTS (SELECT 1 FROM concepts"
                "   WHERE synthesis_cluster_id IN (SELECT value FROM json_each(:clusters)))"
                " OR EXISTS (SELECT 1 FROM synthesis_provenance WHERE source_type = 'concept'"
                "   AND source_id IN (SELECT value FROM json_each(:products)))"
                # Of a bridge's two sides the concept was written first.
                " OR EXISTS (SELECT 1 FROM synthesis_cluster_members AS m"
                "   WHERE member_id IN (SELECT value FROM json_each(:products))"
                "   AND (member_type = 'concept' OR member_type = 'cross' AND id ="
                "     (SELECT min(id) FROM synthesis_cluster_members"
                "      WHERE cluster_id = m.cluster_id)))",
                {"products": products, "clusters": clusters},
            )
        )

    def _reset_counters(self) -> None:
        """Let ids be given again where no other program has taken a later one."""
        counters = self._db.rows("SELECT name, before FROM dag_undo WHERE change = 'counter'")
        for name, before in counters:
            if name not in _WATCHED or _WATCHED[name] != ("id",):
                continue
            last = max(json.loads(self._inserted(name)), default=None)
            highest = self._db.value(f"SELECT max(id) FROM {name}")
            if before is None and highest is None:
                self._db.execute(
                    "DELETE FROM sqlite_sequence WHERE name = ? AND seq = ?", (name, last)
                )
            else:
                self._db.execute(
                    "UPDATE sqlite_sequence SET seq = ? WHERE name = ? AND seq = ?",
                    (max(before or 0, highest or 0), name, last),
                )
