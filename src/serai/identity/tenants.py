"""How a tenant comes to be: with a name and a number that no other ever had."""

from __future__ import annotations

from msgspec.structs import replace

from serai.errors import (
    AlreadyExistsError,
    ConflictError,
    ExhaustedError,
    InvalidError,
    NotFoundError,
    UnavailableError,
)
from serai.identity.descriptors import Numbers, Tenant
from serai.store import Put, Store

#: User IDs are given out of blocks of 65,536 per home, the first 1,000 of which are the platform's own.
MAX_UID = 64_000
ATTEMPTS = 20  # at a moment when others create tenants, too


async def create_tenant(store: Store, who: str, name: str, wanted: Tenant) -> Tenant:
    """Write a new tenant, its ``uid`` the next free one, and return it.

    `AlreadyExistsError` where the name is taken, `InvalidError` where it can't be one, `ExhaustedError` past `MAX_UID`.
    """
    if not Tenant.NAME.fullmatch(name):
        raise InvalidError("A tenant's name begins with a letter and has at most 32 of a-z, 0-9 and -.", path="name")
    for _ in range(ATTEMPTS):
        try:
            await store.get(Tenant, name, name)
        except NotFoundError:
            pass
        else:
            raise AlreadyExistsError(f"There is a tenant {name} already.", name=name)
        tenant, number = await numbered(store, name, wanted)
        try:
            await store.change(who, f"create tenant {name}", (number, Put(name, name, tenant, 0)))
        except ConflictError:
            continue
        return tenant
    raise UnavailableError("Others are creating tenants at this moment: try again.")


async def numbered(store: Store, name: str, wanted: Tenant) -> tuple[Tenant, Put]:
    """Return a tenant with the next free number, and what must be written with it so that nobody else gets that."""
    await check_new(store, name)
    last, version = await _last(store)
    if last >= MAX_UID:
        raise ExhaustedError(f"This cell has given out all {MAX_UID} numbers of tenants.")
    return replace(wanted, uid=last + 1), Put("", Numbers.TENANTS, Numbers(last=last + 1), version)


async def check_new(store: Store, name: str) -> None:
    """Refuse the name of a tenant that there was: whoever has a name may read its past, addresses lead below it.

    `AlreadyExistsError`, also where there is one now.
    """
    if await store.history(Tenant, name, name, limit=1):
        raise AlreadyExistsError(f"There is or was a tenant {name}: a name is not given twice.", name=name)


async def _last(store: Store) -> tuple[int, int]:
    """Return the last number that was given out, and the version of the record that says so."""
    try:
        record = await store.get(Numbers, "", Numbers.TENANTS)
    except NotFoundError:
        # Tenants may have been written as descriptors, with numbers of their own.
        tenants = await store.find(Tenant)
        return max((one.spec.uid for one in tenants), default=0), 0
    return record.spec.last, record.version
