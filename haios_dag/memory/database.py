"""An SQLite database: where it may be created, its transactions, what its errors mean."""

import contextlib
import hashlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from haios_dag.base import files
from haios_dag.base.errors import MemoryUnavailableError

Values = Sequence[Any] | Mapping[str, Any]

BUSY_SECONDS = 10
_RESTORE = "restore a backup, or move it away and let a beat make a new one"
_MEANING = {
    "SQLITE_BUSY": "is locked by another program; the work waits for the next beat",
    "SQLITE_LOCKED": "is locked by another program; the work waits for the next beat",
    "SQLITE_PROTOCOL": "cannot be locked; the work waits for the next beat (a network disk may"
    " never lock)",
    "SQLITE_CORRUPT": f"is damaged; {_RESTORE}",
    "SQLITE_NOTADB": f"is not a database; {_RESTORE}",
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


def quoted(text: str, mark: str = '"') -> str:
    """Return a text between quotation marks of SQL or FTS5, in which it has no other meaning."""
    return mark + text.replace(mark, mark * 2) + mark


class Database:
    """A connection to an SQLite database with its transactions.

    Every sqlite3 error that has a cause outside the program leaves as MemoryUnavailableError.
    `before_commit` holds what runs at the end of every write transaction, in this order.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path
        self.before_commit: list[Callable[[], None]] = []

    @classmethod
    def open(cls, path: Path, *, write: bool, create: bool = False) -> Self:
        """Open the database at `path`; with `create`, make an empty one where there is none."""
        if not _is_file(path):
            if not create:
                raise MemoryUnavailableError(
                    f"there is no memory at {path}; a beat with ingest makes it"
                )
            _touch(path)
        with _translated(path):
            connection = sqlite3.connect(
                f"file:{quote(path.absolute().as_posix())}?mode=rw",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
            )
        database = cls(connection, path)
        try:
            database.execute("PRAGMA foreign_keys = ON")
            if not write:
                database.execute("PRAGMA query_only = ON")
            connection.create_function("dag_hash", 1, text_hash, deterministic=True)
            # Other programs' texts may be in any encoding; one such text must not stop the others.
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            database.is_empty()  # fails where it is not a database at all
            database._check_length()
        except BaseException:
            connection.close()
            raise
        return database

    def make_durable(self) -> None:
        """Let every commit reach the disk before it returns, and load what the tables need."""
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = FULL")
        if self.exists("sqlite_master WHERE sql LIKE '%USING vec0%'"):
            _load_vec0(self.connection)

    def _check_length(self) -> None:
        """Refuse a file that ends within a page, unless a write-ahead log may hold that page."""
        log = self.path.with_name(f"{self.path.name}-wal")
        page = self.value("PRAGMA page_size")
        try:
            cut = self.path.stat().st_size % page and not (log.exists() and log.stat().st_size)
        except OSError as error:
            sentence = f"{self.path}: {error.strerror}; check that disk"
            raise MemoryUnavailableError(sentence) from error
        if cut:
            raise self.damaged("it is cut off")

    def damaged(self, why: str) -> MemoryUnavailableError:
        """Return the error of a database that lacks something."""
        return MemoryUnavailableError(f"{self.path} is damaged: {why}; {_RESTORE}")

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def execute(self, sql: str, values: Values = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        with self.translated():
            return self.connection.execute(sql, values)

    def insert(self, table: str, **values: object) -> int:
        """Add a row to a table with an `id`; return that."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        sql = f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id"
        return int(self.value(sql, [*values.values()]))

    def executemany(self, sql: str, rows: Iterable[Values]) -> None:
        """Execute one statement for each row of values."""
        with self.translated():
            self.connection.executemany(sql, rows)

    def run(self, script: str) -> None:
        """Execute the statements of a script inside the caller's transaction."""
        pending = ""
        for line in script.splitlines(keepends=True):
            pending += line
            if sqlite3.complete_statement(pending):
                self.execute(pending)
                pending = ""

    def stream(self, sql: str, values: Values = ()) -> Iterator[Any]:
        """Yield the rows of a query as they are read."""
        with self.translated():
            for row in self.connection.execute(sql, values):  # noqa: UP028 - it would close it late
                yield row

    def rows(self, sql: str, values: Values = ()) -> list[Any]:
        """Return the rows of a query."""
        with self.translated():
            return self.connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Values = ()) -> Any:  # noqa: ANN401 - columns of any type
        """Return the first row of a query, or None."""
        with self.translated():
            return self.connection.execute(sql, values).fetchone()

    def column(self, sql: str, values: Values = ()) -> list[Any]:
        """Return the first column of a query."""
        return [row[0] for row in self.rows(sql, values)]

    def value(self, sql: str, values: Values = ()) -> Any:  # noqa: ANN401 - a column of any type
        """Return the first column of the first row of a query, or None."""
        row = self.row(sql, values)
        return row and row[0]

    def exists(self, rows: str, values: Values = ()) -> bool:
        """Tell whether there is a row in `table WHERE ...`."""
        return bool(self.value(f"SELECT EXISTS (SELECT 1 FROM {rows})", values))

    def columns(self, table: str) -> set[str]:
        """Return the column names of a table; empty when the table does not exist."""
        return set(self.column("SELECT name FROM pragma_table_info(?)", (table,)))

    def is_empty(self) -> bool:
        """Tell whether the database has no table at all, as a new file has none."""
        return not self.exists("sqlite_master")

    def translated(self) -> AbstractContextManager[None]:
        """Turn sqlite3's errors in the body into one sentence about this database."""
        return _translated(self.path)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let the body read one state of the database, also while others commit."""
        self.execute("BEGIN")
        try:
            yield
        finally:
            self.execute("ROLLBACK")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body and then `before_commit` as one write transaction.

        The writer's lock is taken first. All of it is committed, durably, or none of it.
        """
        with self.translated():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                for run in self.before_commit:
                    run()
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
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
    """Tell whether the path is a regular file, or nothing yet; raise when it is anything else."""
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
    """Load sqlite-vec, which HAIOS's migration 005 needs, where it is installed."""
    if not hasattr(connection, "enable_load_extension"):
        return
    try:
        import sqlite_vec  # an extra
    except ImportError:
        return
    connection.enable_load_extension(True)
    sqlite_vec.load(connection)
    connection.enable_load_extension(False)
