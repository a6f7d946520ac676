"""A module of which only one may serve: it notes when it begins and ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from serai.daemon.module import Context, Needs


class SingleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    linger: float = 0.2
    text: str = ""


class Single:
    ID: ClassVar[str] = "echo.single"
    Config: ClassVar[type[msgspec.Struct]] = SingleConfig
    NEEDS: ClassVar[Needs] = Needs(copies="one", privilege="agent")

    def __init__(self, config: SingleConfig, ctx: Context) -> None:
        self.config = config
        self.ctx = ctx

    def note(self, what: str) -> None:
        with (self.ctx.home / "logs/single.txt").open("a") as file:
            file.write(f"{what} {os.getpid()}\n")

    async def provision(self) -> None:
        pass

    async def serve(self) -> None:
        self.note("begin")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(self.config.linger)
            self.note("end")

    async def close(self) -> None:
        pass

    def status(self) -> Mapping[str, Any]:
        return {"ok": True}
