"""What cases enter a workload with, and how they talk to what runs there."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

from serai.cloud.drivers.conformance.bench import Bench, expect
from serai.cloud.drivers.contract import Enterable, Entry, Handle, Visit
from serai.cloud.visiting import Caller, Ended, Said

PATIENCE = 20.0  # seconds


class Talk:
    """A visit with all that it said so far."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.output = self.errors = b""
        self.at = self.taken = 0

    async def hear(self, until: bytes | None = None) -> Ended | None:
        """Read until it has said something, or how it ended."""
        async with asyncio.timeout(PATIENCE):
            while True:
                caller = await Caller.call(self.visit.door)
                with contextlib.closing(caller):
                    await caller.begin(self.at)
                    async for piece in caller.pieces():
                        if isinstance(piece, Ended):
                            return piece
                        self._take(piece)
                        if until is not None and until in self.output:
                            return None

    def _take(self, piece: Said) -> None:
        expect(piece.at == self.at, piece.at, self.at)
        self.at += len(piece.data)
        if piece.error:
            self.errors += piece.data
        else:
            self.output += piece.data

    async def type(self, data: bytes, *, last: bool = False) -> None:
        """Have it read octets."""
        end = self.taken + len(data)
        async with asyncio.timeout(PATIENCE):
            while self.taken < end or last:
                with contextlib.closing(await Caller.call(self.visit.door)) as caller:
                    self.taken = await caller.type(
                        self.taken, data[len(data) - (end - self.taken) :][: 64 << 10], last=last
                    )
                last = last and self.taken < end


def enterable(bench: Bench) -> Enterable:
    """Return the driver as what can be entered."""
    driver: Any = bench.driver
    able: Enterable = driver
    return able


@contextlib.asynccontextmanager
async def entering(bench: Bench, handle: Handle, *argv: str, **changes: Any) -> AsyncIterator[Talk]:
    """Run a program inside, and leave nothing of it."""
    folder = bench.folder.parent / "visits" / secrets.token_hex(4)
    folder.mkdir(parents=True)
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    visit = await enterable(bench).enter(handle, Entry(**{"argv": argv, "env": env, "folder": folder, **changes}))
    try:
        yield Talk(visit)
    finally:
        await enterable(bench).leave(visit)
