"""Writing on the caller's thread: durable, alone, and refused where it would have to wait."""

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from serai.errors import ConflictError, UnavailableError
from serai.store import NewTask, Store
from serai.store.driver import Prompt
from serai.store.embedded import session
from serai.store.embedded.log import Log
from serai.store.open import open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path):
    store = open_store(path)
    await store.identity()
    yield store
    await store.close()


def insert(store: Store) -> str:
    rows, new = store.driver.tasks, NewTask(function="f")
    assert isinstance(store.driver, Prompt)
    return store.driver.write_here(lambda tx: rows.insert(tx, new, who="user:x", now=1.0))


async def count(path: Path) -> int:
    with sqlite3.connect(path) as other:
        return other.execute("SELECT count(*) FROM task").fetchone()[0]


class Disk:
    """Stands in for the disk: who asked it to sync what, and whether it can."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.synced: list[tuple[int, int]] = []
        self.asked = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.fails = False
        patch.setattr(os, "fdatasync", self._sync)

    def _sync(self, descriptor: int) -> None:
        thread = threading.get_ident()
        self.asked.set()
        if thread != threading.main_thread().ident:
            assert self.free.wait(20)
        if self.fails:
            raise OSError(5, "Input/output error")
        self.synced.append((thread, os.fstat(descriptor).st_ino))


@pytest.fixture
def disk(monkeypatch) -> Disk:
    return Disk(monkeypatch)


async def test_what_was_written_is_there_for_all_while_another_thread_syncs_it(store, path, disk) -> None:
    disk.free.clear()
    identity = insert(store)
    assert disk.asked.wait(20)
    with sqlite3.connect(path, timeout=0) as other:
        other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT count(*) FROM task").fetchone() == (1,)
    assert (await store.driver.read(lambda tx: store.driver.tasks.get(tx, identity))).function == "f"
    disk.free.set()
    await store.close()
    [(thread, file)] = disk.synced
    assert (thread != threading.get_ident(), file) == (True, Path(f"{path}-wal").stat().st_ino)


async def test_work_that_wrote_nothing_asks_for_no_disk(store, disk) -> None:
    assert store.driver.write_here(store.driver.tasks.bots) == []
    await store.close()
    assert disk.synced == []


async def test_many_commits_share_a_sync_and_the_last_one_is_synced_too(store, disk, monkeypatch) -> None:
    monkeypatch.setattr(session, "_BEHIND", 60.0)
    disk.free.clear()
    insert(store)
    assert disk.asked.wait(20)
    for _ in range(100):  # none of them may count on the sync that is under way
        insert(store)
    disk.free.set()
    await store.close()
    assert len(disk.synced) == 2


async def test_a_disk_that_fails_while_nobody_waits_is_told_to_who_comes_next(store, disk) -> None:
    disk.fails = True
    with pytest.raises(UnavailableError) as refused:  # noqa: PT012 - when the other thread meets it is open
        for _ in range(1000):
            insert(store)
            time.sleep(0.002)
    assert (refused.value.temporary, refused.value.fields["outcome"]) == (False, "unknown")
    disk.fails = False
    insert(store)


async def test_a_disk_that_lags_is_waited_for(store, disk, monkeypatch) -> None:
    monkeypatch.setattr(session, "_BEHIND", 0.0)
    disk.free.clear()
    insert(store)
    insert(store)
    assert {thread for thread, _ in disk.synced} == {threading.get_ident()}
    disk.free.set()


async def test_where_no_thread_can_be_had_the_disk_is_waited_for(store, disk, monkeypatch) -> None:
    def refuse(_log: Log) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(session, "Settler", refuse)
    insert(store)
    assert [thread for thread, _ in disk.synced] == [threading.get_ident()]


async def test_work_that_fails_is_undone(store, path) -> None:
    def work(tx: Any) -> None:
        store.driver.tasks.insert(tx, NewTask(function="f"), who="user:x", now=1.0)
        raise ConflictError("no")

    with pytest.raises(ConflictError):
        store.driver.write_here(work)
    insert(store)
    assert await count(path) == 1


async def test_a_locked_store_is_left_to_who_may_wait(store, path) -> None:
    insert(store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(UnavailableError) as refused:
        insert(store)
    assert refused.value.temporary
    assert time.monotonic() - began < 5  # milliseconds, where nobody else keeps the processor
    other.execute("ROLLBACK")
    other.close()
    insert(store)
    assert await count(path) == 2


@pytest.mark.parametrize("victim", ["store.db", "store.db-wal"])
async def test_a_file_that_is_gone_acknowledges_nothing(store, path, victim) -> None:
    insert(store)
    path.with_name(victim).unlink()
    with pytest.raises(UnavailableError) as refused:
        insert(store)
    assert not refused.value.temporary


async def test_a_closed_store_writes_no_more(store) -> None:
    insert(store)
    await store.close()
    with pytest.raises(UnavailableError) as refused:
        insert(store)
    assert not refused.value.temporary
