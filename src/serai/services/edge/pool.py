"""Connections to one instance: kept while they rest, made when they are missing, bounded in number."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import TYPE_CHECKING

from serai.cloud.connector import MAX_SOCKETS, sockets
from serai.errors import UnavailableError
from serai.services.edge.balance import Member
from serai.services.edge.upstream import Upstream

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.exchange import Exchange


class Pool(Member):
    """An instance and the connections to it."""

    __slots__ = ("_asking", "_edge", "_opening", "connector", "idle", "name", "open", "port", "retired", "waiting")

    def __init__(self, edge: Edge, name: str, connector: str, port: int) -> None:
        super().__init__(edge.config.eject_seconds)
        self._edge = edge
        self.name = name
        self.connector = connector
        self.port = port
        self.idle: list[Upstream] = []
        self.waiting: deque[Exchange] = deque()
        self.open = 0
        self.retired = False
        self._opening = 0
        self._asking = False

    @property
    def unused(self) -> bool:
        """Tell whether nothing is under way here."""
        return not (self.open or self._opening or self.waiting)

    def connect(self, session: Exchange) -> None:
        """Give ``session`` a new connection, or the first that becomes free: `Exchange.connected` is called."""
        self.waiting.append(session)
        self._grow()

    def free(self, upstream: Upstream, now: float) -> None:
        """Take a connection back; it goes to who waits for one, or rests."""
        if self.retired and not self.waiting:
            upstream.close()
        elif self.waiting:
            self.waiting.popleft().connected(upstream)
        else:
            upstream.since = now
            self.idle.append(upstream)

    def expire(self, before: float) -> None:
        """Close connections that have rested since ``before``; the list is in order of that time."""
        idle = self.idle
        while idle and idle[0].since < before:
            idle.pop(0).close()

    def retire(self) -> None:
        """Let go of what rests, and of what comes to rest from now on."""
        self.retired = True
        idle, self.idle = self.idle, []
        for upstream in idle:
            upstream.close()

    def made(self, upstream: Upstream) -> None:
        """Take note of a connection that has come about."""
        self._opening -= 1
        self.open += 1
        self.free(upstream, self._edge.monotonic())

    def lost(self, upstream: Upstream) -> None:
        """Take note of a connection that has ended."""
        self.open -= 1
        if upstream in self.idle:
            self.idle.remove(upstream)
        self._grow()

    def _grow(self) -> None:
        # One asks at a time, and next for all who came meanwhile: a crowd would overrun who hands out the sockets.
        wanted = 0 if self._asking else len(self.waiting) - self._opening
        count = min(wanted, self._edge.config.max_upstream - self.open - self._opening, MAX_SOCKETS)
        if count > 0:
            self._opening += count
            self._asking = True
            self._edge.spawn(self._open_more(count))

    async def _open_more(self, count: int) -> None:
        try:
            made = await self._fetch(count)
        except UnavailableError as error:
            self._asking = False
            self._failed(count, error)
            return
        self._asking = False
        for sock in made:
            self._edge.spawn(self._connect(sock))
        self._grow()

    async def _fetch(self, count: int) -> list[socket.socket]:
        return await sockets(self.connector, count, deadline=self._edge.config.connect_seconds)

    async def _connect(self, sock: socket.socket) -> None:
        try:
            async with asyncio.timeout(self._edge.config.connect_seconds):
                await self._join(sock)
        except (OSError, TimeoutError) as error:
            sock.close()
            self._failed(1, error)

    async def _join(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", self.port))
        await loop.create_connection(lambda: Upstream(self._edge, self, sock), sock=sock)

    def _failed(self, count: int, error: Exception) -> None:
        self._opening -= count
        if not self.retired:
            self._edge.log.info("edge.unreachable", instance=self.name, reason=str(error))
        self.failed(self._edge.monotonic())
        # Nothing was sent for those who wait: they can go anywhere else.
        for _ in range(min(count, len(self.waiting))):
            self.waiting.popleft().upstream_lost(sent=False)
        self._grow()
