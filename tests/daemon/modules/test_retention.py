"""The module over retention: its settings, its status, a store that is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from serai.daemon.modules.retention import RetentionConfig, RetentionModule
from serai.daemon.service import Service
from serai.daemon.testing import FakeClock, context, serving
from serai.errors import UnavailableError
from serai.store import Put, Spec
from serai.store.retention import DAY

WHO, WHY = "user:ada", "to see"


class Pulse(Spec, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "pulse"
    HISTORY_DAYS: ClassVar[float | None] = 8.0
    beat: int = 0


class Rock(Spec, frozen=True, kw_only=True):
    KIND: ClassVar[str] = "rock"
    weight: int = 0


KINDS = (Pulse, Rock)


async def until(clock: FakeClock, condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            clock.advance(60)
            await asyncio.sleep(0)


async def test_it_sweeps_by_the_days_of_settings_and_kinds_and_tells_what_is_kept(tmp_path: Path) -> None:
    clock = FakeClock(time.time() + 10 * DAY)  # the store's own clock says when revisions were written
    services = {"test": Service(name="test", summary="", kinds=f"{__name__}:KINDS")}
    config = RetentionConfig(versions=1, feed_days=7, feed_changes=1000, every_hours=1)
    async with context(tmp_path, services=services, clock=clock) as ctx:
        module = RetentionModule(config, ctx)
        assert module.status()["ok"] is False
        async with serving(module):
            for kind in (Pulse, Rock):
                await ctx.store.change(WHO, WHY, [Put("ada", "one", kind()) for _ in range(1500)])
            await until(clock, lambda: module.status()["first_change"])
            assert module.status()["removed"] == 1499  # all but the newest pulse; rocks are kept for longer
            assert len(await ctx.store.history(Rock, "ada", "one", limit=5000)) == 1500
        assert module.status()["ok"] is True
        assert module.status()["history_days"] == 365


async def test_a_store_that_fails_is_told_and_asked_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with context(tmp_path, clock=clock) as ctx:
        module = RetentionModule(RetentionConfig(), ctx)
        away = [True]
        last_change = ctx.store.driver.last_change

        async def sometimes() -> int:
            if away[0]:
                raise UnavailableError("the store is away", temporary=False)
            return await last_change()

        ctx.store.driver.last_change = sometimes  # type: ignore[method-assign]
        async with serving(module):
            await until(clock, lambda: not module.status()["ok"])
            assert module.status()["reason"] == "the store is away"
            away[0] = False
            await until(clock, lambda: module.status()["ok"])


@pytest.mark.parametrize("text", [{"history_day": 1}, {"versions": 0}, {"kinds": {"instance": 0}}, {"feed_changes": 1}])
def test_unknown_keys_and_values_out_of_bounds_are_refused(text: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(text, RetentionConfig)
