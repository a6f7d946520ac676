"""The platform's own host names (``api.BASE``, ``console.BASE``) lead to sockets of the platform, not to instances.

They are known without the replica, and no route of a tenant's comes before them. The supervisor holds those sockets, so
a request that comes while the API or the console is being replaced waits there for the next one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from serai.cloud.descriptors import Route
from serai.protocols.http import RemoteProtocolError
from serai.services.edge.metrics import Counters
from serai.services.edge.names import own_names
from serai.services.edge.pool import Pool
from serai.services.edge.routes import Release, Site, Target
from serai.services.edge.upstream import Upstream

if TYPE_CHECKING:
    from serai.services.edge.edge import Edge
    from serai.services.edge.exchange import Exchange

API = b"/v1/"  # where the API is on the console's name
PUSH = b"/push/"
TENANT = "-"  # what figures call it: no tenant can have this name
BODY = 1 << 50  # octets: how large an upload may be is the API's to say
SECONDS = 300.0  # for the API to begin its answer, such as after an upload that it must make durable


class PlatformPool(Pool):
    """The API, or the console, and the connections to it."""

    __slots__ = ()

    def __init__(self, edge: Edge, path: Path) -> None:
        super().__init__(edge, path.stem, str(path), 0)

    async def _fetch(self, count: int) -> list[socket.socket]:
        kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        return [socket.socket(socket.AF_UNIX, kind) for _ in range(count)]

    async def _join(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, self.connector)
        await loop.create_unix_connection(lambda: PlatformUpstream(self._edge, self, sock), sock=sock)


class PlatformUpstream(Upstream):
    """A connection to the API or the console.

    Its answers repeat the request's ID, which makes each head another one. Without that line, which comes last, they
    are as much alike as those of other programs, and known from the one before.
    """

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Read the answer; what is not whole, or not usual, is read as of any program."""
        session = self.session
        if session is not None and session.body is None and self._head is None and not self._buffer:
            line = b"x-request-id: %b\r\n" % session.request_id
            end = data.find(b"\r\n\r\n") + 4
            if data.endswith(line + b"\r\n", 0, end) and self._answered(session, data, end, line):
                return
        super().data_received(data)

    def _answered(self, session: Exchange, data: bytes, end: int, line: bytes) -> bool:
        try:
            head = self._edge.response_heads[data[: end - len(line) - 2] + b"\r\n"]
        except RemoteProtocolError:
            return False
        if head.status < 200 or head.content != len(data) - end or session.head.method == b"HEAD":
            return False
        session.answer(msgspec.structs.replace(head, forward=head.forward + line), data[end:])
        self._finish(session, reusable=head.keep_alive)
        return True


def own_sites(base: str, api: Pool, console: Pool | None, counters: Counters) -> dict[str, Site]:
    """Return what each of the platform's own names leads to, by path.

    The API is at ``/v1/`` of the console's name, too, so that its pages' scripts ask it as their own site, with the
    cookie of its session. Streams of events are at ``/push`` of all.
    """
    sites: dict[str, Mapping[bytes, Pool]] = {name: {b"/": api} for name in own_names(base)}
    if console is not None:
        sites[f"console.{base}"] = {b"/": console, API: api}
    targets = {pool: _target(pool, counters) for site in sites.values() for pool in site.values()}
    push = Target(PUSH, Route(tenant=TENANT, app="", release=0, target="push"), Release((TENANT, "", 0)), counters)
    return {
        name: Site({PUSH: push, **{path: targets[pool](path) for path, pool in site.items()}})
        for name, site in sites.items()
    }


def _target(pool: Pool, counters: Counters) -> Callable[[bytes], Target]:
    release = Release((TENANT, "", 0), fixed=True)
    release.members = [pool]
    route = Route(tenant=TENANT, app="", release=0, max_body=BODY, timeout=SECONDS)
    return lambda path: Target(path, route, release, counters)
