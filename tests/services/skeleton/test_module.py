"""The skeleton's module, run as a worker would run it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serai.daemon import testing
from serai.daemon.modules.replica import ReplicaFiller, ReplicaFillerConfig
from serai.errors import DeniedError
from serai.services.skeleton import SERVICE
from serai.services.skeleton.descriptors import Greeting
from serai.services.skeleton.module import Whoami, WhoamiConfig

LISTEN = {"listen": ["tcp://127.0.0.1:0"]}


async def line(ctx) -> str:
    reader, writer = await asyncio.open_connection(*ctx.sockets("listen")[0].getsockname())
    try:
        return (await reader.read()).decode()
    finally:
        writer.close()


async def test_a_visitor_is_told_its_address_even_where_there_is_no_replica(tmp_path: Path) -> None:
    async with testing.context(tmp_path, listen_on=LISTEN, privilege="edge") as ctx:
        module = Whoami(WhoamiConfig(), ctx)
        async with testing.serving(module):
            assert await line(ctx) == "Hello, 127.0.0.1\n"
            assert module.status()["ok"]
        assert ctx.registry.get_sample_value("skeleton_greeted_total") == 1


async def test_a_tenants_greeting_reaches_its_visitors_by_store_bus_and_replica(tmp_path: Path) -> None:
    services = {"skeleton": SERVICE}
    async with testing.context(tmp_path, listen_on=LISTEN, services=services) as ctx:
        filler = ReplicaFiller(ReplicaFillerConfig(poll_seconds=3600), ctx)
        module = Whoami(WhoamiConfig(), ctx)
        async with testing.serving(filler), testing.serving(module):
            while "snapshots" not in filler.status() or not filler.status()["snapshots"]:
                await asyncio.sleep(0)
            await ctx.store.put("user:test", "be nice", "demo", "default", Greeting(text="Welcome,"))
            async with asyncio.timeout(5):
                while await line(ctx) != "Welcome, 127.0.0.1\n":
                    await asyncio.sleep(0)


async def test_a_network_facing_module_may_not_see_the_store(tmp_path: Path) -> None:
    async with testing.context(tmp_path, privilege="edge") as ctx:
        with pytest.raises(DeniedError):
            _ = ctx.store
