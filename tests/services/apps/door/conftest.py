"""A door over a store in memory, and the client that programs inside use, as one would from a sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from serai.daemon.context import ModuleContext
from serai.daemon.testing import context, serving
from serai.identity.descriptors import Tenant
from serai.services.apps import doorstep, launchers
from serai.services.apps.descriptors import App
from serai.services.apps.door.module import Door, DoorConfig
from serai.services.registry import services
from serai.store.contract import NewTask

CLIENT = Path(str(launchers.__file__)).parent / "client/serai.py"


def load_client() -> ModuleType:
    """Load the file as a program in a sandbox would, and not as a part of the platform."""
    spec = importlib.util.spec_from_file_location("serai_client", CLIENT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Street:
    """Some applications, each with its door."""

    def __init__(self, ctx: ModuleContext, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ctx = ctx
        self.door = door
        self.client: Any = load_client()
        self.shut: Callable[[], Awaitable[None]]  # ends the door
        self._monkeypatch = monkeypatch

    def socket(self, tenant: str, app: str) -> Path:
        return doorstep.path(self.ctx.home, tenant, app) / doorstep.NAME

    async def furnish(self, tenant: str, app: str) -> None:
        await self.ctx.store.put("system", "test", tenant, tenant, Tenant(uid=1))
        await self.ctx.store.put("system", "test", tenant, app, App(host="test"))
        await asyncio.to_thread(doorstep.furnish, doorstep.path(self.ctx.home, tenant, app), None)

    async def open(self, tenant: str, app: str) -> None:
        await self.furnish(tenant, app)
        await self.until_open(tenant, app)

    async def until_open(self, tenant: str, app: str) -> None:
        async with asyncio.timeout(20):
            while not self.socket(tenant, app).exists():
                await asyncio.sleep(0.02)

    async def as_app(self, tenant: str, app: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Call a function of the client as an application."""
        self._monkeypatch.setenv("SERAI_SOCKET", str(self.socket(tenant, app)))
        return await asyncio.to_thread(call, *arguments, **more)

    async def raw(self, tenant: str, app: str, data: bytes, *, end: bool = True) -> bytes:
        """Send octets as they are and return all that comes back until the end."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket(tenant, app)))
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
            if end:
                writer.write_eof()
        answer = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                answer = await reader.read()
        writer.close()
        return answer

    async def insert(self, **fields: Any) -> str:
        """Insert a task as the platform does."""
        return (await self.ctx.store.apply(_transaction(NewTask(**fields)))).tasks[0]


def _transaction(task: NewTask) -> Any:
    from serai.store.contract import Transaction

    return Transaction("user:test", "test", (task,))


@pytest.fixture
async def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Street]:
    async with context(tmp_path, services=services()) as ctx:
        if os.geteuid() == 0:
            os.chown(tmp_path / "data/apps", -1, os.getegid())
        door = Door(DoorConfig(), ctx)
        made = Street(ctx, door, monkeypatch)
        shops = (("demo", "shop"), ("other", "shop"))
        for shop in shops:
            await made.furnish(*shop)  # before it serves: it looks for what is new only now and then
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(serving(door))
            made.shut = stack.aclose
            for shop in shops:
                await made.until_open(*shop)
            yield made
