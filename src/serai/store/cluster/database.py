"""The database of one store, as one process sees it: migrated once, and noticed when it is suddenly another one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from serai.errors import SeraiError, UnavailableError, UnsupportedError
from serai.store.cluster.address import Address
from serai.store.cluster.connection import Connection, connect
from serai.store.cluster.errors import SilentError, is_fatal, translate
from serai.store.cluster.migrate import check, migrate, shipped

#: The first one whose major release all statements are tested with.
_OLDEST = 140000
#: A commit is acknowledged when it is durable, whatever the database's own default is.
_HELLO = """
SELECT (SELECT value FROM about WHERE key = 'store'),
       CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
            THEN set_config('synchronous_commit', 'on', false) END
"""
#: Connections of this house that hold a transaction open and wait for their client. The server's own limit is for the
#: time between two messages: not for amid one, nor for an answer that is not taken, as by a process that is stopped.
_EVICT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()
      AND starts_with(application_name, 'serai ') AND wait_event_type = 'Client' AND xact_start IS NOT NULL
      AND greatest(query_start, state_change) < clock_timestamp() - make_interval(secs => %s)
"""


class Database:
    """Make connections to one database. Safe for several threads."""

    def __init__(self, address: Address, *, create: bool = True, now: Callable[[], float] = time.time) -> None:
        self.address = address
        self._create = create
        self._now = now
        self._lock = threading.Lock()
        self._identity = ""

    def connect(self, name: str) -> Connection:
        """Open a connection; the first one creates and migrates the schema. Raises native and coded errors."""
        connection = connect(self.address, name)
        try:
            with self._lock:
                if not self._identity:
                    self._prepare(connection)
                else:
                    check(connection, shipped())
            found = connection.execute(_HELLO).fetchone()
            self._recognize(found[0] if found else None)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        info = connection.info
        if info.server_version < _OLDEST:
            raise UnsupportedError(f"PostgreSQL {_OLDEST // 10000} or newer is needed, not {info.server_version}")
        if (encoding := info.parameter_status("server_encoding")) != "UTF8":
            raise UnsupportedError(f"the database {self.address} has the encoding {encoding}: make it one with UTF8")
        migrate(connection, shipped(), self._now(), create=self._create)

    def _recognize(self, identity: str | None) -> None:
        if not identity:
            raise UnavailableError(f"the database {self.address} lost its store", temporary=False)
        with self._lock:
            self._identity = self._identity or identity
        if identity != self._identity:
            raise UnavailableError(
                f"the database {self.address} holds another store than before: restart to use it", temporary=False
            )


class Link:
    """A connection of one thread, made when it is first needed and again after it broke."""

    def __init__(self, database: Database, name: str) -> None:
        self.database = database
        self._name = name
        self._connection: Connection | None = None

    def get(self) -> Connection:
        """Return the connection, or raise a coded error."""
        if self._connection is None or self._connection.closed:
            try:
                self._connection = self.database.connect(self._name)
            except (psycopg.Error, SilentError) as error:
                raise translate(error, self.database.address) from error
        return self._connection

    def abandon(self, error: Exception) -> SeraiError | Exception:
        """Roll back what is open and return the coded error; a connection that is of no more use is forgotten."""
        coded = translate(error, self.database.address) if isinstance(error, psycopg.Error | SilentError) else error
        if is_fatal(error):
            self.drop()
        self.roll_back()
        return coded

    def roll_back(self) -> None:
        """Undo what is open."""
        connection = self._connection
        if connection is None or (connection.idle and not connection.doubtful):
            return
        if connection.doubtful or connection.closed:
            self.drop()
            return
        try:
            connection.roll_back()
        except (psycopg.Error, SilentError):
            self.drop()

    def evict(self) -> None:
        """End the connections of others that hold locks while nobody is there; called by who waited in vain."""
        with suppress(SeraiError, psycopg.Error, SilentError):
            self.get().execute(_EVICT, (self.database.address.patience.idle,))

    def drop(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
