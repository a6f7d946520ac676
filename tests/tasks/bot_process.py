"""A bot as a process of its own, whose functions write what they do into a ledger outside the store.

Usage: bot_process.py STORE LEDGER NAME [LEASE]
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from typing import Any

from serai.store.open import open_store
from serai.tasks import Registry, TaskContext, task
from serai.tasks.bot import Bot, BotSettings
from serai.tasks.fence import KernelFence

LEASE = 1.5


def write(ledger: str, what: str, ctx: TaskContext) -> None:
    """Append a line in one write: what, task, run, process of the bot, time."""
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        pid = int(ctx.task.bot.split("#")[1].split("-")[2], 16)
        os.write(file, f"{what} {ctx.task.id} {ctx.task.run} {pid} {time.monotonic()}\n".encode())
    finally:
        os.close(file)


@task("apart", isolated=True)
def apart(ctx: TaskContext, arguments: dict[str, Any]) -> None:
    """Run in a process of its own and say all the time that it lives: nobody else knows when it died."""
    end = time.monotonic() + arguments["seconds"]
    write(arguments["ledger"], "begin", ctx)
    while time.monotonic() < end:
        ctx.checkpoint()
        time.sleep(0.005)
        write(arguments["ledger"], "alive", ctx)
    write(arguments["ledger"], "end", ctx)


def main() -> None:
    path, ledger, name, *lease = sys.argv[1:]

    @task("step")
    async def step(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        write(ledger, "begin", ctx)
        await asyncio.sleep(arguments["seconds"])
        write(ledger, "end", ctx)

    @task("grind")
    def grind(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        write(ledger, "begin", ctx)
        time.sleep(arguments["seconds"])
        write(ledger, "end", ctx)

    @task("blink", short=True)
    async def blink(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        write(ledger, "begin", ctx)
        write(ledger, "end", ctx)

    @task("poison")
    async def poison(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        write(ledger, "begin", ctx)
        os._exit(1)

    settings = BotSettings(concurrency=4, batch=50, lease=float(*lease or (LEASE,)), poll=0.1, drain=0.5, stop=0.5)
    registry = Registry(
        {
            "step": step,
            "grind": grind,
            "blink": blink,
            "poison": poison,
            "apart": "bot_process:apart",
            "stay": "poison:stay",
        }
    )
    gc.freeze()
    bot = Bot(open_store(path), None, registry, name=name, settings=settings, fence=KernelFence())
    asyncio.run(bot.run())


if __name__ == "__main__":
    main()
