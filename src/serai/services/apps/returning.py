"""Deleted tenants that come back as they were, or are ended for good; see `departing` for how they are kept."""

from __future__ import annotations

from msgspec.structs import replace

from serai.errors import AlreadyExistsError, ConflictError, ExhaustedError, InvalidError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.identity.people import Member, User
from serai.services.apps import hosts, trash
from serai.services.apps.addresses import Site
from serai.services.apps.departing import RETURNING, leave
from serai.services.apps.descriptors import App, Trash
from serai.services.apps.picture import again
from serai.services.apps.rollout import task
from serai.services.apps.trash import Returned
from serai.store import Delete, Operation, Put, Record, Store


async def undelete(store: Store, site: Site, who: str, tenant: str, name: str = "") -> Returned:
    """Bring a deleted tenant back with its people and apps; what was done before is not done again.

    `AlreadyExistsError` where it is there, `NotFoundError` where nothing is kept. Sentences tell what does not come.
    """
    record = await trash.find(store, "", tenant, name, what="tenant")
    if record.spec.state != "returning":
        await leave(store, site, who, tenant, record.name)  # all of it, first: what ends with a tenant stays ended
        record = await store.get(Trash, "", record.name)
    notes = await _return_tenant(store, who, tenant, record) if record.spec.state != "returning" else []
    tasks: list[str] = []
    for part in record.spec.parts:
        try:
            kept = await store.get(Trash, tenant, part)
            if kept.spec.what == "rest":
                notes += await _return_rest(store, who, tenant, kept)
                continue
            told = await trash.undelete(store, site, who, tenant, kept.spec.app, part)
        except (AlreadyExistsError, ConflictError, ExhaustedError, NotFoundError) as error:
            notes.append(f"{part} does not come back: {error.public}")
            continue
        tasks += told.tasks
        notes += told.notes
    latest = await store.get(Trash, "", record.name)
    done = Delete(Trash.KIND, "", record.name, latest.version)
    await store.change(who, f"tenant {tenant} is back", [done])
    return Returned(tuple(tasks), tuple(notes))


async def purge(store: Store, site: Site, who: str, tenant: str, name: str, *, confirm: str) -> tuple[str, ...]:
    """End what is kept of a deleted tenant; ``confirm`` repeats its name. Return the tasks that do it."""
    if confirm != tenant:
        raise InvalidError("Repeat the tenant's name to end what is kept of it.", path="confirm")
    record = await store.get(Trash, "", name)
    if record.spec.what != "tenant" or record.spec.app != tenant:
        raise NotFoundError(f"Nothing is kept of {tenant[:64]} under that name.", tenant=tenant[:64])
    if record.spec.state == "returning":
        raise ConflictError(f"{tenant} is on its way back.", tenant=tenant)
    await leave(store, site, who, tenant, name)
    record = await store.get(Trash, "", name)
    tasks: list[str] = []
    for part in record.spec.parts:
        try:
            app = (await store.get(Trash, tenant, part)).spec.app
        except NotFoundError:
            continue  # it went alone
        tasks += await trash.purge(store, site, who, tenant, app, part, confirm=app)
    end = task("apps.purge", App(host=await hosts.living(store, site, record.spec.host)), "", tenant, trash=name)
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
        puts, notes = await _past(store, tenant, record.spec)
        puts.append(Put("", record.name, replace(record.spec, state="returning"), record.version))
        await store.change(who, f"bring tenant {tenant} back", puts)
        return notes

    done = await again(attempt)
    if isinstance(done, AlreadyExistsError):
        raise done
    return done


async def _return_rest(store: Store, who: str, tenant: str, record: Record[Trash]) -> list[str]:
    """Bring back what did not fit beside the tenant; once it did, nothing is kept of it."""
    puts, notes = await _past(store, tenant, record.spec)
    gone = Delete(Trash.KIND, tenant, record.name, record.version)
    await store.change(who, f"bring the rest of tenant {tenant} back", [*puts, gone])
    return notes


async def _past(store: Store, tenant: str, kept: Trash) -> tuple[list[Operation], list[str]]:
    """Return what writes descriptors as they were, and sentences about those that can't be had."""
    puts: list[Operation] = []
    notes = []
    for key, version in kept.versions.items():
        kind, _, name = key.partition("/")
        if kind == Member.KIND and not await _same_user(store, name.partition(":")[0], kept.deleted):
            notes.append(f"member {name} does not come back: that user was deleted.")
            continue
        puts.append(Put(tenant, name, await store.revision(RETURNING[kind], tenant, name, version), 0))
    return puts, notes


async def _same_user(store: Store, login: str, since: float) -> bool:
    """Tell whether a user is who they were: somebody else may have the login by now."""
    try:
        await store.get(User, "", login)
    except NotFoundError:
        return False
    past = await store.history(User, "", login, limit=1000)
    return not any(one.deleted and one.when >= since for one in past) and len(past) < 1000
