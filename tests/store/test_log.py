"""The log that bots write to: emptied before it grows long, as soon as no reader is in the way."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serai.store import NewTask, Store
from serai.store.embedded import log, prompt
from serai.store.open import open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def stores(path: Path, monkeypatch):
    monkeypatch.setattr(log, "LONG", 50)
    stores = open_store(path), open_store(path)
    yield stores
    for store in stores:
        await store.close()


def insert(store: Store, times: int) -> None:
    rows = store.driver.tasks
    for _ in range(times):
        store.driver.write_here(lambda tx: rows.insert(tx, NewTask(function="f"), who="user:x", now=1.0))


def frames(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size // 4120


async def test_two_that_write_in_turns_keep_the_log_short(stores, path) -> None:
    for _ in range(100):
        for store in stores:
            insert(store, 2)
    assert frames(path) < 50 + 2 * 16 * 8  # each looks once in a while, and a commit is a few frames
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM task").fetchone()[0] == 400


async def test_a_reader_keeps_the_log_until_it_ends(stores, path, monkeypatch) -> None:
    monkeypatch.setattr(prompt, "_SELDOM", 16)
    insert(stores[0], 1)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    [before] = reader.execute("SELECT count(*) FROM task").fetchone()
    insert(stores[0], 200)
    kept = frames(path)
    assert kept > 200
    assert reader.execute("SELECT count(*) FROM task").fetchone() == (before,)
    reader.execute("ROLLBACK")
    reader.close()
    insert(stores[0], 200)
    assert frames(path) < 2 * kept


async def test_a_log_that_can_not_be_emptied_fails_no_commit(stores, monkeypatch) -> None:
    def fail(_connection: sqlite3.Connection) -> bool:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("serai.store.embedded.session.empty", fail)
    insert(stores[0], 100)


@given(content=st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_log_holds_it_is_long_or_not(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log").write_bytes(content)
    opened = log.Log(tmp_path / "log")
    assert opened.is_long in {False, True}
    opened.close()
