"""Bots on a real store and bus."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import msgspec
import pytest

from serai.errors import ExhaustedError, InternalError, InvalidError, UnavailableError
from serai.store import NewTask
from serai.store.contract import Backoff
from serai.store.open import open_store
from serai.store.tasks import Filter
from serai.tasks import TaskContext, task
from serai.tasks.bot import BotSettings
from serai.tasks.clock import ClockSettings, TaskClock


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    one: int
    two: int = 2


@task("add", short=True)
async def add(ctx: TaskContext, arguments: Numbers) -> int:
    return arguments.one + arguments.two


@task("fail", retries=2, backoff=Backoff(first=0.01))
async def fail(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    raise KeyError("that is broken")


@task("refuse", retries=5)
async def refuse(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    raise InvalidError("That can't be built.", path="app.toml")


@task("hang")
async def hang(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    ctx.resources["started"].set()
    try:
        await asyncio.Event().wait()
    finally:
        ctx.log("cleaned up")


@task("deaf")
async def deaf(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    ctx.resources["started"].set()
    while not ctx.resources["end"].is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await ctx.resources["end"].wait()


async def moves(tasks, identity: str) -> list[str]:
    return [line.new for line in await tasks.story(identity)]


async def until(tasks, identity: str, state: str) -> None:
    async with asyncio.timeout(5):
        async with contextlib.aclosing(tasks.follow(identity)) as seen:
            async for each in seen:
                if each.state == state:
                    return


async def test_a_typed_function_runs_and_its_result_is_kept(work, tasks) -> None:
    work(add)
    identity = await tasks.add("user:x", add.new(Numbers(one=40)))
    over = await tasks.wait(identity, 5)
    assert (over.state, over.result) == ("done", 42)
    assert await moves(tasks, identity) == ["to_do", "is_processing", "done"]


async def test_arguments_of_the_wrong_type_are_an_error_without_a_retry(work, tasks) -> None:
    work(add)
    identity = await tasks.add("user:x", NewTask(function="add", arguments={"one": "x"}, retries=3))
    over = await tasks.wait(identity, 5)
    assert (over.state, over.error["code"], over.run) == ("error", "invalid", 1)
    with pytest.raises(InvalidError):
        add.new({"one": 1, "three": 3})


async def test_a_failure_is_repeated_and_its_story_shows_the_traceback(work, tasks) -> None:
    work(fail)
    identity = await tasks.add("user:x", fail.new())
    over = await tasks.wait(identity, 5)
    assert (over.state, over.run, over.failures) == ("error", 3, 2)
    assert "KeyError: 'that is broken'" in over.error["public"]
    story = await tasks.story(identity)
    assert "retry 1 of 2" in story[2].why
    assert "raise KeyError" in story[-1].why
    await tasks.retry("user:x", identity, "again")
    assert (await tasks.wait(identity, 5)).run == 6


async def test_what_a_second_run_cannot_change_is_not_repeated(work, tasks) -> None:
    work(refuse)
    over = await tasks.wait(await tasks.add("user:x", refuse.new()), 5)
    assert (over.state, over.run) == ("error", 1)
    assert over.error == {"code": "invalid", "public": "That can't be built.", "trace": ""}


async def test_progress_and_log_lines_can_be_followed(work, tasks) -> None:
    go = asyncio.Event()

    @task("report")
    async def report(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        ctx.progress(0.5, "half way")
        ctx.log("first\nsecond")
        await go.wait()
        ctx.log("third")

    work(report)
    identity = await tasks.add("user:x", report.new())
    async with asyncio.timeout(5), contextlib.aclosing(tasks.follow(identity)) as seen:
        async for each in seen:
            if each.sentence == "half way" and not go.is_set():
                assert each.progress == 0.5
                go.set()
    assert [line.text for line in await tasks.log(identity)] == ["first", "second", "third"]
    assert [line.text for line in await tasks.log(identity, 2)] == ["third"]


async def test_cancel_reaches_a_running_function_which_cleans_up(work, tasks) -> None:
    started = asyncio.Event()
    work(hang, resources={"started": started})
    identity = await tasks.add("user:x", hang.new())
    await started.wait()
    assert await tasks.cancel("user:y", identity, "changed my mind") == "to_cancel"
    assert (await tasks.wait(identity, 5)).state == "canceled"
    assert await moves(tasks, identity) == ["to_do", "is_processing", "to_cancel", "canceled"]
    assert (await tasks.story(identity))[2].why == "changed my mind"
    assert [line.text for line in await tasks.log(identity)] == ["cleaned up"]


async def test_a_cancel_nudge_that_the_store_does_not_confirm_is_ignored(work, tasks, hub) -> None:
    started = asyncio.Event()
    work(hang, resources={"started": started})
    identity = await tasks.add("user:x", hang.new())
    await started.wait()
    await hub.client().publish("tasks.cancel", identity)
    await asyncio.sleep(0.2)
    assert (await tasks.get(identity)).state == "is_processing"


async def test_a_checkpoint_stops_a_function_that_computes(work, tasks) -> None:
    started = asyncio.Event()

    @task("compute")
    async def compute(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        started.set()
        while True:
            ctx.checkpoint()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    work(compute)
    identity = await tasks.add("user:x", compute.new())
    await started.wait()
    await tasks.cancel("user:x", identity)
    assert (await tasks.wait(identity, 5)).state == "canceled"


async def test_a_function_that_does_not_react_ends_its_bot_and_the_story_says_so(work, tasks) -> None:
    started, end = asyncio.Event(), asyncio.Event()
    bot = work(deaf, resources={"started": started, "end": end})
    identity = await tasks.add("user:x", deaf.new())
    await started.wait()
    await tasks.cancel("user:x", identity)
    with pytest.raises(InternalError):
        await asyncio.wait_for(bot.job, 5)
    assert (await tasks.get(identity)).state == "canceled"
    assert "did not stop within 0.3 s" in (await tasks.story(identity))[-1].why
    end.set()


async def test_a_task_beyond_its_deadline_is_stopped_with_that_error(work, tasks) -> None:
    work(hang, resources={"started": asyncio.Event()})
    over = await tasks.wait(await tasks.add("user:x", hang.new(deadline=0.05)), 5)
    assert (over.state, over.error["code"]) == ("error", "deadline")


async def test_an_unknown_function_is_parked_until_code_that_knows_it_comes(work, tasks) -> None:
    work(fail, name="old")
    identity = await tasks.add("user:x", add.new(Numbers(one=1)))
    async with asyncio.timeout(5):
        while (await tasks.get(identity)).wait != "function":
            await asyncio.sleep(0.01)
    assert "No function add" in (await tasks.story(identity))[-1].why
    work(add, name="new")
    assert (await tasks.wait(identity, 5)).result == 3


async def test_a_function_whose_import_fails_is_an_error(work, tasks, store, hub) -> None:
    from serai.tasks import Registry
    from serai.tasks.bot import Bot

    bot = Bot(store, hub.client(), Registry({"broken": "serai.nowhere:f"}), settings=QUICK_SETTINGS)
    job = asyncio.create_task(bot.run())
    over = await tasks.wait(await tasks.add("user:x", NewTask(function="broken")), 5)
    assert over.state == "error"
    assert "serai.nowhere" in over.error["public"]
    job.cancel()


QUICK_SETTINGS = BotSettings(poll=0.1, stop=0.3, drain=0.3, lease=2.0)


async def test_a_bot_that_drains_finishes_what_is_quick_and_hands_back_the_rest(work, tasks) -> None:
    started = asyncio.Event()

    @task("quick")
    async def quick(ctx: TaskContext, arguments: dict[str, Any]) -> str:
        await started.wait()
        await asyncio.sleep(0.05)
        return "finished"

    bot = work(quick, hang, resources={"started": started})
    first, second = await tasks.add("user:x", quick.new()), await tasks.add("user:x", hang.new())
    await started.wait()
    bot.job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bot.job
    assert (await tasks.get(first)).state == "done"
    handed = await tasks.get(second)
    assert (handed.state, handed.failures, handed.lost) == ("to_do", 0, 0)
    assert "shutting down" in (await tasks.story(second))[-1].why
    assert await tasks.bots() == []


async def test_a_bot_whose_lease_was_given_away_stops_its_runs_and_begins_again(work, tasks, store) -> None:
    started = asyncio.Event()
    work(hang, resources={"started": started})
    identity = await tasks.add("user:x", hang.new())
    await started.wait()
    started.clear()
    rows = store.driver.tasks

    def bury(tx: Any) -> str:
        [row] = rows.bots(tx)
        rows.bury(tx, row.name, row.beat, "no heartbeat", who="clock", now=0.0)
        return row.name

    buried = await store.driver.write(bury)
    await asyncio.wait_for(started.wait(), 5)
    again = await tasks.get(identity)
    assert (again.run, again.lost) == (2, 1)
    assert again.bot != buried


async def test_a_function_that_blocks_the_loop_for_a_while_loses_no_lease(work, tasks, tmp_path) -> None:
    import threading
    import time

    async def tick(seconds: float) -> int:
        watching = open_store(tmp_path / "store.db")
        clock = TaskClock(watching, settings=ClockSettings(lease=1.0))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await clock.run()
        await watching.close()
        return clock.buried

    buried: list[int] = []
    beside = threading.Thread(target=lambda: buried.append(asyncio.run(tick(2.5))))

    @task("block")
    async def block(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        beside.start()
        time.sleep(2.5)

    work(block, settings=BotSettings(poll=0.1, lease=1.0, stop=0.3, drain=0.3))
    over = await tasks.wait(await tasks.add("user:x", block.new()), 20)
    await asyncio.to_thread(beside.join)
    assert (over.state, over.lost, buried) == ("done", 0, [0])


async def test_a_function_that_blocks_the_loop_for_ever_is_reported_from_outside_it(work, tasks) -> None:
    import threading
    import time

    stalled = threading.Event()

    @task("block")
    async def block(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        while not stalled.is_set():
            time.sleep(0.01)

    work(block, settings=BotSettings(poll=0.1, lease=0.25, stall=0.4, stop=0.3, drain=0.3), stalled=stalled.set)
    await tasks.add("user:x", block.new())
    async with asyncio.timeout(5):
        while not stalled.is_set():
            await asyncio.sleep(0.01)


async def test_a_channel_over_several_bots_keeps_its_order(work, tasks, store) -> None:
    ran: list[tuple[str, int]] = []
    active: set[str] = set()

    @task("step")
    async def step(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        channel = ctx.task.channel
        assert channel not in active
        active.add(channel)
        await asyncio.sleep(0)
        ran.append((channel, arguments["n"]))
        active.discard(channel)

    for name in range(3):
        work(step, name=f"b{name}")
    new = [step.new({"n": n}, channel=f"c{n % 3}") for n in range(60)]
    await store.change("user:x", "steps", new)
    last = [(await tasks.find(Filter(channel=f"c{n}", limit=1)))[0].id for n in range(3)]
    for identity in last:
        assert (await tasks.wait(identity, 20)).state == "done"
    for channel in range(3):
        assert [n for name, n in ran if name == f"c{channel}"] == list(range(channel, 60, 3))


async def test_many_short_tasks_run_in_batches_each_once(work, tasks, store) -> None:
    ran: list[int] = []

    @task("count", short=True)
    async def count(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        ran.append(arguments["n"])

    await store.change("user:x", "many", [count.new({"n": n}) for n in range(500)])
    work(count, name="a")
    work(count, name="b")
    last = (await tasks.find(Filter(limit=1)))[0].id
    await tasks.wait(last, 20)
    async with asyncio.timeout(10):
        while await tasks.find(Filter(state="to_do", limit=1)) or await tasks.find(Filter(state="is_processing")):
            await asyncio.sleep(0.01)
    assert sorted(ran) == list(range(500))


async def test_what_waits_behind_a_slow_short_task_goes_to_another_bot(work, tasks, store) -> None:
    release = asyncio.Event()

    @task("odd", short=True)
    async def odd(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        if arguments["n"] == 1:
            await release.wait()

    first = work(odd, name="a")
    await tasks.wait(await tasks.add("user:x", odd.new({"n": 0})), 5)  # now it is known to be short
    await store.change("user:x", "many", [odd.new({"n": n}) for n in (1, 2, 3)])
    await until(tasks, (await tasks.find(Filter(limit=3)))[-1].id, "is_processing")
    assert first.running == 3
    work(odd, name="b")
    for found in await tasks.find(Filter(limit=2)):
        assert (await tasks.wait(found.id, 10)).bot == ""
    release.set()


async def test_a_store_that_refuses_keeps_no_finish_from_being_told(work, tasks, store, monkeypatch) -> None:
    go = asyncio.Event()

    @task("gated")
    async def gated(ctx: TaskContext, arguments: dict[str, Any]) -> str:
        await go.wait()
        return "kept"

    bot = work(gated)
    identity = await tasks.add("user:x", gated.new())
    await until(tasks, identity, "is_processing")
    write, write_here = store.driver.write, store.driver.write_here
    errors = iter([ExhaustedError("The disk is full."), UnavailableError("It is gone.", temporary=False)])

    async def refuse_some(work_: Any) -> Any:
        for error in errors:
            raise error
        return await write(work_)

    def refuse_some_here(work_: Any) -> Any:
        for error in errors:
            raise error
        return write_here(work_)

    monkeypatch.setattr(store.driver, "write", refuse_some)
    monkeypatch.setattr(store.driver, "write_here", refuse_some_here)
    go.set()
    over = await tasks.wait(identity, 10)
    assert (over.state, over.result, over.run) == ("done", "kept", 1)
    assert bot.trouble == ""


async def test_a_result_that_is_no_data_or_too_large_is_an_error(work, tasks) -> None:
    @task("large")
    async def large(ctx: TaskContext, arguments: dict[str, Any]) -> Any:
        return "x" * (1 << 20) if arguments.get("large") else object()

    work(large)
    for arguments in ({"large": True}, {}):
        over = await tasks.wait(await tasks.add("user:x", large.new(arguments)), 5)
        assert (over.state, over.error["code"]) == ("error", "invalid")


async def test_a_delayed_task_starts_at_its_time_without_a_nudge(work, tasks) -> None:
    import time

    work(add)
    start = time.time() + 0.3
    over = await tasks.wait(await tasks.add("user:x", add.new(Numbers(one=1), not_before=start)), 5)
    assert 0 <= over.started - start < 1


async def test_short_plain_functions_run_and_what_they_return_is_awaited_where_it_has_to_be(work, tasks, store) -> None:
    @task("plain", short=True)
    def plain(ctx: TaskContext, arguments: dict[str, Any]) -> int:
        if arguments["n"] == 3:
            raise SystemExit(3)
        return arguments["n"] * 2

    async def later(n: int) -> int:
        await asyncio.sleep(0.01)
        return n * 3

    @task("wrapped", short=True)
    def wrapped(ctx: TaskContext, arguments: dict[str, Any]) -> Any:
        return later(arguments["n"])

    work(plain, wrapped)
    new = [each.new({"n": n}) for n in range(5) for each in (plain, wrapped)]
    await store.change("user:x", "many", new)
    found = {}
    for each in await tasks.find(Filter(limit=10)):
        over = await tasks.wait(each.id, 5)
        found[each.function, over.arguments["n"]] = over.result if over.state == "done" else over.error["public"]
    assert found == {("plain", n): n * 2 for n in (0, 1, 2, 4)} | {("wrapped", n): n * 3 for n in range(5)} | {
        ("plain", 3): "The function raised SystemExit: 3"
    }


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, BaseException, GeneratorExit])
async def test_nothing_that_a_function_raises_ends_its_bot(work, tasks, error) -> None:
    @task("quit")
    async def quit_(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        raise error("enough")

    @task("leave")
    def leave(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        raise error("enough")

    bot = work(quit_, leave)
    for each in (quit_, leave):
        over = await tasks.wait(await tasks.add("user:x", each.new()), 5)
        assert (over.state, "enough" in over.error["public"]) == ("error", True)
    assert not bot.job.done()


async def test_a_plain_function_that_is_long_runs_beside_the_others_and_stops_at_its_checkpoint(work, tasks) -> None:
    import time

    @task("grind")
    def grind(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        while True:
            ctx.checkpoint()
            time.sleep(0.01)

    work(grind, add)
    identity = await tasks.add("user:x", grind.new())
    await until(tasks, identity, "is_processing")
    assert (await tasks.wait(await tasks.add("user:x", add.new(Numbers(one=1))), 5)).result == 3
    await tasks.cancel("user:x", identity)
    assert (await tasks.wait(identity, 5)).state == "canceled"


async def test_of_a_million_lines_a_bot_keeps_the_last(work, tasks) -> None:
    @task("chatter")
    def chatter(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        for n in range(100_000):
            ctx.log(str(n))

    work(chatter)
    identity = await tasks.add("user:x", chatter.new())
    assert (await tasks.wait(identity, 20)).state == "done"
    lines = await tasks.log(identity)
    assert (len(lines), lines[-1].text) == (1000, "99999")


async def test_a_provider_that_is_down_parks_the_task_without_burning_a_retry(work, tasks) -> None:
    @task("send", retries=0)
    async def send(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        raise UnavailableError("The mail exchanger does not answer.", **arguments)

    work(send)
    known = await tasks.add("user:x", send.new({"provider": "mx.example"}, provider="mx.example"))
    found_out = await tasks.add("user:x", send.new({"provider": "other.example"}))
    nameless = await tasks.add("user:x", send.new())
    assert (await tasks.wait(nameless, 5)).error["code"] == "unavailable"
    for identity, provider in ((known, "mx.example"), (found_out, "other.example")):
        async with asyncio.timeout(5):
            while (found := await tasks.get(identity)).run == 0 or found.state != "to_do":
                await asyncio.sleep(0.01)
        assert (found.provider, found.failures) == (provider, 0)
        assert f"its provider {provider} is down" in (await tasks.story(identity))[2].why


async def test_a_task_that_says_how_it_is_repeated_is_repeated_so(work, tasks) -> None:
    work(refuse, fail)
    backoff = Backoff(first=100.0, jitter=0.0)
    identity = await tasks.add("user:x", fail.new(backoff=backoff))
    async with asyncio.timeout(5):
        while (found := await tasks.get(identity)).wait != "time":
            await asyncio.sleep(0.01)
    assert "retry 1 of 2 in 100.0 s" in (await tasks.story(identity))[-1].why
    assert found.failures == 1


@pytest.mark.parametrize("here", [True, False])
async def test_what_a_claim_took_of_which_nobody_knows_whether_it_was_done_goes_back(
    store, tasks, work, monkeypatch, here
) -> None:
    """A bot that went on would hold for ever what it never heard of."""
    identity = await tasks.add("user:x", NewTask(function="add", arguments={"one": 1}))
    write, write_here, lost = store.driver.write, store.driver.write_here, []

    def doubt(result: Any) -> Any:
        if getattr(result, "claimed", None) and not lost:
            lost.append(result)
            raise UnavailableError("went away in a commit", temporary=False, outcome="unknown")
        return result

    async def doubtful(each: Any) -> Any:
        return doubt(await write(each))

    def doubtful_here(each: Any) -> Any:
        if not here:
            raise UnavailableError("has to wait")
        return doubt(write_here(each))

    monkeypatch.setattr(store.driver, "write", doubtful)
    monkeypatch.setattr(store.driver, "write_here", doubtful_here)
    clock = asyncio.create_task(TaskClock(store, settings=ClockSettings(lease=0.5)).run())
    work(add, settings=BotSettings(poll=0.1, stop=0.3, drain=0.3, lease=0.5))
    done = await tasks.wait(identity, 20)
    clock.cancel()
    assert lost
    assert (done.state, done.result, done.run, done.lost) == ("done", 3, 2, 1)


async def test_a_task_that_is_not_short_begins_while_short_ones_keep_coming(work, tasks, store) -> None:
    @task("brief", short=True)
    def brief(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        time.sleep(0.02)

    @task("lasting")
    async def lasting(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        pass

    many = [brief.new() for _ in range(30)]
    identities = await tasks.add_all("user:x", [*many, lasting.new()])
    work(brief, lasting, settings=BotSettings(poll=0.1, batch=1))
    ended = [await tasks.wait(identity, 20) for identity in identities]
    assert ended[-1].started < ended[-2].started
