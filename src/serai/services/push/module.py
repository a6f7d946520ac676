"""The module ``push``: the clients of one worker of the edge."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec
from prometheus_client.core import Gauge

from serai.bus.policy import Rights
from serai.daemon.module import Context, Needs
from serai.services.push import wire
from serai.services.push.config import PushConfig
from serai.services.push.follower import Follower
from serai.services.push.front import Front
from serai.services.push.gate import Gate
from serai.services.push.hub import Hub
from serai.services.push.permits import Permits

OFFER = "push"  # what the edge asks for
TICK = 1.0  # seconds between two looks at all clients
AWAY = 1000  # clients a second that come back from a worker that is replaced
_jitter = random.SystemRandom()


class PushModule:
    """Carry events to clients whose requests the edge hands over."""

    ID: ClassVar[str] = "push"
    Config: ClassVar[type[msgspec.Struct]] = PushConfig
    NEEDS: ClassVar[Needs] = Needs(
        privilege="edge", copies="per_worker", bus=Rights(subscribe=(wire.FEED,), call=(wire.FOLLOW,))
    )

    def __init__(self, config: PushConfig, ctx: Context) -> None:
        self._ctx = ctx
        self._config = config
        self.hub = Hub(config, ctx.clock.monotonic)
        self._front = Front(ctx.home / config.front)
        self._permits = Permits(self._front, config.permit_seconds, ctx.clock.monotonic)
        self._follower: Follower | None = None
        self._gate: Gate | None = None

    async def provision(self) -> None:
        """Offer to take requests over."""
        self._follower = Follower(self.hub, self._ctx.bus, self._recheck)
        self._gate = Gate(self.hub, self._permits, self._follower.met, self._ctx.clock.now)
        self._ctx.offer(OFFER, self._gate.taker)
        self._clients = Gauge("push_clients", "Open streams.", registry=self._ctx.registry)
        self._clients.set_function(lambda: len(self.hub.clients))

    async def serve(self) -> None:
        """Keep up with the source until cancelled; then send the clients away, to come back one after the other."""
        follower, gate = self._follower, self._gate
        if follower is None or gate is None:
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(follower.hear())
                group.create_task(follower.ask())
                group.create_task(self._tick(gate))
        finally:
            gate.leaving = True
            await self._send_away()

    async def close(self) -> None:
        """Let go of everything."""
        if self._gate is not None:
            self._ctx.offer(OFFER, None)
            self._gate.close()
            self._gate = None
            self._ctx.registry.unregister(self._clients)
        for client in list(self.hub.clients):
            client.transport.abort()
        self._front.close()

    def status(self) -> Mapping[str, Any]:
        """Tell how many clients and channels there are, and who was dropped."""
        hub = self.hub
        trouble = self._follower.trouble if self._follower is not None else "not provisioned"
        return {
            "ok": not trouble,
            "reason": trouble,
            "clients": len(hub.clients),
            "channels": len(hub.channels),
            "waiting": hub.waiting,
            "dropped": hub.dropped,
            "resets": hub.resets,
            "refused": self._gate.refused if self._gate is not None else 0,
        }

    def _recheck(self) -> None:
        if self._gate is not None:
            self._gate.recheck()

    async def _tick(self, gate: Gate) -> None:
        clock = self._ctx.clock
        alive = clock.monotonic()
        while True:
            await clock.sleep(TICK)
            self.hub.sweep()
            gate.sweep()
            if clock.monotonic() - alive >= self._config.alive_seconds:
                alive = clock.monotonic()
                self.hub.alive()

    async def _send_away(self) -> None:
        """Close all streams; each client is told its own time to come back, so that they don't come as one."""
        clients = list(self.hub.clients)
        spread = max(500, len(clients) * 1000 // AWAY)
        for number, client in enumerate(clients):
            client.leave_soon(250 + _jitter.randrange(spread))
            if number % 256 == 255:
                await asyncio.sleep(0)
