"""What other hosts commit is told on this host's bus."""

import asyncio
from collections.abc import Callable

from serai.bus.memory import MemoryHub
from serai.daemon.modules.relay import Relay
from serai.store import NewTask, Put, Transaction
from serai.store.conformance import Lamp
from serai.store.open import open_store


async def test_changes_and_new_tasks_of_another_host_reach_the_bus(database: Callable[[], str]) -> None:
    here, there = open_store(address := database()), open_store(address)
    await there.put("user:ada", "", "ada", "desk", Lamp())
    bus = MemoryHub().client()
    changes, tasks = await bus.subscribe("store.change"), await bus.subscribe("tasks.new")
    relaying = asyncio.create_task(Relay(here, bus).run())
    async with asyncio.timeout(20):
        assert await anext(aiter(tasks)) == ("tasks.new", None)  # it may have missed something before
        assert await anext(aiter(changes)) == ("store.change", 0)
        operations = (Put("ada", "desk", Lamp()), NewTask(function="f", queue="host:here"))
        await there.apply(Transaction("user:ada", "", operations))
        assert await anext(aiter(changes)) == ("store.change", 2)
        assert await anext(aiter(tasks)) == ("tasks.new", "host:here")
    relaying.cancel()
    await asyncio.wait([relaying])
    await here.close()
    await there.close()


async def test_a_store_of_one_host_has_nothing_to_relay() -> None:
    async with asyncio.timeout(5):
        await Relay(open_store("memory:"), MemoryHub().client()).run()
