"""A bot as a process of its own, whose functions write what they do into a ledger outside the store.

Usage: bot_process.py STORE LEDGER NAME
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

from serai.store.open import open_store
from serai.tasks import Registry, TaskContext, task
from serai.tasks.bot import Bot, BotSettings


def main() -> None:
    path, ledger, name = sys.argv[1:]
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(what: str, ctx: TaskContext) -> None:
        line = f"{what} {ctx.task.id} {ctx.task.run} {os.getpid()} {time.monotonic()}\n"
        os.write(file, line.encode())

    @task("step")
    async def step(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        write("begin", ctx)
        await asyncio.sleep(arguments["seconds"])
        write("end", ctx)

    @task("blink", short=True)
    async def blink(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        write("begin", ctx)
        write("end", ctx)

    @task("poison")
    async def poison(ctx: TaskContext, arguments: dict[str, Any]) -> None:
        write("begin", ctx)
        os._exit(1)

    settings = BotSettings(concurrency=4, batch=20, lease=1.5, poll=0.1, drain=0.5, stop=0.5)
    registry = Registry({"step": step, "blink": blink, "poison": poison})
    asyncio.run(Bot(open_store(path), None, registry, name=name, settings=settings).run())


if __name__ == "__main__":
    main()
