"""Bring a database to the schema that this code knows, while others write to it.

Migrations are files ``NNNN_what.sql``, applied in order, once, each in one transaction that gives up soon where it has
to wait for a lock, and tries again: it must not stand in the way of those who work. Those only add (expand), so that
processes with older code go on with a newer schema. One that removes or changes what older code uses is named
``NNNN_contract_what.sql``: code that does not have it refuses the database from then on. One that is named
``NNNN_online_what.sql`` runs outside of a transaction, statement by statement, as CREATE INDEX CONCURRENTLY demands;
it has to be one that can be run again after it was cut off in the middle.
"""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Callable
from importlib.resources import files

import msgspec
import psycopg

from serai.errors import UnavailableError, UnsupportedError
from serai.store.cluster.address import SCHEMA
from serai.store.cluster.connection import Connection

#: Names the advisory lock that one migrating process holds; the octets of "serai".
_LOCK = int.from_bytes(b"serai", "big")
_FILE = re.compile(r"(\d{4})_(?:(contract|online)_)?[a-z0-9_]+\.sql")
#: How long a step may hold up others, and how often it tries to get through.
_BRIEFLY = "1s"
_TRIES = 60
#: Seconds for one statement of an online step.
_LONG = 86400.0
_LEDGER = """
CREATE TABLE migration (
    number   integer          PRIMARY KEY,
    name     text             NOT NULL,
    contract boolean          NOT NULL,
    at       double precision NOT NULL
)
"""


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    number: int
    name: str
    sort: str  # "", "contract", "online"
    sql: str


def shipped() -> list[Migration]:
    """Return the migrations that come with this code, in order."""
    folder = files("serai.store.cluster") / "migrations"
    found = [
        Migration(int(match[1]), file.name, match[2] or "", file.read_text("utf-8"))
        for file in folder.iterdir()
        if (match := _FILE.fullmatch(file.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(connection: Connection, migrations: list[Migration], now: float, *, create: bool = True) -> None:
    """Apply what is missing; `UnsupportedError` where newer code removed what this code needs.

    Safe to run by several processes at once: one does it, the others wait and look again. Raises native errors, and
    `UnavailableError` where there is no store and none may be made, or another one takes long to migrate.
    """
    if not _missing(connection, migrations):
        return
    if not create and not _has_ledger(connection):
        raise UnavailableError("the database has no store", temporary=False)
    _patiently(lambda: _lock(connection))
    try:
        if not _has_ledger(connection):
            _found(connection)
        for migration in _missing(connection, migrations):
            _apply(connection, migration, now)
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def check(connection: Connection, migrations: list[Migration]) -> None:
    """Raise `UnsupportedError` where newer code removed what this code needs."""
    _missing(connection, migrations)


def _missing(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    if not _has_ledger(connection):
        return migrations
    applied = dict(connection.execute("SELECT number, contract FROM migration").fetchall())
    known = {migration.number for migration in migrations}
    foreign = [number for number, contract in applied.items() if contract and number not in known]
    if foreign:
        raise UnsupportedError(f"the store was changed by newer code (migration {min(foreign)}): upgrade this one")
    return [migration for migration in migrations if migration.number not in applied]


def _has_ledger(connection: Connection) -> bool:
    found = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.migration",)).fetchone()
    return found is not None and found[0] is not None


def _found(connection: Connection) -> None:
    # Not IF NOT EXISTS: that asks for the right to create one even where it is there.
    row = connection.execute("SELECT to_regnamespace(%s)", (SCHEMA,)).fetchone()
    with connection.transaction():
        if row is None or row[0] is None:
            connection.execute(f"CREATE SCHEMA {SCHEMA}")
        connection.execute(_LEDGER)


def _lock(connection: Connection) -> None:
    connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))


def _apply(connection: Connection, migration: Migration, now: float) -> None:
    if migration.sort == "online":
        # It may take as long as it takes; it holds nobody up.
        connection.execute("SET statement_timeout = 0")
        silence, connection.silence = connection.silence, _LONG
        for statement in re.split(r";\s*$", migration.sql, flags=re.MULTILINE):
            if re.sub(r"--[^\n]*", "", statement).strip():
                connection.execute(statement.encode())
        connection.silence = silence
        connection.execute("RESET statement_timeout")
        _note(connection, migration, now)
        return

    def step() -> None:
        with connection.transaction():
            connection.execute(f"SET LOCAL lock_timeout = '{_BRIEFLY}'")
            connection.execute(migration.sql.encode())
            _note(connection, migration, now)
            if migration.number == 1:
                connection.execute("INSERT INTO about (key, value) VALUES ('store', %s)", (uuid.uuid4().hex,))

    _patiently(step)


def _note(connection: Connection, migration: Migration, now: float) -> None:
    row = (migration.number, migration.name, migration.sort == "contract", now)
    connection.execute("INSERT INTO migration (number, name, contract, at) VALUES (%s, %s, %s, %s)", row)


def _patiently(step: Callable[[], None]) -> None:
    """Repeat a step that could not get a lock, or was chosen to end a deadlock."""
    for _ in range(_TRIES):
        try:
            return step()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - jitter, not a secret
    return step()
