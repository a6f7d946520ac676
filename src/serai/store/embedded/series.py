"""History in one SQLite file of its own, which can't grow beyond its bound.

Nothing in it is precious: commits are not synced one by one (the file survives a crash of the process whole, and one of
the machine but for the last commits), and a file that is damaged is thrown away and begun anew.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from serai.errors import ExhaustedError, SeraiError
from serai.store.embedded.errors import translate
from serai.store.series.driver import Row

FORMAT = 1
#: Octets of a page. Rows of up to a quarter of it lie in the tree itself.
PAGE = 16 << 10
#: Pages in the log after which they are moved to the file; the log grows to about twice that.
_LOG = 192
_CACHE = 2 << 10  # KiB
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_SCHEMA = """
CREATE TABLE target (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE mark (level INTEGER PRIMARY KEY, start INTEGER NOT NULL) STRICT;
CREATE TABLE row (
    level INTEGER NOT NULL,
    start INTEGER NOT NULL,
    target INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (level, start, target)
) STRICT, WITHOUT ROWID;
"""


class EmbeddedSeries:
    """An engine; ``octets`` is what the file and its log may take on disk. The file is opened at the first use."""

    def __init__(self, path: Path, octets: int) -> None:
        self._path = path
        self._pages = max(64, octets // PAGE - 2 * _LOG)
        self._open: sqlite3.Connection | None = None
        self._numbers: dict[str, int] = {}
        self.lost = 0  # times that a damaged file was begun anew

    def put(self, rows: Iterable[Row], marks: dict[int, int]) -> None:
        """Keep rows and marks in one transaction."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            # In the order of the tree, so that each page is filled before the next.
            found = sorted((row.level, row.start, self._number(connection, row.target), row.data) for row in rows)
            connection.executemany("INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?)", found)
            connection.executemany("INSERT OR REPLACE INTO mark VALUES (?, ?)", marks.items())
            connection.execute("COMMIT")

    def marks(self) -> dict[int, int]:
        """Return the marks."""
        with self._connection() as connection:
            return dict(connection.execute("SELECT level, start FROM mark"))

    def get(self, level: int, target: str, starts: Sequence[int]) -> list[tuple[int, bytes]]:
        """Return rows of a target: one look-up each, for a time's rows of all targets lie side by side."""
        with self._connection() as connection:
            number = self._find(connection, target)
            if number is None:
                return []
            found = []
            one = "SELECT data FROM row WHERE level = ? AND start = ? AND target = ?"
            for start in sorted(starts):
                row = connection.execute(one, (level, start, number)).fetchone()
                if row is not None:
                    found.append((start, row[0]))
            return found

    def targets(self, level: int, since: int, until: int) -> list[str]:
        """Return all targets of a time."""
        with self._connection() as connection:
            return [
                name
                for (name,) in connection.execute(
                    "SELECT name FROM target WHERE number IN"
                    " (SELECT target FROM row WHERE level = ? AND start >= ? AND start < ?) ORDER BY name",
                    (level, since, until),
                )
            ]

    def drop(self, level: int, before: int, limit: int) -> int:
        """Remove old rows, and give pages back to the file system where the file is larger than it may be."""
        with self._connection() as connection:
            removed = connection.execute(
                "DELETE FROM row WHERE (level, start, target) IN"
                " (SELECT level, start, target FROM row WHERE level = ? AND start < ? ORDER BY start, target LIMIT ?)",
                (level, before, limit),
            ).rowcount
            if self._value(connection, "page_count") > self._pages:
                connection.execute("PRAGMA incremental_vacuum(256)").fetchall()
                self._bind(connection)
            return removed

    def oldest(self, level: int, since: int | None = None) -> int | None:
        """Return the start of a level's oldest row, of all or from a time on."""
        with self._connection() as connection:
            least = -(1 << 63) if since is None else since
            row = connection.execute(
                "SELECT min(start) FROM row WHERE level = ? AND start >= ?", (level, least)
            ).fetchone()
            start: int | None = row[0]
            return start

    def used(self) -> int:
        """Return the octets of pages in use."""
        with self._connection() as connection:
            return PAGE * (self._value(connection, "page_count") - self._value(connection, "freelist_count"))

    def close(self) -> None:
        """Close the file."""
        connection, self._open = self._open, None
        self._numbers.clear()
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    # -- the file -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection; undo what an error left half done, and map it to its code."""
        try:
            if self._open is None:
                self._open = self._connect()
            yield self._open
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error | OSError) -> SeraiError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if self._open is not None and self._open.in_transaction:
            with suppress(sqlite3.Error):
                self._open.execute("ROLLBACK")
        self._numbers.clear()  # some may have been rolled back
        if code == sqlite3.SQLITE_FULL and self._is_bound():
            return ExhaustedError("there is no room left for history")
        translated = translate(error, self._path)
        if code != sqlite3.SQLITE_FULL:
            self.close()  # whatever it is, the next use may find it mended
        if code in _DAMAGED:
            self._begin_anew()
        return translated

    def _is_bound(self) -> bool:
        """Tell whether it is our own bound that was met, and not the disk's end."""
        try:
            return self._open is not None and self._value(self._open, "page_count") >= self._pages
        except sqlite3.Error:
            return False

    def _begin_anew(self) -> None:
        self.lost += 1
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    def _connect(self) -> sqlite3.Connection:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.close(fd)
        connection = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG}")
            connection.execute(f"PRAGMA journal_size_limit = {_LOG * PAGE}")
            connection.execute(f"PRAGMA cache_size = -{_CACHE}")
            if self._value(connection, "user_version") != FORMAT:
                self._create(connection)
            self._bind(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _bind(self, connection: sqlite3.Connection) -> None:
        """Let the file not grow; SQLite takes no bound that is below what it has."""
        connection.execute(f"PRAGMA max_page_count = {self._pages}").fetchall()

    def _create(self, connection: sqlite3.Connection) -> None:
        """Make the tables, without what another version may have left."""
        for kind, name in connection.execute("SELECT type, name FROM sqlite_schema WHERE type = 'table'").fetchall():
            connection.execute(f'DROP {kind} "{name}"')
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {FORMAT}; COMMIT;")

    def _number(self, connection: sqlite3.Connection, name: str) -> int:
        number = self._find(connection, name)
        if number is None:
            number = connection.execute("INSERT INTO target (name) VALUES (?)", (name,)).lastrowid or 0
            self._numbers[name] = number
        return number

    def _find(self, connection: sqlite3.Connection, name: str) -> int | None:
        number = self._numbers.get(name)
        if number is None:
            row = connection.execute("SELECT number FROM target WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            number = self._numbers[name] = int(row[0])
        return number

    @staticmethod
    def _value(connection: sqlite3.Connection, name: str) -> int:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
