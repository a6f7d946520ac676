"""The warm runners of this process: a task takes one that fits, or a new one; those that idle end after a while."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from serai.cloud.drivers import Driver, Workload
from serai.errors import SeraiError
from serai.services.apps.running.runner import Runner

KIND = "work"  # the first word of runners' workload IDs

Key = tuple[str, ...]  # what two tasks must agree in to share a runner
Make = Callable[[str], Awaitable[Workload]]  # makes what runs, of the last part of its ID


class PoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a runner may wait for its next task, how many may, and how many tasks one gets."""

    idle_seconds: float = 30.0
    idle: int = 4
    runs: int = 1000


class Pool:
    """Lend runners. All methods run in one event loop."""

    def __init__(self, driver: Driver, folder: Path, limits: PoolLimits | None = None) -> None:
        self.limits = limits or PoolLimits()
        self.started = 0  # sandboxes, over its life
        self._driver = driver
        self._folder = folder
        self._idle: list[tuple[Key, float, Runner]] = []  # the one that was used last is the last
        self._opening = asyncio.Lock()
        self._open = False
        self._reaper: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def idling(self) -> int:
        """Return how many runners wait."""
        return len(self._idle)

    @asynccontextmanager
    async def lend(self, key: Key, make: Make) -> AsyncGenerator[Runner, None]:
        """Give a runner that fits; ``make`` says what a new one runs. It is ended where it is not well afterwards."""
        await self._clear()
        runner = self._take(key) or await self._new(make)
        try:
            yield runner
        finally:
            if runner.healthy and runner.runs < self.limits.runs:
                self._keep(key, runner)
            else:
                self._end(runner)

    async def close(self) -> None:
        """End all that idle."""
        if self._reaper is not None:
            self._reaper.cancel()
        for _, _, runner in self._idle:
            self._end(runner)
        self._idle.clear()
        if self._ending:
            await asyncio.wait(self._ending)

    def _take(self, key: Key) -> Runner | None:
        for index in range(len(self._idle) - 1, -1, -1):
            known, _, runner = self._idle[index]
            if known == key:
                del self._idle[index]
                if runner.healthy:
                    return runner
                self._end(runner)
        return None

    async def _new(self, make: Make) -> Runner:
        name = os.urandom(6).hex()
        runner = Runner(self._driver, await make(name), self._folder / name)
        await runner.start()
        self.started += 1
        return runner

    def _keep(self, key: Key, runner: Runner) -> None:
        self._idle.append((key, asyncio.get_running_loop().time(), runner))
        if len(self._idle) > self.limits.idle:
            self._end(self._idle.pop(0)[2])
        if self._reaper is None or self._reaper.done():
            self._reaper = asyncio.create_task(self._reap())

    async def _reap(self) -> None:
        while self._idle:
            left = self._idle[0][1] + self.limits.idle_seconds - asyncio.get_running_loop().time()
            if left > 0:
                await asyncio.sleep(left)
            else:
                self._end(self._idle.pop(0)[2])

    def _end(self, runner: Runner) -> None:
        task = asyncio.create_task(self._close(runner))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    @staticmethod
    async def _close(runner: Runner) -> None:
        with contextlib.suppress(SeraiError):  # the agent's next sweep finds what could not be ended
            await runner.close()

    async def _clear(self) -> None:
        """End what runners of an earlier process left, before the first of ours: their tasks are run again."""
        async with self._opening:
            if self._open:
                return
            for handle in await self._driver.recover():
                if handle.id.startswith(f"{KIND}."):
                    await self._driver.stop(handle, grace=0)
                    await self._driver.remove(handle)
            await asyncio.to_thread(_empty, self._folder)
            self._open = True


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o711)
    folder.chmod(0o711)
