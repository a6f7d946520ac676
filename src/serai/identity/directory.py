"""Everybody who can be recognised, in memory: users, members, roles, tokens, sessions, hosts; kept by the change feed.

A request is recognised by look-ups in dictionaries. This process's own commits are seen at once, others' as soon as
the bus tells of them: a session that was ended here ends here with that very commit.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeVar

from serai.errors import NotFoundError, UnavailableError
from serai.identity.hosts import HostKey
from serai.identity.people import CustomRole, Member, Session, Token, TokenUse, User, same_address
from serai.identity.principals import Grant
from serai.identity.roles import ROLES
from serai.store import Change, Spec, Store, Transaction
from serai.store.codec import decode
from serai.store.contract import Holding

S = TypeVar("S", bound=Spec)
Key = tuple[str, str]  # tenant, name

_KINDS: dict[str, type[Spec]] = {
    kind.KIND: kind for kind in (User, Member, CustomRole, Token, TokenUse, Session, HostKey)
}
_PAGE = 1000


class Directory:
    """Follow the store's feed. `open` before anything is asked; ``version`` is another one after each change.

    ``is_open`` says that it is known who there is. Before that nobody is found, which proves nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.version = 0
        self.is_open = False
        self._number = 0
        self._held: dict[type[Spec], dict[Key, Any]] = {kind: {} for kind in _KINDS.values()}
        self._memberships: dict[str, set[Key]] = defaultdict(set)  # login to keys of Member
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Read all that there is, then follow. It may be called again where the store was away."""
        for held in self._held.values():
            held.clear()
        self._memberships.clear()
        self.version += 1
        self._number = await self._store.last_change()
        for kind in _KINDS.values():
            after = ""
            while page := await self._store.find(kind, after=after, limit=_PAGE):
                for record in page:
                    self._keep(kind, (record.tenant, record.name), record.spec)
                after = f"{page[-1].tenant}/{page[-1].name}"
        await self.follow()  # what was written meanwhile; what was seen already is the same again
        self._store.on_apply.append(self._applied)
        self.is_open = True

    def check_open(self) -> None:
        """Raise `UnavailableError` while nobody can tell who there is."""
        if not self.is_open:
            raise UnavailableError(
                "Nobody can be recognised yet: the platform's store did not answer since this began."
            )

    async def follow(self) -> None:
        """Take over what has changed since the last time."""
        async with self._turn:
            while page := await self._store.changes(self._number, _PAGE):
                for change in page:
                    self._take(change)
                self._number = page[-1].number

    def user(self, login: str) -> User | None:
        """Return a user."""
        return self._find(User, ("", login))

    def token(self, tenant: str, name: str) -> Token | None:
        """Return a token."""
        return self._find(Token, (tenant, name))

    def host(self, name: str) -> HostKey | None:
        """Return what proves a host; None also where that was revoked."""
        found = self._find(HostKey, ("", name))
        return found if found is not None and found.digest else None

    def token_use(self, tenant: str, name: str) -> TokenUse | None:
        """Return when a token was last used."""
        return self._find(TokenUse, (tenant, name))

    def session(self, name: str) -> Session | None:
        """Return a session."""
        return self._find(Session, ("", name))

    def sessions(self, login: str) -> Iterator[tuple[str, Session]]:
        """Yield the names and sessions of a user."""
        return ((key[1], one) for key, one in list(self._held[Session].items()) if one.user == login)

    def all_sessions(self) -> Iterator[tuple[str, Session]]:
        """Yield the names and sessions of everybody."""
        return ((key[1], one) for key, one in list(self._held[Session].items()))

    def tokens(self, login: str) -> Iterator[tuple[Key, Token]]:
        """Yield the keys and tokens of a user."""
        return ((key, one) for key, one in list(self._held[Token].items()) if one.user == login)

    def memberships(self, login: str) -> list[Key]:
        """Return the tenants and names of a user's memberships."""
        return sorted(self._memberships.get(login, ()))

    def names(self, kind: type[Spec], tenant: str) -> list[str]:
        """Return the names of one of the followed kinds in a tenant."""
        return sorted(key[1] for key in self._held[kind] if key[0] == tenant)

    def by_email(self, email: str) -> Iterator[str]:
        """Yield the logins with an address, compared in any case."""
        return (key[1] for key, one in list(self._held[User].items()) if same_address(one.email, email))

    def grants(self, login: str) -> tuple[Grant, ...]:
        """Return all that a user was granted, the actions of custom roles found."""
        return tuple(
            grant
            for tenant, name in sorted(self._memberships.get(login, ()))
            if (grant := self._grant(tenant, name)) is not None
        )

    def actions(self, tenant: str, role: str) -> tuple[str, ...]:
        """Return what a role allows in a tenant: a built-in one, the tenant's own, or the platform's.

        `NotFoundError` where there is none.
        """
        if role in ROLES:
            return tuple(ROLES[role])
        found = self._find(CustomRole, (tenant, role)) or self._find(CustomRole, ("", role))
        if found is None:
            raise NotFoundError("There is no such role.", role=role[:64])
        return found.actions

    def _grant(self, tenant: str, name: str) -> Grant | None:
        member = self._find(Member, (tenant, name))
        if member is None:
            return None
        try:
            actions = () if member.role in ROLES else self.actions(tenant, member.role)
        except NotFoundError:
            return None  # its role was deleted: it grants nothing
        return Grant(member.role, tenant, name.partition(":")[2], actions)

    def _find(self, kind: type[S], key: Key) -> S | None:
        found: S | None = self._held[kind].get(key)
        return found

    def _keep(self, kind: type[Spec], key: Key, spec: Spec | None) -> None:
        self.version += 1
        held = self._held[kind]
        if spec is None:
            held.pop(key, None)
        else:
            held[key] = spec
        if kind is Member:
            login = key[1].partition(":")[0]
            if spec is None:
                self._memberships[login].discard(key)
            else:
                self._memberships[login].add(key)

    def _take(self, change: Change) -> None:
        kind = _KINDS.get(change.kind)
        if kind is not None:
            spec = None if change.spec is None else decode(kind, change.schema, change.spec)
            self._keep(kind, (change.tenant, change.name), spec)

    # Ahead of the feed, which brings the same once more: nothing of these kinds is judged by its version.
    def _applied(self, transaction: Transaction, _done: object) -> None:
        for operation in transaction.operations:
            if isinstance(operation, Holding):
                continue
            spec = getattr(operation, "spec", None)
            kind = type(spec) if spec is not None else _KINDS.get(getattr(operation, "kind", ""))
            if kind in self._held:
                self._keep(kind, (operation.tenant, getattr(operation, "name", "")), spec)
