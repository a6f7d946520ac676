"""Insert tasks of an application, as many as may wait of it, and of all of its tenant's.

How many wait is counted, and refused, in the transaction that inserts. What is known here only saves work: how many may
wait, for some seconds, and who was refused a moment ago, so that one that asks again and again costs nobody a
transaction.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

import msgspec

from serai.errors import ExhaustedError
from serai.store import Committed, NewTask, Store
from serai.store.allowances import allowances
from serai.store.contract import Allowance, Transaction

LASTS = 1.0  # seconds for which it is not looked up again how many may wait
PAUSE = 1.0  # seconds for which who was refused is not let ask again
MOST = 10_000  # apps that are known at once

App = tuple[str, str]  # tenant and name


class Known(msgspec.Struct):
    """What is known of an app until then."""

    allowances: tuple[Allowance, ...]
    until: float
    full: ExhaustedError | None = None
    again: float = 0.0


class Room:
    """Admit tasks. All methods run in one event loop; ``now`` gives monotonic seconds."""

    def __init__(self, store: Store, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._now = now
        self._known: dict[App, Known] = {}

    @property
    def full(self) -> list[str]:
        """Return which applications (``TENANT/APP``) were refused more a moment ago."""
        now = self._now()
        return sorted("/".join(app) for app, known in self._known.items() if known.full and now < known.again)

    async def insert(self, who: str, why: str, tenant: str, app: str, new: Sequence[NewTask]) -> Committed:
        """Insert tasks of an app, all or none; `ExhaustedError` where they would be too many."""
        known = self._known.get((tenant, app))
        now = self._now()
        if known is not None and known.full is not None and now < known.again:
            raise known.full.with_traceback(None)
        if known is None or now >= known.until:
            known = await self._look(tenant, app)
        try:
            return await self._store.apply(Transaction(who, why, tuple(new), known.allowances))
        except ExhaustedError as error:
            if error.fields.get("quota") == "tasks":
                known.full, known.again = error, self._now() + PAUSE
            raise

    async def _look(self, tenant: str, app: str) -> Known:
        most = await allowances(self._store, tenant, app)
        if len(self._known) >= MOST:
            self._known.clear()
        known = self._known[tenant, app] = Known(most, self._now() + LASTS)
        return known


@functools.lru_cache(maxsize=4)
def room_of(store: Store) -> Room:
    """Return this process's room in a store."""
    return Room(store)
