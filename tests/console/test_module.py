"""The module: it can be wired, has the least privilege, and answers on its socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from serai.cli.machine import installed
from serai.console.module import ConsoleConfig, ConsoleHttp
from serai.daemon.testing import context
from serai.errors import DeniedError


def test_it_is_installed_and_needs_nothing_of_the_host() -> None:
    assert installed().get("console.http") is ConsoleHttp
    assert ConsoleHttp.NEEDS.privilege == "edge"
    assert ConsoleHttp.NEEDS.bus.call == ()


async def test_it_answers_while_the_api_is_away(tmp_path: Path) -> None:
    async with context(tmp_path, privilege="edge", listen_on={"listen": ["unix:run/console.sock"]}) as ctx:
        with pytest.raises(DeniedError):
            _ = ctx.store
        module = ConsoleHttp(ConsoleConfig(), ctx)
        assert not module.status()["ok"]
        await module.provision()
        serving = asyncio.create_task(module.serve())
        await asyncio.sleep(0)
        transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "run/console.sock"), verify=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://console.localhost") as client:
            assert (await client.get("/sign-in")).status_code == 200
            assert (await client.get("/", headers={"cookie": "__Host-serai=x.y"})).status_code == 503
        assert module.status()["ok"]
        serving.cancel()
        await asyncio.wait([serving])
        await module.close()
