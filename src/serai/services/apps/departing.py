"""Tenants that are deleted: their apps go, with all data, and everything is kept for a week.

Each app is kept as if it had been deleted alone; a `Trash` of the platform names these and the tenant's own
descriptors. Tokens, sessions and invitations end for good. A tenant's name is not given twice, so that nobody else
comes to what is kept. How one comes back is in `returning`.

The transaction that deletes the tenant takes as much along as fits. From then on the store takes nothing new into it,
and a task takes away what is left, some at a time: the rest of a large tenant, or what somebody made at that moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from serai.cloud.descriptors import Instance
from serai.errors import NotFoundError
from serai.identity.descriptors import Tenant
from serai.identity.people import CustomRole, Invitation, Member, Token, TokenUse
from serai.services.apps import trash
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import App, Domain, Need, Release, Trash
from serai.services.apps.git.token import GitToken
from serai.services.apps.picture import again, everything, take
from serai.services.apps.removal import removing
from serai.services.apps.rollout import task
from serai.services.apps.variables import Variables
from serai.store import Delete, Operation, Put, Spec, Store
from serai.tasks.schedule import Schedule

ROOM = 3000  # operations of one transaction; a single app may take more
REST = 500  # descriptors that are no app's, of one transaction: what is kept of them fits into one descriptor

#: What comes back with a tenant, besides its apps.
RETURNING: dict[str, type[Spec]] = {kind.KIND: kind for kind in (Tenant, Member, CustomRole, Schedule)}
_ENDING: tuple[type[Spec], ...] = (Token, TokenUse, Invitation, Need, Instance, Release, Domain, Variables, GitToken)


class Step(msgspec.Struct, frozen=True):
    """Some of a tenant's things that go together; ``whole``: after them nothing is left."""

    operations: list[Operation]
    whole: bool

    @property
    def parts(self) -> tuple[str, ...]:
        """Return what apps are kept as."""
        return tuple(
            sorted(one.name for one in self.operations if isinstance(one, Put) and isinstance(one.spec, Trash))
        )


async def leaving(store: Store, site: Site, who: str, tenant: str, operations: Sequence[Operation]) -> list[Operation]:
    """Return all operations of a tenant's deletion, with what takes its apps away and keeps what can come back."""
    step = await _step(store, site, who, tenant, operations)
    now, name = time.time(), trash.name_of(tenant)
    kept = Trash(
        what="tenant", app=tenant, host=site.host, who=who, deleted=now, until=now + trash.KEPT, data=True,
        versions=await _versions(store, tenant, [*operations, *step.operations]), parts=step.parts,
        state="kept" if step.whole else "leaving",
    )  # fmt: skip
    # Also where nothing seems to be left: somebody may make an app at this very moment.
    rest = task("apps.leave", App(host=site.host), "", tenant, trash=name)
    return [*operations, *step.operations, *trash.written("", name, kept), rest]


async def leave(store: Store, site: Site, who: str, tenant: str, name: str) -> int:
    """Take away what a deleted tenant still has and keep it with the rest; return how many steps that took.

    ``name`` is what the tenant is kept as. A kill is made up for by doing it again; it may be done twice at once. A
    tenant that is on its way back is left as it is.
    """
    steps = 0

    async def attempt() -> bool:
        try:
            record = await store.get(Trash, "", name)
        except NotFoundError:
            return False
        if record.spec.state == "returning":
            return False
        step = await _step(store, site, who, tenant, ())
        state = "kept" if step.whole else "leaving"
        parts = (*record.spec.parts, *step.parts)
        keep: list[Operation] = []
        if versions := await _versions(store, tenant, step.operations):
            rest = trash.name_of(tenant)
            parts = (*parts, rest)
            spec = replace(record.spec, what="rest", versions=versions, parts=(), data=False, state="kept")
            keep += trash.written(tenant, rest, spec)
        after = replace(record.spec, parts=parts, state=state)
        if step.operations or after != record.spec:
            # The record is bound to its version: nothing of a tenant goes that somebody brings back at this moment.
            write = Put("", name, after, record.version)
            await store.change(who, f"delete tenant {tenant}", [*step.operations, *keep, write])
        return not step.whole

    while await again(attempt):
        steps += 1
    return steps


async def _step(store: Store, site: Site, who: str, tenant: str, besides: Sequence[Operation]) -> Step:
    """Return what goes next, where ``besides`` goes anyhow."""
    result: list[Operation] = []
    for record in await everything(store, App, tenant):
        gone = await removing(store, await take(store, site, tenant, record.name), who, data=True)
        if result and len(besides) + len(result) + len(gone) > ROOM:
            return Step(result, whole=False)
        result += gone
    taken = {(one.kind, one.name) for one in (*besides, *result) if isinstance(one, Delete)}
    rest: list[Operation] = []
    for kind in _kinds(store):
        for one in await store.find(kind, tenant, limit=min(REST + 1 + len(taken), 10_000)):
            if (kind.KIND, one.name) in taken:
                continue
            if len(rest) == REST:
                return Step([*rest, *result], whole=False)
            rest.append(Delete(kind.KIND, tenant, one.name, one.version))
    return Step([*rest, *result], whole=True)


def _kinds(store: Store) -> Iterable[type[Spec]]:
    """Return every kind of which a tenant may have something that goes with it, besides itself and its apps."""
    found = {kind.KIND: kind for kind in (*RETURNING.values(), *_ENDING, *store.kinds)}
    return [kind for kind in found.values() if kind not in {Tenant, App} and not kind.OUTLIVES]


async def _versions(store: Store, tenant: str, gone: Iterable[Operation]) -> dict[str, int]:
    """Return the versions of what comes back with the tenant; its apps' schedules come with them."""
    apps = tuple(f"{one.name}." for one in gone if isinstance(one, Delete) and one.kind == App.KIND)
    versions = {}
    for one in gone:
        if not isinstance(one, Delete) or one.kind not in RETURNING:
            continue
        if one.kind == Schedule.KIND and apps and one.name.startswith(apps):
            continue
        found = one.expect or (await store.get_any(one.kind, tenant, one.name)).version
        versions[f"{one.kind}/{one.name}"] = found
    return versions
