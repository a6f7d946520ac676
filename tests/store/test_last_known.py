"""What is shown while the store is away."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serai.errors import NotFoundError, UnavailableError
from serai.store import Put, Replica, Store, Transaction
from serai.store.conformance import Lamp
from serai.store.last_known import LastKnown
from serai.store.open import open_store
from serai.store.retry import Patience


class House:
    """A store in a file, a replica that is filled by hand, and what shows both."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "store.db"
        self.store: Store = open_store(self.file, kinds=(Lamp,), patience=Patience(attempts=1))
        self.replica = Replica(folder / "replica", writable=True)
        self.shown = LastKnown(self.store, self.replica)

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


async def test_nothing_is_written_meanwhile_and_all_is_new_once_it_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.put("desk", 3)
    house.lose()
    old = await house.shown.get(Lamp, "ada", "desk")
    with pytest.raises(UnavailableError):
        await house.shown.commit(Transaction("user:ada", "change", (Put("ada", "desk", Lamp(watts=7), old.version),)))
    house.find_again()
    monkeypatch.setattr("serai.store.last_known.REST", 0.0)
    house.shown._away_until = 0.0  # as if its rest were over
    assert (await house.shown.get(Lamp, "ada", "desk")).spec.watts == 3
    assert house.shown.as_of is None
