from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest

from serai.cloud.descriptors import Route
from serai.daemon import testing
from serai.daemon.module import Context
from serai.daemon.modules.replica import ReplicaFiller, ReplicaFillerConfig
from serai.errors import ExhaustedError, InternalError, UnavailableError
from serai.identity.descriptors import Tenant
from serai.services.edge import signer
from serai.services.edge.certificates import UNTIL, CertificatesConfig, CertificatesModule
from serai.services.edge.names import leaf_path
from serai.services.edge.signer import sign
from serai.services.edge.signing import Order, carry_out


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


async def test_a_host_that_has_its_certificates_starts_without_looking_at_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[list[str]] = []

    async def noted(folder: Path, title: str, now: float, names: list[str]) -> signer.Outcome:
        orders.append(names)
        return await sign(folder, title, now, names)

    monkeypatch.setattr("serai.services.edge.certificates.sign", noted)
    folder = tmp_path / "data" / "tls"
    async with testing.context(tmp_path) as ctx:
        filler = ReplicaFiller(ReplicaFillerConfig(poll_seconds=3600), ctx)
        again = CertificatesModule(CertificatesConfig(), ctx)
        async with testing.serving(filler):
            await CertificatesModule(CertificatesConfig(), ctx).provision()
            assert orders == [["api.localhost", "console.localhost", "localhost"]]
            async with testing.serving(again):
                told = await asked(ctx, "localhost")
                assert told > ctx.clock.now()
                assert orders[1:] == [["localhost"]], "who is asked looks"
                assert await asked(ctx, "localhost") == told
                assert len(orders) == 2
            leaf_path(folder, "localhost").unlink()
            await CertificatesModule(CertificatesConfig(), ctx).provision()
            assert orders[2:] == [["localhost"]]


async def asked(ctx: Context, name: str) -> float:
    """Ask until when a name is certified, once there is somebody who says so."""
    while True:
        try:
            told: float = (await ctx.bus.call(UNTIL, [name]))[name]
        except UnavailableError:
            await asyncio.sleep(0.01)
            continue
        return told


async def test_no_worker_keeps_the_library_that_signs(tmp_path: Path) -> None:
    code = "import serai.services.edge.certificates, serai.api.desk, sys; print('cryptography' in sys.modules)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert await child.communicate() == (b"False\n", None)


async def test_names_are_looked_at_all_at_once(tmp_path: Path) -> None:
    now = time.time()
    first = await sign(tmp_path, "Test", now, ["a.test", "b.test", "../no"])
    assert first.made == ("a.test", "b.test")
    assert first.until["../no"] == 0
    assert 89 * 86400 < first.until["a.test"] - now <= 90 * 86400
    later = await sign(tmp_path, "Test", now + 65 * 86400, ["b.test", "c.test"])
    assert later.made == ("b.test", "c.test")
    assert later.until["b.test"] > first.until["b.test"]


async def test_what_keeps_it_from_signing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "private").write_text("in the way")
    with pytest.raises(InternalError, match="File exists"):
        await sign(tmp_path, "Test", 0.0, ["a.test"])
    (tmp_path / "private").unlink()
    await sign(tmp_path, "Test", time.time(), [])
    (tmp_path / "private" / "ca.key").write_text("no key")
    with pytest.raises(InternalError):
        await sign(tmp_path, "Test", time.time(), ["a.test"])
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(UnavailableError):
        await sign(tmp_path, "Test", 0.0, ["a.test"])


async def test_what_can_not_be_signed_is_in_the_status_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serai.services.edge.certificates.POLL", 0.05)
    key = tmp_path / "data" / "tls" / "private" / "ca.key"
    async with testing.context(tmp_path) as ctx:
        module = CertificatesModule(CertificatesConfig(), ctx)
        async with testing.serving(ReplicaFiller(ReplicaFillerConfig(poll_seconds=3600), ctx)), testing.serving(module):
            await asked(ctx, "localhost")
            whole = key.read_bytes()
            key.write_text("broken")
            await ctx.store.put("user:test", "", "demo", "demo", Tenant(uid=1))
            async with asyncio.timeout(10):
                while module.status()["ok"]:
                    await asyncio.sleep(0.01)
                assert module.status()["reason"].startswith("The process that makes certificates failed: ")
                key.write_bytes(whole)
                while not module.status()["ok"]:
                    await asyncio.sleep(0.01)
            assert leaf_path(tmp_path / "data" / "tls", "demo.localhost").exists()


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    outcome = carry_out(Order(str(tmp_path), "Test", time.time(), ("a.test",)))
    assert outcome.code == ExhaustedError.code
    assert str(tmp_path) in outcome.public


async def test_a_process_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signer, "SECONDS", 0.0)
    with pytest.raises(signer.DeadlineError):
        await sign(tmp_path, "Test", time.time(), ["a.test"])
