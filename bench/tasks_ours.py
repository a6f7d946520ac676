"""Our own bots and what inserts their tasks, each as a process.

python tasks_ours.py STORE BUS bot NAME BATCH          run until ended
python tasks_ours.py STORE BUS insert FUNCTION COUNT   insert tasks
python tasks_ours.py STORE BUS channels COUNT EACH     insert tasks of many channels
python tasks_ours.py STORE BUS stamp COUNT GAP         insert one each GAP seconds and print when
python tasks_ours.py STORE BUS claim ROUNDS BATCH      claim and hand back; print the median in milliseconds
python tasks_ours.py STORE BUS bus                     serve the bus
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import tasks_work

from serai.bus.local.server import LocalBusServer
from serai.bus.open import open_bus
from serai.store import NewTask, Store
from serai.store.open import open_store
from serai.store.tasks import Finish, Want
from serai.tasks import Registry, TaskContext, Tasks, task
from serai.tasks.bot import Bot, BotSettings
from serai.tasks.fence import KernelFence

PAGE = 1000


@task("noop", short=True)
def noop(_ctx: TaskContext, _arguments: dict[str, Any]) -> None:
    tasks_work.noop()


@task("nap", short=True)
def nap(_ctx: TaskContext, _arguments: dict[str, Any]) -> None:
    tasks_work.nap()


@task("stamp", short=True)
def stamp(_ctx: TaskContext, arguments: dict[str, Any]) -> None:
    tasks_work.stamp(arguments["number"])


async def bot(store: Store, bus: str, name: str, batch: int) -> None:
    registry = Registry({each.name: each for each in (noop, nap, stamp)})
    settings = BotSettings(batch=batch, poll=0.5 if not bus else 5.0)
    connection = open_bus(bus) if bus else None
    gc.freeze()
    running = asyncio.create_task(
        Bot(store, connection, registry, name=name, settings=settings, fence=KernelFence()).run()
    )
    # What is done is acknowledged before it ends, or the next round would run it again.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def insert(store: Store, function: str, count: int) -> None:
    for start in range(0, count, PAGE):
        await store.change("user:bench", "", [NewTask(function=function)] * min(PAGE, count - start))


async def channels(store: Store, count: int, each: int) -> None:
    for _ in range(each):
        new = [NewTask(function="noop", channel=f"c{number}") for number in range(count)]
        for start in range(0, count, PAGE):
            await store.change("user:bench", "", new[start : start + PAGE])


async def stamps(store: Store, bus: str, count: int, gap: float) -> None:
    tasks = Tasks(store, open_bus(bus))
    for number in range(count):
        await asyncio.sleep(gap)
        print(number, time.monotonic(), flush=True)
        await tasks.add("user:bench", NewTask(function="stamp", arguments={"number": number}))


async def claim(store: Store, rounds: int, batch: int) -> None:
    rows, name = store.driver.tasks, f"bench#{time.monotonic()}"
    await store.driver.write(lambda tx: rows.enlist(tx, name, ["any"], now=time.time()))
    want = Want(queues=("any",), batch=batch, short=frozenset({"noop"}))
    taken: list[float] = []
    back: list[Finish] = []
    for _ in range(rounds):
        started = time.perf_counter()
        got = await store.driver.write(partial(rows.exchange, bot=name, finishes=back, want=want, now=time.time()))
        taken.append((time.perf_counter() - started) * 1e3)
        back = [Finish(number=each.number, run=each.run, state="done") for each in got.claimed]
        assert len(back) == batch
    print(statistics.median(taken))


async def serve(path: Path) -> None:
    server = LocalBusServer(path)
    await server.start()
    await asyncio.Event().wait()


async def main(where: str, bus: str, what: str, *rest: str) -> None:
    if what == "bus":
        await serve(Path(bus.removeprefix("unix:")))
        return
    store = open_store(where)
    if what == "bot":
        await bot(store, bus, rest[0], int(rest[1]))
    elif what == "insert":
        await insert(store, rest[0], int(rest[1]))
    elif what == "channels":
        await channels(store, int(rest[0]), int(rest[1]))
    elif what == "stamp":
        await stamps(store, bus, int(rest[0]), float(rest[1]))
    elif what == "claim":
        await claim(store, int(rest[0]), int(rest[1]))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
