"""What a request for a descriptor names, and the two writes that every kind has: put and delete."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

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
from serai.identity.tenants import with_number
from serai.store import Delete, Operation, Put, Record, Spec, Store

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

    async def write(self, why: str, spec: Spec, expect: int | None) -> int:
        """Write the descriptor, where whoever asks may give what it gives; what falls and follows goes with it.

        Return the number of its change.
        """
        check_given(self.people, self.principal, self.tenant, self.name, spec)

        async def operations(before: Record[Spec] | None) -> list[Operation]:
            known = before.spec if before else None
            besides: tuple[Operation, ...] = ()
            if isinstance(spec, Tenant):
                besides = await with_number(self.store, self.name, spec, known)
            elif self.tenant:
                await self.store.get(Tenant, self.tenant, self.tenant)
            sealed = spec.at_rest(self.keys, self.tenant, self.name, known)
            bound = (before.version if before else 0) if expect is None else expect
            return [Put(self.tenant, self.name, sealed, bound), *besides, *await self._falls(spec)]

        return await self._change(why, operations, expect)

    async def remove(self, why: str) -> int:
        """Delete the descriptor with what falls and follows; return the number of its change."""
        check_taken(self.people, self.principal, self.kind, self.tenant, self.name)

        async def operations(before: Record[Spec] | None) -> list[Operation]:
            version = before.version if before else None
            bound = version if self.expect is None else self.expect
            return [Delete(self.kind.KIND, self.tenant, self.name, bound), *await self._falls(None)]

        return await self._change(why, operations, self.expect)

    async def _change(
        self, why: str, make: Callable[[Record[Spec] | None], Awaitable[list[Operation]]], expect: int | None
    ) -> int:
        """Commit what is made of the descriptor as it is now; make it anew where others come between."""
        for _ in range(TRIES):
            before = await self._before()
            who = self.principal.who
            operations = await followed(self.ctx, who, self.tenant, await make(before))
            try:
                return (await self.store.change(who, why, operations))[0]
            except ConflictError:
                if expect not in {None, before.version if before else 0}:
                    raise
        raise UnavailableError("Others keep changing the same: try again.")

    async def _falls(self, spec: Spec | None) -> tuple[Delete, ...]:
        return await falling(self.store, self.people, self.kind, self.name, spec)

    async def _before(self) -> Record[Spec] | None:
        try:
            return await self.store.get(self.kind, self.tenant, self.name)
        except NotFoundError:
            return None
