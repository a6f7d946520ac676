"""An API on a real Unix socket over a store in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import structlog
from learning import brought_by, learn, routes_of
from litestar import Litestar
from prometheus_client import CollectorRegistry

from serai.api import app as application
from serai.api.app import Front, build
from serai.api.client import Client
from serai.api.desk import Desk, site_of
from serai.api.nudge import Nudge
from serai.api.pace import Rates
from serai.api.server import Server
from serai.api.streams import Streams
from serai.bus.open import open_bus
from serai.daemon import modules
from serai.daemon.context import SystemClock
from serai.identity.passwords import Passwords
from serai.identity.people import Member, Secrets, User
from serai.identity.seal import Keyring
from serai.identity.testing import CHEAP, PASSPHRASE
from serai.identity.throttle import Allowance
from serai.services.registry import services
from serai.store.open import open_store
from serai.store.replica import Replica

T = TypeVar("T")
FAST = Rates(Allowance(1_000_000, 1e-6), Allowance(1_000_000, 1e-6))


class Place:
    """What a worker gives its modules, as far as the API needs it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.host = "test"
        self.base = "localhost"
        self.clock = SystemClock()
        self.log = structlog.get_logger()
        self.registry = CollectorRegistry()
        self.store = open_store("memory:")
        self.bus = open_bus("memory:")
        self.replica = Replica(home / "replica")  # that nobody fills
        self.services = services()
        self.private_networks: tuple[str, ...] = ()
        self.private_authorities = ""


class Api:
    """A running API and how to talk to it."""

    def __init__(
        self, ctx: Place, desk: Desk, app: Litestar, path: Path, server: Server, nudge: Nudge, streams: Streams
    ) -> None:
        self.ctx = ctx
        self.streams = streams
        self.desk = desk
        self.store = ctx.store
        self.app = app
        self.path = path
        self.server = server
        self.nudge = nudge
        self.client = Client(path, timeout=20)

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return await asyncio.to_thread(self.client.call, method, path, body, **more)

    async def run(self, function: Callable[..., T], *arguments: Any, **more: Any) -> T:
        return await asyncio.to_thread(function, *arguments, **more)

    async def front(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Ask as the edge does for a client at 192.0.2.7; a header's name is written with _."""
        # There is no TLS: authorities would be read for nothing, with each request.
        transport = httpx.AsyncHTTPTransport(uds=str(self.path.with_name("front.sock")), verify=False)
        sent = {"host": "console.localhost", "x-forwarded-for": "192.0.2.7"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url="http://console.localhost", timeout=20) as client:
            return await client.request(method, path, json=body, headers=sent)

    async def person(self, login: str, *roles: tuple[str, str]) -> None:
        """Make a user with (tenant, role) pairs and the passphrase of all tests; a tenant may be ``tenant:app``."""
        await self.store.put("user:root", "test", "", login, User(email=f"{login}@example.test"))
        for where, role in roles:
            tenant, _, app = where.partition(":")
            name = f"{login}:{app}" if app else login
            await self.store.put("user:root", "test", tenant, name, Member(role=role))
        hashed = await self.desk.passwords.hash(PASSPHRASE)
        await self.desk.vault.write("user:root", "test", login, Secrets(password=hashed), 0)

    async def signed_in(self, login: str = "ada") -> str:
        """Return the cookies of somebody who signs in."""
        answer = await self.front("POST", "/v1/sessions", {"login": login, "password": PASSPHRASE})
        assert answer.status_code == 201, answer.text
        return self.cookies(answer)

    @staticmethod
    def cookies(answer: httpx.Response) -> str:
        """Return the cookies that a browser would send back."""
        return "; ".join(line.partition(";")[0] for line in answer.headers.get_list("set-cookie"))

    async def raw(self, data: bytes) -> bytes:
        """Send octets as they are and return all that comes back until the end."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(data)
        with contextlib.suppress(ConnectionError):  # it may have answered and closed before it took all
            await writer.drain()
        async with asyncio.timeout(20):
            answer = await reader.read()
        writer.close()
        return answer


@asynccontextmanager
async def serving(
    home: Path,
    *,
    owner: int | None = None,
    max_upload: int = 1 << 20,
    rates: Rates = FAST,
    streams: Streams | None = None,
    place: Place | None = None,
) -> AsyncIterator[Api]:
    ctx = place or Place(home)
    streams = streams or Streams()
    nudge = Nudge()
    ctx.store.on_commit.append(lambda _number: nudge.poke())
    desk = Desk(ctx, Keyring({"k1": b"1" * 32}), site_of(ctx.base), Passwords(CHEAP))
    await desk.open()
    app = build(
        ctx,
        (modules.SERVICE, *services().values()),
        desk,
        owner=os.geteuid() if owner is None else owner,
        nudge=nudge,
        max_upload=max_upload,
        rates=rates,
        streams=streams,
    )
    learn((*routes_of(vars(application).values()), *brought_by(ctx.services)))
    server = Server(Front(app, ctx.registry))
    path = home / "api.sock"
    with listening(path) as local, listening(path.with_name("front.sock")) as front:
        accepting = [
            asyncio.create_task(taking(local, server.accepted)),
            asyncio.create_task(taking(front, server.accepted_front)),
        ]
        try:
            yield Api(ctx, desk, app, path, server, nudge, streams)
        finally:
            for task in accepting:
                task.cancel()
            nudge.close()
            await server.close(2.0)
            await ctx.store.close()


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        listener.setblocking(False)
        yield listener


async def taking(listener: socket.socket, accepted: Callable[[socket.socket], None]) -> None:
    while True:
        sock, _ = await asyncio.get_running_loop().sock_accept(listener)
        accepted(sock)
