"""The agent's process: the agent, and the bot of this host's queue; it kills itself at a moment of a task's first run.

Usage: agent_process.py HOME FUNCTION MOMENT [CERTIFICATES], where MOMENT is "commit" (the run has just changed the
store), "later" (it is in the middle of something) or "end" (it has done all, and nobody knows it yet). CERTIFICATES are
those of authorities of git servers, which may be on loopback.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from pathlib import Path
from typing import Any

from serai.daemon.home import Home
from serai.daemon.modules.bot import BotConfig, BotModule
from serai.daemon.testing import context
from serai.services.apps import SERVICE, tasks
from serai.services.apps.agent import Agent, AgentConfig

#: Seconds until the middle of a run.
LATER = {"apps.fetch": 0.7, "apps.build": 0.4, "apps.start": 0.4}


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(function: str, moment: str) -> None:
    found = getattr(tasks, function.removeprefix("apps."))
    run = found.run

    @functools.wraps(run)
    async def fatal(ctx: Any, which: Any) -> Any:
        if ctx.task.run > 1:
            return await run(ctx, which)
        if moment == "commit":
            ctx.store.on_apply.append(lambda transaction, _done: die() if transaction.who == ctx.who else None)
        if moment == "later":
            asyncio.get_running_loop().call_later(LATER.get(function, 0.03), die)
        result = await run(ctx, which)
        die()
        return result

    found.run = fatal


async def main(home: Path, authorities: str) -> None:
    async with context(
        home, store=Home(home).store, bus=Home(home).bus, services={"apps": SERVICE},
        private_networks=("127.0.0.0/8",), private_authorities=authorities,
    ) as ctx:  # fmt: skip
        bot = BotModule(BotConfig(queue="host:test", lease_seconds=1, poll_seconds=0.1), ctx)
        modules = (Agent(AgentConfig(stop_seconds=2), ctx), bot)
        for module in modules:
            await module.provision()
        await asyncio.gather(*(module.serve() for module in modules))


if __name__ == "__main__":
    if sys.argv[2] != "-":
        arm(sys.argv[2], sys.argv[3])
    asyncio.run(main(Path(sys.argv[1]), "".join(sys.argv[4:])))
