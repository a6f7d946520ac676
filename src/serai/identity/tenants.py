"""How a tenant comes to be: with a name and a number that no other ever had."""

from __future__ import annotations

from collections.abc import AsyncIterator

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
from serai.store import Put, Spec, Store

#: User IDs are given out of blocks of 65,536 per home, the first 1,000 of which are the platform's own.
MAX_UID = 64_000
_PAGE = 1000
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
    # Tenants may have been written as descriptors, with numbers of their own.
    held = {uid async for _, uid in _numbers(store)}
    number = next((one for one in range(last + 1, MAX_UID + 1) if one not in held), 0)
    if not number:
        raise ExhaustedError(f"This cell has given out all {MAX_UID} numbers of tenants.")
    return replace(wanted, uid=number), Put("", Numbers.TENANTS, Numbers(last=number), version)


async def with_number(store: Store, name: str, wanted: Tenant, known: Spec | None) -> tuple[Put, ...]:
    """Return what must be written with a tenant's descriptor, so that nobody else gets its number.

    For one that there is already any number but its own is refused: its files belong to it. For a new one, whose name
    must be new as well, those that were given out are: `AlreadyExistsError`.
    """
    if isinstance(known, Tenant):
        if known.uid != wanted.uid:
            raise InvalidError("A tenant's number is given once, and stays.", path="$.uid")
        return ()
    await check_new(store, name)
    if not 0 <= wanted.uid <= MAX_UID:
        raise InvalidError(f"A tenant's number is at most {MAX_UID}.", path="$.uid")
    last, version = await _last(store)
    if wanted.uid <= last:
        raise AlreadyExistsError(f"The numbers up to {last} were given out: take a greater one.", path="$.uid")
    return (Put("", Numbers.TENANTS, Numbers(last=wanted.uid), version),)


async def check_new(store: Store, name: str) -> None:
    """Refuse the name of a tenant that there was: whoever has a name may read its past, addresses lead below it.

    `AlreadyExistsError`, also where there is one now.
    """
    if await store.history(Tenant, name, name, limit=1):
        raise AlreadyExistsError(
            f"There is or was a tenant {name}: a name is not given twice (see `serai undelete`).", name=name
        )


async def _last(store: Store) -> tuple[int, int]:
    """Return the last number that was given out, and the version of the record that says so."""
    try:
        record = await store.get(Numbers, "", Numbers.TENANTS)
    except NotFoundError:
        return max([uid async for _, uid in _numbers(store)], default=0), 0
    return record.spec.last, record.version


async def _numbers(store: Store) -> AsyncIterator[tuple[str, int]]:
    """Yield the names and numbers of all tenants."""
    after = ""
    while page := await store.find(Tenant, after=after, limit=_PAGE):
        for one in page:
            yield one.name, one.spec.uid
        after = f"{page[-1].tenant}/{page[-1].name}"
