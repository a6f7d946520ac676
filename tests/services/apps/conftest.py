"""A host in small: real store, replica, bus, driver and agent, in one event loop and one folder."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from serai.cloud.descriptors import Instance
from serai.daemon.context import ModuleContext
from serai.daemon.home import Home
from serai.daemon.modules.replica import ReplicaFiller, ReplicaFillerConfig
from serai.daemon.testing import context
from serai.errors import NotFoundError, SeraiError
from serai.identity.descriptors import Tenant
from serai.services.apps import actions, hosting, steps, switching
from serai.services.apps.addresses import Site
from serai.services.apps.agent import Agent, AgentConfig
from serai.services.apps.descriptors import App, Release
from serai.services.apps.rollout import Rollout
from serai.services.apps.work import Work
from serai.store import Record
from serai.store.blobs import Blobs

TENANT = "demo"

#: A whole web application without a dependency; what it does comes from its environment and paths.
SERVER = """
import http.server, os, signal, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/exit": os._exit(3)
        if self.path == "/slow": time.sleep(1.5)
        status = int(os.environ.get("STATUS", "200"))
        said = (os.environ["RELEASE"], os.environ["APP_NAME"], os.environ.get("WORD"))
        body = ("release %s of %s, %s" % said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
print("about to serve", flush=True)
if os.environ.get("MODE") == "crash": sys.exit("it can't work")
if os.environ.get("MODE") == "hang": time.sleep(3600)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
server.daemon_threads = True
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
"""


def web_app(mode: str = "", *, status: int = 200, start: float = 20, more: str = "") -> dict[str, str]:
    """Return the files of an application; ``mode`` "crash", "hang" or "500"."""
    toml = (
        f"[health]\nstart_seconds = {start}\ninterval_seconds = 1\n[env]\nMODE = '{mode}'\nSTATUS = '{status}'\n{more}"
    )
    return {"server.py": SERVER, "Procfile": "web: python3 server.py\n", "app.toml": toml}


class Platform:
    """What the tests do, as people and the task manager would."""

    def __init__(self, ctx: ModuleContext) -> None:
        self.ctx = ctx
        self.store = ctx.store
        self.site = Site(ctx.host, ctx.base)
        self.blobs = Blobs(ctx.home / "data/blobs")
        self.driver = hosting.driver(ctx.home)
        self.agent: Agent | None = None
        self.notes: list[str] = []
        self._serving: asyncio.Task[None] | None = None

    web_app = staticmethod(web_app)

    async def start_agent(self) -> None:
        self.agent = Agent(AgentConfig(stop_seconds=2), self.ctx)
        await self.agent.provision()
        self._serving = asyncio.create_task(self.agent.serve())

    async def stop_agent(self) -> None:
        if self._serving is not None and self.agent is not None:
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving
            await self.agent.close()
        self._serving = None

    async def crash_agent(self) -> None:
        """Forget everything that an agent's process knows, as its death would."""
        await self.stop_agent()
        self.driver.close()
        hosting.forget()
        self.ctx.registry = CollectorRegistry()
        self.driver = hosting.driver(self.ctx.home)

    async def clear(self) -> None:
        """Leave nothing on this machine, whatever happened."""
        for handle in await self.driver.recover():
            with contextlib.suppress(NotFoundError):  # somebody was just removing it
                await self.driver.stop(handle, grace=0)
                await self.driver.remove(handle)
        for data in (self.ctx.home / "data/apps").glob("*/*/data"):
            await self.driver.discard(data, forever=True)
        await self.driver.inner.retire()
        self.driver.close()
        hosting.forget()

    def work(self, app: str) -> Work:
        return Work(
            store=self.store,
            blobs=self.blobs.path,
            site=self.site,
            home=self.ctx.home,
            driver=self.driver,
            who="task:test",
            tenant=TENANT,
            app=app,
            tell=lambda _progress, _sentence: None,
            note=self.notes.append,
        )

    async def upload(self, app: str, files: dict[str, str], environment: str | None = "prod") -> Rollout:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content.encode())
                archive.addfile(info, io.BytesIO(content.encode()))

        async def chunks() -> AsyncIterator[bytes]:
            yield stream.getvalue()

        blob = await self.blobs.put(chunks())
        upload = actions.Upload(app=app, blob=blob.id, environment=environment)
        return await actions.deploy(self.store, self.site, "user:test", TENANT, upload)

    async def deploy(self, app: str, files: dict[str, str], environment: str | None = "prod") -> Release:
        """Deploy, and run all steps as the task manager would: those after a failure run as well."""
        number = (await self.upload(app, files, environment)).release
        with contextlib.suppress(SeraiError):
            await steps.make(self.work(app), number)
        if environment is not None:
            await self.go_live(app, number, environment)
        return await self.release(app, number)

    async def go_live(self, app: str, number: int, environment: str = "prod", *, back: bool = False) -> None:
        work = self.work(app)
        with contextlib.suppress(SeraiError):
            await steps.start(work, number, environment)
        with contextlib.suppress(SeraiError):
            await steps.check(work, number)
        await switching.switch(work, number, environment, back=back)
        await switching.drain(work)

    async def release(self, app: str, number: int) -> Release:
        return (await self.store.get(Release, TENANT, f"{app}.{number}")).spec

    async def app(self, app: str) -> App:
        return (await self.store.get(App, TENANT, app)).spec

    async def instances(self, app: str) -> list[Record[Instance]]:
        return await self.store.find(Instance, TENANT, prefix=f"{app}.")

    async def states(self, app: str) -> dict[str, str]:
        return {one.name: one.spec.state for one in await self.instances(app)}

    async def get(self, instance: Record[Instance], path: str = "/") -> str:
        """Ask an instance by its connector, as the edge does."""
        from serai.cloud import connector

        [sock] = await connector.sockets(instance.spec.connector)
        loop = asyncio.get_running_loop()
        with sock:
            async with asyncio.timeout(10):
                await loop.sock_connect(sock, ("127.0.0.1", instance.spec.port))
                await loop.sock_sendall(sock, f"GET {path} HTTP/1.0\r\n\r\n".encode())
                data = b""
                while part := await loop.sock_recv(sock, 65536):
                    data += part
        return data.decode().partition("\r\n\r\n")[2]

    async def until(self, app: str, wanted: dict[str, str], seconds: float = 20) -> None:
        """Wait until an app's instances have exactly these states."""
        found: dict[str, str] = {}
        try:
            async with asyncio.timeout(seconds):
                while (found := await self.states(app)) != wanted:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pytest.fail(f"wanted {wanted}, found {found}")


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that tenants' users can reach, as they can't reach pytest's own folders."""
    folder = Path(tempfile.mkdtemp(prefix="serai-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.asynccontextmanager
async def opened(home: Path, store: str = "memory:") -> AsyncIterator[Platform]:
    """Have a host without an agent; whatever runs on it at the end is cleared away."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    async with context(home, store=store) as ctx:
        filler = ReplicaFiller(ReplicaFillerConfig(), ctx)
        await filler.provision()
        filling = asyncio.create_task(filler.serve())
        await ctx.store.put("system", "test", TENANT, TENANT, Tenant(uid=1))
        made = Platform(ctx)
        try:
            yield made
        finally:
            await made.clear()
            filling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await filling
            await filler.close()


@pytest.fixture
async def platform(home: Path) -> AsyncIterator[Platform]:
    """A host with its agent in this process."""
    async with opened(home) as made:
        await made.start_agent()
        yield made
        await made.stop_agent()


@pytest.fixture
async def lasting(home: Path) -> AsyncIterator[Platform]:
    """A host whose store other processes can open; the test starts its agents."""
    async with opened(home, Home(home).store) as made:
        yield made
