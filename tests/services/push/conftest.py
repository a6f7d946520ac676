"""Push with everything real around it: the edge in front, the source of events behind, and a bus between them."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
import websockets

from serai.cloud.descriptors import Route
from serai.daemon.home import Home
from serai.daemon.testing import context
from serai.services.edge.config import EdgeConfig
from serai.services.edge.module import EdgeModule
from serai.services.push import wire
from serai.services.push.config import PushConfig, SourceConfig
from serai.services.push.module import PushModule
from serai.services.push.source import Source
from serai.services.push.source_module import SourceModule
from serai.store import Replica, Spec
from serai.store.codec import encode
from serai.store.contract import Change

SECONDS = 10.0
APP = "app.test"


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that the workers run on."""
    return {"uvloop": uvloop.new_event_loop}


async def until(true: Callable[[], Any]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SECONDS):
        while not true():
            await asyncio.sleep(0.01)


class Event:
    """One server-sent event as a browser would see it."""

    def __init__(self, block: str) -> None:
        self.id = self.name = ""
        self.text = ""
        self.lines = block.split("\n")
        for line in self.lines:
            key, _, value = line.partition(": ")
            if key == "id":
                self.id = value
            elif key == "event":
                self.name = value
            elif key == "data":
                self.text += value

    @property
    def data(self) -> Any:
        return json.loads(self.text)


class Stream:
    """A client of server-sent events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.head = ""
        self.body = b""
        self.last = ""

    async def begin(self) -> None:
        async with asyncio.timeout(SECONDS):
            self.head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            self.status = int(self.head.split()[1])
            if self.status != 200:
                length = int(self.head.lower().split("content-length: ")[1].split()[0])
                self.body = await self.reader.readexactly(length)

    async def next(self, *, comments: bool = False) -> Event:
        async with asyncio.timeout(SECONDS):
            while True:
                block = (await self.reader.readuntil(b"\n\n")).decode().removesuffix("\n\n")
                event = Event(block)
                self.last = event.id or self.last
                if event.name or comments:
                    return event

    async def rest(self) -> bytes:
        async with asyncio.timeout(SECONDS):
            return await self.reader.read(-1)

    def close(self) -> None:
        self.writer.close()


class Api:
    """The API's front socket, as far as push asks it: who may, by the value of the cookie ``session``."""

    def __init__(self) -> None:
        self.may: dict[str, dict[str, int]] = {}  # by cookie, by path, the status
        self.asked: list[tuple[str, str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split()[1]
                fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                cookie = fields.get("cookie", "").partition("=")[2]
                self.asked.append((cookie, path))
                status = self.may.get(cookie, {}).get(path, 404 if cookie else 401)
                tenant = path.split("/")[4] if "/tasks/" not in path else "demo"
                body = json.dumps({"who": cookie, "tenant": tenant, "detail": f"said the API: {status}"}).encode()
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        writer.close()


class Stage:
    """A worker of the edge with push, and a source."""

    until = staticmethod(until)

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.api = Api()
        self.ctx: Any = None
        self.modules: dict[str, Any] = {}
        self.serving: dict[str, asyncio.Task[None]] = {}
        self.replica = Replica(Home(folder).replica, writable=True)
        self.replica.snapshot("test", [], (0, 0))
        stack.callback(self.replica.close)
        self._number = 0

    def put(self, tenant: str, name: str, spec: Spec) -> None:
        self._number += 1
        self.replica.apply([Change(self._number, spec.KIND, tenant, name, 1, 1, encode(spec))])

    async def start(self, push: dict[str, Any] | None = None, source: dict[str, Any] | None = None) -> None:
        self.ctx = await self.stack.enter_async_context(
            context(self.folder, listen_on={"http": ["tcp://127.0.0.1:0"]}, host="test")
        )
        self.ctx.drain = 2.0
        self.put("", f"{APP}/.push/", Route(tenant="demo", app="shop", release=1, target="push"))
        (self.folder / "run").mkdir(exist_ok=True)
        front = await asyncio.start_unix_server(self.api.serve, self.folder / "run/front.sock")
        self.stack.callback(front.close)
        edge = EdgeModule(EdgeConfig(http=(), https=(), redirect_http=False, log=True), self.ctx)
        await self.begin("edge", edge)
        await self.begin("source", SourceModule(SourceConfig(**(source or {})), self.ctx))
        await self.begin("push", PushModule(PushConfig(**(push or {})), self.ctx))
        await until(lambda: self.push.status()["ok"])

    async def begin(self, name: str, module: Any) -> None:
        await module.provision()
        self.modules[name] = module
        self.serving[name] = asyncio.create_task(module.serve())

    async def end(self, name: str) -> None:
        task = self.serving.pop(name, None)
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self.modules[name].close()

    async def stop(self) -> None:
        for name in ("push", "source", "edge"):
            await self.end(name)

    @property
    def push(self) -> PushModule:
        return self.modules["push"]

    @property
    def source(self) -> Source:
        found = self.modules["source"].source
        assert found is not None
        return found

    @property
    def port(self) -> int:
        return self.ctx.sockets("http")[0].getsockname()[1]

    async def publish(self, channel: str, data: Any, event: str = "message", tenant: str = "demo") -> str:
        said = json.dumps(data).encode() if not isinstance(data, bytes) else data
        message = wire.Publish(tenant, "shop", channel, event, said)
        return await self.ctx.bus.call(wire.PUBLISH, wire.plain(message))

    async def ticket(self, *channels: str, seconds: float = 60.0) -> str:
        message = wire.Ticket("demo", "shop", list(channels), seconds)
        return await self.ctx.bus.call(wire.TICKET, wire.plain(message))

    async def connect(self, target: str, host: str, *fields: str, method: str = "GET", receive: int = 0) -> Stream:
        sock = socket.socket()
        sock.setblocking(False)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 20)
        self.stack.callback(writer.close)
        lines = "".join(f"{line}\r\n" for line in (f"Host: {host}", *fields))
        writer.write(f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode())
        stream = Stream(reader, writer)
        await stream.begin()
        return stream

    async def follow(self, *channels: str, ticket: str = "", last: str = "", query: str = "", **more: Any) -> Stream:
        """Follow channels of the application, and see that it is so."""
        ticket = ticket or await self.ticket(*channels)
        fields = [f"Last-Event-ID: {last}"] if last else []
        stream = await self.connect(f"/.push?ticket={ticket}{query}", APP, *fields, **more)
        assert stream.status == 200, stream.body
        first = await stream.next()
        assert first.name == "ready"
        return stream

    async def own(self, *channels: str, cookie: str = "eva", fields: tuple[str, ...] = (), **more: Any) -> Stream:
        """Ask for channels of the platform."""
        query = "&".join(f"channel={each}" for each in channels)
        return await self.connect(f"/push?{query}", "console.localhost", f"Cookie: session={cookie}", *fields, **more)

    async def socket(self, target: str, host: str = APP, **more: Any) -> Any:
        opened = await websockets.connect(f"ws://{host}{target}", host="127.0.0.1", port=self.port, **more)
        self.stack.push_async_callback(opened.close)
        return opened


def reset_on_close(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        made = Stage(tmp_path, stack)
        stack.push_async_callback(made.stop)
        yield made
