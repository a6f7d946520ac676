"""What is being parked just as a release goes live is not forgotten until the next one does."""

from __future__ import annotations

from typing import Any

import pytest

from serai.services.apps.running import parked
from serai.services.apps.tasks import unpark
from serai.store.contract import NewTask
from serai.store.open import open_store
from serai.store.tasks import Finish, Want
from serai.tasks import Filter, TaskContext, Tasks
from serai.tasks.context import House
from serai.tasks.timing import SystemClock


@pytest.fixture
async def ctx() -> Any:
    store = open_store("memory:")
    tasks = Tasks(store)
    stop = await tasks.add("system", NewTask(function="apps.stop", tenant="demo", app="shop", queue="host:a"))
    yield TaskContext(await tasks.get(stop), House(store, None, tasks, SystemClock(), {}))
    await store.close()


async def claim(ctx: TaskContext) -> Any:
    rows = ctx.store.driver.tasks
    await ctx.store.driver.write(lambda tx: rows.enlist(tx, "b", ("work:a",), now=1.0))
    want = Want(queues=("work:a",), slots=1)
    done = await ctx.store.driver.write(lambda tx: rows.exchange(tx, "b", (), want, now=1.0))
    return done.claimed[0]


async def unparkers(ctx: TaskContext) -> list[Any]:
    return await ctx.tasks.find(Filter(function="apps.unpark"))


async def test_a_run_that_is_parked_after_the_last_look_is_let_go_by_another(ctx: TaskContext) -> None:
    wish = NewTask(function="jobs:new", tenant="demo", app="shop", queue="work:a")
    name = await ctx.tasks.add("app:demo/shop", wish)
    running = await claim(ctx)
    await parked.let_go(ctx, "demo", "shop")
    [again] = await unparkers(ctx)
    assert (again.queue, again.wait, again.app) == ("host:a", "time", "shop")
    assert again.not_before > ctx.clock.now() + parked.AFTER / 2
    rows = ctx.store.driver.tasks
    late = Finish(number=running.number, run=running.run, state="to_do", park=True, why="parked")
    nothing = Want(queues=(), slots=0)
    await ctx.store.driver.write(lambda tx: rows.exchange(tx, "b", (late,), nothing, now=2.0))
    assert (await ctx.tasks.get(name)).wait == "function"
    payload = (await ctx.tasks.get(again.id)).payload
    await unpark(ctx, unpark.decode(payload))
    assert (await ctx.tasks.get(name)).wait == "ready"


async def test_where_nothing_runs_there_is_nothing_to_wait_for(ctx: TaskContext) -> None:
    await ctx.tasks.add("app:demo/shop", NewTask(function="jobs:new", tenant="demo", app="shop", queue="work:a"))
    await parked.let_go(ctx, "demo", "shop")
    assert await unparkers(ctx) == []
