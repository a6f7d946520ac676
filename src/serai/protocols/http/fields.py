"""Field lines: parsed strictly, once; and which of them end at this hop."""

from __future__ import annotations

from collections.abc import Iterable

from serai.protocols.http.errors import RemoteProtocolError
from serai.protocols.http.grammar import FIELD, FIELD_BLOCK, LENGTH
from serai.protocols.http.limits import Limits

#: Field lines in order of arrival: names as they were written, values without surrounding white space.
Fields = list[tuple[bytes, bytes]]

# RFC 9110 §7.6.1: what concerns this connection only. TE and Trailer go too: trailers are not forwarded (§6.5.1).
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)

# What Connection may name without taking it away: a sender that lists these tries to strip what others rely on.
KEPT = frozenset((b"host", b"content-length", b"content-type", b"authorization", b"cookie", b"set-cookie"))


def parse_fields(block: bytes, limits: Limits) -> Fields:
    """Return the fields of ``block``: whole lines, each with its CRLF, without the empty line.

    Raises `RemoteProtocolError` 400 where a line is malformed, 431 where there are too many.
    """
    if FIELD_BLOCK.match(block) is None:
        raise RemoteProtocolError("A header field is malformed.")
    if block.count(b"\r\n") > limits.fields:
        raise RemoteProtocolError("There are too many header fields.", 431)
    return [(name, value.rstrip(b" \t")) for name, value in FIELD.findall(block)]


def comma_list(values: Iterable[bytes]) -> list[bytes]:
    """Return the members of a list field, in lower case (RFC 9110 §5.6.1: empty members are skipped)."""
    return [item for value in values for part in value.lower().split(b",") if (item := part.strip(b" \t"))]


def content_length(values: list[bytes]) -> int | None:
    """Return the length that the Content-Length fields give, None where there is none.

    RFC 9112 §6.3 lets a recipient accept a list of equal numbers; refusing it leaves nobody a second reading.
    """
    if not values:
        return None
    if len(values) > 1 or LENGTH.match(values[0]) is None:
        raise RemoteProtocolError("Content-Length must be one decimal number.")
    return int(values[0])


def is_chunked(values: list[bytes], *, unknown: int) -> bool:
    """Tell whether the Transfer-Encoding fields say "chunked"; any other coding raises with status ``unknown``."""
    if not values:
        return False
    codings = comma_list(values)
    if codings == [b"chunked"]:
        return True
    # RFC 9112 §6.1: chunked is applied once and last; §7: an unknown coding is 501.
    if not codings or codings.count(b"chunked") > 1 or b"chunked" in codings[:-1]:
        raise RemoteProtocolError("Transfer-Encoding is malformed.")
    raise RemoteProtocolError("Only the transfer coding «chunked» is understood.", unknown)


def end_to_end(fields: Fields, connection: list[bytes], dropped: frozenset[bytes]) -> bytes:
    """Return the field lines that go on to the next hop.

    ``connection`` are the members of Connection, ``dropped`` names in lower case that the caller will set itself. A
    name with "_" is the same as with "-" to programs that get their fields as CGI variables (RFC 3875 §4.1.18), so a
    name of ours that is written so is dropped as well.
    """
    named = {name for name in connection if name not in KEPT}
    lines = []
    for name, value in fields:
        key = name.lower()
        if b"_" in key:
            key = key.replace(b"_", b"-")
            if key in KEPT:
                continue
        if key in HOP_BY_HOP or key in dropped or key in named:
            continue
        lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)
