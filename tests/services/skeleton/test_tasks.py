"""The skeleton's task, run as a bot would run it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from serai.daemon import testing
from serai.services.skeleton import SERVICE
from serai.services.skeleton.descriptors import Greeting
from serai.services.skeleton.tasks import Wish, greet
from serai.store import Transaction
from serai.tasks import Registry
from serai.tasks.bot import Bot


async def test_a_wish_becomes_a_greeting_and_history_names_the_task(tmp_path: Path) -> None:
    async with testing.context(tmp_path, services={"skeleton": SERVICE}) as ctx:
        bot = Bot(ctx.store, ctx.bus, Registry.of([SERVICE]), queues=("any",), name="bot")
        running = asyncio.create_task(bot.run())
        wish = greet.new(Wish(tenant="demo", text="Welcome,"))
        await ctx.store.commit(Transaction("user:test", "try", (wish,)))
        async with asyncio.timeout(10):
            while not await ctx.store.find(Greeting, "demo"):
                await asyncio.sleep(0)
        (revision,) = await ctx.store.history(Greeting, "demo", "default")
        assert revision.who.startswith("task:")
        running.cancel()
        await asyncio.wait([running])
