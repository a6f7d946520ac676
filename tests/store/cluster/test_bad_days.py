"""Killed and stopped servers, ended connections, full disks, locks, jumping clocks: nothing acknowledged is lost."""

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import msgspec
import psycopg
import pytest

from serai.errors import DeadlineError, SeraiError
from serai.store import Change, Store, retry
from serai.store.cluster.address import Address, Patience, parse
from serai.store.cluster.connection import connect
from serai.store.cluster.driver import ClusterDriver
from serai.store.cluster.private import PrivateServer, private_server
from serai.store.conformance import Lamp
from serai.store.contract import NewTask, Transaction
from serai.store.open import open_store
from serai.store.tasks import Filter, Finish, Task, Want

WHO, WHY = "user:ada", "to see"
ONCE = retry.Patience(attempts=1)
SHORT = Patience(connect=2, statement=1, lock=0.5, idle=1, answer=1.5, doubt=1)


@pytest.fixture
def own() -> Iterator[PrivateServer]:
    """A server to be broken."""
    server = private_server()
    yield server
    server.remove()


def impatient(address: str) -> Address:
    return msgspec.structs.replace(parse(address), patience=SHORT)


async def feed(store: Store) -> list[Change]:
    found: list[Change] = []
    while page := await store.changes(found[-1].number if found else 0, 10_000):
        found += page
    return found


async def test_a_server_that_is_killed_loses_nothing_acknowledged_and_does_nothing_twice(own: PrivateServer) -> None:
    stores = [open_store(own.address(own.database())) for _ in range(2)]
    stores[1] = Store(ClusterDriver(stores[0].driver.address))
    acknowledged: dict[str, int] = {}
    refused: dict[str, SeraiError] = {}
    over = False

    async def write(store: Store, who: str) -> None:
        count = 0
        while not over:
            name = f"{who}.{count}"
            try:
                acknowledged[name] = await store.put(WHO, WHY, "ada", name, Lamp(), expect=0)
            except SeraiError as error:
                refused[name] = error
            count += 1

    writers = [asyncio.create_task(write(s, f"{n}-{m}")) for n, s in enumerate(stores) for m in range(8)]
    for round_ in range(5):
        target = len(acknowledged) + 150 + 37 * round_
        while len(acknowledged) < target:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(own.stop, signal.SIGKILL)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(own.start)
    over = True
    await asyncio.gather(*writers)
    entries = await feed(stores[0])
    found = {change.name: change.number for change in entries}
    assert [change.number for change in entries] == list(range(1, len(entries) + 1))
    assert len(found) == len(entries)  # each name once
    assert acknowledged.items() <= found.items()
    # The end of each commit in doubt was found out, and those that are said not to be done are not.
    assert not {name for name, error in refused.items() if "outcome" in error.fields}
    assert not refused.keys() & found.keys()
    for store in stores:
        await store.close()


async def test_a_server_that_is_killed_loses_no_task_of_which_was_said_that_it_is_there(own: PrivateServer) -> None:
    """Their lock is let go before the disk was waited for; who inserted them is told after that."""
    stores = [open_store(own.address(own.database()))]
    stores += [Store(ClusterDriver(stores[0].driver.address)) for _ in range(2)]
    acknowledged: set[str] = set()
    over = False

    async def insert(store: Store) -> None:
        while not over:
            with contextlib.suppress(SeraiError):
                acknowledged.update((await store.apply(Transaction(WHO, WHY, (NewTask(function="f"),)))).tasks)

    writers = [asyncio.create_task(insert(store)) for store in stores for _ in range(4)]
    for round_ in range(3):
        target = len(acknowledged) + 120 + 37 * round_
        while len(acknowledged) < target:
            await asyncio.sleep(0.003)
        await asyncio.to_thread(own.stop, signal.SIGKILL)
        await asyncio.to_thread(own.start)
    over = True
    await asyncio.gather(*writers)
    rows = stores[0].driver.tasks
    found: list[Task] = []
    while page := await stores[0].driver.read(
        partial(rows.find, wanted=Filter(limit=1000, before=found[-1].number if found else None))
    ):
        found += page
    assert acknowledged <= {task.id for task in found}
    for store in stores:
        await store.close()


async def test_a_server_that_is_killed_keeps_the_claims_of_which_bots_were_told(own: PrivateServer) -> None:
    """Else another bot would run the task beside the one that still does."""
    stores = [open_store(address := own.address(own.database())), open_store(address)]
    rows, want, often = stores[0].driver.tasks, Want(queues=("any",), slots=1), retry.Patience(attempts=20)
    for store, bot in zip(stores, "ab", strict=True):
        await store.driver.write(partial(rows.enlist, bot=bot, queues=["any"], now=1.0))

    async def exchange(store: Store, bot: str, *finishes: Finish) -> list[Task]:
        work = partial(rows.exchange, bot=bot, finishes=finishes, want=want, now=2.0)
        return (await retry.repeat(often, lambda: store.driver.write(work))).claimed

    async def state(identity: str) -> str:
        return (await retry.repeat(often, lambda: stores[1].driver.read(partial(rows.get, task=identity)))).state

    for _ in range(3):
        [identity] = (await stores[1].apply(Transaction(WHO, WHY, (NewTask(function="f"),)))).tasks
        [claimed] = await exchange(stores[0], "a")
        await asyncio.to_thread(own.stop, signal.SIGKILL)
        await asyncio.to_thread(own.start)
        assert await exchange(stores[1], "b") == []
        done = Finish(number=claimed.number, run=claimed.run, state="done")
        await exchange(stores[1], "b", done)  # it is not its own
        assert await state(identity) == "is_processing"
        await exchange(stores[0], "a", done)
        assert await state(identity) == "done"
    for store in stores:
        await store.close()


async def test_connections_that_an_operator_ends_are_made_anew(database: Callable[[], str]) -> None:
    store = open_store(address := database())
    await store.put(WHO, WHY, "ada", "first", Lamp())

    async def end_them() -> int:
        ended = 0
        with psycopg.connect(address, autocommit=True) as other:
            for _ in range(4):
                await asyncio.sleep(0.05)
                row = other.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchone()
                ended += row[0] if row else 0
        return ended

    ending = asyncio.create_task(end_them())
    results = [await asyncio.gather(*puts(store, first)) for first in range(0, 400, 40)]
    assert await ending > 0
    assert sorted(number for numbers in results for number in numbers) == list(range(2, 402))
    await store.close()


def puts(store: Store, first: int) -> list[Coroutine[Any, Any, int]]:
    return [store.put(WHO, WHY, "ada", f"n{n}", Lamp(), expect=0) for n in range(first, first + 40)]


async def test_a_server_that_stands_still_is_given_up_in_time_and_used_again(own: PrivateServer) -> None:
    store = Store(ClusterDriver(impatient(own.address(own.database()))), patience=ONCE)
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    own.signal(signal.SIGSTOP)
    started = time.monotonic()
    calls = (store.put(WHO, WHY, "ada", "hall", Lamp(), expect=0), store.get(Lamp, "ada", "desk"))
    refused = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in refused] == [DeadlineError] * 2
    with pytest.raises(DeadlineError, match="does not answer"):
        await store.last_change()
    assert time.monotonic() - started < 8
    own.signal(signal.SIGCONT)
    assert await store.put(WHO, WHY, "ada", "hall", Lamp(), expect=0) == 2
    await store.close()


WRITER = """
import asyncio, sys
from serai.store.conformance import Lamp
from serai.store.contract import NewTask, Transaction
from serai.store.open import open_store
from serai.store.tasks import Filter, Task
async def main():
    store = open_store(sys.argv[1])
    async def write(n):
        count = 0
        while True:
            number = await store.put("user:ada", "w", "ada", f"{sys.argv[2]}.{n}.{count}", Lamp(watts=count))
            print(number, f"{sys.argv[2]}.{n}.{count}", flush=True)
            count += 1
    await asyncio.gather(*(write(n) for n in range(8)))
asyncio.run(main())
"""


async def test_killed_writers_leave_all_that_they_acknowledged(database: Callable[[], str]) -> None:
    address = database()
    acknowledged: dict[int, str] = {}
    for attempt in range(2):
        writers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", WRITER, address, f"{attempt}-{n}", stdout=subprocess.PIPE
            )
            for n in range(2)
        ]
        for writer in writers:
            for _ in range(100 + 37 * attempt):
                number, name = (await writer.stdout.readline()).split()  # type: ignore[union-attr]
                acknowledged[int(number)] = name.decode()
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            rest, _ = await writer.communicate()
            lines = [line.split() for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]
            acknowledged |= {int(number): name.decode() for number, name in lines}
    store = open_store(address)
    found = {change.number: change.name for change in await feed(store)}
    assert list(found) == list(range(1, len(found) + 1))
    assert acknowledged.items() <= found.items()
    await store.close()


async def test_a_writer_that_stops_in_a_transaction_holds_nobody_up_for_long(database: Callable[[], str]) -> None:
    address = database()
    store = Store(ClusterDriver(impatient(address)))
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    stopped = connect(impatient(address), "stopped")
    stopped.execute("BEGIN; SELECT * FROM serai.head FOR UPDATE")
    assert await store.put(WHO, WHY, "ada", "hall", Lamp()) == 2
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        stopped.execute("COMMIT")
    await store.close()
