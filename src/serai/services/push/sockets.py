"""Clients that speak WebSocket: the same events as JSON messages, and channels that come and go.

A client sends ``{"do": "subscribe", "channels": [...], "after": ID}`` or ``{"do": "unsubscribe", "channels": [...]}``;
what it gets are objects with ``event``, ``data``, and for events of a channel ``id`` and ``channel``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from serai.protocols.websocket import Closed, Connection, Message, Ping, close_frame, pong_frame
from serai.services.push.channels import MAX_CHANNEL
from serai.services.push.client import Client
from serai.services.push.events import Mark, frame_of
from serai.services.push.turns import Parcel

if TYPE_CHECKING:
    from serai.daemon.handover import Visit
    from serai.services.push.badge import Badge
    from serai.services.push.hub import Hub

MAX_MESSAGE = 16 << 10  # octets that a client says at once
BURST, EACH_SECOND = 50, 10.0  # messages of one client


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says."""

    do: Literal["subscribe", "unsubscribe"]
    channels: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=MAX_CHANNEL)]], msgspec.Meta(min_length=1, max_length=64)
    ]
    after: Annotated[str, msgspec.Meta(max_length=64)] = ""


class Socket(Client):
    """A client of WebSocket. ``wished`` is told what it says."""

    __slots__ = ("_full_at", "_protocol", "_wished")

    def __init__(
        self, hub: Hub, visit: Visit, badge: Badge, after: Mark | None, wished: Callable[[Socket, Wish], None]
    ) -> None:
        super().__init__(hub, visit, badge, after)
        self._protocol = Connection(MAX_MESSAGE)
        self._wished = wished
        self._full_at = 0.0  # when it may again say as much at once as anybody

    def deliver(self, parcel: Parcel) -> None:
        """Write an event."""
        if self.blocked_at and self.hindered():
            return
        octets = parcel.frame
        self.sent += len(octets)
        self.transport.write(octets)

    def data_received(self, data: bytes) -> None:
        """Read what the client says."""
        self.received += len(data)
        self.heard_at = self.hub.monotonic()
        for event in self._protocol.receive_data(data):
            if isinstance(event, Closed):
                self._close(event.reply)
            elif not self._paced():
                self._close(close_frame(1008, "Too much is said at once."))
            elif isinstance(event, Ping):
                self.write(pong_frame(event.payload))
            elif isinstance(event, Message):
                self._heard(event)
            if self._protocol.closed:
                return

    def tell(self, name: str, data: bytes, mark: Mark | None = None) -> None:
        """Write what the stream says of itself."""
        if not self._protocol.closed:
            self.write(frame_of(name, data, mark))

    def end(self, code: str, detail: str) -> None:
        """Say why, and close: 1008, against the policy."""
        self.tell("end", msgspec.json.encode({"code": code, "detail": detail}))
        self._close(close_frame(1008, code))

    def leave_soon(self, milliseconds: int) -> None:
        """Close: 1012, the service restarts (registry of RFC 6455 section 11.7)."""
        self.tell("end", msgspec.json.encode({"code": "unavailable", "retry": milliseconds}))
        self._close(close_frame(1012, "come back"))

    def _heard(self, message: Message) -> None:
        if not message.text:
            self._close(close_frame(1003, "Messages are JSON."))
            return
        try:
            wish = msgspec.json.decode(message.data, type=Wish)
        except (msgspec.MsgspecError, RecursionError):
            self.tell("error", msgspec.json.encode({"code": "invalid", "detail": "That is no message known here."}))
            return
        self._wished(self, wish)

    def _paced(self) -> bool:
        now = self.heard_at
        self._full_at = max(self._full_at, now) + 1 / EACH_SECOND
        return self._full_at - now <= BURST / EACH_SECOND

    def _close(self, frame: bytes) -> None:
        self._protocol.closed = True
        self.write(frame)
        self.finish()
