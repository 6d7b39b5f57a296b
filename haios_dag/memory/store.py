"""The memory in an SQLite database, as one object made of its parts."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory import migrations, row_counts
from haios_dag.memory.bridges import SqliteBridges
from haios_dag.memory.database import Database
from haios_dag.memory.documents import SqliteDocuments
from haios_dag.memory.insights import SqliteInsights
from haios_dag.memory.items import SqliteItems
from haios_dag.memory.search import SqliteSearch
from haios_dag.memory.undo import SqliteUndo
from haios_dag.memory.vectors import SqliteVectors
from haios_dag.memory.word_index import WordIndex

if TYPE_CHECKING:
    from haios_dag.memory import protocol


class SqliteStore:
    """See `protocol.Store`; the parts share one database."""

    def __init__(self, database: Database) -> None:
        items = SqliteItems(database)
        vectors = SqliteVectors(database, items)
        words = WordIndex(database)
        self.database = database
        self.path = database.path
        self.snapshot, self.transaction = database.snapshot, database.transaction
        self.is_prepared = items.is_prepared
        self._vectors, self._words = vectors, words
        self.items: protocol.Items = items
        self.documents: protocol.Documents = SqliteDocuments(database, items)
        self.vectors: protocol.Vectors = vectors
        self.insights: protocol.Insights = SqliteInsights(database, items, vectors, words)
        self.bridges: protocol.Bridges = SqliteBridges(database, items)
        self.search: protocol.Search = SqliteSearch(database, items, words)
        self.undo: protocol.Undo = SqliteUndo(database, items, vectors, words)

    @classmethod
    def open(cls, path: Path, *, write: bool, create: bool = False) -> Self:
        """Open the memory at `path` as `open_memory` does; a writer updates its tables."""
        database = Database.open(path, write=write, create=create)
        try:
            migrations.check(database, create=create)
            store = cls(database)
            if write:
                database.make_durable()
                migrations.apply(database)
                store._words.keep()
        except BaseException:
            database.close()
            raise
        return store

    def health(self) -> "protocol.Health":
        from haios_dag.memory.health import SqliteHealth

        return SqliteHealth(self.database, self._vectors, self._words)

    def check_prepared(self) -> None:
        if not self.is_prepared():
            raise MemoryUnavailableError(
                f"no beat has worked on {self.path} yet; run doit heartbeat, then ask again"
            )

    def counts(self) -> dict[str, int]:
        return row_counts.counts(self.database, prepared=self.is_prepared())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()
