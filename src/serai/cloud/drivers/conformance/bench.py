"""A driver under test, and what the cases run on it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from serai.cloud.drivers.contract import Driver, Exit, Handle, Limits, Workload

SMALL = Limits(memory_mb=96, processes=24, tmp_mb=4, log_mb=1)


class Bench:
    """A driver under test, and how to make another one on the same state, as a restarted agent would.

    Workloads run as ``uid``, for whom ``folder`` (empty, for mounts) can be reached.
    """

    def __init__(self, make: Callable[[], Driver], uid: int | None, folder: Path) -> None:
        self.make = make
        self.driver = make()
        self.uid = uid
        self.folder = folder
        self._number = 0

    def workload(self, *argv: str, **changes: Any) -> Workload:
        """Return a workload with an ID of its own."""
        self._number += 1
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
        base = Workload(id=f"case.{self._number}", uid=self.uid, argv=argv, env=env, limits=SMALL)
        return msgspec.structs.replace(base, **changes)

    @contextlib.asynccontextmanager
    async def running(self, *argv: str, **changes: Any) -> AsyncIterator[Handle]:
        """Run a workload, and leave nothing of it."""
        handle = await self.driver.start(self.workload(*argv, **changes))
        try:
            yield handle
        finally:
            await self.driver.stop(handle, grace=0)
            await self.driver.remove(handle)

    async def output(self, *argv: str, **changes: Any) -> tuple[Exit, str]:
        """Run a program to its end; return how it ended and what it said."""
        async with self.running(*argv, **changes) as handle:
            ended = await self.driver.wait(handle)
            return ended, said(handle)

    async def serving(self, handle: Handle) -> None:
        """Return when the workload has said that it listens."""
        async with asyncio.timeout(10):
            while "listening" not in said(handle):  # noqa: ASYNC110  a file has no event
                await asyncio.sleep(0.01)


def expect(condition: object, *seen: object) -> None:
    """Fail with what was seen instead."""
    if not condition:
        raise AssertionError(f"seen: {seen}")


def said(handle: Handle) -> str:
    """Return the text of a workload's newest log, without times and marks."""
    try:
        lines = handle.log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(line.split(" ", 3)[3] for line in lines)


Case = Callable[[Bench], Awaitable[None]]
