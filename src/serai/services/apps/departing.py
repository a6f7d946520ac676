"""Tenants that are deleted: their apps go, with all data, and everything is kept for a week.

Each app is kept as if it had been deleted alone; a `Trash` of the platform names these and the tenant's own
descriptors. Tokens, sessions and invitations end for good. A tenant's name is not given twice, so that nobody else
comes to what is kept.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from msgspec.structs import replace

from serai.errors import AlreadyExistsError, ConflictError, ExhaustedError, InvalidError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.identity.people import CustomRole, Member, User
from serai.services.apps import trash
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import App, Need, Trash
from serai.services.apps.picture import again, everything, take
from serai.services.apps.removal import removing
from serai.services.apps.rollout import task
from serai.services.apps.trash import Returned
from serai.store import Delete, Operation, Put, Record, Spec, Store
from serai.tasks.schedule import Schedule

MAX_OPERATIONS = 9000  # of one transaction, some below what the store takes

_KINDS: dict[str, type[Spec]] = {kind.KIND: kind for kind in (Tenant, Member, CustomRole, Schedule)}


async def leaving(store: Store, site: Site, who: str, tenant: str, operations: Sequence[Operation]) -> list[Operation]:
    """Return all operations of a tenant's deletion, with what takes its apps away and keeps what can come back.

    `ExhaustedError` where that is too much for one transaction.
    """
    result: list[Operation] = []
    for record in await everything(store, App, tenant):
        result += await removing(store, await take(store, site, tenant, record.name), who, data=True)
    gone = {one.name for one in result if isinstance(one, Delete) and one.kind == Schedule.KIND}
    own = [Delete(Schedule.KIND, tenant, one.name) for one in await everything(store, Schedule, tenant)]
    own += [Delete(Need.KIND, tenant, one.name) for one in await everything(store, Need, tenant)]
    result = [*operations, *(one for one in own if one.name not in gone), *result]
    versions = {}
    for one in result:
        if isinstance(one, Delete) and one.kind in _KINDS and not (one.kind == Schedule.KIND and one.name in gone):
            versions[f"{one.kind}/{one.name}"] = (await store.get_any(one.kind, tenant, one.name)).version
    now = time.time()
    kept = Trash(
        what="tenant", app=tenant, host=site.host, who=who, deleted=now, until=now + trash.KEPT, data=True,
        versions=versions,
        parts=tuple(sorted(one.name for one in result if isinstance(one, Put) and isinstance(one.spec, Trash))),
    )  # fmt: skip
    result += trash.written("", trash.name_of(tenant), kept)
    if len(result) > MAX_OPERATIONS:
        raise ExhaustedError("It is too much to go at once: delete some of its apps first.", tenant=tenant)
    return result


async def undelete(store: Store, site: Site, who: str, tenant: str, name: str = "") -> Returned:
    """Bring a deleted tenant back with its people and apps; what was done before is not done again.

    `AlreadyExistsError` where it is there, `NotFoundError` where nothing is kept. Sentences tell what does not come.
    """
    record = await trash.find(store, "", tenant, name, what="tenant")
    notes = await _return_tenant(store, who, tenant, record) if record.spec.state == "kept" else []
    tasks: list[str] = []
    for part in record.spec.parts:
        try:
            app = (await store.get(Trash, tenant, part)).spec.app
            told = await trash.undelete(store, site, who, tenant, app, part)
        except (AlreadyExistsError, ExhaustedError, NotFoundError) as error:
            notes.append(f"{part} does not come back: {error.public}")
            continue
        tasks += told.tasks
        notes += told.notes
    latest = await store.get(Trash, "", record.name)
    done = Delete(Trash.KIND, "", record.name, latest.version)
    await store.change(who, f"tenant {tenant} is back", [done])
    return Returned(tuple(tasks), tuple(notes))


async def purge(store: Store, who: str, tenant: str, name: str, *, confirm: str) -> tuple[str, ...]:
    """End what is kept of a deleted tenant; ``confirm`` repeats its name. Return the tasks that do it."""
    if confirm != tenant:
        raise InvalidError("Repeat the tenant's name to end what is kept of it.", path="confirm")
    record = await store.get(Trash, "", name)
    if record.spec.what != "tenant" or record.spec.app != tenant:
        raise NotFoundError(f"Nothing is kept of {tenant[:64]} under that name.", tenant=tenant[:64])
    if record.spec.state != "kept":
        raise ConflictError(f"{tenant} is on its way back.", tenant=tenant)
    tasks: list[str] = []
    for part in record.spec.parts:
        try:
            app = (await store.get(Trash, tenant, part)).spec.app
        except NotFoundError:
            continue  # it went alone
        tasks += await trash.purge(store, who, tenant, app, part, confirm=app)
    end = task("apps.purge", App(host=record.spec.host), "", tenant, trash=name)
    await store.change(who, f"purge tenant {tenant}", [Put("", name, record.spec, record.version), end])
    return (*tasks, end.id)


async def _return_tenant(store: Store, who: str, tenant: str, record: Record[Trash]) -> list[str]:
    async def attempt() -> list[str] | AlreadyExistsError:
        try:
            await store.get(Tenant, tenant, tenant)
        except NotFoundError:
            pass
        else:
            return AlreadyExistsError(f"There is a tenant {tenant}.", tenant=tenant)
        puts: list[Operation] = []
        notes = []
        for key, version in record.spec.versions.items():
            kind, _, name = key.partition("/")
            if kind == Member.KIND and not await _same_user(store, name.partition(":")[0], record.spec.deleted):
                notes.append(f"member {name} does not come back: that user was deleted.")
                continue
            puts.append(Put(tenant, name, await store.revision(_KINDS[kind], tenant, name, version), 0))
        puts.append(Put("", record.name, replace(record.spec, state="returning"), record.version))
        await store.change(who, f"bring tenant {tenant} back", puts)
        return notes

    done = await again(attempt)
    if isinstance(done, AlreadyExistsError):
        raise done
    return done


async def _same_user(store: Store, login: str, since: float) -> bool:
    """Tell whether a user is who they were: somebody else may have the login by now."""
    try:
        await store.get(User, "", login)
    except NotFoundError:
        return False
    past = await store.history(User, "", login, limit=1000)
    return not any(one.deleted and one.when >= since for one in past) and len(past) < 1000
