"""Nothing that a function says, and no mistake of ours, lets a bot hold a task for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from serai.errors import InternalError, SeraiError
from serai.store import NewTask, Store
from serai.store.open import open_store
from serai.store.tasks import Finish, Task
from serai.tasks import Registry, TaskContext, Tasks, task
from serai.tasks.bot import Bot, BotSettings
from serai.tasks.clock import ClockSettings, TaskClock
from serai.tasks.context import House
from serai.tasks.isolation import parent
from serai.tasks.lane import Lane
from serai.tasks.pace import Pace
from serai.tasks.run import Run
from serai.tasks.timing import SystemClock

HALVES = "no UTF-8: \udcff"
WAIT = 30.0


@pytest.fixture(params=["memory", "embedded", "cluster"])
async def any_store(request: Any, tmp_path: Path) -> AsyncIterator[Store]:
    addresses = {"memory": "memory:", "embedded": f"sqlite:{tmp_path / 'any.db'}"}
    opened = open_store(addresses.get(request.param) or request.getfixturevalue("database")())
    yield opened
    await opened.close()


class OddError(SeraiError):
    """One that can't be told."""

    @property
    def code(self) -> str:  # type: ignore[override]
        """Fail."""
        raise ValueError("it has no words")


@task("say")
async def say(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    ctx.log(HALVES)
    ctx.progress(float("nan"), HALVES)
    ctx.checkpoint()
    raise ValueError(HALVES)


@task("odd")
async def odd(_ctx: TaskContext, _arguments: dict[str, Any]) -> None:
    raise OddError("")


@task("hang")
async def hang(_ctx: TaskContext, _arguments: dict[str, Any]) -> None:
    await asyncio.Event().wait()


async def over(tasks: Tasks, name: str) -> Task:
    return await tasks.wait(name, WAIT)


async def test_words_that_no_store_takes_are_kept_as_far_as_they_can_be(any_store: Store) -> None:
    tasks = Tasks(any_store)
    bot = Bot(any_store, None, Registry({"say": say}), settings=BotSettings(poll=0.1, stop=0.5, drain=0.5))
    running = asyncio.create_task(bot.run())
    name = await tasks.add("user:x", say.new())
    ended = await over(tasks, name)
    assert ended.state == "error"
    assert ended.error is not None
    assert ended.error["public"].startswith("ValueError: no UTF-8: ")
    assert ended.sentence.startswith("no UTF-8: ")
    assert [line.text[:9] for line in await tasks.log(name)] == ["no UTF-8:"]
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_run_whose_end_can_not_be_told_ends_in_an_error_that_says_so(work: Any, tasks: Tasks) -> None:
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    bot = work(odd)
    ended = await over(tasks, await tasks.add("user:x", odd.new(retries=3)))
    assert (ended.state, ended.run) == ("error", 1)
    assert ended.error is not None
    assert ended.error["public"] == "How it ended can't be told: ValueError: it has no words"
    assert [type(one["exception"]) for one in heard] == [ValueError], "it is reported as what it is: a bug"
    assert bot.running == 0


@pytest.mark.parametrize("error", [RuntimeError("our bug"), InternalError("the store makes no sense of it")])
async def test_a_bot_that_can_tell_the_store_nothing_lives_no_longer_than_its_lease(
    store: Store, tasks: Tasks, work: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Its heart went on to beat, and what it held was cancelled by nobody."""
    monkeypatch.setattr("serai.tasks.bot._AGAIN", 0.01)
    bot = work(hang, settings=BotSettings(poll=0.1, stop=0.3, drain=0.3, lease=1.0))
    name = await tasks.add("user:x", hang.new())
    while (await tasks.get(name)).state != "is_processing":
        await asyncio.sleep(0.01)
    rows = type(store.driver.tasks)
    exchange = rows.exchange

    def refuse(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(rows, "exchange", refuse)
    await tasks.cancel("user:x", name)
    with pytest.raises(type(error)):
        await asyncio.wait_for(bot.job, WAIT)
    monkeypatch.setattr(rows, "exchange", exchange)
    clock = asyncio.create_task(TaskClock(store, settings=ClockSettings(lease=1.0)).run())
    assert (await over(tasks, name)).state == "canceled"
    assert [one.name for one in threading.enumerate() if one.name == "pulse"] == []
    clock.cancel()
    await asyncio.gather(clock, return_exceptions=True)


def a_task(number: int, function: str) -> Task:
    return Task(
        number, str(number), function, "", "", "any", "", 0, 0.0, 600.0, 0, "", "", "", "user:x", 0.0, "is_processing",
        "", 1, 0, 0, "bot", 0.0, "", 0.0, 0.0, payload=b"\x80",
    )  # fmt: skip


class Ends:
    """Hear how tasks end."""

    def __init__(self) -> None:
        self.finishes: list[Finish] = []
        self.all = asyncio.Event()

    def __call__(self, finish: Finish, _ctx: TaskContext | None, *, stuck: bool) -> None:
        assert not stuck
        self.finishes.append(finish)
        if len(self.finishes) == 2:
            self.all.set()


async def test_a_short_one_that_is_cancelled_just_before_its_turn_ends_canceled_and_the_next_one_well() -> None:
    @task("turn", short=True)
    def turn(_ctx: TaskContext, _arguments: dict[str, Any]) -> Any:
        return asyncio.sleep(WAIT)

    @task("quick", short=True)
    async def quick(_ctx: TaskContext, _arguments: dict[str, Any]) -> str:
        await asyncio.sleep(0)
        return "well"

    house: House = House(None, None, None, SystemClock(), {})  # type: ignore[arg-type]
    ends = Ends()
    lane = Lane(Registry({"turn": turn, "quick": quick}), house, ends, lambda: None, Pace(10))
    lane.queue.extend([a_task(1, "turn"), a_task(2, "quick")])
    lane.start()
    assert lane.current is not None, "it was called, and has to be awaited: at the event loop's next turn"
    lane.stop("cancel")
    async with asyncio.timeout(WAIT):
        await ends.all.wait()
    assert [(one.number, one.state) for one in ends.finishes] == [(1, "canceled"), (2, "done")]


async def test_of_one_that_runs_again_here_the_first_run_s_late_end_takes_nothing(
    store: Store, tasks: Tasks, work: Any
) -> None:
    bot = work(hang)
    name = await tasks.add("user:x", hang.new())
    while not bot.running:
        await asyncio.sleep(0.01)
    crew = bot._crew
    [(number, run)] = crew._runs.items()
    again = Run(hang, run.ctx, crew._isolate, stop_seconds=1.0)
    crew._runs[number] = again
    await tasks.cancel("user:x", name)
    run.stop("cancel")
    assert (await over(tasks, name)).state == "canceled"
    assert crew._runs == {number: again}


async def test_a_wish_that_comes_late_and_meets_the_next_run_hands_that_back(tasks: Tasks, work: Any) -> None:
    """The bot told the store of it again and again, and of nothing else."""
    bot = work(hang)
    name = await tasks.add("user:x", hang.new())
    while not bot.running:
        await asyncio.sleep(0.01)
    bot._crew.cancel([(await tasks.get(name)).number])
    async with asyncio.timeout(WAIT):
        while (await tasks.get(name)).run < 2:
            await asyncio.sleep(0.01)
    assert [line.new for line in await tasks.story(name)] == ["to_do", "is_processing", "to_do", "is_processing"]
    await tasks.cancel("user:x", name)
    assert (await over(tasks, name)).state == "canceled"


@pytest.mark.timeout(120)
async def test_an_isolated_one_whose_process_comes_after_its_time_was_over_is_killed_when_it_comes(
    work: Any, tasks: Tasks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On a busy machine forking takes a while: then there was nothing to kill, and it ran for as long as it liked."""
    stay = NewTask(function="stay", arguments={"alive": str(tmp_path / "alive")})
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    poison = __import__("poison")
    bot = work(poison.double, poison.stay, settings=BotSettings(poll=0.1, stop=0.2, drain=0.2, lease=20.0))
    assert (await over(tasks, await tasks.add("user:x", poison.double.new({"n": 1})))).result == 2
    nursery = bot._nursery._process.pid
    tried = asyncio.Event()
    kill = parent._Child._kill

    def seen(child: Any) -> None:
        kill(child)
        tried.set()

    monkeypatch.setattr(parent._Child, "_kill", seen)
    os.kill(nursery, signal.SIGSTOP)
    try:
        name = await tasks.add("user:x", stay)
        while (await tasks.get(name)).state != "is_processing":
            await asyncio.sleep(0.01)
        await tasks.cancel("user:x", name)
        async with asyncio.timeout(WAIT):
            await tried.wait()
    finally:
        os.kill(nursery, signal.SIGCONT)
    assert (await over(tasks, name)).state == "canceled"
    assert (await tasks.story(name))[-1].why == "it did not stop within 0.2 s; it was killed"
