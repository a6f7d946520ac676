"""The WebSocket protocol (RFC 6455), a server's side, as a pure protocol.

Here belongs what follows from octets alone: the handshake's key, frames, messages and their fragments, closing. Here
does not belong what messages mean, nor anything that waits. No extension is spoken: permessage-deflate (RFC 7692)
would keep a window of memory for each connection.
"""

from serai.protocols.websocket.connection import Closed, Connection, Message, Ping, Pong
from serai.protocols.websocket.frames import close_frame, ping_frame, pong_frame, text_frame
from serai.protocols.websocket.handshake import accept_key, refusal

__all__ = [
    "Closed",
    "Connection",
    "Message",
    "Ping",
    "Pong",
    "accept_key",
    "close_frame",
    "ping_frame",
    "pong_frame",
    "refusal",
    "text_frame",
]
