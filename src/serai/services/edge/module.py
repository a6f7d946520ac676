"""The module ``edge.http``: accepts connections, drains them, and keeps the edge's clock ticking."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

import msgspec

from serai.bus.policy import Rights
from serai.daemon import figures
from serai.daemon.module import Context, Needs
from serai.errors import UnavailableError
from serai.services.edge.client import CLOSED
from serai.services.edge.config import EdgeConfig
from serai.services.edge.edge import Edge
from serai.services.edge.health import watch_health
from serai.services.edge.hold import WAKE
from serai.services.edge.session import Session
from serai.services.edge.telling import Telling
from serai.services.edge.tls import Certificates

TICK = 1.0  # seconds between two looks at all deadlines


class EdgeModule:
    """Serve HTTP and HTTPS."""

    ID: ClassVar[str] = "edge.http"
    Config: ClassVar[type[msgspec.Struct]] = EdgeConfig
    NEEDS: ClassVar[Needs] = Needs(
        listen=("http", "https"),
        privilege="edge",
        copies="per_worker",
        bus=Rights(call=(WAKE,), publish=(figures.SUBJECT,)),
    )

    def __init__(self, config: EdgeConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self.edge: Edge | None = None  # from `provision` to `close`
        self._refused = 0

    async def provision(self) -> None:
        """Open the replica and the log."""
        edge = Edge(self._config, self._ctx)
        if self._config.log:
            try:
                edge.access.open()
            except OSError as error:
                raise UnavailableError("The access log can't be opened.", reason=str(error)) from error
        try:
            edge.share.open(edge.monotonic())
        except OSError as error:
            edge.log.warning("edge.share_unknown", reason=str(error))  # connections are taken as they come
        if self._config.https:
            edge.certificates = Certificates(self._ctx.home / "data" / "tls")
            edge.https_suffix = https_suffix(self._config)
        self._ctx.registry.register(edge.metrics)
        self.edge = edge

    async def serve(self) -> None:
        """Accept until cancelled; then finish what is open within ``ctx.drain`` seconds."""
        edge = self.edge
        if edge is None:
            return
        stops = self._listen(edge)
        telling = Telling(edge)
        background = [
            asyncio.create_task(self._tick(edge)),
            asyncio.create_task(figures.each_second(self._ctx.clock, telling.tell)),
        ]
        if self._config.health_path:
            background.append(asyncio.create_task(watch_health(edge)))
        try:
            await asyncio.gather(*background)
        finally:
            for stop in stops:
                stop()
            for task in background[1:]:
                task.cancel()
            await self._drain(edge)
            await telling.tell()

    async def close(self) -> None:
        """Let go of everything."""
        edge, self.edge = self.edge, None
        if edge is not None:
            edge.close()
            self._ctx.registry.unregister(edge.metrics)

    def status(self) -> Mapping[str, Any]:
        """Tell what is open, and how many connections were turned away."""
        if self.edge is None:
            return {"ok": False, "reason": "not provisioned"}
        lost = self.edge.access.lost
        reason = f"{lost} lines of the access log could not be written" if lost else ""
        return {"ok": not lost, "reason": reason, "turned_away": self._refused, **self.edge.gauges()}

    async def _tick(self, edge: Edge) -> None:
        while True:
            await self._ctx.clock.sleep(TICK)
            edge.sweep()

    def _listen(self, edge: Edge) -> list[Callable[[], None]]:
        accept, sockets = self._ctx.accept, self._ctx.sockets
        redirects = self._config.redirect_http and bool(self._config.https)
        plain = self._acceptor(edge, None, redirects=redirects)
        stops = [accept(sock, plain, edge.share.wait) for sock in sockets("http")]
        if edge.certificates is not None:
            secure = self._acceptor(edge, server_context(edge.certificates), redirects=False)
            stops += [accept(sock, secure, edge.share.wait) for sock in sockets("https")]
        return stops

    def _acceptor(
        self, edge: Edge, context: ssl.SSLContext | None, *, redirects: bool
    ) -> Callable[[socket.socket, Any], None]:
        def accepted(sock: socket.socket, address: Any) -> None:
            peer = peer_name(address)
            if not edge.arrive(peer):
                self._refused += 1
                sock.close()
                return
            edge.spawn(_open(edge, sock, peer, context, redirects))

        return accepted

    async def _drain(self, edge: Edge) -> None:
        edge.drain()
        end = edge.monotonic() + self._ctx.drain
        # Who is still shaking hands was accepted, too, and has a request to come.
        while (edge.clients or edge.sessions) and edge.monotonic() < end:
            await self._ctx.clock.sleep(0.05)
            edge.sweep()
        for session in list(edge.sessions):
            session.abort()
        edge.access.flush()


async def _open(edge: Edge, sock: socket.socket, peer: str, context: ssl.SSLContext | None, redirects: bool) -> None:
    secure = context is not None
    session = Session(edge, peer, sock, secure=secure, redirects=redirects)
    loop = asyncio.get_running_loop()
    try:
        if context is None:
            await loop.connect_accepted_socket(lambda: session, sock)
        else:
            await loop.connect_accepted_socket(
                lambda: session, sock, ssl=context, ssl_handshake_timeout=edge.config.handshake_seconds
            )
    except (OSError, TimeoutError):
        sock.close()  # gone again, or no TLS: nobody is left to answer
        if session.state != CLOSED:
            edge.left(peer)


def server_context(certificates: Certificates) -> ssl.SSLContext:
    """Return the context of the listeners; it notes the name that each connection was made for."""
    context = certificates.context()
    choose: Any = context.sni_callback

    def note(connection: Any, name: str | None, chosen: ssl.SSLContext) -> int | None:
        connection.server_name = (name or "").lower().rstrip(".")
        result: int | None = choose(connection, name, chosen)
        return result

    context.sni_callback = note
    return context


def peer_name(address: Any) -> str:
    """Return a peer's address as programs should see it: IPv4 in its own form, also where it came through IPv6."""
    if not isinstance(address, tuple):
        return "unix"
    host: str = address[0]
    return host[7:] if host.startswith("::ffff:") and "." in host else host.partition("%")[0]


def https_suffix(config: EdgeConfig) -> bytes:
    """Return what redirects append to the host name: nothing for port 443, or else ``:PORT``."""
    port = config.https_port or urlsplit(config.https[0]).port or 443
    return b"" if port == 443 else b":%d" % port
