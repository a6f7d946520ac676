"""What a bot tells its store, told once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from serai.errors import UnavailableError
from serai.store import NewTask
from serai.store.open import open_store
from serai.store.tasks import Note, Task, Want
from serai.tasks import Tasks
from serai.tasks.fence import NoFence
from serai.tasks.ledger import Ledger


@pytest.fixture
async def store(tmp_path: Path):
    store = open_store(tmp_path / "store.db")
    yield store
    await store.close()


@pytest.fixture
async def ledger(store):
    ledger = Ledger(store.driver, "bot", ["any"])
    nothing: Any = lambda _: None  # noqa: E731 - nobody is told here
    await ledger.enlist(1.0, lease=10, fence=NoFence(), stall=60, wanted=nothing, lost=nothing, stalled=lambda: None)
    yield ledger
    await ledger.drop()


async def claimed(store, ledger: Ledger) -> Task:
    await Tasks(store).add("user:x", NewTask(function="f"))
    _, got = await ledger.exchange(Want(queues=("any",), slots=1), 2.0)
    return got.claimed[0]


def note(task: Task, line: str) -> Note:
    return Note(number=task.number, run=task.run, lines=((2.0, line),))


async def test_a_report_and_an_exchange_at_once_tell_each_line_once_and_in_order(store, ledger) -> None:
    task = await claimed(store, ledger)
    ledger.notes.append(note(task, "first"))
    reporting = asyncio.create_task(ledger.report())
    await asyncio.sleep(0)
    ledger.notes.append(note(task, "second"))
    await ledger.exchange(Want(queues=()), 3.0)
    await reporting
    assert [line.text for line in await Tasks(store).log(task.id)] == ["first", "second"]
    assert ledger.notes == []


async def test_what_the_store_refused_is_told_with_the_next_call(store, ledger, monkeypatch) -> None:
    task = await claimed(store, ledger)
    ledger.notes.append(note(task, "first"))

    async def refuse(_work: Any) -> None:
        ledger.notes.append(note(task, "second"))
        raise UnavailableError("not now")

    with monkeypatch.context() as patch:
        patch.setattr(store.driver, "write", refuse)
        with pytest.raises(UnavailableError):
            await ledger.report()
    await ledger.report()
    assert [line.text for line in await Tasks(store).log(task.id)] == ["first", "second"]


async def test_a_bot_that_leaves_a_busy_store_does_not_pass_for_dead(store, ledger, monkeypatch) -> None:
    task = await claimed(store, ledger)
    write, refusals = store.driver.write, [UnavailableError("the store is locked")] * 3

    async def busy(work: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return await write(work)

    monkeypatch.setattr(store.driver, "write", busy)
    await ledger.leave("its bot ended", 3.0)
    assert await Tasks(store).bots() == []
    assert (await Tasks(store).get(task.id)).lost == 0
