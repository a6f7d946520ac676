"""What people ask of tasks."""

from __future__ import annotations

import asyncio

import pytest

from serai.errors import ConflictError, DeadlineError, InvalidError, NotFoundError
from serai.store import NewTask, Put
from serai.tasks import Filter, TaskContext, Tasks, task
from serai.tasks.schedule import Schedule


@task("f")
async def f(ctx: TaskContext, arguments: dict[str, object]) -> str:
    return ctx.who


async def test_a_task_and_its_descriptor_come_together_or_not_at_all(store, tasks) -> None:
    put = Put("acme", "s", Schedule(when="@daily", function="f"), 0)
    await store.change("user:x", "both", [put, f.new(tenant="acme")])
    with pytest.raises(ConflictError):
        await store.change("user:x", "again", [f.new(tenant="acme"), put])
    assert len(await tasks.find()) == 1


async def test_waiting_for_a_task_ends_with_its_end_or_its_own_deadline(work, tasks) -> None:
    identity = await tasks.add("user:x", f.new())
    with pytest.raises(DeadlineError):
        await tasks.wait(identity, 0.05)
    work(f)
    assert (await tasks.wait(identity, 5)).result == f"task:{identity}"
    with pytest.raises(NotFoundError):
        await tasks.wait("nobody", 1)


async def test_waiting_works_without_a_bus(work, store) -> None:
    tasks = Tasks(store)
    work(f)
    assert (await tasks.wait(await tasks.add("user:x", f.new()), 5)).state == "done"


async def test_a_paused_channel_starts_after_resume(work, tasks) -> None:
    work(f)
    await tasks.pause("user:x", "c", "maintenance")
    identity = await tasks.add("user:x", f.new(channel="c"))
    with pytest.raises(DeadlineError):
        await tasks.wait(identity, 0.3)
    assert (await tasks.get(identity)).wait == "paused"
    assert [pause.channel for pause in await tasks.pauses()] == ["c"]
    assert await tasks.resume("user:y", "c", "it is over")
    assert (await tasks.wait(identity, 5)).state == "done"


async def test_what_waits_is_canceled_at_once_and_may_be_run_again(work, tasks) -> None:
    identity = await tasks.add("user:x", f.new())
    assert await tasks.cancel("user:x", identity, "not now") == "canceled"
    with pytest.raises(ConflictError):
        await tasks.retry("user:x", await tasks.add("user:x", f.new(key="k")))
    await tasks.retry("user:x", identity, "now")
    work(f)
    assert (await tasks.wait(identity, 5)).state == "done"
    with pytest.raises(ConflictError):
        await tasks.cancel("user:x", identity)
    assert [line.why for line in await tasks.story(identity)][:3] == ["", "not now", "now"]


async def test_a_bot_starts_a_new_task_at_a_nudge_not_at_its_poll(work, tasks) -> None:
    from serai.tasks.bot import BotSettings

    bot = work(f, settings=BotSettings(poll=600, drain=0.1, stop=0.1))
    await tasks.wait(await tasks.add("user:x", f.new()), 5)  # now the bot listens
    for _ in range(5):
        over = await tasks.wait(await tasks.add("user:x", f.new()), 5)
        assert over.started - over.created < 1
    assert bot.done == 6


async def test_malformed_tasks_are_refused(tasks) -> None:
    for fields in ({"function": ""}, {"function": "f", "queue": ""}, {"function": "f", "tenant": "../x"}):
        with pytest.raises(InvalidError):
            await tasks.add("user:x", NewTask(**fields))
    for fields in ({"deadline": 0.0}, {"deadline": float("nan")}, {"retries": -1}, {"not_before": float("inf")}):
        with pytest.raises(InvalidError):
            await tasks.add("user:x", NewTask(function="f", **fields))
    for fields in ({"priority": 1 << 70}, {"retries": 1 << 70}, {"channel": "a\0b"}):
        with pytest.raises(InvalidError):
            await tasks.add("user:x", NewTask(function="f", **fields))
    assert await tasks.find(Filter()) == []


async def test_many_may_follow_one_task(work, tasks) -> None:
    identity = await tasks.add("user:x", f.new())
    waiting = [asyncio.create_task(tasks.wait(identity, 5)) for _ in range(20)]
    work(f)
    assert {task.state for task in await asyncio.gather(*waiting)} == {"done"}
