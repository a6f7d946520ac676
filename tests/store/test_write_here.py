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


def insert(store: Store, *, durable: bool = True) -> str:
    rows, new = store.driver.tasks, NewTask(function="f")
    assert isinstance(store.driver, Prompt)
    return store.driver.write_here(lambda tx: rows.insert(tx, new, who="user:x", now=1.0), durable=durable)


async def count(path: Path) -> int:
    with sqlite3.connect(path) as other:
        return other.execute("SELECT count(*) FROM task").fetchone()[0]


async def test_what_was_written_is_there_for_all_and_synced_after_the_lock_was_let_go(store, path, monkeypatch) -> None:
    synced: list[int] = []

    def watch(descriptor: int) -> None:
        with sqlite3.connect(path, timeout=0) as other:
            other.execute("BEGIN IMMEDIATE")
        synced.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fdatasync", watch)
    identity = insert(store)
    assert synced == [Path(f"{path}-wal").stat().st_ino]
    assert (await store.driver.read(lambda tx: store.driver.tasks.get(tx, identity))).function == "f"


async def test_work_that_wrote_nothing_waits_for_no_disk(store, monkeypatch) -> None:
    insert(store)
    monkeypatch.setattr(os, "fdatasync", lambda _: pytest.fail("synced for nothing"))
    assert store.driver.write_here(store.driver.tasks.bots) == []


async def test_what_need_not_be_durable_is_there_for_all_and_synced_on_another_thread(store, path, monkeypatch) -> None:
    synced: list[tuple[int, int]] = []
    over = threading.Event()

    def watch(descriptor: int) -> None:
        synced.append((threading.get_ident(), os.fstat(descriptor).st_ino))
        over.set()

    monkeypatch.setattr(os, "fdatasync", watch)
    insert(store, durable=False)
    assert (await count(path), synced) == (1, [])
    store.driver.settle()
    assert over.wait(20)
    [(thread, file)] = synced
    assert (thread != threading.get_ident(), file) == (True, Path(f"{path}-wal").stat().st_ino)


async def test_it_is_synced_with_what_is_durable_and_then_no_more(store, path, monkeypatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    insert(store, durable=False)
    insert(store)
    store.driver.settle()
    await store.close()
    assert len(synced) == 1


async def test_a_disk_that_fails_while_nobody_waits_is_told_to_who_waits_next(store, monkeypatch) -> None:
    tried = threading.Event()

    def fail(_descriptor: int) -> None:
        tried.set()
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        insert(store, durable=False)
        store.driver.settle()
        assert tried.wait(20)
        with pytest.raises(UnavailableError) as refused:
            insert(store)
    assert refused.value.fields["outcome"] == "unknown"
    insert(store)


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


async def test_of_a_log_that_can_not_be_synced_nobody_knows_whether_it_is_durable(store, monkeypatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(UnavailableError) as refused:
            insert(store)
    assert (refused.value.temporary, refused.value.fields["outcome"]) == (False, "unknown")
    insert(store)


async def test_a_closed_store_writes_no_more(store) -> None:
    insert(store)
    await store.close()
    with pytest.raises(UnavailableError) as refused:
        insert(store)
    assert not refused.value.temporary
