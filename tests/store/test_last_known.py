"""What is shown while the store is away."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from serai.errors import DeadlineError, NotFoundError, UnavailableError
from serai.store import Put, Replica, Store, Transaction
from serai.store.conformance import Lamp
from serai.store.contract import Committed
from serai.store.driver import RevisionRow
from serai.store.last_known import LastKnown
from serai.store.open import open_store
from serai.store.retry import Patience


class House:
    """A store in a file, a replica that is filled by hand, and what shows both."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "store.db"
        self.store: Store = open_store(self.file, kinds=(Lamp,), patience=Patience(attempts=1))
        self.replica = Replica(folder / "replica", writable=True)
        self.shown = LastKnown(self.store, self.replica, rest=0.0)

    async def put(self, name: str, watts: int, *, tenant: str = "ada") -> None:
        await self.store.put("user:root", "test", tenant, name, Lamp(watts=watts))
        self.replica.apply(await self.store.changes(self.replica.change()))

    def lose(self) -> None:
        self.file.rename(self.file.with_name("aside"))

    def find_again(self) -> None:
        self.file.with_name("aside").rename(self.file)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    yield made
    await made.shown.close()
    await made.store.close()
    made.replica.close()


async def test_a_store_that_answers_is_asked(house: House) -> None:
    await house.put("desk", 3)
    await house.store.put("user:root", "test", "ada", "desk", Lamp(watts=4))  # the replica does not know it yet
    assert (await house.shown.get(Lamp, "ada", "desk")).spec.watts == 4
    assert house.shown.as_of is None
    with pytest.raises(NotFoundError):
        await house.shown.get(Lamp, "ada", "missing")


async def test_while_it_is_away_what_was_known_is_shown_and_said_to_be_old(house: House) -> None:
    for number in range(5):
        await house.put(f"lamp{number}", number)
    await house.put("else", 9, tenant="bob")
    await house.shown.get(Lamp, "ada", "lamp1")
    before = time.time()
    house.lose()
    assert (await house.shown.get(Lamp, "ada", "lamp1")).spec.watts == 1
    assert house.shown.as_of is not None
    assert house.shown.as_of <= before
    page = await house.shown.find(Lamp, "ada", prefix="lamp", after="ada/lamp1", limit=2)
    assert [one.name for one in page] == ["lamp2", "lamp3"]
    assert [one.tenant for one in await house.shown.find(Lamp, after="ada/lamp4")] == ["bob"]
    assert (await house.shown.get_any("lamp", "bob", "else")).version == 1
    with pytest.raises(UnavailableError):  # a copy of no store says nothing
        await house.shown.get(Lamp, "ada", "missing")


async def test_what_was_not_there_is_not_there_while_it_is_away(house: House) -> None:
    rows = await house.store.export()
    house.replica.snapshot(await house.store.identity(), rows, (1, 0))
    house.lose()
    with pytest.raises(NotFoundError):
        await house.shown.get(Lamp, "ada", "missing")


async def test_nothing_is_written_meanwhile_and_all_is_new_once_it_is_back(house: House) -> None:
    await house.put("desk", 3)
    house.lose()
    old = await house.shown.get(Lamp, "ada", "desk")
    with pytest.raises(UnavailableError):
        await house.shown.commit(Transaction("user:ada", "change", (Put("ada", "desk", Lamp(watts=7), old.version),)))
    house.find_again()
    await until(lambda: house.shown.as_of is None)
    assert (await house.shown.get(Lamp, "ada", "desk")).spec.watts == 3


async def test_what_has_no_copy_is_refused_without_asking_the_engine_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.put("desk", 3)
    house.lose()
    with pytest.raises(UnavailableError) as first:
        await house.shown.history(Lamp, "ada", "desk")
    asked = 0

    async def history(*_: object) -> list[RevisionRow]:
        nonlocal asked
        asked += 1
        raise UnavailableError("again", temporary=False)

    monkeypatch.setattr(house.store.driver, "history", history)
    with pytest.raises(UnavailableError) as again:
        await house.shown.history(Lamp, "ada", "desk")
    assert (asked, again.value.public) == (0, first.value.public)
    assert house.shown.as_of is not None


async def test_a_read_without_a_copy_waits_for_an_engine_that_went_a_moment_ago(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.put("desk", 3)
    real, away = house.store.driver.last_change, True

    async def last_change() -> int:
        if away:
            raise UnavailableError("starting")
        return await real()

    monkeypatch.setattr(house.store.driver, "last_change", last_change)
    with pytest.raises(UnavailableError):
        await house.shown.last_change()
    reading = asyncio.create_task(house.shown.history(Lamp, "ada", "desk"))
    await asyncio.sleep(0)
    assert not reading.done()
    away = False
    assert [one.version for one in await reading] == [1]


async def test_a_server_that_is_silent_is_away_as_well(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.put("desk", 3)

    async def silent(*_: object) -> None:
        raise DeadlineError("it does not answer")

    for name in ("get", "last_change"):
        monkeypatch.setattr(house.store.driver, name, silent)
    assert (await house.shown.get(Lamp, "ada", "desk")).spec.watts == 3
    assert house.shown.as_of is not None
    reading = asyncio.create_task(house.shown.history(Lamp, "ada", "desk"))
    await asyncio.sleep(0)
    assert reading.done(), "it was waited for already"
    with pytest.raises(DeadlineError):
        await reading


async def test_a_write_that_can_not_be_done_does_not_make_reads_old(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(*_: object) -> Committed:
        raise UnavailableError("it is locked")

    monkeypatch.setattr(house.store.driver, "apply", locked)
    with pytest.raises(UnavailableError):
        await house.shown.put("user:ada", "", "ada", "desk", Lamp(watts=1))
    assert house.shown.as_of is None


async def test_who_could_write_reads_what_was_written(house: House) -> None:
    await house.put("desk", 3)
    slow = LastKnown(house.store, house.replica, rest=3600.0)
    house.lose()
    assert (await slow.get(Lamp, "ada", "desk")).spec.watts == 3
    house.find_again()
    await slow.put("user:ada", "", "ada", "desk", Lamp(watts=4))
    assert slow.as_of is None
    assert (await slow.get(Lamp, "ada", "desk")).spec.watts == 4
    await slow.close()


async def test_where_it_never_answered_the_copy_says_how_old_it_is(house: House) -> None:
    await house.put("desk", 3)
    os.utime(house.replica.folder / "data.mdb", (1000.0, 1000.0))
    house.lose()
    await house.shown.get(Lamp, "ada", "desk")
    assert house.shown.as_of == 1000.0


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)
