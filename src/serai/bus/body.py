"""The octets of a message: data in MessagePack, bounded, on every engine."""

from __future__ import annotations

from typing import Any

import msgspec

from serai.bus.contract import MAX_MESSAGE
from serai.errors import InvalidError

_body_encoder = msgspec.msgpack.Encoder()


def encode_body(message: Any) -> bytes:
    """Return a message's octets, or raise `InvalidError` where it is too large or not data."""
    try:
        body = _body_encoder.encode(message)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidError("A message must be data that MessagePack can hold.", path="message") from error
    if len(body) > MAX_MESSAGE:
        raise InvalidError(f"A message has at most {MAX_MESSAGE} octets.", path="message", octets=len(body))
    return body


def decode_body(body: bytes) -> Any:
    """Return a message, or raise `InvalidError`."""
    try:
        return msgspec.msgpack.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, TypeError) as error:
        raise InvalidError("A message of the bus can't be decoded.", path="message") from error
