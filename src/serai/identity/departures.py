"""What falls with an account or a tenant: written in the one transaction that ends it, so that nothing of it stays.

Of a tenant that has very much, what does not fit there goes by a task of the service that keeps tenants' things.

Somebody who gets the name later, as a user or as a tenant, starts with nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from serai.errors import NotFoundError
from serai.identity import sessions
from serai.identity.descriptors import Tenant
from serai.identity.directory import Directory
from serai.identity.hosts import HostKey
from serai.identity.people import Credentials, CustomRole, Invitation, Member, Reset, TokenUse, User
from serai.identity.people import Token as ApiToken
from serai.store import Delete, Spec, Store

HOST = "host"  # the kind, which the cloud declares, of what hosts' keys are for
AT_ONCE = 1000  # of what a tenant has, in the transaction that ends it


async def falling(
    store: Store, directory: Directory, kind: type[Spec], name: str, spec: Spec | None
) -> tuple[Delete, ...]:
    """Return what goes with a write (None: a delete): a disabled user's sessions; all that a deleted one had."""
    if kind is User:
        if isinstance(spec, User):
            return tuple(sessions.end_all(directory, name)) if spec.disabled else ()
        sealed = [Delete(one.KIND, "", name) for one in (Credentials, Reset) if await _is_there(store, one, name)]
        return (*_of_user(directory, name), *sealed)
    if kind.KIND == HOST and spec is None and directory.host(name) is not None:
        return (Delete(HostKey.KIND, "", name),)
    if kind is Tenant and spec is None:
        waiting = await store.find(Invitation, name, limit=AT_ONCE)
        invitations = [Delete(Invitation.KIND, name, one.name) for one in waiting]
        return tuple(islice((*_of_tenant(directory, name), *invitations), AT_ONCE))
    return ()


def token_falls(directory: Directory, tenant: str, name: str) -> Iterator[Delete]:
    """Yield what ends a token, and with it what is known of its use."""
    yield Delete(ApiToken.KIND, tenant, name)
    if directory.token_use(tenant, name) is not None:
        yield Delete(TokenUse.KIND, tenant, name)


def _of_user(directory: Directory, login: str) -> Iterator[Delete]:
    for tenant, name in directory.memberships(login):
        yield Delete(Member.KIND, tenant, name)
    for (tenant, name), _ in directory.tokens(login):
        yield from token_falls(directory, tenant, name)
    yield from sessions.end_all(directory, login)


def _of_tenant(directory: Directory, tenant: str) -> Iterator[Delete]:
    for name in directory.names(ApiToken, tenant):
        yield from token_falls(directory, tenant, name)
    for kind in (Member, CustomRole):
        for name in directory.names(kind, tenant):
            yield Delete(kind.KIND, tenant, name)


async def _is_there(store: Store, kind: type[Spec], name: str) -> bool:
    try:
        await store.get(kind, "", name)
    except NotFoundError:
        return False
    return True
