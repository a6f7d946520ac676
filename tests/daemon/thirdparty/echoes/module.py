"""A small HTTP-ish server with keep-alive, to be replaced under load."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from prometheus_client import Counter

from serai.daemon.module import Context, Needs
from serai.errors import InvalidError, UnavailableError

VERSION = "v1"


class EchoConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    listen: tuple[str, ...] = ("tcp://127.0.0.1:0",)
    text: str = ""
    refuse: bool = False
    crash: bool = False
    full: bool = False
    wait: int = 0
    gate: str = ""  # a file without which it is not ready
    udp: tuple[str, ...] = ()


class Session(asyncio.Protocol):
    def __init__(self, echo: Echo) -> None:
        self.echo = echo
        self.data = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.echo.sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.echo.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        self.data += data
        while b"\r\n\r\n" in self.data:
            head, self.data = self.data.split(b"\r\n\r\n", 1)
            if head.startswith(b"GET /crash"):
                raise RuntimeError("a bug in a callback")
            self.echo.requests.inc()
            body = f"{VERSION} {self.echo.config.text} {os.getpid()} {os.geteuid()}".encode()
            close = self.echo.draining or b"Connection: close" in head
            extra = b"Connection: close\r\n" if close else b""
            self.transport.write(b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, len(body), body))
            if close:
                self.transport.close()


class Echo:
    ID: ClassVar[str] = "echo.http"
    Config: ClassVar[type[msgspec.Struct]] = EchoConfig
    NEEDS: ClassVar[Needs] = Needs(listen=("listen", "udp"))

    def __init__(self, config: EchoConfig, ctx: Context) -> None:
        self.config = config
        self.ctx = ctx
        self.sessions: set[Session] = set()
        self.connecting: set[asyncio.Task[Any]] = set()
        self.draining = False
        self.attempts = 0
        self.requests = Counter("echo_requests", "Requests answered", registry=ctx.registry)

    async def provision(self) -> None:
        while self.config.gate and not Path(self.config.gate).exists():
            await asyncio.sleep(0.01)
        self.attempts += 1
        if self.attempts <= self.config.wait:
            raise UnavailableError("What I need is not there yet.")
        if self.config.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.config.refuse:
            raise InvalidError("I refuse.", path='modules."echo.http".refuse')

    async def serve(self) -> None:
        if self.config.crash:
            raise RuntimeError("crash")
        stops = [self.ctx.accept(sock, self.accepted) for sock in self.ctx.sockets("listen")]
        for sock in self.ctx.sockets("udp"):
            asyncio.get_running_loop().add_reader(sock, self.datagram, sock)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            for stop in stops:
                stop()
            self.draining = True
            while self.sessions or self.connecting:
                await asyncio.sleep(0.01)

    async def close(self) -> None:
        pass

    def accepted(self, sock: Any, _peer: Any) -> None:
        work = asyncio.get_running_loop().connect_accepted_socket(lambda: Session(self), sock)
        task = asyncio.get_running_loop().create_task(work)
        self.connecting.add(task)
        task.add_done_callback(self.connecting.discard)

    def datagram(self, sock: Any) -> None:
        data, peer = sock.recvfrom(1000)
        sock.sendto(b"%d %s" % (self.ctx.worker, data), peer)

    def status(self) -> Mapping[str, Any]:
        return {"ok": True, "sessions": len(self.sessions)}
