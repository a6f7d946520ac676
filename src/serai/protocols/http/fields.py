"""Field lines: parsed strictly, once; and which of them end at this hop."""

from __future__ import annotations

from collections.abc import Iterable

from serai.protocols.http.errors import RemoteProtocolError
from serai.protocols.http.grammar import FIELD_LINE, LENGTH
from serai.protocols.http.limits import Limits

#: Names in lower case and values without surrounding white space, in order of arrival.
Fields = list[tuple[bytes, bytes]]

# RFC 9110 §7.6.1: what concerns this connection only. TE and Trailer go too: trailers are not forwarded (§6.5.1).
# Content-Length is written anew from the number that was understood. Close is no field but a reserved name (RFC 9112
# §12.1), just because it would have to end here.
HOP_BY_HOP = frozenset(
    (
        b"close",
        b"connection",
        b"content-length",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

# What Connection may name without taking it away: a sender that lists these tries to strip what others rely on.
KEPT = frozenset((b"host", b"content-length", b"content-type", b"authorization", b"cookie", b"set-cookie"))

MAX_OCTETS = 512  # of a line that is worth remembering
MAX_LINES = 2048  # lines remembered

_ENDS_OR_STAYS = HOP_BY_HOP | KEPT

#: A line's name, its value, and whether it goes on to the next hop.
Noted = tuple[bytes, bytes, bool]


class FieldLines(dict[bytes, Noted | None]):
    """What lines say, each without its CRLF: ``lines[line]`` is None for one that goes on and says nothing to us.

    A client repeats nearly all its lines, and so do clients among each other: what is new is a cookie, or a referrer.
    So lines are parsed one by one and remembered, and most of a block costs one look-up in a dict for each line. When
    there are too many, all are forgotten: those that come often are back with the next requests.
    """

    __slots__ = ("_dropped", "_looked_at")

    def __init__(self, dropped: frozenset[bytes], looked_at: frozenset[bytes]) -> None:
        """Take names in lower case: those that do not go on to the next hop, and those whose values are wanted."""
        super().__init__()
        self._dropped = dropped
        self._looked_at = looked_at

    def read(self, block: bytes, limits: Limits) -> tuple[dict[bytes, list[bytes]], list[bytes]]:
        """Return the values that are wanted, by name and in order of arrival, and the lines that go on.

        ``block`` is whole lines, each with its CRLF, without the empty line. Raises `RemoteProtocolError` 400 where a
        line is malformed, 431 where there are too many.
        """
        *lines, rest = block.split(b"\r\n")
        if rest:
            raise RemoteProtocolError("A header field is malformed.")
        values: dict[bytes, list[bytes]] = {}
        forward = []
        for line in lines:
            noted = self[line]
            if noted is None:
                forward.append(line)
                continue
            name, value, goes_on = noted
            values.setdefault(name, []).append(value)
            if goes_on:
                forward.append(line)
        if len(lines) > limits.fields:
            raise RemoteProtocolError("There are too many header fields.", 431)
        return values, forward

    def __missing__(self, line: bytes) -> Noted | None:
        """Parse a line that is not known yet."""
        name, value = field(line)
        goes_on = name not in self._dropped and not self._becomes_ours(name)
        noted = None if goes_on and name not in self._looked_at else (name, value, goes_on)
        if len(line) <= MAX_OCTETS:
            if len(self) >= MAX_LINES:
                self.clear()
            self[line] = noted
        return noted

    def _becomes_ours(self, name: bytes) -> bool:
        """Tell whether a program that gets its fields as CGI variables (RFC 3875 §4.1.18) takes it for one of ours.

        There, a name with "_" is the same as with "-".
        """
        meant = name.replace(b"_", b"-")
        return meant != name and (meant in self._dropped or meant in KEPT)


def field(line: bytes) -> tuple[bytes, bytes]:
    """Return a line's name and value; raises `RemoteProtocolError` 400."""
    match = FIELD_LINE.match(line)
    if match is None:
        raise RemoteProtocolError("A header field is malformed.")
    name, value = match.groups()
    return name.lower(), value.rstrip(b" \t")


def fields(block: bytes) -> Fields:
    """Return all fields of a block that was read before."""
    return [field(line) for line in block.split(b"\r\n")[:-1]]


def end_to_end(lines: list[bytes], connection: list[bytes]) -> bytes:
    """Return what goes on, each line with its CRLF again; ``connection`` are the members of Connection."""
    if connection and (named := {name for name in connection if name not in _ENDS_OR_STAYS}):
        lines = [line for line in lines if not _is_named(line, named)]
    return b"\r\n".join((*lines, b""))


def _is_named(line: bytes, named: set[bytes]) -> bool:
    name, _ = field(line)
    return name in named or name.replace(b"_", b"-") in named


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
