"""Migrations: in order, once, all or nothing."""

import sqlite3

import pytest

from serai.store.embedded.migrate import Migration, migrate, shipped


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    yield connection
    connection.close()


def test_shipped_migrations_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in shipped()] == list(range(1, len(shipped()) + 1))


def test_each_runs_once_and_the_store_gets_one_identity(connection: sqlite3.Connection) -> None:
    migrate(connection, shipped(), 5.0)
    before = connection.execute("SELECT value FROM about").fetchall()
    migrate(connection, shipped(), 6.0)
    assert connection.execute("SELECT value FROM about").fetchall() == before
    assert set(connection.execute("SELECT at FROM migration")) == {(5.0,)}


def test_one_that_fails_leaves_nothing_of_itself(connection: sqlite3.Connection) -> None:
    good = Migration(2, "0002_good.sql", False, "CREATE TABLE good (x); -- a comment; with a semicolon\n\n")
    trigger = "CREATE TRIGGER t AFTER INSERT ON good BEGIN\n  DELETE FROM good;\n  SELECT 1;\nEND;\n"
    bad = Migration(3, "0003_bad.sql", False, f"CREATE TABLE half (x);\n{trigger}CREATE TABLE good (x);")
    with pytest.raises(sqlite3.OperationalError, match="good already exists"):
        migrate(connection, [good, bad], 1.0)
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    assert {"good", "migration"} <= names
    assert not {"half", "t"} & names
    assert not connection.in_transaction
