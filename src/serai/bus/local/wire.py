"""The wire format: frames of a 4-octet big-endian length and one MessagePack array, and what the arrays say.

A message's own content travels as opaque octets (``body``): the server never decodes it. Pure: no I/O.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any

import msgspec

from serai.bus.contract import MAX_MESSAGE, MAX_SUBJECT
from serai.errors import BY_CODE, InternalError, InvalidError, SeraiError

_HEAD = struct.Struct(">I")
#: Octets of a frame without its head: one message, its subject, and numbers.
MAX_FRAME = MAX_MESSAGE + 8192
MAX_DEADLINE = 3600.0  # seconds

Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Subject = Annotated[str, msgspec.Meta(max_length=MAX_SUBJECT)]
Body = Annotated[bytes, msgspec.Meta(max_length=MAX_MESSAGE)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_DEADLINE)]


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    """What goes over the wire: an array of the tag and the fields, in their order."""


class Publish(_Frame, frozen=True, tag=1):
    """Client: send to all subscribers."""

    subject: Subject
    body: Body


class Subscribe(_Frame, frozen=True, tag=2):
    """Client: I listen, and I name this subscription ``id``."""

    id: Number
    subject: Subject


class Serve(_Frame, frozen=True, tag=3):
    """Client: I answer calls."""

    id: Number
    subject: Subject


class Leave(_Frame, frozen=True, tag=4):
    """Client: end a subscription or a handler."""

    id: Number


class Ready(_Frame, frozen=True, tag=5):
    """Server: the subscription or handler is in place."""

    id: Number


class Deliver(_Frame, frozen=True, tag=6):
    """Server: a message for these subscriptions; ``lost`` were dropped before it because you read slowly."""

    ids: list[Number]
    subject: Subject
    body: Body
    lost: Number = 0


class Call(_Frame, frozen=True, tag=7):
    """Client to server: ask somebody."""

    id: Number
    subject: Subject
    body: Body
    deadline: Seconds


class Ask(_Frame, frozen=True, tag=8):
    """Server to client: handler ``handler`` of yours, please answer."""

    id: Number
    handler: Number
    body: Body
    deadline: Seconds


class Answer(_Frame, frozen=True, tag=9):
    """Handler to caller, by way of the server."""

    id: Number
    body: Body


class Failure(_Frame, frozen=True, tag=10):
    """The same, where it went wrong; ``code`` is one of `serai.errors.BY_CODE`.

    Server: also instead of `Ready`, where the client may not do that, and with the ID 0 for a `Publish`.
    """

    id: Number
    code: Annotated[str, msgspec.Meta(max_length=64)]
    public: str
    temporary: bool
    fields: dict[str, Any] = {}


Message = Publish | Subscribe | Serve | Leave | Ready | Deliver | Call | Ask | Answer | Failure

_encoder = msgspec.msgpack.Encoder(enc_hook=str)
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def pack(message: Message) -> bytes:
    """Return a whole frame."""
    payload = _encoder.encode(message)
    return _HEAD.pack(len(payload)) + payload


def unpack(payload: bytes) -> Message:
    """Return what a frame's payload says, or raise `InvalidError`."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidError("That is not a message of the bus.", path="frame") from error


def failure(number: int, error: SeraiError) -> Failure:
    """Return the answer that carries an error; what is too large of its fields is left out."""
    answer = Failure(number, error.code, error.public, error.temporary, dict(error.fields))
    try:
        small = len(_encoder.encode(answer)) <= MAX_MESSAGE
    except (TypeError, ValueError, OverflowError, RecursionError):
        small = False
    return answer if small else Failure(number, error.code, error.public[:1000], error.temporary)


def error_of(answer: Failure) -> SeraiError:
    """Return the error that a handler raised, by its code."""
    error = BY_CODE.get(answer.code, InternalError)(answer.public, temporary=answer.temporary)
    error.fields = answer.fields
    return error


class FrameReader:
    """Cut a stream of octets into frames' payloads."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that are complete now; raise `InvalidError` on an absurd length.

        At most one incomplete frame (`MAX_FRAME` octets) is kept.
        """
        buffer = self._buffer
        buffer += data
        payloads = []
        start = 0
        while len(buffer) - start >= _HEAD.size:
            (length,) = _HEAD.unpack_from(buffer, start)
            if not 0 < length <= MAX_FRAME:
                raise InvalidError("A frame of the bus has an absurd length.", path="frame", octets=length)
            end = start + _HEAD.size + length
            if len(buffer) < end:
                break
            payloads.append(bytes(buffer[start + _HEAD.size : end]))
            start = end
        del buffer[:start]
        return payloads
