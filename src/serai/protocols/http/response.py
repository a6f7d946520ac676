"""Response heads (RFC 9112 §4) and how their bodies are framed (§6.3)."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

import msgspec

from serai.protocols.http.errors import RemoteProtocolError
from serai.protocols.http.fields import (
    HOP_BY_HOP,
    FieldLines,
    Fields,
    comma_list,
    content_length,
    end_to_end,
    fields,
    is_chunked,
)
from serai.protocols.http.grammar import STATUS_LINE
from serai.protocols.http.limits import Limits
from serai.protocols.http.memory import Memory

_LOOKED_AT = frozenset((b"content-length", b"transfer-encoding", b"connection", b"upgrade"))


class ResponseHead(msgspec.Struct, frozen=True, gc=False):
    """What a response's head says.

    ``length`` is None without Content-Length. ``keep_alive`` tells whether the connection can be used again as far as
    the head goes. ``forward`` holds the status line (as HTTP/1.1) and the end-to-end field lines, each with CRLF.
    ``content`` is the `framing` for all methods but HEAD.
    """

    status: int
    length: int | None
    chunked: bool
    keep_alive: bool
    upgrade: bytes
    forward: bytes
    block: bytes
    content: int | None

    @property
    def fields(self) -> Fields:
        """All fields, names in lower case."""
        return fields(self.block)

    def framing(self, method: bytes) -> int | None:
        """Return how the body of the answer to ``method`` is framed (RFC 9112 §6.3).

        Octets of a Content-Length (0 where there is no body), -1 for chunked, None for "until the connection closes".
        """
        return 0 if method == b"HEAD" else self.content


def response_heads(limits: Limits) -> Memory[ResponseHead]:
    """Return what `response_head` makes of heads; heads that come again, and their lines, are remembered."""
    return Memory(partial(response_head, limits=limits, lines=_lines()))


def response_head(head: bytes, limits: Limits, lines: FieldLines | None = None) -> ResponseHead:
    """Parse a whole head, its empty line included. Raises `RemoteProtocolError` (502 in a gateway's terms)."""
    match = STATUS_LINE.match(head)
    if match is None:
        raise RemoteProtocolError("The status line is malformed.", 502)
    status = int(match[2])
    try:
        seen, kept = (_lines() if lines is None else lines).read(block := head[match.end() : -2], limits)
        return _head(match[1], status, block, seen, kept)
    except RemoteProtocolError as error:
        raise RemoteProtocolError(error.reason, 502) from error


def _lines() -> FieldLines:
    return FieldLines(HOP_BY_HOP, _LOOKED_AT)


def _head(minor: bytes, status: int, block: bytes, seen: dict[bytes, list[bytes]], lines: list[bytes]) -> ResponseHead:
    chunked = is_chunked(seen.get(b"transfer-encoding", []), unknown=502)
    length = content_length(seen.get(b"content-length", []))
    if chunked and (length is not None or minor == b"0"):
        raise RemoteProtocolError("The body's framing is ambiguous.")
    connection = comma_list(seen.get(b"connection", []))
    forward = status_line(status) + end_to_end(lines, connection)
    # RFC 9110 §8.6: neither 1xx nor 204 carries Content-Length.
    if length is not None and status >= 200 and status != 204:
        forward += b"Content-Length: %d\r\n" % length
    return ResponseHead(
        status=status,
        length=length,
        chunked=chunked,
        keep_alive=b"close" not in connection and (minor == b"1" or b"keep-alive" in connection),
        upgrade=b", ".join(seen.get(b"upgrade", [])) if b"upgrade" in connection else b"",
        forward=forward,
        block=block,
        content=_content(status, length, chunked=chunked),
    )


def _content(status: int, length: int | None, *, chunked: bool) -> int | None:
    if status < 200 or status in {204, 304}:
        return 0
    return -1 if chunked else length


def status_line(status: int) -> bytes:
    """Return the status line with the standard's own phrase, which clients ignore anyway (RFC 9112 §4)."""
    return b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, b""))


_PHRASES = {int(status): status.phrase.encode("ascii") for status in HTTPStatus}
