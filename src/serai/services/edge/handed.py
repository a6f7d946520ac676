"""Requests that another module of this worker answers, and connections that it took over.

The edge goes on counting such a connection, and writes its line in the log once it is over; when it has to end, the
module that has it knows.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from serai.services.edge.client import BUSY, CLOSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from serai.services.edge.exchange import Exchange

PUSH = "push"  # the name of the offer, and what a Route calls it
SECONDS = 30.0  # for the other module to decide


class Handed:
    """Implement `serai.daemon.handover.Visit`; once its connection was taken, it stands for it among the sessions."""

    __slots__ = ("_reply", "_request", "_session", "deadline", "fields", "late", "method", "target", "upgrade")

    def __init__(self, session: Exchange, reply: Callable[[Exchange, int, bytes, bytes], None]) -> None:
        self._session = session
        self._reply = reply
        self.late = False  # the call that brought the request is over
        self._request = session.request_id
        self.deadline = math.inf
        head = session.head
        self.method = head.method
        self.target = head.target
        self.fields = head.fields.values
        self.upgrade = head.fields.upgrade

    @property
    def authority(self) -> bytes:
        """Return the host as the client wrote it, with its port."""
        return self._session.head.fields.authority

    @property
    def origin(self) -> bytes:
        """Return the origin of pages of the same site."""
        return b"http%b://%b" % (b"s" if self._session.secure else b"", self.authority)

    @property
    def peer(self) -> str:
        """Return the client's address."""
        return self._session.peer

    @property
    def tenant(self) -> str:
        """Return whose route led here."""
        target = self._session.target
        return target.route.tenant if target is not None else ""

    @property
    def app(self) -> str:
        """Return which app's route led here."""
        target = self._session.target
        return target.route.app if target is not None else ""

    @property
    def gone(self) -> bool:
        """Tell whether the request was given up."""
        session = self._session
        return session.state != BUSY or session.request_id is not self._request

    def answer(self, status: int, lines: bytes, body: bytes) -> None:
        """Answer, and read on."""
        session = self._session
        if self.gone:
            return
        self._reply(session, status, b"%bContent-Length: %d\r\n" % (lines, len(body)), body)
        if self.late:
            session.advance()

    def take(self, guest: asyncio.Protocol, status: int) -> tuple[asyncio.Transport, bytes] | None:
        """Hand the connection over."""
        session = self._session
        if self.gone or session.transport.is_closing():
            return None
        session.status = status
        session.state = CLOSED
        session.edge.sessions.discard(session)
        session.edge.sessions.add(self)
        waiting, session.buffer = session.buffer, b""
        session.transport.set_protocol(guest)
        session.listen()
        return session.transport, waiting

    def over(self, received: int, sent: int) -> None:
        """Count, and write the log."""
        session = self._session
        session.edge.sessions.discard(self)
        session.received, session.sent = received, sent
        session.closing = True
        session.connection_lost(None)
        session.finish(session.edge.monotonic())

    def expire(self, now: float) -> None:
        """Never come: whoever took the connection minds its time."""

    def drain(self) -> None:
        """Leave it to whoever took it, who is told to drain as we are."""

    def abort(self) -> None:
        """End the connection at once."""
        self._session.transport.abort()
