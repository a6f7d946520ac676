"""Who did what, and who was not let: the search over all history, and the refused attempts that are kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from serai.store import checks

if TYPE_CHECKING:
    from serai.store.store import Store

#: Between who somebody is and where they asked from, in ``who``: "user:ada from 192.0.2.7".
FROM = " from "
MAX_REFUSALS = 1000  # written by one transaction
_TEXT = 400  # characters of each field of a refusal; what is longer is cut


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Attempts that were refused for one reason at about one moment.

    ``at`` is of the first, in seconds since the epoch; ``number`` is given by the store and grows.
    """

    at: float
    who: str
    action: str
    tenant: str
    app: str
    kind: str
    name: str
    reason: str
    count: int = 1
    number: int = 0


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A change of a descriptor, as the audit lists it."""

    change: int
    at: float
    who: str
    why: str
    kind: str
    tenant: str
    name: str
    version: int
    deleted: bool


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for, newest first; None and "" are any.

    ``who`` finds somebody wherever they asked from. ``before`` is the number of the last line of the page before.
    """

    tenant: str | None = None
    who: str = ""
    kind: str = ""
    name: str = ""
    since: float = 0.0
    until: float = 1e15
    before: int = checks.MAX_NUMBER
    limit: int = 100

    def check(self) -> None:
        """Raise `InvalidError` for what can't be looked for."""
        if self.tenant is not None:
            checks.check_tenant(self.tenant)
        if self.kind:
            checks.kind_name(self.kind)
        checks.check_text(self.who, "who", checks.MAX_WHO)
        checks.check_text(self.name, "name", checks.MAX_NAME)
        checks.check_number(self.before, "before", 1)
        checks.check_number(self.limit, "limit", 1, 1000)


class Audit:
    """Search a store's past."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def changes(self, wanted: Wanted) -> list[Written]:
        """Return the changes that fit, newest first, as far back as history is kept."""
        wanted.check()
        return await self._store.ask("audit_changes", lambda: self._store.driver.audit_changes(wanted))

    async def refusals(self, wanted: Wanted) -> list[Refused]:
        """Return the refused attempts that fit, newest first."""
        wanted.check()
        return await self._store.ask("refusals", lambda: self._store.driver.refusals(wanted))

    async def refuse(self, refused: Sequence[Refused]) -> None:
        """Keep refused attempts, the first `MAX_REFUSALS` of them; texts that are too long are cut."""
        rows = [_short(one) for one in refused[:MAX_REFUSALS]]
        if rows:
            await self._store.call("refuse", lambda: self._store.driver.refuse(rows))

    async def prune(self, before: float, limit: int = 500) -> int:
        """Remove up to ``limit`` refused attempts from before a time; return how many."""
        return await self._store.call("prune_refusals", lambda: self._store.driver.prune_refusals(before, limit))


def _short(one: Refused) -> Refused:
    texts = {
        field: "".join(each if each.isprintable() else "?" for each in getattr(one, field)[:_TEXT])
        for field in ("who", "action", "tenant", "app", "kind", "name", "reason")
    }
    return msgspec.structs.replace(one, **texts)
