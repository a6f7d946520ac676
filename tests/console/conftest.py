"""What tests of the console share."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from consoling import House, consoling

from serai.cloud.descriptors import Instance
from serai.services.apps.descriptors import App, Process, Release

HOSTILE = '"><script>alert(1)</script>'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with consoling(tmp_path) as running:
        yield running


@pytest.fixture
async def shop(house: House) -> House:
    """A house with an app that has three releases, the second of them live."""
    for tenant in ("demo", "other"):
        await house.api.call("POST", "/v1/tenants", {"name": tenant})
    app = App(host="test", next_release=4, live={"prod": 2}, before={"prod": (1,)})
    await house.store.put("user:root", "test", "demo", "shop", app)
    for number in (1, 2, 3):
        release = Release(
            app="shop", number=number, blob="0" * 64, created=time.time(), who="user:ada", title=HOSTILE, built=1.0,
            state="built", runtime="python3.11", notes=(HOSTILE,), env={"COLOUR": f"c{number}"},
            processes={"web": Process(argv=("run", str(number)), memory_mb=128 * number)},
        )  # fmt: skip
        await house.store.put("user:root", "test", "demo", f"shop.{number}", release)
    instance = Instance(app="shop", release=2, host="test", state="ready", reason=HOSTILE)
    await house.store.put("user:root", "test", "demo", "shop.2.web.0", instance)
    return house
