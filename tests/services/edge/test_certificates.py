from __future__ import annotations

import asyncio
from pathlib import Path

from serai.cloud.descriptors import Route
from serai.daemon import testing
from serai.daemon.modules.replica import ReplicaFiller, ReplicaFillerConfig
from serai.identity.descriptors import Tenant
from serai.services.edge.certificates import UNTIL, CertificatesConfig, CertificatesModule
from serai.services.edge.names import leaf_path


async def test_tenants_and_routes_get_certificates_as_they_come(tmp_path: Path) -> None:
    async with testing.context(tmp_path) as ctx:
        filler = ReplicaFiller(ReplicaFillerConfig(poll_seconds=3600), ctx)
        module = CertificatesModule(CertificatesConfig(), ctx)
        folder = tmp_path / "data" / "tls"
        async with testing.serving(filler), testing.serving(module):
            await ctx.store.put("user:test", "", "demo", "demo", Tenant(uid=1))
            await ctx.store.put("user:test", "", "", "www.example.test/", Route(tenant="demo", app="hello", release=1))
            async with asyncio.timeout(10):
                for name in ("localhost", "api.localhost", "console.localhost", "demo.localhost", "www.example.test"):
                    while not leaf_path(folder, name).exists():
                        await asyncio.sleep(0)
            assert module.status()["ok"]
            told = await ctx.bus.call(UNTIL, ["www.example.test", "other.example.test", "../../etc/passwd"])
            assert 89 * 86400 < told.pop("www.example.test") - ctx.clock.now() <= 90 * 86400
            assert told == {"other.example.test": 0, "../../etc/passwd": 0}
        assert (folder / "private").stat().st_mode & 0o777 == 0o700
