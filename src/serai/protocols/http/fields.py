"""Field lines: parsed strictly, once; and which of them end at this hop."""

from __future__ import annotations

from collections.abc import Iterable

from serai.protocols.http.errors import RemoteProtocolError
from serai.protocols.http.grammar import FIELD_LINE, LENGTH
from serai.protocols.http.limits import Limits

#: Names in lower case and values without surrounding white space, in order of arrival.
Fields = list[tuple[bytes, bytes]]

# RFC 9110 §7.6.1: what concerns this connection only. TE and Trailer go too: trailers are not forwarded (§6.5.1).
# Content-Length is written anew from the number that was understood.
HOP_BY_HOP = frozenset(
    (
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


class FieldBlock:
    """The field lines of one head. What is asked of every message is quick; the rest is made when it is wanted."""

    __slots__ = ("_lines", "keys")

    def __init__(self, block: bytes, limits: Limits) -> None:
        """Parse ``block``: whole lines, each with its CRLF, without the empty line.

        Raises `RemoteProtocolError` 400 where a line is malformed, 431 where there are too many.
        """
        self._lines = lines = FIELD_LINE.findall(block)
        # The matches do not overlap, so together they are as long as the block only if nothing lies between them.
        if sum([len(line) for line, _, _ in lines]) != len(block):
            raise RemoteProtocolError("A header field is malformed.")
        if len(lines) > limits.fields:
            raise RemoteProtocolError("There are too many header fields.", 431)
        self.keys: list[bytes] = [name.lower() for _, name, _ in lines]

    def pick(self, names: frozenset[bytes]) -> dict[bytes, list[bytes]]:
        """Return the values of the fields called ``names`` (lower case), by name, in order of arrival."""
        found: dict[bytes, list[bytes]] = {}
        for key, (_, _, value) in zip(self.keys, self._lines, strict=True):
            if key in names:
                found.setdefault(key, []).append(value.rstrip(b" \t"))
        return found

    def fields(self) -> Fields:
        """Return all fields."""
        return [(key, value.rstrip(b" \t")) for key, (_, _, value) in zip(self.keys, self._lines, strict=True)]

    def end_to_end(self, connection: list[bytes], dropped: frozenset[bytes]) -> bytes:
        """Return the field lines that go on to the next hop.

        ``connection`` are the members of Connection, ``dropped`` names in lower case that the caller will set itself,
        those of `HOP_BY_HOP` and Content-Length among them. A name with "_" is the same as with "-" to programs that
        get their fields as CGI variables (RFC 3875 §4.1.18), so a name of ours that is written so is dropped as well.
        """
        if connection:
            dropped = dropped.union([name for name in connection if name not in KEPT])
        keys = self.keys
        if b"_" in b"".join(keys):
            keys = [_as_variable(key, dropped) for key in keys]
        return b"".join([line for key, (line, _, _) in zip(keys, self._lines, strict=True) if key not in dropped])


def _as_variable(key: bytes, dropped: frozenset[bytes]) -> bytes:
    """Return the name that a CGI variable of ``key`` stands for where that is one of ours."""
    meant = key.replace(b"_", b"-")
    # What must not be said twice is dropped under the name of something that always is.
    return b"connection" if meant != key and (meant in dropped or meant in KEPT) else key


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
