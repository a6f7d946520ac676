"""Migrations: in order, once, all or nothing, by one of many, and past those who work."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from serai.errors import UnavailableError, UnsupportedError
from serai.store import retry
from serai.store.cluster.address import parse
from serai.store.cluster.connection import Connection, connect
from serai.store.cluster.migrate import Migration, migrate, shipped
from serai.store.conformance import Lamp
from serai.store.open import open_store

WHO, WHY = "user:ada", "to see"
ONCE = retry.Patience(attempts=1)
GOOD = Migration(8001, "8001_good.sql", "", "CREATE TABLE good (x int); -- a comment; with a semicolon\n\n")


@pytest.fixture
def connection(database: Callable[[], str]) -> Iterator[Connection]:
    connection = connect(parse(database()), "test")
    yield connection
    connection.close()


def test_shipped_migrations_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in shipped()] == list(range(1, len(shipped()) + 1))


def test_each_runs_once_and_the_store_gets_one_identity(connection: Connection) -> None:
    migrate(connection, shipped(), 5.0)
    before = connection.execute("SELECT value FROM about").fetchall()
    migrate(connection, [*shipped(), GOOD], 6.0)
    assert connection.execute("SELECT value FROM about").fetchall() == before
    assert set(connection.execute("SELECT at FROM migration WHERE number < 8000").fetchall()) == {(5.0,)}


def test_one_that_fails_leaves_nothing_of_itself(connection: Connection) -> None:
    bad = Migration(8002, "8002_bad.sql", "", "CREATE TABLE half (x int); CREATE TABLE good (x int);")
    with pytest.raises(psycopg.errors.DuplicateTable):
        migrate(connection, [*shipped(), GOOD, bad], 1.0)
    found = connection.execute("SELECT to_regclass('good') IS NULL, to_regclass('half') IS NULL").fetchone()
    assert found == (False, True)
    assert connection.idle


def test_one_that_runs_online_may_be_cut_off_and_run_again(connection: Connection) -> None:
    index = "DROP INDEX IF EXISTS by_who;\nCREATE INDEX CONCURRENTLY by_who ON revision (who); -- why\n"
    online = Migration(8003, "8003_online_index.sql", "online", index)
    migrate(connection, [*shipped(), online], 1.0)
    connection.execute("DELETE FROM migration WHERE number = 8003")
    migrate(connection, [*shipped(), online], 2.0)
    assert connection.execute("SELECT at FROM migration WHERE number = 8003").fetchone() == (2.0,)


async def test_several_processes_may_create_one_store_at_once(database: Callable[[], str]) -> None:
    address = database()
    stores = [open_store(address) for _ in range(6)]
    identities = await asyncio.gather(*(store.identity() for store in stores))
    assert len(set(identities)) == 1
    numbers = await asyncio.gather(*(s.put(WHO, WHY, "ada", f"n{n}", Lamp()) for n, s in enumerate(stores)))
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]
    for store in stores:
        await store.close()


async def test_a_store_that_must_be_there_is_not_made(database: Callable[[], str]) -> None:
    store = open_store(database(), create=False, patience=ONCE)
    with pytest.raises(UnavailableError, match="no store"):
        await store.identity()
    await store.close()


async def test_newer_code_that_removed_something_is_respected(database: Callable[[], str]) -> None:
    store = open_store(address := database(), patience=ONCE)
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    with psycopg.connect(address, autocommit=True) as other:
        other.execute("INSERT INTO serai.migration VALUES (9001, '9001_expand.sql', false, 0)")
        newer = open_store(address, patience=ONCE)
        assert await newer.last_change() == 1
        await newer.close()
        other.execute("INSERT INTO serai.migration VALUES (9002, '9002_contract_x.sql', true, 0)")
        older = open_store(address, patience=ONCE)
        with pytest.raises(UnsupportedError, match="9002"):
            await older.last_change()
        await older.close()
        # Who runs already finds out when what was removed is missed.
        other.execute("ALTER TABLE serai.revision RENAME COLUMN who TO author")
        with pytest.raises(Exception, match="refused a statement"):
            await store.put(WHO, WHY, "ada", "desk", Lamp())
        with pytest.raises(UnsupportedError, match="9002"):
            await store.put(WHO, WHY, "ada", "desk", Lamp())
    await store.close()


async def test_a_step_waits_for_those_who_work_and_not_they_for_it(database: Callable[[], str]) -> None:
    """A waiting ALTER TABLE stands in the way of all who come after it: it gives up soon, and tries again."""
    store = open_store(address := database())
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    add = Migration(8004, "8004_add.sql", "", "ALTER TABLE revision ADD COLUMN more text")
    reader, migrating = connect(parse(address), "reader"), connect(parse(address), "migrating")
    reader.execute("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SELECT count(*) FROM revision")
    thread = threading.Thread(target=migrate, args=(migrating, [*shipped(), add], 1.0))
    thread.start()
    for count in range(20):
        async with asyncio.timeout(2.5):
            await store.put(WHO, WHY, "ada", f"n{count}", Lamp())
        await asyncio.sleep(0.05)
    assert thread.is_alive()
    reader.execute("COMMIT")
    await asyncio.to_thread(thread.join, 20)
    assert migrating.execute("SELECT count(*), count(more) FROM revision").fetchone() == (21, 0)
    for each in (reader, migrating, store.driver):
        closed = each.close()
        if closed is not None:
            await closed
