"""What is said at the proxy: a subset of HTTP/1.1 (RFC 9110 section 9.3.6), as pure functions.

``CONNECT HOST:PORT`` is git's (its HTTP library's); ``GET token`` and ``DELETE token`` with a ``Host`` are the
credential helper's: it asks for the app's deploy token, and tells that it was refused.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from serai.errors import InvalidError
from serai.services.apps.git.source import Place, parse_place

MAX_HEAD = 8192  # octets
END = b"\r\n\r\n"
_LINE = re.compile(r"(?P<method>CONNECT|GET|DELETE) (?P<target>[!-~]{1,300}) HTTP/1\.[01]\Z")
_FIELD = re.compile(r"(?P<name>[!-9;-~]{1,100}):[ \t]*(?P<value>[ -~\t]*)\Z")
_REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 502: "Bad Gateway", 503: "Busy"}


class Ask(msgspec.Struct, frozen=True):
    """A request: connect to a place, give the token for it, or take note that its token was refused."""

    what: Literal["connect", "token", "refused"]
    place: Place


def parse(head: bytes) -> Ask:
    """Return what a head (with the empty line at its end) asks for, or raise `InvalidError`."""
    try:
        first, *rest = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    except UnicodeDecodeError:
        raise _wrong() from None
    line = _LINE.match(first)
    fields = [_FIELD.match(one) for one in rest]
    if line is None or None in fields:
        raise _wrong()
    if line["method"] == "CONNECT":
        return Ask("connect", _place(line["target"]))
    hosts = [one["value"].strip() for one in fields if one and one["name"].lower() == "host"]
    if line["target"] != "token" or len(hosts) != 1:
        raise _wrong()
    return Ask("token" if line["method"] == "GET" else "refused", _place(hosts[0]))


def answer(status: int, body: str = "") -> bytes:
    """Return an answer; after that of a CONNECT with 200 follows the tunnel."""
    data = body.encode()
    length = f"Content-Length: {len(data)}\r\n" if status != 200 or data else ""
    return f"HTTP/1.1 {status} {_REASONS[status]}\r\n{length}\r\n".encode() + data


def _place(text: str) -> Place:
    place = parse_place(text)
    if place is None:
        raise _wrong()
    return place


def _wrong() -> InvalidError:
    return InvalidError("That is no request that the proxy knows.")
