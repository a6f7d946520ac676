"""Hosts tell each other what they commit; who was deaf for a while is told so."""

import asyncio
from collections.abc import Callable

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from serai.store import NewTask
from serai.store.cluster.nudges import Work, of_change, of_queue, read
from serai.store.conformance import Lamp
from serai.store.driver import Nudge
from serai.store.open import open_store

WHO, WHY = "user:ada", "to see"


@given(st.integers(1, 1 << 62), st.text())
def test_what_is_written_is_read(number: int, queue: str) -> None:
    assert read(of_change(number)) == Nudge(change=number)
    assert read(of_queue(queue)) == Nudge(queue=queue)


@given(st.text())
def test_what_nobody_understands_may_be_about_anything(payload: str) -> None:
    assert isinstance(read(payload), Nudge)
    assert read("change ²") == read("later 7") == Nudge()


async def test_a_commit_is_told_to_who_listens_also_after_its_connection_broke(database: Callable[[], str]) -> None:
    store, other = open_store(address := database()), open_store(address)
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    heard: asyncio.Queue[Nudge] = asyncio.Queue()
    listening = asyncio.create_task(other.listen(heard.put_nowait))
    assert await heard.get() == Nudge()
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    assert await heard.get() == Nudge(change=2)
    with psycopg.connect(address, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'serai listener' "
            "AND datname = current_database()"
        )
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    assert await heard.get() == Nudge()
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    assert await heard.get() == Nudge(change=4)
    listening.cancel()
    await asyncio.wait([listening])
    await store.close()
    await other.close()


async def test_one_of_the_bots_of_a_queue_is_named_to_look_first(database: Callable[[], str]) -> None:
    store, other = open_store(address := database()), open_store(address)
    rows = store.driver.tasks
    for bot, queue in (("one#1", "any"), ("two#2", "any"), ("three#3", "host:a")):
        await store.driver.write(lambda tx, bot=bot, queue=queue: rows.enlist(tx, bot, [queue], now=1.0))
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = asyncio.create_task(other.driver.listen_for_work(("any", "host:a"), heard.put_nowait))
    assert await heard.get() == ""
    for queue, bots in (("any", {"one#1", "two#2"}), ("host:a", {"three#3"})):
        await store.change(WHO, WHY, [NewTask(function="f", queue=queue)])
        assert await heard.get() in bots
    listening.cancel()
    await asyncio.wait([listening])
    await store.close()
    await other.close()


def test_what_is_said_of_a_bot_counts_for_the_next_nudge_of_its_queue_alone() -> None:
    heard: list[str] = []
    work = Work(("any",), heard.append)
    for nudge in ("first host:a\nx", "queue host:a", "first any\ny", "change 7", "queue any", "queue any", "else"):
        work.hear(read(nudge))
    assert heard == ["y", "", ""]


async def test_who_waits_for_work_is_told_of_its_queues_alone(database: Callable[[], str]) -> None:
    store, other = open_store(address := database()), open_store(address)
    await store.identity()
    heard: asyncio.Queue[str] = asyncio.Queue()
    listening = asyncio.create_task(other.driver.listen_for_work(("any", "host:a"), heard.put_nowait))
    await heard.get()  # something may have been missed
    await store.put(WHO, WHY, "ada", "desk", Lamp())
    await store.change(WHO, WHY, [NewTask(function="f", queue="host:b")])
    for queue in ("any", "host:a"):
        await store.change(WHO, WHY, [NewTask(function="f", queue=queue)])
        await heard.get()
    assert heard.empty()
    listening.cancel()
    await asyncio.wait([listening])
    await store.close()
    await other.close()
