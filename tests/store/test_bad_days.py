"""Full disks, locks, deleted files, killed writers, jumping clocks: a clear error, and nothing acknowledged is lost."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from serai.errors import ExhaustedError, UnavailableError, UnsupportedError
from serai.store import Change, NewTask, Put, Store, Transaction
from serai.store.conformance import Lamp
from serai.store.embedded import session
from serai.store.open import open_store
from serai.store.retry import Patience, repeat

WHO, WHY = "user:ada", "to see"
ONCE = Patience(attempts=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "store.db"


@pytest.fixture
async def store(path: Path):
    store = open_store(path, patience=ONCE)
    await store.put(WHO, WHY, "ada", "first", Lamp())
    yield store
    await store.close()


async def feed(store: Store) -> list[Change]:
    """Return the whole feed, however long writers were at it."""
    found: list[Change] = []
    while page := await store.changes(found[-1].number if found else 0, 10_000):
        found += page
    return found


async def numbers(store: Store) -> list[int]:
    return [change.number for change in await feed(store)]


async def test_a_locked_store_is_unavailable_and_still_read(store: Store, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UnavailableError, match="locked") as refused:
        await store.put(WHO, WHY, "ada", "desk", Lamp())
    assert refused.value.temporary
    assert (await store.get(Lamp, "ada", "first")).version == 1
    other.execute("ROLLBACK")
    other.close()
    assert await store.put(WHO, WHY, "ada", "desk", Lamp()) == 2


async def test_a_lock_that_ends_soon_is_waited_for(path: Path) -> None:
    patient = open_store(path)
    await patient.put(WHO, WHY, "ada", "first", Lamp())
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    asyncio.get_running_loop().call_later(0.6, other.execute, "ROLLBACK")
    assert await patient.put(WHO, WHY, "ada", "desk", Lamp()) == 2
    await patient.close()
    other.close()


async def test_only_what_was_surely_not_applied_is_repeated() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def gone() -> None:
        raise UnavailableError("gone", temporary=False)

    async def locked() -> None:
        raise UnavailableError("locked")

    with pytest.raises(UnavailableError, match="gone"):
        await repeat(Patience(), gone, sleep)
    assert waits == []
    with pytest.raises(UnavailableError, match="locked"):
        await repeat(Patience(attempts=5, first=1, longest=4), locked, sleep)
    assert [low <= wait <= 2 * low for wait, low in zip(waits, (0.5, 1, 2, 2), strict=True)] == [True] * 4


@pytest.mark.parametrize("victim", ["store.db", "store.db-wal"])
async def test_a_deleted_file_acknowledges_nothing_more(store: Store, path: Path, victim: str) -> None:
    (path.parent / victim).unlink()
    for _ in range(2):
        with pytest.raises(UnavailableError, match=r"deleted|replaced") as refused:
            await store.put(WHO, WHY, "ada", "desk", Lamp())
        assert not refused.value.temporary
        with pytest.raises(UnavailableError, match=r"deleted|replaced"):
            await store.get(Lamp, "ada", "first")
    if victim == "store.db":
        assert not path.exists()


async def test_a_file_that_comes_back_is_used_again(store: Store, path: Path, tmp_path: Path) -> None:
    path.rename(tmp_path / "away")
    with pytest.raises(UnavailableError, match="deleted"):
        await store.put(WHO, WHY, "ada", "desk", Lamp())
    (tmp_path / "away").rename(path)
    assert await store.put(WHO, WHY, "ada", "desk", Lamp()) == 2


async def test_a_file_that_comes_back_as_it_is_missed_has_not_lost_its_log(
    store: Store, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.rename(tmp_path / "away")
    with pytest.raises(UnavailableError, match="deleted"):
        await store.get(Lamp, "ada", "first")
    real = session.inode

    def late(name: Path | str) -> session.Inode | None:
        found = real(name)
        if Path(name) == path and found is None:
            (tmp_path / "away").rename(path)
        return found

    monkeypatch.setattr(session, "inode", late)
    with pytest.raises(UnavailableError, match="deleted"):
        await store.get(Lamp, "ada", "first")
    assert (await store.get(Lamp, "ada", "first")).version == 1


async def test_a_replaced_file_is_not_written_to(store: Store, path: Path, tmp_path: Path) -> None:
    other = open_store(tmp_path / "other.db")
    await other.put("user:bob", WHY, "bob", "his", Lamp())
    await other.close()
    (tmp_path / "other.db").replace(path)
    with pytest.raises(UnavailableError, match="replaced"):
        await store.put(WHO, WHY, "ada", "desk", Lamp())


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "junk.db").write_bytes(b"junk" * 4096)
    store = open_store(tmp_path / "junk.db", patience=ONCE)
    with pytest.raises(UnavailableError, match="not a database"):
        await store.last_change()
    await store.close()
    missing = open_store(tmp_path / "missing.db", create=False, patience=ONCE)
    with pytest.raises(UnavailableError, match="can't be opened"):
        await missing.last_change()
    assert not (tmp_path / "missing.db").exists()
    await missing.close()


async def test_newer_code_that_removed_something_is_respected(store: Store, path: Path) -> None:
    other = sqlite3.connect(path)
    with other:
        other.execute("INSERT INTO migration VALUES (9001, '9001_expand.sql', 0, 0)")
    newer = open_store(path, patience=ONCE)
    assert await newer.last_change() == 1
    await newer.close()
    with other:
        other.execute("INSERT INTO migration VALUES (9002, '9002_contract_x.sql', 1, 0)")
    older = open_store(path, patience=ONCE)
    with pytest.raises(UnsupportedError, match="9002"):
        await older.last_change()
    await older.close()
    other.close()


async def test_several_processes_may_create_one_store_at_once(path: Path) -> None:
    stores = [open_store(path) for _ in range(6)]
    identities = await asyncio.gather(*(store.identity() for store in stores))
    assert len(set(identities)) == 1
    await asyncio.gather(*(s.put(WHO, WHY, "ada", f"n{n}", Lamp()) for n, s in enumerate(stores)))
    assert await numbers(stores[0]) == [1, 2, 3, 4, 5, 6]
    for store in stores:
        await store.close()


async def test_the_file_is_for_its_owner_alone(store: Store, path: Path) -> None:
    assert {file.stat().st_mode & 0o077 for file in path.parent.iterdir()} == {0}


async def test_a_clock_that_jumps_back_moves_when_and_no_number(path: Path) -> None:
    clock = [2e9]
    store = open_store(path, now=lambda: clock[0])
    for clock[0] in (2e9, 1e9, 0.0, 3e9):
        await store.put(WHO, WHY, "ada", "desk", Lamp())
    history = await store.history(Lamp, "ada", "desk")
    assert [(r.change, r.version, r.when) for r in history] == [(4, 4, 3e9), (3, 3, 0.0), (2, 2, 1e9), (1, 1, 2e9)]
    assert await numbers(store) == [1, 2, 3, 4]
    await store.close()


async def test_work_that_fails_undoes_itself_alone(store: Store) -> None:
    def fail(cursor: sqlite3.Cursor) -> None:
        cursor.execute("DELETE FROM record")
        raise KeyError("mine")

    results = await asyncio.gather(
        store.put(WHO, WHY, "ada", "a", Lamp()),
        store.driver.write(fail),
        store.put(WHO, WHY, "ada", "b", Lamp()),
        return_exceptions=True,
    )
    assert (results[0], type(results[1]), results[2]) == (2, KeyError, 3)
    assert [r.name for r in await store.find(Lamp)] == ["a", "b", "first"]


async def test_who_stops_waiting_disturbs_nobody(store: Store) -> None:
    waiting = [asyncio.create_task(store.put(WHO, WHY, "ada", f"n{n}", Lamp())) for n in range(20)]
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 10
    found = await numbers(store)
    assert found == list(range(1, len(found) + 1))


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
async def test_a_full_disk_loses_nothing_acknowledged_and_heals(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)], check=True)
    try:
        store = open_store(small / "store.db", patience=ONCE)
        acknowledged: list[int] = []

        async def fill() -> None:
            while len(acknowledged) < 10_000:
                operations = (Put("ada", f"n{len(acknowledged)}", Lamp(colour="x" * 20_000)), NewTask(function="f"))
                acknowledged.extend(await store.commit(Transaction(WHO, WHY, operations)))

        with pytest.raises(ExhaustedError, match="full"):
            await fill()
        assert acknowledged == list(range(1, len(acknowledged) + 1))
        assert await numbers(store) == acknowledged
        subprocess.run(["mount", "-o", "remount,size=12m", str(small)], check=True)
        assert await store.put(WHO, WHY, "ada", "after", Lamp()) == len(acknowledged) + 1
        await store.close()
        again = open_store(small / "store.db")
        assert await numbers(again) == [*acknowledged, len(acknowledged) + 1]
        await again.close()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


WRITER = """
import asyncio, sys
from serai.store.conformance import Lamp
from serai.store.open import open_store
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


async def test_killed_writers_leave_all_that_they_acknowledged(path: Path) -> None:
    acknowledged: dict[int, str] = {}
    for attempt in range(3):
        writers = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", WRITER, str(path), f"{attempt}-{n}", stdout=subprocess.PIPE
            )
            for n in range(2)
        ]
        for writer in writers:
            for _ in range(100 + 37 * attempt):  # the kill falls in the middle of the next commit
                number, name = (await writer.stdout.readline()).split()  # type: ignore[union-attr]
                acknowledged[int(number)] = name.decode()
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            rest, _ = await writer.communicate()
            lines = [line.split() for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]
            acknowledged |= {int(number): name.decode() for number, name in lines}
    store = open_store(path)
    found = {change.number: change.name for change in await feed(store)}
    assert list(found) == list(range(1, len(found) + 1))
    assert acknowledged.items() <= found.items()
    assert len(acknowledged) >= 600
    await store.close()


async def test_a_copy_of_a_closed_store_is_a_backup(store: Store, path: Path, tmp_path: Path) -> None:
    await store.close()
    shutil.copy(path, tmp_path / "copy.db")
    copy = open_store(tmp_path / "copy.db")
    assert (await copy.get(Lamp, "ada", "first")).change == 1
    await copy.close()
