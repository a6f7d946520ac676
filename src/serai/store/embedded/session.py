"""A database file, and one connection to it that notices when the file is no longer the one that it opened."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from serai.errors import UnavailableError
from serai.store.embedded.errors import is_broken, translate
from serai.store.embedded.log import Log, Settler, empty
from serai.store.embedded.migrate import migrate, shipped

#: Seconds that SQLite itself waits for another process's lock before it says that it is busy.
BUSY = 0.25
#: Octets that the log may keep on disk after a checkpoint.
LOG_KEPT = 64 << 20
#: Seconds for which a commit that nobody waits for may lack durability before the next one waits for the disk.
_BEHIND = 0.02

Inode = tuple[int, int]


class File:
    """The database of one store. Made once a process and store; its connections are made by each thread."""

    def __init__(self, path: Path, *, create: bool, now: Callable[[], float] = time.time) -> None:
        self.path = path
        self._create = create
        self._now = now
        self._lock = threading.Lock()
        self._inode: Inode | None = None
        self._log_lost = False

    def connect(self) -> sqlite3.Connection:
        """Open a connection; the first one creates and migrates the file. Raises native errors."""
        with self._lock:
            if self._inode is None:
                self._prepare()
            elif (there := inode(self.path)) != self._inode or self._log_lost:
                raise self.gone(there)
            return self._open("rw")

    def gone(self, there: Inode | None) -> UnavailableError:
        """Return the error for a file that is no longer what was written to; ``there`` is what was in its place.

        It was looked at once: a file that comes back at this very moment must not pass for one without its log.

        The file may come back. A log does not: what it held is in the file only if its last connection could still
        put it there, which no other connection can tell. So that lasts until the process starts anew, and is told.
        """
        if there == self._inode:
            self._log_lost = True
            what = f"log {self.path}-wal was deleted or replaced"
        else:
            what = f"file {self.path} was {'replaced' if there else 'deleted'}"
        return UnavailableError(
            f"the store's {what} while it was open; put it back, or restart on what is there", temporary=False
        )

    def _prepare(self) -> None:
        if self._create and not self.path.exists():
            create(self.path)
        connection = self._open("rw")
        try:
            migrate(connection, shipped(), self._now())
        finally:
            connection.close()
        self._inode = inode(self.path)

    def _open(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY,
            isolation_level=None,
            check_same_thread=False,  # the thread that made it uses it, and whoever closes it after that has ended
            cached_statements=256,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {LOG_KEPT}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection


class Session:
    """A connection of one thread, made when it is first needed and again after it broke.

    With ``late`` its commits are durable only after `sync`, and the log grows until `shorten`.
    """

    def __init__(self, file: File, *, waits: bool = True, late: bool = False) -> None:
        self.file = file
        self._waits = waits  # SQLite itself waits for another process's lock
        self._late = late
        self._log: Log | None = None  # where syncing it is our business
        self._settler: Settler | None = None
        self._connection: sqlite3.Connection | None = None
        self._inodes: tuple[Inode | None, Inode | None] = (None, None)
        self._names = str(file.path), f"{file.path}-wal"

    def connection(self, *, check: bool = True) -> sqlite3.Connection:
        """Return the connection, or raise a coded error."""
        if self._connection is None:
            try:
                self._connection = self.file.connect()
                if not self._waits:
                    self._connection.execute("PRAGMA busy_timeout = 0")
                if self._late:
                    # SQLite goes on to sync around checkpoints and where the log begins anew, but for each commit.
                    self._connection.execute("PRAGMA synchronous = NORMAL")
                    self._connection.execute("PRAGMA wal_autocheckpoint = 0")
                    self._log = Log(Path(self._names[1]))
            except (sqlite3.Error, OSError) as error:
                self.close()
                raise translate(error, self.file.path) from error
            self._inodes = self._look()
        if check:
            self.check()
        return self._connection

    def sync(self) -> None:
        """Make durable what was committed; where that fails, nobody knows whether it is."""
        if self._log is None:
            return
        try:
            self._log.sync()
        except OSError as error:
            self.close()
            what = f"the log of the store {self.file.path} can't be synced: {error.strerror}"
            raise UnavailableError(what, temporary=False, outcome="unknown") from error

    def settle(self) -> None:
        """Make durable soon what was committed, on another thread; at once where that one fails or lags behind."""
        if self._log is None:
            return
        if self._settler is None:
            try:
                self._settler = Settler(self._log)
            except (OSError, RuntimeError):  # no descriptor, or no thread, to be had
                self.sync()
                return
        settler = self._settler
        settler.begin()
        if settler.failed or settler.behind > _BEHIND:
            settler.failed = False
            self.sync()

    def shorten(self) -> bool:
        """Empty the log where it is long; return False where somebody reads or writes for too long to do that now."""
        if self._log is None or self._connection is None:
            return True
        try:
            return not self._log.is_long or empty(self._connection)
        except (sqlite3.Error, OSError) as error:
            self.abandon(error)  # the next commit tells what is wrong, if it is that
            return False

    def check(self) -> None:
        """Raise `UnavailableError` where the file or its log is not the one that this connection writes to.

        The log counts as much as the file: it holds the newest commits, and lives as long as any connection.
        """
        if (found := self._look()) != self._inodes:
            self.close()
            raise self.file.gone(found[0])

    def abandon(self, error: Exception) -> Exception:
        """Roll back what is open and return the coded error; a connection that is of no more use is forgotten."""
        coded = translate(error, self.file.path) if isinstance(error, sqlite3.Error) else error
        if isinstance(error, sqlite3.Error) and is_broken(error):
            self.close()
        elif self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self.close()
        return coded

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._settler is not None:
            self._settler.close()
            self._settler = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _look(self) -> tuple[Inode | None, Inode | None]:
        return inode(self._names[0]), inode(self._names[1])


def inode(path: Path | str) -> Inode | None:
    """Return what tells a file from another one that later has its name; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - twice around each commit: Path.stat() takes three times as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


def create(path: Path) -> None:
    """Create an empty file that only its owner reads; root gives it to the owner of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    folder_descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder_descriptor)
    finally:
        os.close(folder_descriptor)
