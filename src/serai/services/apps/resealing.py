"""Seal variables anew: what an older key sealed, and what older code left plain."""

from __future__ import annotations

from serai.errors import ConflictError, NotFoundError, UnavailableError
from serai.identity.seal import Keyring, is_sealed
from serai.services.apps.variables import Variables, about_of
from serai.store import Store

_PAGE = 500
_TRIES = 10


async def reseal(store: Store, keyring: Keyring, who: str) -> int:
    """Seal all variables' values with the newest key; return how many apps' were written.

    Nothing that runs notices. `UnavailableError` where the key file lacks the key of one: the rest is left as it is.
    """
    count, after = 0, ""
    while page := await store.find(Variables, after=after, limit=_PAGE):
        after = f"{page[-1].tenant}/{page[-1].name}"
        for record in page:
            count += await _reseal(store, keyring, who, record.tenant, record.name)
    return count


async def _reseal(store: Store, keyring: Keyring, who: str, tenant: str, app: str) -> bool:
    for _ in range(_TRIES):
        try:
            record = await store.get(Variables, tenant, app)
        except NotFoundError:
            return False  # deleted meanwhile
        spec = record.spec
        if not any(not is_sealed(value) or keyring.stale(value) for value in spec.values.values()):
            return False
        values = {
            name: keyring.seal(value, about_of(tenant, app, name, shown=name in spec.shown))
            for name, value in spec.opened(keyring, tenant, app).items()
        }
        try:
            await store.put(
                who, "sealed with a new key", tenant, app, Variables(values=values, shown=spec.shown),
                expect=record.version,
            )  # fmt: skip
        except ConflictError:
            continue  # changed meanwhile: by now it may be sealed with the new key
        return True
    raise UnavailableError(f"The variables of {app} change all the time: try again.")
