"""Request heads (RFC 9112 §3) and how their bodies are framed (§6).

A head is two things with different lives: the request line, new each time, and the block of fields, which a client
repeats almost unchanged through a connection. They are parsed apart, so that the second can be remembered.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from serai.protocols.http.errors import RemoteProtocolError
from serai.protocols.http.fields import (
    HOP_BY_HOP,
    FieldLines,
    comma_list,
    content_length,
    end_to_end,
    fields,
    is_chunked,
)
from serai.protocols.http.grammar import ABSOLUTE, ANY_VERSION, HOST, REQUEST_LINE, USUAL_LINE
from serai.protocols.http.head import head_end
from serai.protocols.http.limits import Limits
from serai.protocols.http.memory import Memory

_LOOKED_AT = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"))

#: What never goes on: Proxy would become HTTP_PROXY in a CGI program (httpoxy, CVE-2016-5385 and its like).
DROPPED = HOP_BY_HOP | {b"expect", b"proxy"}

# RFC 9113 §3.1 withdrew the upgrade to h2c; letting it through would make a tunnel past everything checked here.
_REFUSED_UPGRADES = (b"h2c", b"h2", b"http/", b"tls/")


class RequestFields(msgspec.Struct, gc=False):
    """What a request's block of fields says.

    ``host`` is in lower case, without port and final dot; ``authority`` as it was written. ``length`` is None without
    Content-Length. ``close`` and ``keep_alive`` are Connection's options. ``upgrade`` is the protocol asked for, or
    empty. ``continues``: the client waits for 100 (RFC 9110 §10.1.1). ``simple``: none of body, upgrade, expectation
    and close, and no unusual target. ``forward`` holds the end-to-end field lines. Treat it as frozen: it is shared
    by all requests that say the same.
    """

    host: str
    authority: bytes
    forward: bytes
    block: bytes
    length: int | None = None
    chunked: bool = False
    close: bool = False
    keep_alive: bool = False
    upgrade: bytes = b""
    continues: bool = False
    simple: bool = True
    _values: dict[bytes, bytes] | None = None

    @property
    def values(self) -> dict[bytes, bytes]:
        """All fields by lower-case name; the values of repeated ones are joined (RFC 9110 §5.3)."""
        if self._values is None:
            self._values = {}
            for name, value in fields(self.block):
                self._values[name] = self._values[name] + b", " + value if name in self._values else value
        return self._values


class RequestHead(msgspec.Struct, frozen=True, gc=False):
    """A request's head; ``target`` begins with "/" (or is "*").

    ``path`` is the target up to its "?". ``minor`` is the 0 or 1 of HTTP/1.x.
    """

    method: bytes
    target: bytes
    path: bytes
    fields: RequestFields
    minor: int = 1

    @property
    def has_body(self) -> bool:
        """Tell whether octets of a body follow (RFC 9112 §6.3, rules 6 to 8)."""
        return self.fields.chunked or bool(self.fields.length)

    @property
    def close(self) -> bool:
        """Tell whether the connection ends with this exchange (RFC 9112 §9.3)."""
        return self.fields.close or (self.minor == 0 and not self.fields.keep_alive)


class RequestReader:
    """Read request heads, and remember what clients say again: blocks of fields, and the lines of new blocks.

    ``dropped`` are not passed on: `DROPPED`, and the names in lower case that the caller sets itself.
    """

    def __init__(self, limits: Limits, dropped: frozenset[bytes] = DROPPED) -> None:
        self._limits = limits
        self._lines = FieldLines(dropped, _LOOKED_AT)
        self._blocks = Memory(self._block)

    def read(self, head: bytes) -> RequestHead:
        """Parse a whole head, its empty line included. Raises `RemoteProtocolError`: 400, 414, 417, 431, 501, 505."""
        limits = self._limits
        line = USUAL_LINE.match(head)
        if line is None or line.end() > limits.request_line + 2 or len(head) > limits.head:
            return self._careful(head)
        try:
            block = self._blocks[head[line.end() :]]
        except RemoteProtocolError:
            head_end(head, limits)
            raise
        method, target, path = line.groups()
        return RequestHead(method, target, path, block)

    def _careful(self, head: bytes) -> RequestHead:
        """Parse what is seldom seen; of several mistakes the first one counts, however the octets arrived."""
        head_end(head, self._limits)
        line, _, block = head.partition(b"\r\n")
        try:
            parsed = self._block(block)
        except RemoteProtocolError:
            _match(line)  # its mistake comes first
            raise
        return _join(_match(line), parsed)

    def _block(self, block: bytes) -> RequestFields:
        """Parse the lines of fields, and the empty line."""
        block = block[:-2]
        seen, lines = self._lines.read(block, self._limits)
        # RFC 9112 §3.2: exactly one Host; HTTP/1.0 needs one as well here, since all sites share an address.
        hosts = seen.get(b"host", ())
        if len(hosts) == len(seen) == 1:  # nearly always, so what follows is not even asked
            return RequestFields(_host(hosts[0]), hosts[0], end_to_end(lines, []), block)
        chunked = is_chunked(seen.get(b"transfer-encoding", []), unknown=501)
        length = content_length(seen.get(b"content-length", []))
        # RFC 9112 §6.3 rule 3: both together may be an attempt at smuggling; it "ought to be handled as an error".
        if chunked and length is not None:
            raise RemoteProtocolError("Content-Length and Transfer-Encoding exclude each other.")
        if len(hosts) != 1:
            raise RemoteProtocolError("There must be exactly one Host.")
        host = _host(hosts[0])
        connection = comma_list(seen.get(b"connection", []))
        continues = bool(expect := comma_list(seen.get(b"expect", [])))
        if continues and expect != [b"100-continue"]:
            raise RemoteProtocolError("Only «100-continue» can be expected.", 417)
        upgrade = _upgrade(seen.get(b"upgrade", [])) if b"upgrade" in connection else b""
        forward = end_to_end(lines, connection)
        if length is not None:
            forward += b"Content-Length: %d\r\n" % length
        return RequestFields(
            host=host,
            authority=hosts[0],
            forward=forward,
            block=block,
            length=length,
            chunked=chunked,
            close=b"close" in connection,
            keep_alive=b"keep-alive" in connection,
            upgrade=upgrade,
            continues=continues,
            simple=not (chunked or length or upgrade or continues or b"close" in connection),
        )


def request_head(head: bytes, limits: Limits, dropped: frozenset[bytes] = DROPPED) -> RequestHead:
    """Parse one head; see `RequestReader.read`."""
    return RequestReader(limits, dropped).read(head)


def _match(line: bytes) -> re.Match[bytes]:
    match = REQUEST_LINE.match(line)
    if match is not None:
        return match
    version = ANY_VERSION.match(line)
    if version is not None and version[1] != b"1":
        raise RemoteProtocolError("Only HTTP/1.1 is spoken here.", 505)
    raise RemoteProtocolError("The request line is malformed.")


def _join(line: re.Match[bytes], fields: RequestFields) -> RequestHead:
    method, target, minor = line.groups()
    head = RequestHead(method, target, _path(target), fields, int(minor))
    if head.minor == 0 and fields.chunked:
        # RFC 9112 §6.1: a transfer coding in an HTTP/1.0 message means faulty framing.
        raise RemoteProtocolError("HTTP/1.0 has no transfer codings.")
    if target[0] == 0x2F and method != b"CONNECT":  # "/": origin-form, RFC 9112 §3.2.1
        return head
    return _unusual(head)


def _unusual(head: RequestHead) -> RequestHead:
    """Handle the other forms of a request target (RFC 9112 §3.2.2 to §3.2.4)."""
    if head.method == b"CONNECT":
        raise RemoteProtocolError("CONNECT is not served here.", 501)
    if head.target == b"*" and head.method == b"OPTIONS":
        return msgspec.structs.replace(head, fields=msgspec.structs.replace(head.fields, simple=False))
    match = ABSOLUTE.match(head.target)
    if match is None:
        raise RemoteProtocolError("The request target is malformed.")
    # RFC 9112 §3.2.2: the target's host counts, and Host is ignored.
    host, authority = _host(match[1]), match[1]
    rest = match[2] or b"/"
    if not rest.startswith(b"/"):
        rest = b"/" + rest
    fields = msgspec.structs.replace(head.fields, host=host, authority=authority)
    return msgspec.structs.replace(head, target=rest, path=_path(rest), fields=fields)


def _path(target: bytes) -> bytes:
    return target.partition(b"?")[0]


@lru_cache(1024)
def _host(authority: bytes) -> str:
    match = HOST.match(authority)
    if match is None or (match[2] and int(match[2]) > 65535):
        raise RemoteProtocolError("Host is malformed.")
    return match[1].decode("ascii").lower()


def _upgrade(values: list[bytes]) -> bytes:
    protocols = comma_list(values)
    kept = [name for name in protocols if not name.startswith(_REFUSED_UPGRADES)]
    return b", ".join(kept)
