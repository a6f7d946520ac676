"""The bus's server: connections around the router. It runs inside one worker of the daemon."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from serai.bus.local import wire
from serai.bus.local.router import Router
from serai.bus.peer import Peer, peer_of
from serai.bus.policy import EVERYTHING, Policy
from serai.errors import DeniedError, InvalidError

MAX_CLIENTS = 1024
MAX_GUESTS = 256  # of them, those that may not do everything: they can't keep the others out
MAX_WAITING = 4096  # messages queued for a client whose socket is full
MAX_WAITING_OCTETS = 8 << 20
_BACKLOG = 128
_ACCEPTS = 64  # connections taken at once, so that others get their turn
_PAUSE = 0.1  # seconds without accepting, where the process has no file descriptor left


class _Connection(asyncio.Protocol):
    """One client. What it does not read waits here, bounded; then the oldest deliveries go, then the client."""

    def __init__(self, server: LocalBusServer, client: Peer) -> None:
        self._client = client
        self._rights = server.policy.of(client.uid)
        self._server = server
        self._reader = wire.FrameReader()
        self._transport: asyncio.Transport | None = None
        self._full = False
        self._waiting: deque[wire.Message] = deque()
        self._octets = 0
        self._lost = 0
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # a stream's, on either loop
        self._server.router.join(self, self._rights)
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._reader.feed(data):
                self._server.received(self, wire.unpack(payload))
        except InvalidError:
            self._server.refused += 1
            self.abort()

    def connection_lost(self, _: Exception | None) -> None:
        if self._stalled:
            self._stalled.cancel()
        self._waiting.clear()
        self._transport = None
        self._server.connections.discard(self)
        self._server.router.leave(self)

    def pause_writing(self) -> None:
        self._full = True
        self._stalled = asyncio.get_running_loop().call_later(self._server.patience, self.drop)

    def resume_writing(self) -> None:
        self._full = False
        if self._stalled:
            self._stalled.cancel()
        while self._waiting and not self._full:
            message = self._waiting.popleft()
            self._octets -= _weight(message)
            self._write(message)

    def send(self, message: wire.Message) -> None:
        if not self._full:
            self._write(message)
            return
        self._waiting.append(message)
        self._octets += _weight(message)
        if len(self._waiting) > MAX_WAITING or self._octets > MAX_WAITING_OCTETS:
            self._shed()

    @property
    def guest(self) -> bool:
        return self._rights != EVERYTHING

    def denied(self, error: DeniedError) -> None:
        self._server.denied += 1
        if self._server.on_denied is not None:
            self._server.on_denied(self._client, error)

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def drop(self) -> None:
        self._server.dropped += 1
        self.abort()

    def _write(self, message: wire.Message) -> None:
        if self._transport is None:
            return
        if self._lost and isinstance(message, wire.Deliver):
            message = msgspec.structs.replace(message, lost=self._lost)
            self._lost = 0
        self._transport.write(wire.pack(message))

    def _shed(self) -> None:
        """Lose the oldest delivery; a client that lets even answers pile up is dropped."""
        for index, message in enumerate(self._waiting):
            if isinstance(message, wire.Deliver):
                del self._waiting[index]
                self._octets -= _weight(message)
                self._lost += 1
                self._server.lost += 1
                return
        self.drop()


def _weight(message: wire.Message) -> int:
    return 64 + len(getattr(message, "body", b""))


class LocalBusServer:
    """Serve a bus on Unix sockets: those handed to `start`, or one made at ``path``.

    ``policy`` says what the users at the other end may do; without one, ours may do everything. ``on_denied`` is told
    who tried what they may not. ``patience`` is the number of seconds that a client may let its full socket wait before
    it is dropped.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        policy: Policy | None = None,
        on_denied: Callable[[Peer, DeniedError], None] | None = None,
        patience: float = 10.0,
    ) -> None:
        self.policy = policy or Policy({os.geteuid(): EVERYTHING})
        self.on_denied = on_denied
        self.router = Router()
        self.connections: set[_Connection] = set()
        self.patience = patience
        self.refused = 0  # clients that sent garbage
        self.dropped = 0  # clients that did not read
        self.lost = 0  # deliveries that slow clients missed
        self.denied = 0  # attempts at what the client may not do
        self._path = path
        self._sockets: list[socket.socket] = []
        self._accepted: dict[asyncio.Task[Any], _Connection] = {}

    async def start(self, sockets: Sequence[socket.socket] = ()) -> None:
        """Accept clients. Sockets that are handed in listen already and stay their owner's."""
        self._sockets = [sock.dup() for sock in sockets]
        if self._path is not None:
            self._sockets.append(_listen(self._path))
        for sock in self._sockets:
            sock.setblocking(False)
            self._watch(sock)

    async def close(self) -> None:
        """Stop accepting and drop all clients; they connect again to whoever serves the socket next."""
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
        for task in self._accepted:
            task.cancel()
        for connection in list(self.connections):
            connection.abort()

    def status(self) -> dict[str, int]:
        """Return figures for `serai status`."""
        return {
            "clients": len(self.connections),
            "published": self.router.published,
            "calls": self.router.called,
            "refused": self.refused,
            "dropped": self.dropped,
            "lost": self.lost,
            "denied": self.denied,
        }

    def received(self, connection: _Connection, message: wire.Message) -> None:
        """Route a client's message; a call's traces are cleared a second after its deadline."""
        if connection not in self.connections:
            return  # it was dropped while its own octets were being read
        token = self.router.receive(connection, message)
        if token is not None and isinstance(message, wire.Call):
            asyncio.get_running_loop().call_later(message.deadline + 1, self.router.expire, token)

    def _has_room(self, connection: _Connection) -> bool:
        all_of_them = [*self.connections, *self._accepted.values()]
        guests = sum(other.guest for other in all_of_them) if connection.guest else 0
        return len(all_of_them) < MAX_CLIENTS and guests < MAX_GUESTS

    def _watch(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            asyncio.get_running_loop().add_reader(sock, self._accept, sock)

    def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_ACCEPTS):
            try:
                client, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # EMFILE: the connection stays in the kernel's queue
                loop.remove_reader(sock)
                loop.call_later(_PAUSE, self._watch, sock)
                return
            connection = _Connection(self, peer_of(client))
            if not self._has_room(connection):
                client.close()
                continue
            client.setblocking(False)
            task = loop.create_task(_adopt(client, connection))
            self._accepted[task] = connection
            task.add_done_callback(self._accepted.pop)


async def _adopt(sock: socket.socket, connection: _Connection) -> None:
    await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)


def _listen(path: Path) -> socket.socket:
    """Return a listening socket at the path, in place of a stale one."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    path.chmod(0o660)
    sock.listen(_BACKLOG)
    return sock
