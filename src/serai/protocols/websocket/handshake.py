"""The opening handshake (RFC 6455 section 4.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


def accept_key(key: bytes) -> bytes:
    """Return Sec-WebSocket-Accept for a client's key (section 4.2.2, item 5.4)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def refusal(method: bytes, fields: Mapping[bytes, bytes]) -> tuple[int, str] | None:
    """Return why a request that asks for the upgrade is no opening handshake (section 4.2.1): status and sentence.

    None where it is one. ``fields`` by lower-case name; that Connection names the upgrade was looked at already.
    With 426 goes ``Sec-WebSocket-Version: 13`` (section 4.4).
    """
    if method != b"GET":
        return 405, "A WebSocket begins with GET."
    if fields.get(b"sec-websocket-version", b"").strip() != b"13":
        return 426, "Version 13 of WebSocket is spoken here."
    try:
        nonce = base64.b64decode(fields.get(b"sec-websocket-key", b"").strip(), validate=True)
    except binascii.Error:
        nonce = b""
    if len(nonce) != 16:
        return 400, "Sec-WebSocket-Key is not 16 octets in base64."
    return None
