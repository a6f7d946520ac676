"""Module ``store.retention``: removes what the store need not keep of its past."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec

from serai.daemon.module import Context, Needs
from serai.daemon.service import kinds_of
from serai.errors import SeraiError
from serai.store.retention import Retention, Terms

_FIRST = 300.0  # seconds after the start: a host that comes up has better things to do
Days = Annotated[float, msgspec.Meta(ge=1, le=36500)]


class RetentionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the store keeps of its past."""

    history_days: Annotated[
        Days, msgspec.Meta(description="Days that old versions of descriptors and deleted ones are kept.")
    ] = 365.0
    kinds: Annotated[
        dict[str, Days], msgspec.Meta(description="Days of history by kind, where they differ from history_days.")
    ] = msgspec.field(default_factory=dict)
    versions: Annotated[
        int, msgspec.Meta(ge=1, le=1_000_000, description="Newest versions of each descriptor that stay at any age.")
    ] = 20
    feed_days: Annotated[
        Days, msgspec.Meta(description="Days that a replica may be away and still catch up from the change feed.")
    ] = 7.0
    feed_changes: Annotated[
        int, msgspec.Meta(ge=1000, description="Newest changes that stay in the feed, however old they are.")
    ] = 100_000
    every_hours: Annotated[float, msgspec.Meta(ge=0.01, le=720, description="Time between two sweeps.")] = 6.0


class RetentionModule:
    """Sweep now and then. While the store is away there is nothing to do but to try again later."""

    ID: ClassVar[str] = "store.retention"
    Config: ClassVar[type[msgspec.Struct]] = RetentionConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="one")

    def __init__(self, config: RetentionConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._retention: Retention | None = None
        self._trouble = ""

    async def provision(self) -> None:
        """Need nothing but the store."""
        config, ctx = self._config, self._ctx
        declared = kinds_of(ctx.services.values())
        terms = Terms(
            history_days=config.history_days,
            kinds={each.KIND: each.HISTORY_DAYS for each in declared if each.HISTORY_DAYS} | config.kinds,
            versions=config.versions,
            feed_days=config.feed_days,
            feed_changes=config.feed_changes,
        )
        self._retention = Retention(ctx.store, terms, now=ctx.clock.now, sleep=ctx.clock.sleep)

    async def serve(self) -> None:
        """Sweep until cancelled; each step is a transaction, so there is nothing to drain."""
        pause = min(_FIRST, self._config.every_hours * 3600)
        while self._retention:
            await self._ctx.clock.sleep(pause)
            pause = self._config.every_hours * 3600
            try:
                removed = await self._retention.sweep()
            except SeraiError as error:
                self._trouble = error.public
                self._ctx.log.warning("retention.failed", error=error)
                continue
            self._trouble = ""
            self._ctx.log.info("retention.swept", removed=removed, first_change=self._retention.first_change)

    async def close(self) -> None:
        """Hold nothing."""

    def status(self) -> Mapping[str, Any]:
        """Tell what is kept, and where the feed begins (0 before the first sweep)."""
        retention, config = self._retention, self._config
        if retention is None:
            return {"ok": False, "reason": "not provisioned"}
        return {
            "ok": not self._trouble,
            "reason": self._trouble,
            "history_days": config.history_days,
            "versions": config.versions,
            "feed_days": config.feed_days,
            "feed_changes": config.feed_changes,
            "first_change": retention.first_change,
            "removed": retention.removed,
        }
