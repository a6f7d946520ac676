"""A client's connection: what every kind of stream has in common, and server-sent events.

The usual thing, an event, costs one call and one write of octets that all clients share. Nothing is read from a client
of server-sent events; one that leaves unread what it was sent is dropped.
"""

from __future__ import annotations

import asyncio
import socket
from abc import abstractmethod
from typing import TYPE_CHECKING

import msgspec

from serai.services.push.channels import shown
from serai.services.push.events import Mark, lines_of
from serai.services.push.turns import Parcel

if TYPE_CHECKING:
    from serai.daemon.handover import Visit
    from serai.services.push.badge import Badge
    from serai.services.push.hub import Hub

RETRY = 2000  # milliseconds after which a client comes back whose connection broke
#: Milliseconds for which what was sent may stay without the peer's acknowledgement: it has gone without a word.
UNACKNOWLEDGED = 60_000

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nX-Accel-Buffering: no\r\n"
    b"X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nretry: %d\n\n" % RETRY
)


class Client(asyncio.Protocol):
    """One connection: it follows ``channels``, of which those in ``waiting`` are not known yet.

    ``after`` is the place up to which it has seen everything.
    """

    __slots__ = (
        "_asked",
        "after",
        "badge",
        "begun",
        "blocked_at",
        "channels",
        "gone",
        "heard_at",
        "hub",
        "received",
        "sent",
        "transport",
        "turn",
        "visit",
        "waiting",
    )

    transport: asyncio.Transport

    def __init__(self, hub: Hub, visit: Visit, badge: Badge, after: Mark | None) -> None:
        self.hub = hub
        self.visit = visit
        self.badge = badge
        self.turn = badge.turn
        self.after = after
        self.channels: set[str] = set()
        self.waiting: set[str] = set()
        self._asked: list[str] = []  # of which what was missed is told once all are known
        self.begun = False  # it was told from where on it gets everything
        self.gone = False
        self.blocked_at = 0.0  # monotonic seconds since when too much is unread
        self.heard_at = 0.0
        self.sent = self.received = 0

    def begin(self, head: bytes, status: int, channels: list[str]) -> bool:
        """Take the connection over and follow channels; False where the client has gone."""
        taken = self.visit.take(self, status)
        if taken is None:
            return False
        self.transport, rest = taken
        self.transport.set_write_buffer_limits(self.hub.config.unsent_octets)
        sock = self.transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.hub.config.send_octets)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED)
        self.write(head)
        self.hub.enter(self)
        self.follow(channels, self.after)
        if rest:
            self.data_received(rest)
        return True

    def follow(self, channels: list[str], after: Mark | None) -> None:
        """Follow more channels, from a place on; `ready` comes once all are known."""
        self.after = after if not self.waiting else self.after
        new = [channel for channel in dict.fromkeys(channels) if channel not in self.channels]
        self.channels.update(new)
        # What was asked for before and is not known yet is waited for together with this.
        self._asked = [*self._asked, *new] if self.waiting else new
        self.waiting.update(self.hub.join(self, new))
        if not self.waiting:
            self.ready(self._asked)

    def unfollow(self, channels: list[str]) -> None:
        """Follow these channels no more; what they alone were waited for begins."""
        waited = bool(self.waiting)
        for channel in channels:
            self.hub.part(self, channel)
        self._asked = [channel for channel in self._asked if channel in self.channels]
        if waited and not self.waiting:
            self.ready(self._asked)

    def known(self, channel: str) -> None:
        """Go on, now that one more channel is known."""
        self.waiting.discard(channel)
        if not self.waiting:
            self.ready(self._asked)

    def ready(self, channels: list[str]) -> None:
        """Say from where on the client gets everything, and what it missed.

        The place is told once, at first: later on, events that come before it may still be on their way to the client.
        """
        mark = None if self.begun else self.hub.mark
        missed, lost = self.hub.missed(channels, self.after)
        resumed = self.after is not None and not lost
        self.begun, self.after = True, None
        told = {"channels": sorted(shown(each) for each in self.channels), "resumed": resumed}
        # Where events were missed they say themselves how far they reach.
        self.tell("ready", msgspec.json.encode(told), None if missed else mark)
        for channel in lost:
            self.tell("reset", reset_data(channel), None if missed else mark)
        for event in missed:
            self.deliver(event)

    def write(self, octets: bytes) -> None:
        """Write, and count."""
        if not self.gone:
            self.sent += len(octets)
            self.transport.write(octets)

    def pause_writing(self) -> None:
        """Note that the client does not read."""
        self.blocked_at = self.hub.monotonic()
        self.hub.blocked.add(self)

    def resume_writing(self) -> None:
        """Note that it does again."""
        if self.gone:
            return
        self.blocked_at = 0.0
        self.hub.blocked.discard(self)

    def hindered(self) -> bool:
        """Tell whether nothing can be written: the client has gone, or has so much unread that it is dropped."""
        if self.gone:
            return True
        if self.transport.get_write_buffer_size() <= 4 * self.hub.config.unsent_octets:
            return False
        self.hub.drop(self)
        return True

    def finish(self) -> None:
        """Close once all is written, and not much later: the client may not read."""
        self.hub.leave(self)
        self.gone = True
        self.blocked_at = self.hub.monotonic()
        self.hub.blocked.add(self)
        self.transport.close()

    def eof_received(self) -> bool:
        """Close: who sends no more does not listen, either (RFC 9112 section 9.6)."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Leave."""
        self.gone = True
        self.blocked_at = -1.0
        self.hub.leave(self)
        self.badge.release()
        self.visit.over(self.received, self.sent)

    @abstractmethod
    def deliver(self, parcel: Parcel) -> None:
        """Write an event."""

    @abstractmethod
    def tell(self, name: str, data: bytes, mark: Mark | None = None) -> None:
        """Write what the stream says of itself; ``data`` is JSON."""

    @abstractmethod
    def end(self, code: str, detail: str) -> None:
        """Say why the stream ends, and close."""

    @abstractmethod
    def leave_soon(self, milliseconds: int) -> None:
        """Send the client away: it is to come back after so long."""


class Lines(Client):
    """A client of server-sent events (WHATWG HTML section 9.2)."""

    __slots__ = ()

    def deliver(self, parcel: Parcel) -> None:
        """Write an event."""
        if self.blocked_at and self.hindered():
            return
        octets = parcel.lines
        self.sent += len(octets)
        self.transport.write(octets)

    def data_received(self, data: bytes) -> None:
        """Take no notice, but not for ever: a client has nothing to say."""
        self.received += len(data)
        if self.received > 4096:
            self.transport.abort()

    def tell(self, name: str, data: bytes, mark: Mark | None = None) -> None:
        """Write what the stream says of itself."""
        self.write(lines_of(name, data, mark))

    def end(self, code: str, detail: str) -> None:
        """Say why, and close."""
        self.tell("end", msgspec.json.encode({"code": code, "detail": detail}))
        self.finish()

    def leave_soon(self, milliseconds: int) -> None:
        """Close; the client knows from where on it wants to go on."""
        self.write(b"retry: %d\n\n" % milliseconds)
        self.finish()


def reset_data(channel: str) -> bytes:
    """Return what clients are told of a channel on which they missed something."""
    return msgspec.json.encode({"channel": shown(channel)})
