"""A store in memory, a bus, and bots that start and stop quickly."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from serai.bus import Bus
from serai.bus.memory import MemoryHub
from serai.store import Store
from serai.store.open import open_store
from serai.tasks import Registry, TaskFunction, Tasks
from serai.tasks.bot import Bot, BotSettings

QUICK = BotSettings(poll=0.1, stop=0.3, drain=0.3, lease=2.0)


@pytest.fixture
def hub() -> MemoryHub:
    return MemoryHub()


@pytest.fixture
async def store(tmp_path) -> AsyncIterator[Store]:
    store = open_store(tmp_path / "store.db")
    yield store
    await store.close()


@pytest.fixture
def tasks(store: Store, hub: MemoryHub) -> Tasks:
    return Tasks(store, hub.client())


Work = Callable[..., Any]


@pytest.fixture
async def work(store: Store, hub: MemoryHub) -> AsyncIterator[Work]:
    """Start bots; they are stopped at the end."""
    running: list[asyncio.Task[None]] = []

    def start(*functions: TaskFunction, settings: BotSettings = QUICK, bus: Bus | None = None, **more: Any) -> Bot:
        registry = Registry({function.name: function for function in functions})
        bot = Bot(store, bus or hub.client(), registry, settings=settings, **more)
        job = asyncio.create_task(bot.run())
        bot.job = job  # type: ignore[attr-defined]
        running.append(job)
        return bot

    yield start
    for job in running:
        job.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*running, return_exceptions=True)
