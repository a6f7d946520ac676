"""What a shim and the agent tell each other: a length (4 octets, big-endian) and a bencoded dictionary."""

from __future__ import annotations

import sys
from _socket import socket

from .bencode import decode, encode

TYPE_CHECKING = False  # importing typing would cost 4 ms and 1 MB
if TYPE_CHECKING:
    from typing import Any


def receive(agent: socket) -> Any:
    """Return the next message of the agent; end where it has gone."""
    length = int.from_bytes(exactly(agent, 4), "big")
    return decode(exactly(agent, length))


def send(agent: socket, message: dict[str, Any]) -> None:
    """Send a message to the agent; that it has gone is seen elsewhere."""
    data = encode(message)
    try:
        agent.sendall(len(data).to_bytes(4, "big") + data)
    except OSError:
        return


def exactly(agent: socket, length: int) -> bytes:
    """Return so many octets of what the agent says; end where it has gone."""
    data = b""
    while len(data) < length:
        more = agent.recv(length - len(data))
        if not more:
            sys.exit(1)
        data += more
    return data
