"""The servers that bench/api.py compares behind the same edge: the API, a bare handler of its framework, FastAPI.

Each is one process on a Unix socket, which an edge of one worker leads ``api.localhost`` to.

    python bench/api_servers.py KIND FOLDER

serves one of them until it is ended; the edge and the API start by the platform's own modules.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

COUNT = 100  # descriptors of the list

_FASTAPI = """
import json
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy import ForeignKey, String, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

class Base(DeclarativeBase): pass

class Token(Base):
    __tablename__ = "token"
    digest: Mapped[str] = mapped_column(String, primary_key=True)
    user: Mapped[str] = mapped_column(String)

class Tenant(Base):
    __tablename__ = "tenant"
    name: Mapped[str] = mapped_column(String, primary_key=True)
    version: Mapped[int]
    change: Mapped[int]
    uid: Mapped[int]
    title: Mapped[str]
    memory_mb: Mapped[int]
    disk_mb: Mapped[int]
    processes: Mapped[int]

class Spec(BaseModel):
    uid: int
    title: str
    memory_mb: int
    disk_mb: int
    processes: int

class Descriptor(BaseModel):
    kind: str
    tenant: str
    name: str
    version: int
    change: int
    spec: Spec

class Page(BaseModel):
    items: list[Descriptor]
    next: str

engine = create_engine("sqlite:///{folder}/peer.db", connect_args={{"check_same_thread": False}})
Base.metadata.create_all(engine)
make = sessionmaker(engine)
with make() as session:
    session.merge(Token(digest="{digest}", user="ops"))
    for n in range({count}):
        session.merge(Tenant(name=f"t{{n:03}}", version=1, change=n + 1, uid=n, title="A shop", memory_mb=16384,
                             disk_mb=32768, processes=4096))
    session.commit()

def database():
    with make() as session:
        yield session

def user(authorization: str = Header(), session: Session = Depends(database)) -> str:
    import hashlib
    found = session.get(Token, hashlib.sha256(authorization.encode()).hexdigest())
    if found is None:
        raise HTTPException(401)
    return found.user

def shown(one: Tenant) -> Descriptor:
    spec = Spec(uid=one.uid, title=one.title, memory_mb=one.memory_mb, disk_mb=one.disk_mb, processes=one.processes)
    return Descriptor(kind="tenant", tenant=one.name, name=one.name, version=one.version, change=one.change, spec=spec)

app = FastAPI()

@app.get("/v1/tenant")
def listed(limit: int = 100, session: Session = Depends(database), who: str = Depends(user)) -> Page:
    found = session.scalars(select(Tenant).order_by(Tenant.name).limit(limit)).all()
    return Page(items=[shown(one) for one in found], next=f"{{found[-1].name}}/{{found[-1].name}}")

@app.get("/v1/tenant/{{tenant}}/{{name}}")
def read(tenant: str, name: str, session: Session = Depends(database), who: str = Depends(user)) -> Descriptor:
    found = session.get(Tenant, name)
    if found is None:
        raise HTTPException(404)
    return shown(found)
"""

_BARE = """
from pathlib import Path
from litestar import Litestar, Response, get
one, page = (Path("{folder}/" + name).read_bytes() for name in ("one.json", "page.json"))

@get("/v1/tenant/{{tenant:str}}/{{name:str}}")
async def read() -> Response[bytes]:
    return Response(one, media_type="application/json")

@get("/v1/tenant")
async def listed() -> Response[bytes]:
    return Response(page, media_type="application/json")

app = Litestar([read, listed], openapi_config=None, logging_config=None)
"""


def write_peer(kind: str, folder: Path, digest: str) -> Path:
    """Write a peer's program; it is served by uvicorn, as ours is."""
    source = _FASTAPI if kind == "fastapi" else _BARE
    path = folder / f"{kind}_program.py"
    path.write_text(source.format(folder=folder, digest=digest, count=COUNT))
    return path


async def _until_ended(start: Any) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    serving = asyncio.create_task(start())
    waiting = asyncio.create_task(ended.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def _context(folder: Path, sockets: dict[str, list[socket.socket]], **more: Any) -> Any:
    import structlog
    from prometheus_client import CollectorRegistry

    from serai.daemon.accept import AcceptLoop
    from serai.daemon.context import SystemClock

    log = structlog.get_logger()
    return SimpleNamespace(
        home=folder, host="bench", base="localhost", group="bench", worker=0, drain=0.1, clock=SystemClock(), log=log,
        registry=CollectorRegistry(), sockets=lambda field: sockets[field],
        accept=lambda sock, accepted, wait=None: AcceptLoop(sock, accepted, log, wait).stop, **more,
    )  # fmt: skip


def _unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    with suppress(FileNotFoundError):
        path.unlink()
    sock.bind(str(path))
    sock.listen(1024)
    sock.setblocking(False)
    return sock


async def serve_with_bus(folder: Path) -> None:
    """Serve the API and the bus that tells it of what other processes write."""
    from serai.bus.open import LocalBusServer

    server = LocalBusServer(folder / "bus.sock")
    await server.start()
    await serve_api(folder, f"unix:{folder}/bus.sock")
    await server.close()


async def serve_api(folder: Path, bus: str = "memory:") -> None:
    from serai.api.module import ApiConfig, ApiHttp
    from serai.bus.open import open_bus
    from serai.services.registry import services
    from serai.store import Replica
    from serai.store.open import open_store

    store = open_store(f"sqlite:{folder}/store.db")
    sockets = {"listen": [_unix(folder / "api.sock")], "front": [_unix(folder / "front.sock")]}
    ctx = _context(
        folder, sockets, store=store, bus=open_bus(bus), services=services(), replica=Replica(folder / "replica")
    )
    module = ApiHttp(ApiConfig(requests_each=1e6, requests_nobody=1e6), ctx)
    await module.provision()
    await _until_ended(module.serve)
    await module.close()


async def serve_edge(folder: Path, front: str, port: int) -> None:
    from serai.bus.open import open_bus
    from serai.services.edge.config import EdgeConfig
    from serai.services.edge.module import EdgeModule
    from serai.store import Replica

    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(1024)
    ctx = _context(folder, {"http": [sock], "https": []}, replica=Replica(folder / "replica"), bus=open_bus("memory:"))
    module = EdgeModule(EdgeConfig(redirect_http=False, platform=front), ctx)
    await module.provision()
    await _until_ended(module.serve)
    await module.close()


def main() -> None:
    import logging

    import structlog
    import uvloop

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    kind, folder = sys.argv[1], Path(sys.argv[2])
    if kind == "edge":
        work = serve_edge(folder, sys.argv[3], int(sys.argv[4]))
    else:
        work = serve_with_bus(folder) if kind == "bus" else serve_api(folder)
    profile = os.environ.get("PROFILE") if kind == "api" else None
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.runcall(uvloop.run, work)
        profiler.dump_stats(profile)
    else:
        uvloop.run(work)


if __name__ == "__main__":
    main()
