"""The modules around bots and clock, in a context like a worker's."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from serai.daemon.modules.bot import BotConfig, BotModule
from serai.daemon.modules.clock import ClockConfig, ClockModule
from serai.daemon.service import Service
from serai.daemon.testing import context
from serai.tasks import TaskContext, Tasks, task
from serai.tasks.fence import NoFence


@task("test.where")
async def where(ctx: TaskContext, arguments: dict[str, object]) -> str:
    return f"{ctx.resources['host']} {ctx.resources['base']}"


async def test_a_bot_runs_functions_of_the_manifests_on_its_queue(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(BotModule, "fence", NoFence)
    services = {"test": Service(name="test", summary="", tasks={"test.where": f"{__name__}:where"})}
    async with context(tmp_path, services=services) as ctx:
        module = BotModule(BotConfig(queue="host:test", poll_seconds=0.1), ctx)
        assert module.status()["ok"] is False
        await module.provision()
        serving = asyncio.create_task(module.serve())
        tasks = Tasks(ctx.store, ctx.bus)
        identity = await tasks.add("user:x", where.new(queue="host:test"))
        over = await tasks.wait(identity, 5)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert over.result == "test localhost"
        assert await tasks.bots() == []
        assert module.status()["ok"] is True
        await module.close()


@task("test.slow")
async def slow(ctx: TaskContext, arguments: dict[str, object]) -> None:
    ctx.progress(0.5)
    await asyncio.Event().wait()


async def test_a_bot_that_is_halted_hands_back_and_claims_nothing_more(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(BotModule, "fence", NoFence)
    tasks = {"test.where": f"{__name__}:where", "test.slow": f"{__name__}:slow"}
    async with context(tmp_path, services={"test": Service(name="test", summary="", tasks=tasks)}) as ctx:
        ctx.drain = 0.5
        module = BotModule(BotConfig(poll_seconds=0.1), ctx)
        await module.halt()
        module = BotModule(BotConfig(poll_seconds=0.1), ctx)
        await module.provision()
        serving = asyncio.create_task(module.serve())
        manager = Tasks(ctx.store, ctx.bus)
        one = await manager.add("user:x", slow.new())
        async for told in manager.follow(one):
            if told.progress:
                break
        await module.halt()
        two = await manager.add("user:x", where.new())
        assert [(await manager.get(name)).state for name in (one, two)] == ["to_do", "to_do"]
        assert (await manager.story(one))[-1].why == "handed back: its bot is shutting down"
        assert await manager.bots() == []
        assert not serving.done(), "a module that ends before its worker does is taken for broken"
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        await module.close()


async def test_a_clock_ticks_until_cancelled(tmp_path) -> None:
    async with context(tmp_path) as ctx:
        module = ClockModule(ClockConfig(lease_seconds=1), ctx)
        await module.provision()
        serving = asyncio.create_task(module.serve())
        await asyncio.sleep(0.3)
        assert module.status() == {"ok": True, "reason": "", "buried": 0, "inserted": 0}
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        await module.close()


@pytest.mark.parametrize(("config", "text"), [(BotConfig, {"queu": "any"}), (ClockConfig, {"lease_seconds": 0})])
def test_unknown_keys_and_values_out_of_bounds_are_refused(config, text) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, config)
