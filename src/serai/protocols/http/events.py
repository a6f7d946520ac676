"""What a connection tells, and is told, besides heads."""

from __future__ import annotations

from enum import Enum, auto

import msgspec


class Data(msgspec.Struct, frozen=True):
    """Some of a body's content."""

    data: bytes


class EndOfMessage(msgspec.Struct, frozen=True):
    """The message is complete."""


class ConnectionClosed(msgspec.Struct, frozen=True):
    """The other side has closed, between two messages."""


class Wait(Enum):
    """Why there is no event."""

    NEED_DATA = auto()  # more octets have to come
    PAUSED = auto()  # our answer comes first


NEED_DATA = Wait.NEED_DATA
PAUSED = Wait.PAUSED
