"""The filler: snapshots, catching up, and what the store may do to it."""

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest

from serai.errors import UnavailableError
from serai.store import Delete, Put, Replica, Spec, Store
from serai.store.conformance import Lamp
from serai.store.driver import Keep
from serai.store.fill import Filler
from serai.store.memory.driver import MemoryDriver
from serai.store.open import open_store
from serai.store.retry import Patience

WHO, WHY = "user:ada", "to see"


@pytest.fixture
def replica(tmp_path: Path):
    replica = Replica(tmp_path / "replica", writable=True)
    yield replica
    replica.close()


@pytest.fixture
async def store():
    store = open_store("memory:")
    yield store
    await store.close()


def names(replica: Replica) -> list[str]:
    return [record.name for record in replica.find(Lamp)]


async def test_the_first_pull_takes_a_snapshot_and_the_next_ones_catch_up(store: Store, replica: Replica) -> None:
    await store.change(WHO, WHY, [Put("ada", f"n{n}", Lamp()) for n in range(10)])
    filler = Filler(store, replica, page=3)
    assert await filler.pull() == 10
    assert (len(names(replica)), filler.snapshots, replica.position().store) == (10, 1, await store.identity())
    await store.change(WHO, WHY, [Delete("lamp", "ada", "n3"), Put("ada", "n4", Lamp(watts=5))])
    assert await filler.pull() == 12
    assert (len(names(replica)), filler.snapshots) == (9, 1)
    assert await filler.pull() == 12
    await filler.close()


async def test_a_snapshot_while_the_store_changes_ends_at_its_newest_state(replica: Replica) -> None:
    class Busy(MemoryDriver):
        """A store where somebody deletes, adds and changes between any two pages."""

        async def export(self, after, limit):
            page = await super().export(after, limit)
            if page and after != ("", "", ""):
                await store.change(WHO, WHY, [Delete("lamp", "ada", page[0].name), Put("ada", f"a{after[2]}", Lamp())])
                await store.put(WHO, WHY, "ada", page[-1].name, Lamp(watts=7))
            return page

    store = Store(Busy())
    await store.change(WHO, WHY, [Put("ada", f"n{n:02}", Lamp()) for n in range(30)])
    filler = Filler(store, replica, page=4)
    last = await filler.pull()
    assert last == await store.last_change() == replica.change()
    wanted = [(r.name, r.spec, r.version, r.change) for r in await store.find(Lamp)]
    assert [(r.name, r.spec, r.version, r.change) for r in replica.find(Lamp)] == wanted
    await filler.close()


async def test_another_store_and_an_older_state_get_a_new_snapshot(tmp_path: Path, replica: Replica) -> None:
    path, backup = tmp_path / "store.db", tmp_path / "backup.db"
    store = open_store(path)
    await store.put(WHO, WHY, "ada", "kept", Lamp())
    await store.close()
    shutil.copy(path, backup)
    store = open_store(path)
    await store.put(WHO, WHY, "ada", "lost", Lamp())
    filler = Filler(store, replica)
    await filler.pull()
    assert names(replica) == ["kept", "lost"]
    await store.close()
    await filler.close()

    shutil.copy(backup, path)
    for count, name in enumerate(["instead", "and-more"], 1):  # first behind or level, then ahead of the replica
        store = open_store(path)
        await store.put(WHO, WHY, "ada", name, Lamp())
        filler = Filler(store, replica)
        await filler.pull()
        assert (filler.snapshots, "lost" in names(replica)) == (1 if count == 1 else 0, False)
        await store.close()
        await filler.close()
    assert names(replica) == ["and-more", "instead", "kept"]

    shutil.copy(backup, path)
    store = open_store(path)
    filler = Filler(store, replica)
    assert (await filler.pull(), names(replica)) == (1, ["kept"])
    await store.close()
    await filler.close()

    other = open_store("memory:")
    filler = Filler(other, replica)
    assert (await filler.pull(), names(replica)) == (0, [])
    await filler.close()


async def test_serving_goes_on_while_the_store_is_away(replica: Replica) -> None:
    class Moody(MemoryDriver):
        away = False

        async def changes(self, after, limit):
            if self.away:
                raise UnavailableError("the store is away")
            return await super().changes(after, limit)

    driver = Moody()
    store = Store(driver, patience=Patience(attempts=1))
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    filler = Filler(store, replica)
    store.on_commit.append(lambda _number: filler.nudge())
    running = asyncio.create_task(filler.run(poll=0.01))
    await until(lambda: replica.change() == 1)
    driver.away = True
    await store.put(WHO, WHY, "ada", "hall", Lamp())
    await until(lambda: filler.error is not None)
    assert names(replica) == ["desk"]
    driver.away = False
    await until(lambda: replica.change() == 2)
    assert (names(replica), filler.error, filler.snapshots) == (["desk", "hall"], None, 1)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await filler.close()


async def test_a_replica_deleted_under_it_is_filled_again(store: Store, replica: Replica, monkeypatch) -> None:
    monkeypatch.setattr("serai.store.replica.LOOK", -1.0)
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    filler = Filler(store, replica)
    await filler.pull()
    shutil.rmtree(replica.folder)
    assert await filler.pull() == 1
    assert (names(replica), filler.snapshots) == (["desk"], 2)
    await filler.close()


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.002)


async def test_a_public_replica_holds_the_public_kinds_only_and_keeps_step(tmp_path: Path) -> None:
    class Secret(Spec, frozen=True, kw_only=True):
        KIND = "secret"

    class Open(Spec, frozen=True, kw_only=True):
        KIND = "open"
        PUBLIC = True

    store = open_store("memory:", kinds=[Secret, Open])
    replica = Replica(tmp_path / "public", writable=True, kinds=frozenset({"open"}))
    filler = Filler(store, replica)
    told: list[frozenset[str] | None] = []
    filler.on_applied.append(told.append)
    await store.put("user:a", "", "t", "before", Secret())
    await filler.pull()
    await store.put("user:a", "", "t", "after", Secret())
    await store.put("user:a", "", "t", "shown", Open())
    await filler.pull()
    assert replica.get(Secret, "t", "before") is None
    assert replica.get(Secret, "t", "after") is None
    assert replica.get(Open, "t", "shown") is not None
    assert replica.change() == 3
    assert told == [None, frozenset({"secret", "open"})]
    await filler.close()
    replica.close()


async def test_a_replica_that_is_behind_what_is_kept_takes_a_snapshot(store: Store, replica: Replica) -> None:
    filler = Filler(store, replica)
    assert await filler.pull() == 0
    for number in range(6):
        await store.put(WHO, WHY, "ada", "desk", Lamp(watts=number))
    await store.prune(Keep(feed=99, versions=1, since=1e12))
    assert (await filler.pull(), filler.snapshots) == (6, 2)  # it followed the empty store, whose first change is gone
    await store.put(WHO, WHY, "ada", "hall", Lamp())
    assert (await filler.pull(), filler.snapshots) == (7, 2)
    for number in range(6):
        await store.put(WHO, WHY, "ada", "desk", Lamp(watts=number))
    await store.prune(Keep(feed=99, versions=1, since=1e12))
    assert (await filler.pull(), filler.snapshots) == (13, 3)
    assert names(replica) == ["desk", "hall"]
    assert filler.error is None
    await filler.close()
