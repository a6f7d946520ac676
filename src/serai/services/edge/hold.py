"""Requests that wait for an instance: none is ready yet, or all have just failed. Bounded in time and number."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from serai.errors import SeraiError
from serai.services.edge.errors import status_of

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.exchange import Exchange
    from serai.services.edge.routes import ReleaseKey

WAKE = "apps.wake"  # the call by which an instance is asked for
#: Seconds between two looks whether anything changed while somebody waits, and between two looks at all who wait.
TICK, LOOK = 0.004, 0.03
WAKE_AGAIN = 2.0  # seconds after which the agents are asked once more


class Asked:
    """What is known of a release that the agents were asked to wake, up to ``until`` (monotonic seconds)."""

    __slots__ = ("status", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.status = 0  # what its visitors are answered, once the agents have said that waiting is in vain


class Hold:
    """Sessions that wait, each with the time at which it gives up."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._waiting: dict[Exchange, float] = {}
        self._asked: dict[ReleaseKey, Asked] = {}
        self._ticking = False
        self._version = -1  # of the routes at the last look at all
        self._looked = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, session: Exchange, now: float) -> int:
        """Let a session wait until `Exchange.resume`, and return 0; or return the status to answer at once.

        It does not wait where too many do, where it has waited enough, and where its release can't be woken.
        """
        if session.held_until == 0.0:
            session.held_until = now + self._edge.config.hold_seconds
        if len(self._waiting) >= self._edge.config.max_held or now >= session.held_until:
            return 503
        release = session.target.release if session.target is not None else None
        if release is not None and not release.members and (status := self._wake(release.key, now)):
            return status
        self._waiting[session] = session.held_until
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_later(TICK, self._tick)
        return 0

    def remove(self, session: Exchange) -> None:
        """Forget a session that has gone."""
        self._waiting.pop(session, None)

    def _wake(self, key: ReleaseKey, now: float) -> int:
        """Ask the agents for an instance, unless they were just asked; return the status that their refusal means."""
        asked = self._asked.get(key)
        if asked is None or asked.until <= now:
            asked = self._asked[key] = Asked(now + WAKE_AGAIN)
            self._edge.spawn(self._call(key, asked))
        return asked.status

    async def _call(self, key: ReleaseKey, asked: Asked) -> None:
        tenant, app, release = key
        message = {"tenant": tenant, "app": app, "release": release}
        try:
            await self._edge.ctx.bus.call(WAKE, message, deadline=self._edge.config.hold_seconds)
        except SeraiError as error:
            self._edge.log.warning("edge.wake_failed", **message, code=error.code, reason=error.public)
            if error.temporary:
                return  # the agent may be on its way back, and an instance may come by another way
            # Those who wait learn it at their next look.
            asked.status = status_of(error)
            asked.until = self._edge.monotonic() + WAKE_AGAIN

    def _tick(self) -> None:
        edge = self._edge
        now = edge.monotonic()
        edge.routes.refresh(now)
        if edge.routes.version != self._version or now - self._looked >= LOOK:
            self._version, self._looked = edge.routes.version, now
            for session in list(self._waiting):
                # Each looks for its route anew: it may lead to another release by now.
                if self._waiting.pop(session, None) is not None:
                    session.resume(now)
        if self._waiting:
            asyncio.get_running_loop().call_later(TICK, self._tick)
        else:
            self._ticking = False
            self._asked = {key: asked for key, asked in self._asked.items() if asked.until > now}
