"""A client's connection to the local bus: frames to messages and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from serai.bus.local import wire
from serai.errors import InvalidError


class Link(asyncio.Protocol):
    """One connection to the server: messages out, messages in; one that is not well is given up."""

    def __init__(self, received: Callable[[Link, wire.Message], None]) -> None:
        self._received = received
        self._reader = wire.FrameReader()
        self._transport: asyncio.Transport | None = None
        self.writable = asyncio.Event()
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to talk."""
        self._transport = cast("asyncio.Transport", transport)  # a stream's, on either loop
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        """Pass whole messages on; garbage ends the connection."""
        try:
            for payload in self._reader.feed(data):
                self._received(self, wire.unpack(payload))
        except InvalidError:
            self.abort()

    def connection_lost(self, _: Exception | None) -> None:
        """Wake all who wait for it."""
        self._transport = None
        self.writable.set()
        self.closed.set()

    def pause_writing(self) -> None:
        """Let senders wait."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """Let senders go on."""
        self.writable.set()

    def send(self, message: wire.Message) -> None:
        """Queue a message; nothing happens where the connection is gone."""
        if self._transport is not None:
            self._transport.write(wire.pack(message))

    def abort(self) -> None:
        """Give it up at once."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close after what was written has left."""
        if self._transport is not None:
            self._transport.close()
