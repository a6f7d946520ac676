"""How much of everything is taken, as data."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one message's parts; all sizes in octets.

    RFC 9112 §3 asks for request lines of at least 8000 octets. ``chunk_line`` bounds one chunk's size and extensions,
    ``chunk_extra`` the extensions of a whole body: a body of one-octet chunks with long extensions costs its reader
    hundreds of times what it carries.
    """

    request_line: int = 8192
    head: int = 32768
    fields: int = 100
    chunk_line: int = 256
    chunk_extra: int = 16384
    trailers: int = 8192
