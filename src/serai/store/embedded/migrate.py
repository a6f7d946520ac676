"""Bring a database file to the schema that this code knows.

Migrations are files ``NNNN_what.sql``, applied in order, once, each in one transaction. Those only add (expand), so
that processes with older code go on with a newer file. One that removes or changes what older code uses is named
``NNNN_contract_what.sql``: code that does not have it refuses the file from then on.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files

import msgspec

from serai.errors import UnsupportedError

_FILE = re.compile(r"(\d{4})_((?:contract_)?)[a-z0-9_]+\.sql")
_LEDGER = """
CREATE TABLE IF NOT EXISTS migration (
    number   INTEGER NOT NULL PRIMARY KEY,
    name     TEXT    NOT NULL,
    contract INTEGER NOT NULL,
    at       REAL    NOT NULL
) STRICT
"""


class Migration(msgspec.Struct, frozen=True):
    """One step of the schema."""

    number: int
    name: str
    contract: bool
    sql: str


@cache
def shipped() -> tuple[Migration, ...]:
    """Return the migrations that come with this code, in order; read once, which a parent may do for its forks."""
    folder = files("serai.store.embedded") / "migrations"
    found = [
        Migration(int(match[1]), file.name, bool(match[2]), file.read_text("utf-8"))
        for file in folder.iterdir()
        if (match := _FILE.fullmatch(file.name))
    ]
    return tuple(sorted(found, key=lambda migration: migration.number))


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration], now: float) -> None:
    """Apply what is missing; `UnsupportedError` where newer code removed what this code needs.

    Safe to run by several processes at once: each step looks again under the write lock.
    """
    if not _missing(connection, migrations):
        return
    for migration in migrations:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if migration in _missing(connection, migrations):
                _apply(connection, migration, now)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _missing(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> Sequence[Migration]:
    ledger = "SELECT 1 FROM sqlite_schema WHERE name = 'migration'"
    if connection.execute(ledger).fetchone() is None:
        return migrations
    applied = dict(connection.execute("SELECT number, contract FROM migration"))
    known = {migration.number for migration in migrations}
    foreign = [number for number, contract in applied.items() if contract and number not in known]
    if foreign:
        raise UnsupportedError(f"the store was changed by newer code (migration {min(foreign)}): upgrade this one")
    return [migration for migration in migrations if migration.number not in applied]


def _apply(connection: sqlite3.Connection, migration: Migration, now: float) -> None:
    connection.execute(_LEDGER)
    for statement in _statements(migration.sql):
        connection.execute(statement)
    row = (migration.number, migration.name, migration.contract, now)
    connection.execute("INSERT INTO migration (number, name, contract, at) VALUES (?, ?, ?, ?)", row)
    if migration.number == 1:
        connection.execute("INSERT INTO about (key, value) VALUES ('store', ?)", (uuid.uuid4().hex,))


def _statements(sql: str) -> Iterator[str]:
    """Split a script; executescript() would commit before it starts."""
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if re.sub(r"--[^\n]*", "", statement).strip():
        yield statement
