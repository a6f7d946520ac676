"""Data folders and builds that take more room than they may, where no kernel prevents it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from serai.cloud.volumes import Volumes
from serai.errors import SeraiError
from serai.services.apps import builder, fullness, once, work
from serai.services.apps.descriptors import Command
from serai.services.apps.desired import over

if TYPE_CHECKING:
    from tests.services.apps.conftest import Platform

HELLO = ("demo", "hello")


def test_exactly_the_quota_is_allowed_and_an_octet_more_is_not() -> None:
    assert over({HELLO: 8 << 20}, {HELLO: 8}) == {}
    assert over({HELLO: 9 << 20}, {}) == {}, "nothing of it runs here any more"
    assert over({HELLO: (8 << 20) + 1}, {HELLO: 8}) == {HELLO: "Its data folder is over its quota of 8 MiB."}


@pytest.fixture
def soft(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """A host that can mount no volumes, and looks often."""
    monkeypatch.setattr(fullness, "PAUSE", 0.05)
    monkeypatch.setattr(work, "LOOK", 0.05)
    monkeypatch.setattr(platform.driver, "_volumes", Volumes(hard=False))
    return platform


async def reason(platform: Platform, state: str) -> str:
    async with asyncio.timeout(20):
        while (await platform.instances("hello"))[0].spec.state != state:
            await asyncio.sleep(0.02)
    return (await platform.instances("hello"))[0].spec.reason


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_an_app_over_its_quota_stops_and_comes_back(soft: Platform) -> None:
    await asyncio.sleep(0.1)
    await soft.deploy("hello", soft.web_app(more="[resources]\ndisk_mb = 8\n"))
    big = soft.ctx.home / "data/apps/demo/hello/data/big"
    big.write_bytes(bytes(9 << 20))
    assert await reason(soft, "failed") == "Its data folder is over its quota of 8 MiB."
    big.unlink()
    assert await reason(soft, "ready") == ""
    [instance] = await soft.instances("hello")
    assert instance.spec.restarts == 0
    big.write_bytes(bytes(9 << 20))
    await reason(soft, "failed")
    raised = await soft.deploy("hello", soft.web_app(more="[resources]\ndisk_mb = 16\n"))
    assert raised.state == "live", raised.reason


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_a_command_that_fills_the_data_folder_is_ended_but_may_clear_it_up(soft: Platform) -> None:
    release = await soft.deploy("hello", soft.web_app(more="[resources]\ndisk_mb = 8\n"))
    fill = Command(argv=("sh", "-c", "dd if=/dev/zero of=/data/big bs=1M count=20; sleep 60"))
    with pytest.raises(SeraiError, match="more than the 8 MiB"):
        await once.command(soft.work("hello"), release, "fill", fill)
    await once.command(soft.work("hello"), release, "clear", Command(argv=("sh", "-c", "sleep 0.3; rm /data/big")))
    assert not (soft.ctx.home / "data/apps/demo/hello/data/big").exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
async def test_a_build_that_fills_the_disk_fails_with_a_sentence(
    soft: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "DISK_MB", 16)
    more = "[build]\ncommand = 'dd if=/dev/zero of=big bs=1M count=64; sleep 60'\n"
    release = await soft.deploy("hello", soft.web_app(more=more))
    assert release.state == "failed"
    assert "It wrote more than the 16 MiB that it may." in release.reason
    assert not any((soft.ctx.home / "data/apps/demo/hello/releases").iterdir())
    assert await soft.driver.recover() == []
