"""Where refused attempts go: to the log at once, and to the store, where the audit finds them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from serai.errors import SeraiError
from serai.identity.authorize import Refusal
from serai.store import Store
from serai.store.audit import Audit, Refused

FLUSH = 1.0  # seconds between two writes of refused attempts
MOST = 500  # different attempts that are kept between two writes; whoever makes more fills no disk
KEEP = 365 * 86400.0  # seconds that refused attempts are kept
_PRUNE = 3600.0  # seconds between looks for older ones
_LONGEST = 256  # characters of each text

log = structlog.get_logger("audit")


class StoreAudit:
    """Keep refused attempts in the log and in the store, equal ones of a moment as one with their count."""

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self.count = 0
        self._audit = Audit(store)
        self._now = now
        self._waiting: dict[tuple[str, ...], Refused] = {}
        self._dropped = 0

    def refused(self, refusal: Refusal) -> None:
        """Take one; it is written within `FLUSH`."""
        self.count += 1
        target = refusal.target
        texts = (refusal.who, refusal.action, target.tenant, target.app, target.kind, target.name, refusal.reason)
        key = tuple(text[:_LONGEST] for text in texts)
        who, action, tenant, app, kind, name, reason = key
        log.warning(
            "authorize.refused", who=who, action=action, tenant=tenant, app=app, kind=kind, name=name, reason=reason
        )
        known = self._waiting.get(key)
        if known is not None:
            self._waiting[key] = msgspec.structs.replace(known, count=known.count + 1)
        elif len(self._waiting) < MOST:
            self._waiting[key] = Refused(
                at=self._now(), who=who, action=action, tenant=tenant, app=app, kind=kind, name=name, reason=reason
            )
        else:
            self._dropped += 1

    async def run(self) -> None:
        """Write what was refused, and forget what is old, until cancelled."""
        elapsed = _PRUNE
        while True:
            await asyncio.sleep(FLUSH)
            elapsed += FLUSH
            try:
                await self.flush()
                if elapsed >= _PRUNE and await self._audit.prune(self._now() - KEEP) == 0:
                    elapsed = 0.0
            except SeraiError as error:
                log.warning("audit.not_written", reason=error.public, waiting=len(self._waiting))

    async def flush(self) -> None:
        """Write what was refused since the last time; what can't be written waits for the next."""
        waiting, self._waiting = self._waiting, {}
        dropped, self._dropped = self._dropped, 0
        rows = list(waiting.values())
        if dropped:
            rows.append(_many(self._now(), dropped))
        try:
            await self._audit.refuse(rows)
        except SeraiError:
            self._waiting = waiting | self._waiting
            self._dropped += dropped
            raise


def _many(at: float, count: int) -> Refused:
    reason = "more than were kept one by one"
    return Refused(at=at, who="", action="", tenant="", app="", kind="", name="", reason=reason, count=count)
