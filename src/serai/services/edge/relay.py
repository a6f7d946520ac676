"""Upgraded connections (RFC 9110 §7.8), WebSocket for one: octets both ways, with back-pressure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.exchange import Exchange
    from serai.services.edge.upstream import Upstream


class Relay:
    """Two ends that pass on what they get. ``deadline``: monotonic seconds at which `expire` is called."""

    __slots__ = ("_edge", "_ended", "_ends", "_open", "_session", "_upstream", "deadline")

    def __init__(self, session: Exchange, upstream: Upstream) -> None:
        self._edge: Edge = session.edge
        self._session = session
        self._upstream = upstream
        self._open = 2  # sides that are connected
        self._ended = 0  # sides that have said that they send no more
        client = _End(self, session.transport, upstream.transport)
        program = _End(self, upstream.transport, session.transport)
        self._ends = (client, program)
        self.touch()

    @classmethod
    def join(cls, session: Exchange, upstream: Upstream, waiting: bytes) -> None:
        """Make a relay of a session and its connection to an instance; ``waiting`` has come from the client."""
        relay = cls(session, upstream)
        upstream.session = None
        session.edge.sessions.add(relay)
        for end in relay._ends:
            end.start()
        if waiting:
            relay._ends[0].data_received(waiting)
        session.listen()

    def touch(self) -> None:
        """Note that octets passed."""
        self.deadline = self._edge.monotonic() + self._edge.config.relay_seconds

    def count(self, end: _End, octets: int) -> None:
        """Add to what the log will say."""
        if end is self._ends[0]:
            self._session.received += octets
        else:
            self._session.sent += octets

    def ended_once(self) -> bool:
        """Note that a side has ended its direction; return whether the other still sends."""
        self._ended += 1
        return self._ended == 1

    def lost(self, end: _End) -> None:
        """End the other side with this one, and write the log when both have gone."""
        if self._open == 2:
            for each in self._ends:
                if each is not end:
                    each.transport.close()
            self.deadline = self._edge.monotonic() + self._edge.config.send_seconds
        self._open -= 1
        if end is self._ends[0]:
            self._session.closing = True
            self._session.connection_lost(None)
        else:
            self._upstream.pool.lost(self._upstream)
        if not self._open:
            self._edge.sessions.discard(self)
            self._session.finish(self._edge.monotonic())

    def expire(self, _now: float) -> None:
        """Break off what has been silent for too long."""
        self.abort()

    def drain(self) -> None:
        """Go on: only the end of the drain ends a relay."""

    def abort(self) -> None:
        """End both sides at once."""
        for end in self._ends:
            end.transport.abort()


class _End(asyncio.Protocol):
    """One side of a relay."""

    __slots__ = ("_other", "_relay", "transport")

    def __init__(self, relay: Relay, transport: asyncio.Transport, other: asyncio.Transport) -> None:
        self._relay = relay
        self.transport = transport
        self._other = other

    def start(self) -> None:
        self.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        self._relay.touch()
        self._relay.count(self, len(data))
        if not self._other.is_closing():
            self._other.write(data)

    def eof_received(self) -> bool:
        """Pass a half-close on where both sides can be half closed."""
        if self._relay.ended_once() and not self._other.is_closing() and self._other.can_write_eof():
            self._other.write_eof()
            return self.transport.can_write_eof()
        return False  # the second one, or TLS, which has no half: close

    def pause_writing(self) -> None:
        """Read no more from the other side than this one takes."""
        if not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._relay.lost(self)
