"""An edge with everything real around it but the programs, which are functions of the test."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from serai.cloud.descriptors import Instance, Route
from serai.daemon.home import Home
from serai.daemon.testing import context
from serai.errors import SeraiError
from serai.protocols.http import (
    ClientConnection,
    ConnectionClosed,
    Data,
    EndOfMessage,
    RequestHead,
    ResponseHead,
    ServerConnection,
)
from serai.protocols.http.connection import simple_response
from serai.services.edge.config import EdgeConfig
from serai.services.edge.edge import Edge
from serai.services.edge.module import EdgeModule
from serai.store import Replica, Spec
from serai.store.codec import encode
from serai.store.contract import Change

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that the workers run on."""
    return {"uvloop": uvloop.new_event_loop}


class Seen:
    """One request as the program understood it."""

    def __init__(self, head: RequestHead) -> None:
        self.line = head.method + b" " + head.target
        self.fields = {name.decode(): value.decode() for name, value in head.fields.values.items()}
        self.body = b""


def recorder(seen: list[Seen], body: bytes = b"ok") -> Handler:
    """Answer each request with ``body`` when it is complete; note it in ``seen``."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ServerConnection()
        try:
            while data := await reader.read(65536):
                connection.receive_data(data)
                while isinstance(event := connection.next_event(), RequestHead | Data | EndOfMessage):
                    if isinstance(event, RequestHead):
                        seen.append(Seen(event))
                    elif isinstance(event, Data):
                        seen[-1].body += event.data
                    else:
                        head = simple_response(200, ((b"X-Program", b"1"),), len(body))
                        writer.write(connection.send(head) + connection.send(Data(body)))
                        writer.write(connection.send(EndOfMessage()))
        finally:
            writer.close()

    return handle


def saying(octets: bytes, *, close: bool = False) -> Handler:
    """Answer each head with these octets."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(octets)
                if close:
                    return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    return handle


class Answer:
    """What a client got."""

    def __init__(self, head: ResponseHead, body: bytes) -> None:
        self.status = head.status
        self.fields = {name.decode(): value.decode() for name, value in head.fields}
        self.body = body


class Client:
    """A connection to the edge that speaks in octets."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._http = ClientConnection()
        self._rest = b""  # of the answer after the next

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def answer(self, method: bytes = b"GET") -> Answer:
        """Read one answer."""
        http, self._http = self._http, ClientConnection()
        http.request(method, b"/", b"a")
        if self._rest:
            http.receive_data(self._rest)
        head, body = None, b""
        while not isinstance(event := http.next_event(), EndOfMessage):
            if isinstance(event, ResponseHead):
                head = event
            elif isinstance(event, Data):
                body += event.data
            elif event == ConnectionClosed():
                raise EOFError("the edge closed without an answer")
            else:
                async with asyncio.timeout(10):
                    http.receive_data(await self.reader.read(65536))
        self._rest = http.unread
        assert head is not None
        return Answer(head, body)

    async def rest(self) -> bytes:
        """Read until the edge closes."""
        async with asyncio.timeout(10):
            return await self.reader.read(-1)

    def close(self) -> None:
        self.writer.close()


class Stage:
    """The edge, its replica and its programs."""

    recorder = staticmethod(recorder)
    saying = staticmethod(saying)

    def __init__(self, folder: Path, replica: Replica, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.replica = replica
        self.stack = stack
        self.module: Any = None
        self.serving: asyncio.Task[None] | None = None
        self.woken: list[Any] = []
        self.refusal: SeraiError | None = None  # what whoever runs instances answers
        self.ctx: Any = None
        self._number = 0
        self._connectors = 0

    def put(self, tenant: str, name: str, spec: Spec | None, kind: str = "") -> None:
        self._number += 1
        octets = encode(spec) if spec is not None else None
        change = Change(self._number, spec.KIND if spec else kind, tenant, name, 1, 1, octets)
        self.replica.apply([change])

    def route(self, name: str = "a.test/", **fields: Any) -> None:
        self.put("", name, Route(**{"tenant": "demo", "app": "hello", "release": 1, **fields}))

    def instance(self, index: int, port: int, connector: str, **fields: Any) -> None:
        known = {"app": "hello", "release": 1, "host": "test", "state": "ready", "port": port, "connector": connector}
        self.put("demo", f"hello.1.web.{index}", Instance(**{**known, **fields}))

    async def program(self, handler: Handler, index: int = 0) -> asyncio.Server:
        """Start a program and its instance."""
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        self.stack.callback(server.close)
        port = server.sockets[0].getsockname()[1]
        self.instance(index, port, self.connector())
        return server

    def connector(self) -> str:
        """Hand out sockets, as an instance's shim does."""
        self._connectors += 1
        path = self.folder / f"c{self._connectors}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        listener.bind(str(path))
        listener.listen(64)
        loop = asyncio.get_running_loop()

        def accept() -> None:
            control, _ = listener.accept()
            control.setblocking(True)
            with control:
                count = control.recv(1)[0]
                made = [socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(count)]
                socket.send_fds(control, [bytes([count])], [sock.fileno() for sock in made])
                for sock in made:
                    sock.close()

        loop.add_reader(listener.fileno(), accept)
        self.stack.callback(listener.close)
        self.stack.callback(loop.remove_reader, listener.fileno())
        return str(path)

    async def start(self, **config: Any) -> None:
        config = {"redirect_http": False, "https": (), **config}
        fields = ["http", *(["https"] if config["https"] else [])]
        listen_on = {field: ["tcp://127.0.0.1:0"] for field in fields}
        self.ctx = await self.stack.enter_async_context(
            context(self.folder, listen_on=listen_on, privilege="edge", host="test")
        )
        self.ctx.drain = 2.0

        async def wake(message: Any) -> None:
            self.woken.append(message)
            if self.refusal is not None:
                raise self.refusal

        await self.ctx.bus.handle("apps.wake", wake)
        self.module = EdgeModule(EdgeConfig(**config), self.ctx)
        await self.module.provision()
        self.serving = asyncio.create_task(self.module.serve())
        await asyncio.sleep(0)

    @property
    def edge(self) -> Edge:
        """What the module's connections share."""
        return self.module.edge

    async def stop(self) -> None:
        if self.serving is not None:
            self.serving.cancel()
            with suppress(asyncio.CancelledError):
                await self.serving
            await self.module.close()
            self.serving = None

    async def client(self, tls: ssl.SSLContext | None = None, name: str | None = None) -> Client:
        port = self.ctx.sockets("https" if tls else "http")[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
        self.stack.callback(writer.close)
        return Client(reader, writer)

    async def get(self, target: str = "/", host: str = "a.test", *fields: str, method: str = "GET") -> Answer:
        client = await self.client()
        client.send(request(target, host, *fields, method=method))
        answer = await client.answer(method.encode())
        client.close()
        return answer

    def log(self) -> str:
        self.edge.access.flush()
        return "".join(path.read_text() for path in (self.folder / "logs" / "edge").glob("access*"))


def request(target: str = "/", host: str = "a.test", *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        path = Home(folder).public_replica
        replica = Replica(path, writable=True)
        replica.snapshot("test", [], (0, 0))
        stack.callback(replica.close)
        stage = Stage(folder, replica, stack)
        stack.push_async_callback(stage.stop)
        yield stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made
