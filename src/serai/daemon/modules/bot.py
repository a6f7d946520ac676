"""Module ``tasks.bot``: runs the tasks of its queues in this worker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from serai.daemon.module import Context, Needs
from serai.tasks.bot import Bot, BotSettings
from serai.tasks.fence import Fence, KernelFence
from serai.tasks.function import Registry

Text = msgspec.Meta(max_length=256, min_length=1)


class BotConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bot."""

    queue: Annotated[str, Text, msgspec.Meta(description="Whose tasks it runs: any, or host:NAME.")] = "any"
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=256, description="Tasks that run at once.")] = 4
    batch: Annotated[
        int, msgspec.Meta(ge=1, le=10_000, description="Short tasks that are claimed together, at most.")
    ] = 2000
    lease_seconds: Annotated[
        float,
        msgspec.Meta(
            ge=1, le=600, description="Five heartbeats in it; with none, the process is killed. See tasks.clock."
        ),
    ] = 10.0
    poll_seconds: Annotated[
        float, msgspec.Meta(ge=0.1, le=600, description="Looks for work this often where no nudge comes.")
    ] = 5.0
    stall_seconds: Annotated[
        float, msgspec.Meta(ge=5, le=3600, description="A function that blocks the process for so long ends it.")
    ] = 60.0


class BotModule:
    """Run tasks. A function that can't be stopped ends the worker, and so does a lease that runs out.

    The supervisor then starts another one.
    """

    ID: ClassVar[str] = "tasks.bot"
    Config: ClassVar[type[msgspec.Struct]] = BotConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="per_worker")
    #: What ends the worker before its lease does; a test that runs the module in its own process has none.
    fence: ClassVar[type[Fence]] = KernelFence

    def __init__(self, config: BotConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._bot: Bot | None = None
        self._working: asyncio.Task[None] | None = None
        self._halted = False

    async def provision(self) -> None:
        """Collect the functions of all services by name; none is imported before it has a task."""
        config, ctx = self._config, self._ctx
        settings = BotSettings(
            concurrency=config.concurrency,
            batch=config.batch,
            lease=config.lease_seconds,
            poll=config.poll_seconds,
            stall=config.stall_seconds,
            # Both have to fit into what serve() gets after it is cancelled.
            drain=ctx.drain * 0.5,
            stop=ctx.drain * 0.3,
        )
        self._bot = Bot(
            ctx.store,
            ctx.bus,
            Registry.of(ctx.services.values()),
            queues=(config.queue,),
            name=f"{ctx.host}/{ctx.group}.{ctx.worker}/{config.queue}",
            settings=settings,
            resources={
                "home": ctx.home,
                "host": ctx.host,
                "base": ctx.base,
                "stop_seconds": settings.stop,
                "private_networks": ctx.private_networks,
                "private_authorities": ctx.private_authorities,
            },
            clock=ctx.clock,
            fence=self.fence(),
            log=ctx.log,
            stalled=self._stalled,
        )

    async def serve(self) -> None:
        """Claim and run until cancelled, then finish or hand back."""
        if self._bot is None:
            return
        self._working = working = asyncio.create_task(self._bot.run())
        try:
            await asyncio.wait({working})
            if self._halted:
                await asyncio.Event().wait()
        finally:
            working.cancel()
            await asyncio.wait({working})
            if not working.cancelled() and (error := working.exception()):
                raise error

    async def halt(self) -> None:
        """Finish or hand back what runs, before that in which it runs is stopped."""
        self._halted = True
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait({self._working})

    async def close(self) -> None:
        """Hold nothing: the bot gave its lease back when it drained."""

    def status(self) -> Mapping[str, Any]:
        """Tell what runs and what was done."""
        bot = self._bot
        if bot is None:
            return {"ok": False, "reason": "not provisioned"}
        return {
            "ok": not bot.trouble,
            "reason": bot.trouble,
            "queue": self._config.queue,
            "running": bot.running,
            "done": bot.done,
            "failed": bot.failed,
        }

    def _stalled(self) -> None:
        """End the process at once: only so can the task that blocks it be given to another bot."""
        self._ctx.log.critical("tasks.stalled", seconds=self._config.stall_seconds)
        os._exit(70)
