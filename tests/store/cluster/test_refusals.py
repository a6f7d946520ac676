"""Locks, read-only databases, other stores, full disks, jumping clocks: a clear error, and nothing is lost."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from serai.errors import ExhaustedError, UnavailableError
from serai.store import Put, Store, Transaction, retry
from serai.store.cluster.address import Address, Patience, parse
from serai.store.cluster.driver import ClusterDriver
from serai.store.cluster.private import PrivateServer
from serai.store.conformance import Lamp
from serai.store.open import open_store

WHO, WHY = "user:ada", "to see"
ONCE = retry.Patience(attempts=1)


def impatient(address: str) -> Address:
    short = Patience(connect=2, statement=1, lock=0.5, idle=1, answer=1.5, doubt=1)
    return msgspec.structs.replace(parse(address), patience=short)


async def test_a_lock_that_stays_is_told_and_reading_goes_on(database: Callable[[], str]) -> None:
    address = database()
    store = Store(ClusterDriver(impatient(address)), patience=ONCE)
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    with psycopg.connect(address) as other:
        other.execute("SELECT * FROM serai.head FOR UPDATE")
        with pytest.raises(UnavailableError, match="busy") as refused:
            await store.put(WHO, WHY, "ada", "hall", Lamp())
        assert refused.value.temporary
        assert (await store.get(Lamp, "ada", "desk")).version == 1
    assert await store.put(WHO, WHY, "ada", "hall", Lamp()) == 2
    await store.close()


async def test_a_database_that_may_only_be_read_says_so(database: Callable[[], str]) -> None:
    store = open_store(address := database(), patience=ONCE)
    await store.put(WHO, WHY, "ada", "desk", Lamp())

    def read_only(value: str) -> None:
        with psycopg.connect(address, autocommit=True, options="-c default_transaction_read_only=off") as other:
            name = other.info.dbname
            other.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}".encode())
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ 'serai'")

    read_only("on")
    for _ in range(3):
        with pytest.raises(UnavailableError) as refused:
            await store.put(WHO, WHY, "ada", "hall", Lamp())
    assert "may not be written" in refused.value.public
    assert not refused.value.temporary
    assert (await store.get(Lamp, "ada", "desk")).version == 1
    read_only("off")
    while True:
        try:
            assert await store.put(WHO, WHY, "ada", "hall", Lamp()) == 2
            break
        except UnavailableError:
            await asyncio.sleep(0.05)
    await store.close()


async def test_a_clock_that_jumps_back_moves_when_and_no_number(database: Callable[[], str]) -> None:
    clock = [2e9]
    store = open_store(database(), now=lambda: clock[0])
    for clock[0] in (2e9, 1e9, 0.0, 3e9):
        await store.put(WHO, WHY, "ada", "desk", Lamp())
    history = await store.history(Lamp, "ada", "desk")
    assert [(r.change, r.version, r.when) for r in history] == [(4, 4, 3e9), (3, 3, 0.0), (2, 2, 1e9), (1, 1, 2e9)]
    await store.close()


async def test_another_store_behind_the_same_address_is_not_written_to(postgres: PrivateServer) -> None:
    name = postgres.database()
    store = open_store(postgres.address(name), patience=ONCE)
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    with psycopg.connect(postgres.address("postgres"), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        with pytest.raises(UnavailableError):
            await store.put(WHO, WHY, "ada", "desk", Lamp())
        admin.execute(f"CREATE DATABASE {name}".encode())
    other = open_store(postgres.address(name))
    await other.identity()
    for _ in range(2):
        with pytest.raises(UnavailableError, match="another store"):
            await store.put(WHO, WHY, "ada", "desk", Lamp())
    assert await other.last_change() == 0
    await other.close()
    await store.close()


async def fill(store: Store) -> list[int]:
    """Write until it is refused; return what was acknowledged."""
    acknowledged: list[int] = []
    try:
        while len(acknowledged) < 20_000:
            # Not the same octet again and again, which would take no room.
            colours = [os.urandom(30_000).hex() for _ in range(4)]
            puts = tuple(Put("ada", f"n{len(acknowledged)}.{n}", Lamp(colour=c)) for n, c in enumerate(colours))
            acknowledged.extend(await store.commit(Transaction(WHO, WHY, puts)))
    except (ExhaustedError, UnavailableError) as error:
        acknowledged.append(0 if isinstance(error, ExhaustedError) else -1)
    return acknowledged


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 MiB that everyone reaches."""
    folder = Path(f"/var/tmp/serai-small-{os.getpid()}")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m,mode=755", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)
    folder.rmdir()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
async def test_a_full_disk_loses_nothing_acknowledged_and_heals(small: Path) -> None:
    server = PrivateServer(small / "pg", max_wal_size="32MB", min_wal_size="32MB", wal_recycle="off")
    server.create()
    server.start()
    try:
        store = open_store(server.address(server.database()), patience=ONCE)
        *acknowledged, why = await fill(store)
        assert why in {0, -1}  # no room for rows, or none for the log: then the server ends itself
        assert acknowledged == list(range(1, len(acknowledged) + 1))
        subprocess.run(["mount", "-o", "remount,size=400m", str(small)], check=True)
        server.stop()
        server.start()
        with_retries = Store(store.driver)
        found = [change.number for change in await with_retries.changes(0, 10_000)]
        assert found[: len(acknowledged)] == acknowledged
        assert await with_retries.put(WHO, WHY, "ada", "after", Lamp()) == found[-1] + 1
        await store.close()
    finally:
        server.stop()
