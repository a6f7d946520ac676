"""Requests that wait for an instance: none is ready yet, or all have just failed. Bounded in time and number."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from serai.errors import SeraiError

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.exchange import Exchange
    from serai.services.edge.routes import ReleaseKey

WAKE = "apps.wake"  # the call by which an instance is asked for
TICK = 0.03  # seconds between two looks while anything waits
WAKE_AGAIN = 2.0  # seconds after which the agents are asked once more


class Hold:
    """Sessions that wait, each with the time at which it gives up."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._waiting: dict[Exchange, float] = {}
        self._asked: dict[ReleaseKey, float] = {}
        self._ticking = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, session: Exchange, now: float) -> bool:
        """Let a session wait, unless too many do; it is woken by `Exchange.resume`."""
        if session.held_until == 0.0:
            session.held_until = now + self._edge.config.hold_seconds
        if len(self._waiting) >= self._edge.config.max_held or now >= session.held_until:
            return False
        self._waiting[session] = session.held_until
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK, self._tick)
        return True

    def remove(self, session: Exchange) -> None:
        """Forget a session that has gone."""
        self._waiting.pop(session, None)

    def wake(self, key: ReleaseKey, now: float) -> None:
        """Ask the agents to start an instance of a release; at most every other second."""
        if self._asked.get(key, 0.0) > now:
            return
        self._asked[key] = now + WAKE_AGAIN
        self._edge.spawn(self._call(key))

    async def _call(self, key: ReleaseKey) -> None:
        tenant, app, release = key
        message = {"tenant": tenant, "app": app, "release": release}
        try:
            await self._edge.ctx.bus.call(WAKE, message, deadline=self._edge.config.hold_seconds)
        except SeraiError as error:
            # Whoever waits may still be lucky: an instance may come by another way.
            self._edge.log.warning("edge.wake_failed", **message, code=error.code, reason=error.public)

    def _tick(self) -> None:
        edge = self._edge
        now = edge.monotonic()
        edge.routes.refresh(now)
        for session in list(self._waiting):
            # Each looks for its route anew: it may lead to another release by now.
            if self._waiting.pop(session, None) is not None:
                session.resume(now)
        if self._waiting:
            asyncio.get_running_loop().call_later(TICK, self._tick)
        else:
            self._ticking = False
            self._asked = {key: until for key, until in self._asked.items() if until > now}
