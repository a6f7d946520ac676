"""What an application of text would change: read, checked and authorised one by one, and nothing written.

Whoever applies needs for each single descriptor what they would need if they wrote it alone, and to read what they
change. What the text says already is no change, and needs the reading only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from serai.api.desk import Desk
from serai.api.export import exported
from serai.api.kinds import MAX_SPEC, Kinds, check_name, convert
from serai.errors import DeniedError, InvalidError, NotFoundError
from serai.identity import Principal, Target, authorize
from serai.identity.authorize import check_gift
from serai.identity.descriptors import Tenant
from serai.identity.gifts import check_given, check_taken
from serai.identity.people import CustomRole, Member, User
from serai.store import Record, Spec, Store

MAX_ITEMS = 2000


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One descriptor that is wanted, in whole."""

    kind: Annotated[str, Meta(max_length=64)]
    name: Annotated[str, Meta(max_length=400)]
    spec: dict[str, Any]


class Planned(msgspec.Struct, frozen=True):
    """One write: ``before`` is what is there, None for nothing; ``spec`` what comes, None for a delete."""

    kind: type[Spec]
    name: str
    before: Record[Spec] | None
    spec: Spec | None

    @property
    def key(self) -> str:
        """Return what it is known by within its tenant."""
        return f"{self.kind.KIND}/{self.name}"

    @property
    def version(self) -> int:
        """Return the version that the write is bound to, 0 where nothing must be there."""
        return self.before.version if self.before else 0


class Planner:
    """Plan for one tenant on behalf of one principal."""

    def __init__(
        self, store: Store, kinds: Kinds, desk: Desk, principal: Principal, tenant: str, users: Collection[str] = ()
    ) -> None:
        self._users = users  # taken for there
        self._store = store
        self._kinds = kinds
        self._desk = desk
        self._principal = principal
        self._tenant = tenant

    async def plan(self, items: Sequence[Item], *, prune: bool) -> list[Planned]:
        """Return the writes, by kind and name; with ``prune`` what the text does not name goes."""
        if len(items) > MAX_ITEMS:
            raise InvalidError(f"At most {MAX_ITEMS} descriptors of a tenant are applied at once.", path="items")
        await self._desk.directory.follow()
        planned: dict[str, Planned] = {}
        for item in items:
            one = await self._item(item)
            if one.key in planned:
                raise InvalidError(f"{one.key} is there twice.", path=one.key)
            planned[one.key] = one
        await self._check_tenant(planned.values())
        changes = [one for one in planned.values() if one.before is None or one.spec != one.before.spec]
        changes += await self._surplus(planned.keys()) if prune else []
        roles = {one.name: one.spec for one in changes if isinstance(one.spec, CustomRole)}
        changed = {one.key for one in changes}
        for one in (*planned.values(), *changes):
            self._authorize(one, writes=one.key in changed)
        for one in changes:
            self._check_given(one, roles)
        return sorted(changes, key=lambda one: one.key)

    async def _item(self, item: Item) -> Planned:
        where = f"{item.kind}/{item.name}"
        try:
            kind = self._kinds.get(item.kind)
            _check_place(kind, self._tenant, item.name)
            before = await self._before(kind, item.name)
            spec = convert(kind, {**item.spec, **_derived(kind, item.spec, before)})
            _check_owner(spec, self._tenant, item.name)
            known = before.spec if before else None
            return Planned(kind, item.name, before, spec.at_rest(self._desk.keyring, self._tenant, item.name, known))
        except (InvalidError, NotFoundError) as error:
            path = str(error.fields.get("path", "")).removeprefix("$").lstrip(".")
            raise InvalidError(error.public, path=f"{where}: {path}" if path else where) from error

    async def _before(self, kind: type[Spec], name: str) -> Record[Spec] | None:
        try:
            return await self._store.get(kind, self._tenant, name)
        except NotFoundError:
            return None

    async def _check_tenant(self, planned: Iterable[Planned]) -> None:
        if self._tenant and not any(one.kind is Tenant for one in planned):
            await self._store.get(Tenant, self._tenant, self._tenant)

    async def _surplus(self, named: Iterable[str]) -> list[Planned]:
        """Return what the text does not name; the tenant itself never goes like that."""
        keys = set(named)
        return [
            one
            for kind in self._kinds
            if kind is not Tenant
            for record in await exported(self._store, kind, self._tenant)
            if (one := Planned(kind, record.name, record, None)).key not in keys
        ]

    def _authorize(self, one: Planned, *, writes: bool) -> None:
        """Ask for the write as if it came alone, also where an app's thing leaves another app, and for the reading.

        Reading is asked for in any case: that something is no change tells what is there.
        """
        specs = [spec for spec in (one.before.spec if one.before else None, one.spec) if spec is not None]
        for spec in specs:
            kind = one.kind.KIND
            target = Target(tenant=self._tenant, app=spec.app_of(one.name), kind=kind, name=one.name)
            actions = spec.needs("delete" if one.spec is None else "write") if writes else ()
            for action in dict.fromkeys((self._kinds.action(kind, "{kind}.read"), *actions)):
                try:
                    authorize(self._principal, action, target, self._desk.audit)
                except DeniedError as error:
                    raise DeniedError(f"{one.key}: {error.public}", **error.fields) from error

    def _check_given(self, one: Planned, roles: dict[str, CustomRole]) -> None:
        """Refuse what may not be given; a membership may name a role that comes with it."""
        if one.spec is None:
            check_taken(self._desk.directory, self._principal, one.kind, self._tenant, one.name)
            return
        directory, giver, spec = self._desk.directory, self._principal, one.spec
        login, _, app = one.name.partition(":")
        comes = isinstance(spec, Member) and (spec.role in roles or login in self._users)
        if not comes or not isinstance(spec, Member):
            check_given(directory, giver, self._tenant, one.name, spec)
            return
        if directory.user(login) is None and login not in self._users:
            raise InvalidError("There is no such user: invite them.", path=one.key)
        actions = roles[spec.role].actions if spec.role in roles else directory.actions(self._tenant, spec.role)
        check_gift(giver, actions, Target(tenant=self._tenant, app=app))


def _derived(kind: type[Spec], given: dict[str, Any], before: Record[Spec] | None) -> dict[str, Any]:
    """Return the fields that the platform says itself, as they are now."""
    derived = kind.derived(given)
    for name in derived:
        if name in given:
            raise InvalidError("The platform says that itself.", path=name)
    if len(msgspec.json.encode(given)) > MAX_SPEC:
        raise InvalidError(f"A descriptor has at most {MAX_SPEC} octets.")
    if before is None:
        return dict(derived)
    return {name: msgspec.to_builtins(getattr(before.spec, name)) for name in derived}


def _check_owner(spec: Spec, tenant: str, name: str) -> None:
    if not tenant and spec.app_of(name):
        raise InvalidError("Apps and what is theirs belong to a tenant.")


def _check_place(kind: type[Spec], tenant: str, name: str) -> None:
    check_name(kind, name)
    if kind.EXPORTED is None or not kind.EXPORTED.match(name):
        raise InvalidError("The platform derives that itself.")
    if kind is Tenant and name != tenant:
        raise InvalidError("A tenant's descriptor lives under its own name.")
    if kind is User and tenant:
        raise InvalidError("Users belong to the platform, not to a tenant.")
