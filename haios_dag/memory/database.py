"""Opening a memory: where it may be created, how it locks, what its errors mean."""

import contextlib
import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import quote

from haios_dag.base import files
from haios_dag.base.errors import MemoryUnavailableError
from haios_dag.memory import row_counts, tables, word_index

BUSY_SECONDS = 10
# What is embedded and compared of a trace, as SQL over reasoning_traces.
TRACE_TEXT = (
    "query || char(10) || approach_taken || char(10) || coalesce(strategy_title, '') || char(10)"
    " || coalesce(strategy_description, '') || char(10) || coalesce(strategy_content, '')"
)
# The highest synthesis cluster that we wrote or adopted, as an SQL expression.
SEEN_CLUSTERS = (
    "SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM dag_meta WHERE key = 'clusters'"
)
_MEANING = {
    "SQLITE_BUSY": "is locked by another program; the work waits for the next beat",
    "SQLITE_LOCKED": "is locked by another program; the work waits for the next beat",
    "SQLITE_PROTOCOL": "cannot be locked; the work waits for the next beat (a network disk may"
    " never lock)",
    "SQLITE_CORRUPT": "is damaged; restore a backup, or move it away and let a beat begin afresh",
    "SQLITE_NOTADB": "is not a database; restore a backup, or move it away and begin afresh",
    "SQLITE_FULL": "cannot grow, the disk is full; free space, the work waits for the next beat",
    "SQLITE_READONLY": "is read-only; make the file and its folder writable",
    "SQLITE_CANTOPEN": "cannot be opened; check that its folder is writable, and that no symbolic"
    " link stands at its -wal, -shm or -journal",
    "SQLITE_IOERR": "cannot be read or written; check the disk",
    "SQLITE_PERM": "may not be accessed; check the permissions",
}

_BUSY = {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL"}


def text_hash(text: str | bytes) -> bytes:
    """Return the 16-byte identity of a text or its UTF-8 bytes (SHA-256, truncated)."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.sha256(data).digest()[:16]


def cache_folder(path: Path) -> Path:
    """Return the folder of a database's vector cache (see `cache`, which imports numpy)."""
    return path.with_name(f"{path.name}-vectors")


def sqlite() -> tuple[str, bool]:
    """Return the version of this Python's SQLite, and whether it can index words."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        return sqlite3.sqlite_version, word_index.is_known(connection)


class Database:
    """A connection to a memory with its transactions.

    Every sqlite3 error that has a cause outside the program leaves as MemoryUnavailableError.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path
        self._indexes_words = False

    @classmethod
    def open(cls, path: Path, *, write: bool, create: bool = False) -> Self:
        """Open the memory at `path`; with `create`, make it when it is missing or empty.

        A reader never creates or changes anything. The first writer adds our tables to a HAIOS
        database. Raise MemoryUnavailableError when the memory is missing (and not `create`), is
        not a memory, or cannot be used.
        """
        if _is_file(path):
            pass
        elif create:
            _touch(path)
        else:
            raise MemoryUnavailableError(
                f"there is no memory at {path}; a beat with ingest makes it"
            )
        with meaning(path):
            connection = sqlite3.connect(
                f"file:{quote(path.absolute().as_posix())}?mode=rw",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
            )
        database = cls(connection, path)
        try:
            with meaning(path):
                database._prepare(write=write, create=create)
        except BaseException:
            connection.close()
            raise
        return database

    def _prepare(self, *, write: bool, create: bool) -> None:
        connection = self.connection
        connection.create_function("dag_hash", 1, text_hash, deterministic=True)
        # Other programs' texts may be in any encoding; one such text must not stop the others.
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.execute("PRAGMA foreign_keys = ON")
        if not write:
            connection.execute("PRAGMA query_only = ON")
        empty = tables.is_empty(connection)  # names what is no database at all
        self._check_length()
        if empty:
            if not create:
                raise MemoryUnavailableError(f"{self.path} is empty; a beat with ingest fills it")
        elif not tables.has_bookkeeping(connection, self.path):
            tables.check(connection, self.path)  # before anything is changed
        if not write:
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if tables.is_empty(connection) or not tables.has_bookkeeping(connection, self.path):
            with self.transaction():
                if tables.is_empty(connection):
                    for statement in tables.statements(tables.HAIOS_V3):
                        connection.execute(statement)
                tables.check(connection, self.path)
                if not tables.has_bookkeeping(connection, self.path):
                    tables.add_bookkeeping(connection)
        self._prepare_heads()
        self._prepare_totals()
        self._prepare_words()
        _load_vec0(connection)

    def _prepare_totals(self) -> None:
        """Begin to keep the counts where an earlier release did not."""
        if not row_counts.are_kept(self.connection):
            with self.transaction():
                row_counts.keep(self.connection)

    def _prepare_heads(self) -> None:
        """Give the ledger of an earlier release its column for heads."""
        if "head" not in tables.columns(self.connection, "dag_documents"):
            self.connection.execute("ALTER TABLE dag_documents ADD COLUMN head TEXT")

    def _check_length(self) -> None:
        """Refuse a file that ends within a page, which SQLite takes for zeros.

        Only where no write-ahead log could hold that page.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        (page,) = self.connection.execute("PRAGMA page_size").fetchone()
        try:
            cut = self.path.stat().st_size % page and not (log.exists() and log.stat().st_size)
        except OSError as error:
            raise MemoryUnavailableError(
                f"{self.path}: {error.strerror}; check that disk"
            ) from error
        if cut:
            raise MemoryUnavailableError(
                f"{self.path} {_MEANING['SQLITE_CORRUPT']} (it is cut off)"
            )

    def _prepare_words(self) -> None:
        """Make the word index where it is missing or stale, if this SQLite can."""
        self._indexes_words = word_index.is_known(self.connection)
        if self._indexes_words and not word_index.is_current(self.connection):
            with self.transaction():
                word_index.fill(self.connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def _is_prepared(self) -> bool:
        """Tell whether a writer has added our tables."""
        return bool(
            self.connection.execute(
                "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'dag_items')"
            ).fetchone()[0]
        )

    def _index_new(self) -> None:
        """Index the words of new concepts; the caller holds the transaction."""
        if self._indexes_words:
            word_index.add_new(self.connection)

    def _index_again(self, concept: int, old: str, new: str) -> None:
        """Index the new words of an insight; the caller holds the transaction."""
        if self._indexes_words:
            self._index_new()  # the insight itself may be new
            word_index.replace(self.connection, concept, old, new)
        else:
            word_index.mark_stale(self.connection)

    def _index_afresh(self) -> None:
        """Index the words of all concepts anew; the caller holds the transaction."""
        word_index.mark_stale(self.connection)
        if self._indexes_words:
            word_index.fill(self.connection)

    def _see_clusters(self) -> None:
        """Count every synthesis cluster up to now as seen; the caller holds the transaction."""
        self.connection.execute(
            "INSERT INTO dag_meta (key, value) SELECT 'clusters', last"
            " FROM (SELECT max(id) AS last FROM synthesis_clusters)"
            f" WHERE last > ({SEEN_CLUSTERS})"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection, with errors translated."""
        with meaning(self.path):
            yield self.connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let the body read one state of the memory, whatever is committed meanwhile."""
        with meaning(self.path):
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body as one write transaction, the writer's lock taken first.

        All of it is committed, durably, with the words of its new concepts, or none of it.
        """
        with meaning(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self._index_new()
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise


@contextlib.contextmanager
def meaning(path: Path) -> Iterator[None]:
    """Turn sqlite3's errors into one sentence about the database at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        for prefix, sentence in _MEANING.items():
            if name.startswith(prefix):
                said = MemoryUnavailableError(f"{path} {sentence} ({error})")
                said.is_busy = prefix in _BUSY
                raise said from error
        if "no such module: vec0" in str(error):
            raise MemoryUnavailableError(
                f"{path} mirrors its traces into a sqlite-vec table; install haios-dag[vec] in a"
                " Python whose sqlite3 can load extensions"
            ) from error
        raise


def _is_file(path: Path) -> bool:
    """Tell whether the path is a plain file, or nothing yet; raise when it is anything else."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise MemoryUnavailableError(
            f"{path} cannot be reached ({getattr(error, 'strerror', None) or error});"
            " check its name and its folders' permissions"
        ) from error
    if stat.S_ISLNK(mode):
        raise MemoryUnavailableError(
            f"{path} is a symbolic link; name the real file under [memory] path in haios.toml"
        )
    if not stat.S_ISREG(mode):
        raise MemoryUnavailableError(
            f"{path} is not a file; name another place under [memory] path in haios.toml"
        )
    return True


def _touch(path: Path) -> None:
    """Create the file, private; only when missing, as closing it drops SQLite's own locks."""
    try:
        files.ensure_folder(path.parent)
        os.close(files.open_private(path, os.O_RDWR | os.O_CREAT))
    except OSError as error:
        raise MemoryUnavailableError(
            f"{path} cannot be created ({error.strerror}); make its folder writable,"
            " or name another place under [memory] path in haios.toml"
        ) from error


def _load_vec0(connection: sqlite3.Connection) -> None:
    """Load sqlite-vec where the database needs it (HAIOS migration 005) and it is installed."""
    needed = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE sql LIKE '%USING vec0%')"
    ).fetchone()[0]
    if not needed or not hasattr(connection, "enable_load_extension"):
        return
    try:
        import sqlite_vec  # an extra
    except ImportError:
        return
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    connection.enable_load_extension(False)
