"""HTTP/1.1 on a socket of the home: uvicorn's protocol under the daemon's own accept loop.

The daemon owns the listening sockets and hands over accepted ones, so a worker can be replaced without refusing a
connection; uvicorn's own server, which listens and catches signals by itself, is not used.
"""

from __future__ import annotations

import asyncio
import re
import socket
import urllib.parse
from typing import Any

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serai.api import problems
from serai.api.head import Application, Headed
from serai.bus.peer import peer_of

MAX_URL = 8 * 1024  # octets
MAX_HEAD = 32 * 1024  # octets of all header fields
HEAD_TIMEOUT = 10.0  # seconds from a connection's start, or a request's first octet, to the end of its head
KEEP_ALIVE = 60  # seconds that an idle connection stays
STALLED = 60.0  # seconds that a client may leave unread what was sent to it

_PLAIN = re.compile(rb"[A-Za-z0-9._~/-]*")  # unreserved characters and slashes

log = structlog.get_logger("api")


class Connection(HttpToolsProtocol):
    """One client: knows its peer, bounds the head, and hands the path over in canonical form."""

    front = False  # whether the edge leads the world here
    _head = 0
    _slow: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself
        """Learn who it is before anything is read."""
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        peer = peer_of(sock) if sock is not None and sock.family == socket.AF_UNIX else None
        self.app_state = {**self.app_state, "peer": peer, "front": self.front}
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer too."""
        self._head_is_here()
        self._taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever: what it was sent is held in memory."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it has read."""
        self._taken()
        super().resume_writing()

    def on_message_begin(self) -> None:
        """Start counting a new head."""
        super().on_message_begin()
        self._head = 0
        if self._slow is None:
            self._expect_head()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request target."""
        super().on_url(url)
        if len(self.url) > MAX_URL:
            self._refuse("The URL is too long.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        self._head += len(name) + len(value) + 4  # colon, space, line end
        if self._head > MAX_HEAD:
            self._refuse("The head is too large.")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        self._head_is_here()
        if not self.transport.is_closing() and not self._answer_at_once():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body that somebody still waits for."""
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a body that somebody still waits for."""
        if self.cycle is not None:
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and end: nothing that follows on this connection can be understood."""
        body = problems.bare(msg)
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {problems.MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _answer_at_once(self) -> bool:
        """Answer where that needs no waiting, neither for the answer nor for those before it."""
        parser = self.parser
        waiting = self.flow.write_paused or (self.cycle is not None and not self.cycle.response_complete)
        if waiting or parser.get_method() != b"GET":
            return False
        if parser.get_http_version() != "1.1" or not parser.should_keep_alive():
            return False
        self.scope["method"] = "GET"
        octets = self.app.at_once(self.scope, self.url)
        if octets is None:
            return False
        self.transport.write(octets)
        self.server_state.total_requests += 1
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        return True

    def _taken(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _refuse(self, why: str) -> None:
        if not self.transport.is_closing():
            self.send_400_response(why)

    def _expect_head(self) -> None:
        self._slow = self.loop.call_later(HEAD_TIMEOUT, self.transport.close)

    def _head_is_here(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None


class FrontConnection(Connection):
    """A connection of the edge, on which requests of many clients follow each other."""

    front = True


def canonical(raw_path: bytes) -> str:
    """Return a path whose segments are percent-encoded in exactly one way (RFC 3986 section 6.2.2).

    Unreserved characters stand plain, all others encoded: a slash within a name stays ``%2F`` and does not end its
    segment. Octets that are not UTF-8 stay encoded as they are, and so name nothing.
    """
    if b"//" in raw_path:  # the framework would take both for one: an empty segment names nothing
        raw_path = raw_path.replace(b"//", b"/%2F/")
    if _PLAIN.fullmatch(raw_path):
        return raw_path.decode("ascii")
    return "/".join(
        urllib.parse.quote(urllib.parse.unquote_to_bytes(segment), safe="") for segment in raw_path.split(b"/")
    )


class Server:
    """Run an ASGI application on accepted sockets until `close`."""

    def __init__(self, app: Application) -> None:
        self._config = config = Config(
            Headed(app),
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # nobody on this socket speaks for another
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        # All that its `load` would say here, after it had imported uvicorn's own server.
        config.loaded_app, config.ws_protocol_class, config.loaded = config.app, None, True
        self._state = ServerState()
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def connections(self) -> int:
        """Return how many clients are connected."""
        return len(self._state.connections)

    @property
    def requests(self) -> int:
        """Return how many requests were answered."""
        return self._state.total_requests

    def accepted(self, sock: socket.socket, _address: Any = None) -> None:
        """Serve one connection of the home's own socket."""
        self._begin(sock, Connection)

    def accepted_front(self, sock: socket.socket, _address: Any = None) -> None:
        """Serve one connection of the edge."""
        self._begin(sock, FrontConnection)

    def _begin(self, sock: socket.socket, kind: type[Connection]) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(sock, kind))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, sock: socket.socket, kind: type[Connection]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: kind(self._config, self._state, {}), sock)
        except OSError as error:
            log.warning("api.connection_failed", error=str(error))
            sock.close()

    async def close(self, grace: float) -> None:
        """Let requests under way end within ``grace`` seconds, then cut what is left."""
        for connection in list(self._state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(grace):
                while self._state.tasks or self._tasks:
                    await asyncio.wait({*self._state.tasks, *self._tasks})
        except TimeoutError:
            for task in list(self._state.tasks):
                task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()
