"""Seal variables and deploy tokens anew: what an older key sealed, and what older code left plain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from serai.errors import ConflictError, NotFoundError, UnavailableError
from serai.identity.seal import Keyring, is_sealed
from serai.services.apps.git import token
from serai.services.apps.git.token import GitToken
from serai.services.apps.variables import Variables, about_of
from serai.store import Spec, Store

_PAGE = 500
_TRIES = 10
#: From what is stored, of a tenant's app, to what is to be stored instead; None where that is as it should be.
Renew = Callable[[Any, Keyring, str, str], Spec | None]


async def reseal(store: Store, keyring: Keyring, who: str) -> int:
    """Seal all variables' values and all tokens with the newest key; return how many descriptors were written.

    Nothing that runs notices. `UnavailableError` where the key file lacks the key of one: the rest is left as it is.
    """
    return await _all(store, keyring, who, Variables, _variables) + await _all(store, keyring, who, GitToken, _token)


async def _all(store: Store, keyring: Keyring, who: str, kind: type[Spec], renew: Renew) -> int:
    count, after = 0, ""
    while page := await store.find(kind, after=after, limit=_PAGE):
        after = f"{page[-1].tenant}/{page[-1].name}"
        for record in page:
            count += await _one(store, keyring, who, kind, renew, (record.tenant, record.name))
    return count


async def _one(store: Store, keyring: Keyring, who: str, kind: type[Spec], renew: Renew, key: tuple[str, str]) -> bool:
    for _ in range(_TRIES):
        try:
            record = await store.get(kind, *key)
        except NotFoundError:
            return False  # deleted meanwhile
        new = renew(record.spec, keyring, *key)
        if new is None:
            return False
        try:
            await store.put(who, "sealed with a new key", *key, new, expect=record.version)
        except ConflictError:
            continue  # changed meanwhile: by now it may be sealed with the new key
        return True
    raise UnavailableError(f"The secrets of {key[1]} change all the time: try again.")


def _variables(spec: Variables, keyring: Keyring, tenant: str, app: str) -> Spec | None:
    if not any(not is_sealed(value) or keyring.stale(value) for value in spec.values.values()):
        return None
    values = {
        name: keyring.seal(value, about_of(tenant, app, name, shown=name in spec.shown))
        for name, value in spec.opened(keyring, tenant, app).items()
    }
    return replace(spec, values=values)


def _token(spec: GitToken, keyring: Keyring, tenant: str, app: str) -> Spec | None:
    if is_sealed(spec.token) and not keyring.stale(spec.token):
        return None
    about = token.about_of(tenant, app, spec.host)
    plain = keyring.unseal(spec.token, about) if is_sealed(spec.token) else spec.token
    return replace(spec, token=keyring.seal(plain, about))
