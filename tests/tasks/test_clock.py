"""The cell's clock with a time that is set by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serai.errors import ExhaustedError
from serai.store import Delete, NewTask
from serai.store.contract import Backoff, Spec
from serai.store.memory.tasks.table import table
from serai.store.open import open_store
from serai.store.tasks import BotRow, Filter, Finish, Want
from serai.tasks import Tasks
from serai.tasks.clock import ClockSettings, TaskClock, Watch
from serai.tasks.hold import owner_of
from serai.tasks.schedule import PUNCTUAL, Schedule, due, next_due

NOON = 1_767_268_800.0  # 2026-01-01T12:00Z


class HandClock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def hand() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(hand):
    store = open_store("memory:", kinds=[Schedule], now=hand.now)
    yield store
    await store.close()


@pytest.fixture
def clock(store, hand) -> TaskClock:
    return TaskClock(store, clock=hand, settings=ClockSettings(looks=3))


async def functions(store) -> list[str]:
    return [task.function for task in await Tasks(store).find()]


async def put(store, **fields) -> None:
    await store.put("user:x", "test", "acme", "nightly", Schedule(function="f", **fields))


async def test_a_due_schedule_inserts_one_task_however_many_clocks_look(store, hand, clock) -> None:
    other = TaskClock(store, clock=hand)
    await put(store, when="every 10m", arguments={"a": 1}, queue="q", channel="c")
    assert await clock.insert_due() == NOON + 600
    assert await functions(store) == []
    hand.time += 601
    await asyncio.gather(clock.insert_due(), other.insert_due())
    await clock.insert_due()
    [task] = await Tasks(store).find()
    whole = await Tasks(store).get(task.id)
    assert (whole.tenant, whole.queue, whole.channel, whole.arguments) == ("acme", "q", "c", {"a": 1})
    assert whole.who == "schedule:acme/nightly"
    assert clock.inserted + other.inserted == 1


async def test_the_task_of_a_due_time_is_all_that_its_schedule_says(store, hand, clock) -> None:
    said = {
        "app": "shop", "queue": "q", "channel": "c", "priority": 7, "deadline": 8.0, "retries": 3, "provider": "bank",
        "arguments": {"a": 1},
    }  # fmt: skip
    await put(store, when="every 10m", backoff=Backoff(first=1.0), **said)
    assert said.keys() | {"when", "zone", "missed", "busy", "paused", "function", "backoff"} == set(
        Schedule.__struct_fields__
    )
    await clock.insert_due()
    hand.time += 601
    await clock.insert_due()
    [task] = await Tasks(store).find()
    whole = await Tasks(store).get(task.id)
    assert {name: getattr(whole, name) for name in said} == said
    assert whole.chosen.backoff == Backoff(first=1.0)


class Shop(Spec, frozen=True, kw_only=True):
    """Says how many tasks of its app may wait."""

    KIND: ClassVar[str] = "shop"
    TASKS: ClassVar[Literal["", "app", "tenant"]] = "app"

    tasks: int


async def test_a_time_at_which_no_more_may_wait_is_told_as_an_error_and_can_be_run_later(store, hand, clock) -> None:
    store.kinds.add(Shop)
    await store.put("user:x", "", "acme", "shop", Shop(tasks=1))
    await put(store, when="every 10m", app="shop")
    await clock.insert_due()
    for _ in range(2):
        hand.time += 600
        other = TaskClock(store, clock=hand)
        await asyncio.gather(clock.insert_due(), other.insert_due())
    tasks = Tasks(store)
    late, first = await tasks.find()
    assert (first.state, late.state, late.error["code"]) == ("to_do", "error", "exhausted")
    assert [(line.new, line.who, line.why) for line in await tasks.story(late.id)] == [
        ("to_do", "schedule:acme/nightly", ""),
        ("error", "schedule:acme/nightly", "it was due and not let wait: shop has 1 tasks that wait, and may have 1."),
    ]
    await tasks.retry("user:x", late.id)
    assert (await tasks.get(late.id)).state == "to_do"


@pytest.mark.parametrize(
    ("when", "start", "hours", "expected"),
    [
        # Europe/Berlin: 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00.
        ("30 2 * * *", "2026-03-28T12:00", 48, ["2026-03-29T01:30", "2026-03-30T00:30"]),
        ("30 2 * * *", "2026-10-24T12:00", 48, ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("0 12 * * *", "2026-10-24T00:00", 72, ["2026-10-24T10:00", "2026-10-25T11:00", "2026-10-26T11:00"]),
        ("0 * * * *", "2026-10-24T23:30", 4, ["2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00",
                                              "2026-10-25T03:00"]),
    ],
)  # fmt: skip
async def test_times_of_a_zone_come_once_each_also_where_its_clocks_change(
    store, hand, clock, when, start, hours, expected
) -> None:
    hand.time = datetime.fromisoformat(f"{start}+00:00").timestamp()
    await put(store, when=when, zone="Europe/Berlin")
    end = hand.time + hours * 3600
    while hand.time < end:
        await clock.insert_due()
        hand.time += 300
    await clock.insert_due()
    keys = sorted([(await Tasks(store).get(one.id)).key for one in await Tasks(store).find()])
    found = [datetime.fromtimestamp(float(key.partition("@")[2]), UTC) for key in keys]
    assert [one.isoformat(timespec="minutes").removesuffix("+00:00") for one in found] == expected


@pytest.mark.parametrize(("missed", "count"), [("once", 1), ("never", 0)])
async def test_times_that_passed_while_nobody_looked_run_once_or_never(store, hand, clock, missed, count) -> None:
    await put(store, when="0 * * * *", missed=missed)
    await clock.insert_due()
    hand.time += 5 * 3600 + 1800
    await TaskClock(store, clock=hand).insert_due()
    assert len(await functions(store)) == count
    hand.time += 1801
    await clock.insert_due()
    assert len(await functions(store)) == count + 1


async def test_a_clock_that_jumps_back_repeats_nothing(store, hand, clock) -> None:
    await put(store, when="every 1m")
    for _ in range(4):
        await clock.insert_due()
        hand.time += 60
    assert len(await functions(store)) == 3
    hand.time -= 130
    for count in (3, 3, 4):
        await clock.insert_due()
        hand.time += 60
        await clock.insert_due()
        assert len(await functions(store)) == count


@pytest.mark.parametrize(("missed", "extra"), [("once", 1), ("never", 0)])
@pytest.mark.parametrize("busy", ["wait", "skip"])
async def test_a_clock_that_was_ahead_for_a_while_silences_no_schedule(store, hand, clock, missed, extra, busy) -> None:
    await put(store, when="every 5m", missed=missed, busy=busy)
    await clock.insert_due()
    hand.time += 366 * 86400 + 130
    await clock.insert_due()
    assert len(await functions(store)) == extra, "what was missed runs once or never"
    for one in await Tasks(store).find():
        await Tasks(store, now=hand.now).cancel("user:x", one.id)
    hand.time -= 366 * 86400
    assert await clock.insert_due() == NOON + 300
    assert len(await functions(store)) == extra
    for _ in range(2):
        hand.time = NOON + 301
        await clock.insert_due()
        assert len(await functions(store)) == extra + 1, "a time came, and nothing was made"


async def test_clocks_of_two_hosts_that_differ_do_not_repeat_each_others_times(store, hand, clock) -> None:
    slow = HandClock()
    other = TaskClock(store, clock=slow)
    await put(store, when="every 10s", busy="skip")
    for _ in range(20):
        await clock.insert_due()
        for one in await Tasks(store).find(Filter(state="to_do")):
            await Tasks(store, now=hand.now).cancel("user:x", one.id)
        slow.time = hand.time - 30
        await other.insert_due()
        hand.time += 10
    assert len(await functions(store)) == 19


async def test_a_schedule_may_skip_times_while_its_last_task_is_not_over(store, hand, clock) -> None:
    other = TaskClock(store, clock=hand, settings=ClockSettings(looks=3))
    await put(store, when="every 60s", busy="skip")
    await clock.insert_due()
    for _ in range(3):
        hand.time += 60
        await clock.insert_due()
        await other.insert_due()
    assert await functions(store) == ["f"]
    await Tasks(store, now=hand.now).cancel("user:x", (await Tasks(store).find())[0].id)
    await other.insert_due()
    assert await functions(store) == ["f"], "a time that was dealt with came again"
    hand.time += 60
    await asyncio.gather(clock.insert_due(), other.insert_due())
    assert await functions(store) == ["f", "f"]


@pytest.mark.parametrize(("app", "channel"), [("shop", "acme/shop/nightly"), ("", "schedule:acme/nightly")])
async def test_a_time_at_which_the_last_task_is_not_over_waits_for_it(store, hand, clock, app, channel) -> None:
    await put(store, when="every 10s", app=app)
    await clock.insert_due()
    for _ in range(2):
        hand.time += 10
        await clock.insert_due()
        await claim(store, f"b{hand.time}")
    second, first = await Tasks(store).find()
    assert (first.state, second.state, second.wait) == ("is_processing", "to_do", "channel")
    assert first.channel == channel
    assert owner_of(channel) == (("acme", "shop") if app else ("", ""))


async def test_a_paused_schedule_lets_its_times_pass(store, hand, clock) -> None:
    await put(store, when="every 1m", paused=True)
    await clock.insert_due()
    hand.time += 61
    assert await clock.insert_due() is None
    await put(store, when="every 1m")
    hand.time += 1
    await clock.insert_due()
    assert await functions(store) == []


async def test_a_broken_schedule_does_not_stop_the_others(store, hand, clock) -> None:
    await store.put("user:x", "test", "acme", "broken", Schedule(function="f", when="whenever"))
    await store.put("user:x", "test", "acme", "zoned", Schedule(function="f", when="@daily", zone="Nowhere"))
    await put(store, when="every 1m")
    await clock.insert_due()
    hand.time += 61
    await clock.insert_due()
    assert await functions(store) == ["f"]


async def test_a_schedule_that_is_gone_leaves_no_mark(store, clock) -> None:
    await put(store, when="every 1m")
    await clock.insert_due()
    assert list(await store.driver.read(store.driver.tasks.marks)) == ["acme/nightly"]
    await store.change("user:x", "test", [Delete("schedule", "acme", "nightly")])
    await clock.insert_due()
    assert await store.driver.read(store.driver.tasks.marks) == {}


async def claim(store, bot: str) -> None:
    rows = store.driver.tasks
    await store.driver.write(lambda tx: rows.enlist(tx, bot, ("any",), now=0.0))
    await store.driver.write(lambda tx: rows.exchange(tx, bot, [], Want(queues=("any",), slots=1), now=NOON))


async def test_a_bot_without_a_heartbeat_is_struck_off_and_its_task_goes_back(store, hand, clock) -> None:
    tasks = Tasks(store)
    identity = await tasks.add("user:x", NewTask(function="f"))
    await claim(store, "b1")
    for _ in range(3):
        assert await clock.reap() == []
    assert await clock.reap() == [identity]
    story = await tasks.story(identity)
    assert "lease lost: no heartbeat of b1" in story[-1].why


async def test_a_bot_that_beats_slowly_keeps_its_own_and_clock_jumps_change_nothing(store, hand, clock) -> None:
    await Tasks(store).add("user:x", NewTask(function="f"))
    await claim(store, "b1")
    for look in range(20):
        hand.time += 86400 * (-1) ** look
        assert await clock.reap() == []
        if look % 3 == 2:
            await store.driver.write(lambda tx: store.driver.tasks.beat(tx, "b1"))


async def test_finished_tasks_are_forgotten_after_their_time(store, hand, clock) -> None:
    tasks = Tasks(store)
    old, waiting = await tasks.add("user:x", NewTask(function="f")), await tasks.add("user:x", NewTask(function="g"))
    await claim(store, "b1")
    done = Finish(number=1, run=1, state="done")
    await store.driver.write(lambda tx: store.driver.tasks.exchange(tx, "b1", [done], Want(queues=()), now=NOON))
    assert not await clock.forget()
    assert len(await tasks.find(Filter())) == 2
    hand.time += 91 * 86400
    assert not await clock.forget()
    assert [task.id for task in await tasks.find(Filter())] == [waiting]
    assert old != waiting


async def test_a_bot_that_left_or_beat_just_as_it_was_to_be_struck_off_is_not_told_dead(
    store, clock, monkeypatch
) -> None:
    await claim(store, "left")
    await claim(store, "late")
    rows, driver = store.driver.tasks, store.driver
    for _ in range(3):
        assert await clock.reap() == []
    write = driver.write

    async def slow(work: Any) -> Any:
        await write(lambda tx: rows.bury(tx, "left", None, "it ended", who="bot:left", now=NOON))
        await write(lambda tx: rows.beat(tx, "late"))
        monkeypatch.undo()
        return await write(work)

    monkeypatch.setattr(driver, "write", slow)
    assert await clock.reap() == []
    assert (clock.buried, [bot.name for bot in await Tasks(store).bots()]) == (0, ["late"])


async def test_what_was_miscounted_of_waiting_tasks_is_set_right(store, clock) -> None:
    tasks = Tasks(store)
    await tasks.add("user:x", NewTask(function="f", tenant="acme", app="shop"))
    assert await clock.recount() == 0
    state: Any = await store.driver.write(lambda tx: tx)
    table(state).counts["acme", "shop"] = 9
    assert (await clock.recount(), await clock.recount()) == (1, 0)
    assert await tasks.waiting("acme", "shop", 100) == 1


async def test_a_clock_whose_store_refuses_says_so_and_goes_on(store, monkeypatch, hand) -> None:
    class Patient(HandClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0)

    clock = TaskClock(store, clock=Patient())
    write, full = store.driver.write, True

    async def refuse(work):
        if full:
            raise ExhaustedError("The disk is full.")
        return await write(work)

    monkeypatch.setattr(store.driver, "write", refuse)
    job = asyncio.create_task(clock.run())
    async with asyncio.timeout(5):
        while clock.trouble != "The disk is full.":
            await asyncio.sleep(0)
        full = False
        while clock.trouble:
            await asyncio.sleep(0)
    job.cancel()


def test_a_watch_counts_looks_and_not_seconds() -> None:
    watch = Watch(2)
    row = BotRow("b", 1, ("any",), 0.0)
    assert [watch.look([row]) for _ in range(3)] == [[], [], [row]]
    assert watch.look([BotRow("b", 2, ("any",), 0.0)]) == []


@settings(deadline=None)
@given(st.floats(0, 2e9), st.floats(0, 9e8), st.sampled_from(["every 7m", "0 3 * * *", "15 2 1 * *", "0 0 29 2 *"]))
def test_what_is_due_is_the_newest_time_that_passed(last: float, gap: float, when: str) -> None:
    spec, now = Schedule(function="f", when=when, missed="never"), last + gap
    found = due(spec, last, now)
    following = next_due(spec, last)
    if found is None:
        assert following is None or following > now
    else:
        assert last < found.time <= now
        assert next_due(spec, found.time) > now
        assert found.run == (now - found.time <= PUNCTUAL)
