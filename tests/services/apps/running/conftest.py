"""Applications on the real driver, with their doors and a bot that runs their tasks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from serai.daemon.testing import serving
from serai.services.apps.door.module import Door, DoorConfig
from serai.services.apps.running import schedules, tasks, wishes
from serai.services.apps.running.wishes import Wish
from serai.tasks import Registry, Tasks
from serai.tasks.bot import Bot, BotSettings

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

    from serai.store.tasks import Task


class Shop:
    """An application with its door, and a bot that runs its tasks."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.tasks = Tasks(platform.store, platform.ctx.bus)

    async def enqueue(self, call: str, app: str = "jobs", **fields: Any) -> str:
        own = await schedules.owner_of(self.platform.ctx, "demo", app)
        task = wishes.new_task(Wish(call=call, **fields), own, time.time())
        return await self.tasks.add("user:test", task)

    async def run(self, call: str, app: str = "jobs", **fields: Any) -> Task:
        return await self.tasks.wait(await self.enqueue(call, app, **fields), 30)


OpenShop = Callable[[str], AbstractAsyncContextManager[Shop]]


@pytest.fixture
def open_shop(platform: Platform) -> OpenShop:
    """Return what deploys two applications whose module ``jobs`` holds the code."""

    @asynccontextmanager
    async def opened(code: str) -> AsyncIterator[Shop]:
        for app in ("jobs", "blog"):
            release = await platform.deploy(app, {**platform.web_app(), "jobs.py": code})
            assert release.state == "live", platform.notes
        ctx = platform.ctx
        resources = {"home": ctx.home, "host": ctx.host, "base": ctx.base, "stop_seconds": 2.0}
        registry = Registry({"*:*": "serai.services.apps.running.tasks:run"})
        settings = BotSettings(concurrency=4, drain=0.2, stop=2.0, poll=0.5)
        bot = Bot(
            platform.store,
            ctx.bus,
            registry,
            queues=(wishes.queue_of(ctx.host),),
            settings=settings,
            resources=resources,
        )
        async with serving(Door(DoorConfig(), ctx)):
            working = asyncio.create_task(bot.run())
            yield Shop(platform)
            working.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await working
            await tasks.pool_of(ctx.home).close()
            tasks.pool_of.cache_clear()

    return opened
