"""Module ``tasks.clock``: the cell's clock of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from serai.daemon.module import Context, Needs
from serai.tasks.clock import ClockSettings, TaskClock


class ClockConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The clock of tasks."""

    lease_seconds: Annotated[
        float, msgspec.Meta(ge=1, le=600, description="A bot without a heartbeat for so long is dead.")
    ] = 10.0
    keep_days: Annotated[float, msgspec.Meta(ge=1, le=36500, description="Finished tasks are kept so long.")] = 90.0


class ClockModule:
    """Hand back what dead bots held, insert what schedules make due, forget what is long over."""

    ID: ClassVar[str] = "tasks.clock"
    Config: ClassVar[type[msgspec.Struct]] = ClockConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="one")

    def __init__(self, config: ClockConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._clock: TaskClock | None = None

    async def provision(self) -> None:
        """Need nothing but the store."""
        settings = ClockSettings(lease=self._config.lease_seconds, keep_days=self._config.keep_days)
        ctx = self._ctx
        self._clock = TaskClock(ctx.store, ctx.bus, settings=settings, clock=ctx.clock, log=ctx.log)

    async def serve(self) -> None:
        """Tick until cancelled; each step is a transaction, so there is nothing to drain."""
        if self._clock:
            await self._clock.run()

    async def close(self) -> None:
        """Hold nothing."""

    def status(self) -> Mapping[str, Any]:
        """Tell what it did."""
        clock = self._clock
        if clock is None:
            return {"ok": False, "reason": "not provisioned"}
        return {
            "ok": not clock.trouble,
            "reason": clock.trouble,
            "buried": clock.buried,
            "inserted": clock.inserted,
        }
