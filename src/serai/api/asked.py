"""What a request for a descriptor names, and the two writes that every kind has: put and delete."""

from __future__ import annotations

import msgspec

from serai.api.followed import followed
from serai.daemon.module import Context
from serai.errors import ConflictError, NotFoundError, UnavailableError
from serai.identity import Principal
from serai.identity.departures import falling
from serai.identity.descriptors import Tenant
from serai.identity.directory import Directory
from serai.identity.gifts import check_given, check_taken
from serai.identity.seal import Keyring
from serai.identity.tenants import check_new
from serai.store import Delete, Put, Spec, Store

TRIES = 10  # at a moment when others change the same things


class Asked(msgspec.Struct, frozen=True):
    """Which descriptor a request names, who asks, and the version that a write is bound to."""

    ctx: Context
    store: Store
    people: Directory
    keys: Keyring
    principal: Principal
    kind: type[Spec]
    tenant: str
    name: str
    expect: int | None

    async def write(self, why: str, spec: Spec, expect: int | None) -> None:
        """Write the descriptor, where whoever asks may give what it gives; what falls with it goes with it."""
        check_given(self.people, self.principal, self.tenant, self.name, spec)
        falls = await falling(self.store, self.people, self.kind, self.name, spec)
        before = await self._before()
        if self.kind is Tenant and before is None:
            await check_new(self.store, self.name)
        sealed = spec.at_rest(self.keys, self.tenant, self.name, before)
        await self.store.change(self.principal.who, why, (Put(self.tenant, self.name, sealed, expect), *falls))

    async def remove(self, why: str) -> int:
        """Delete the descriptor with what falls and follows; return the number of its change."""
        check_taken(self.people, self.principal, self.kind, self.tenant, self.name)
        for _ in range(TRIES):
            record = await self.store.get(self.kind, self.tenant, self.name)
            expect = record.version if self.expect is None else self.expect
            operation = Delete(self.kind.KIND, self.tenant, self.name, expect)
            falls = await falling(self.store, self.people, self.kind, self.name, None)
            who = self.principal.who
            operations = await followed(self.ctx, who, self.tenant, (operation, *falls))
            try:
                return (await self.store.change(who, why, operations))[0]
            except ConflictError:
                if self.expect not in {None, record.version}:
                    raise
        raise UnavailableError("Others keep changing the same: try again.")

    async def _before(self) -> Spec | None:
        try:
            return (await self.store.get(self.kind, self.tenant, self.name)).spec
        except NotFoundError:
            return None
