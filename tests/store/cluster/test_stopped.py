"""A process that is stopped, or cut off, while it holds the lock of who moves tasks keeps the others for seconds."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable

import msgspec
import psycopg
import pytest

from serai.store import Store
from serai.store.cluster.address import Address, Patience, parse
from serai.store.cluster.connection import Connection, connect
from serai.store.cluster.driver import ClusterDriver
from serai.store.cluster.tx import TASKS
from serai.store.contract import NewTask
from serai.store.tasks import Want

SHORT = Patience(connect=2, statement=4, lock=0.5, idle=1, answer=4, doubt=2)
#: Seconds: what a stopped one may have, who waits twice in vain, and a slow machine.
SOON = 10.0
LOCK = f"SELECT pg_advisory_xact_lock({TASKS})"


@pytest.fixture
def address(database: Callable[[], str]) -> Address:
    return msgspec.structs.replace(parse(database()), patience=SHORT)


@pytest.fixture
async def store(address: Address) -> AsyncIterator[Store]:
    store = Store(ClusterDriver(address))
    await add(store)
    yield store
    await store.close()


async def add(store: Store) -> float:
    """Insert a task and return the seconds that this took."""
    started = time.monotonic()
    await store.change("user:ada", "", [NewTask(function="noop", arguments={"text": "x" * 900})])
    return time.monotonic() - started


def opened(address: Address) -> Connection:
    connection = connect(address, "stopped")
    connection.execute("BEGIN")
    connection.execute(LOCK.encode())
    return connection


async def test_one_that_stops_between_two_messages(store: Store, address: Address) -> None:
    stopped = opened(address)
    assert await add(store) < SOON
    with pytest.raises(psycopg.Error, match="terminating connection"):
        stopped.execute("COMMIT")


async def test_one_that_stops_before_it_took_its_answer(store: Store, address: Address) -> None:
    stopped = opened(address)
    stopped.pgconn.send_query(b"SELECT repeat('x', 16 << 20)")  # more than any socket holds
    assert await add(store) < SOON
    stopped.close()


async def test_one_that_is_cut_off_amid_a_message(store: Store, address: Address) -> None:
    cut = connect(address, "cut")
    cut.pgconn.enter_pipeline_mode()
    for statement in ("BEGIN", LOCK):
        cut.pgconn.send_query_params(statement.encode(), None)
    cut.pgconn.send_flush_request()
    cut.pgconn.flush()
    await asyncio.sleep(0.2)
    assert await add(store) < SOON
    cut.close()


BOT = """
import asyncio, json, sys, time
from serai.store.cluster.address import Address
from serai.store.cluster.driver import ClusterDriver
from serai.store.tasks import Finish, Want
async def main():
    driver = ClusterDriver(Address(json.loads(sys.argv[1])))
    rows, back = driver.tasks, []
    want = Want(queues=("any",), batch=1000, short=frozenset({"noop"}))
    await driver.write(lambda tx: rows.enlist(tx, "bot", ["any"], now=time.time()))
    print("ready", flush=True)
    while True:
        try:
            got = await driver.write(lambda tx: rows.exchange(tx, "bot", back, want, now=time.time()))
            back = [Finish(number=each.number, run=each.run, state="to_do", why="again") for each in got.claimed]
        except Exception as error:
            back = []
asyncio.run(main())
"""


async def test_a_bot_that_is_stopped_at_random_moments(store: Store) -> None:
    found = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BOT, parameters(store), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert found.stdout is not None
    assert await found.stdout.readline() == b"ready\n"
    try:
        await store.change("user:ada", "", [NewTask(function="noop", arguments={"text": "x" * 900})] * 400)
        want = Want(queues=("any",), batch=1)
        rows = store.driver.tasks
        await store.driver.write(lambda tx: rows.enlist(tx, "other", ["any"], now=time.time()))
        for pause in (0.31, 0.17, 0.23):
            await asyncio.sleep(pause)
            found.send_signal(signal.SIGSTOP)
            assert await add(store) < SOON
            await store.driver.write(lambda tx: rows.exchange(tx, "other", [], want, now=time.time()))
            found.send_signal(signal.SIGCONT)
    finally:
        found.kill()
        await found.wait()


def parameters(store: Store) -> str:
    assert isinstance(store.driver, ClusterDriver)
    return msgspec.json.encode(store.driver.address.parameters).decode()
