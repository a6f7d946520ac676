"""An API with the module beside it, on a clock that is set by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from serving import Api, serving

from serai.daemon import figures
from serai.daemon.figures import Told
from serai.daemon.testing import FakeClock
from serai.daemon.testing import serving as at_work
from serai.services.series.module import SeriesConfig, SeriesModule


class Stage:
    """What a test asks, tells and waits for."""

    def __init__(self, api: Api, clock: FakeClock) -> None:
        self.api = api
        self.clock = clock
        self.module: SeriesModule
        self._running = AsyncExitStack()

    async def start(self) -> None:
        """Let a module serve."""
        ctx: Any = self.api.ctx
        self.module = SeriesModule(SeriesConfig(max_mib=16), ctx)
        await self._running.enter_async_context(at_work(self.module))
        await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End it as a worker does."""
        await self._running.aclose()

    async def until(self, condition: Callable[[], object], seconds: float = 0.0) -> None:
        """Wait, in real time, until something is so; let ``seconds`` pass at each turn."""
        async with asyncio.timeout(20):
            while not condition():
                self.clock.advance(seconds)
                await asyncio.sleep(0.001)

    async def tell(self, *sums: Told, gauges: tuple[Told, ...] = ()) -> None:
        """Tell, and wait until it was heard."""
        recorder = self.module._recorder
        before = recorder.pending("-")
        await figures.tell(self.api.ctx.bus, "test", sums, gauges)
        await self.until(lambda: recorder.pending("-") != before)

    async def passes(self, seconds: int) -> None:
        """Let whole seconds pass, one by one."""
        for _ in range(seconds):
            self.clock.advance(1.0)
            for _ in range(5):
                await asyncio.sleep(0)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with serving(tmp_path) as api:
        (tmp_path / "data/series").mkdir(parents=True)
        clock = FakeClock(float(int(time.time()) // 60 * 60))
        api.ctx.clock = clock  # type: ignore[assignment]
        found = Stage(api, clock)
        await found.start()
        yield found
        await found.stop()
