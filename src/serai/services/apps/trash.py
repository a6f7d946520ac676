"""Deleted apps, kept for a week: what brings one back, and what takes it away for good.

The descriptors' last versions are in the store's history; a `Trash` says which. The folders are moved aside on the
app's host, each by one rename, so that neither a kill nor a full disk leaves a half of one. They do not count against
the tenant's quotas. A task that is inserted with the deletion ends it all when the week is over.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from serai.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError
from serai.services.apps import addresses, quota
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import App, Domain, Release, Trash
from serai.services.apps.domains import check_free
from serai.services.apps.git.token import GitToken
from serai.services.apps.picture import Picture, again, everything
from serai.services.apps.rollout import task
from serai.services.apps.variables import Variables
from serai.store import Delete, Operation, Put, Record, Spec, Store
from serai.tasks.schedule import Schedule

KEPT = 7 * 86400.0  # seconds

_KINDS: dict[str, type[Spec]] = {kind.KIND: kind for kind in (App, Release, Domain, Variables, GitToken, Schedule)}


class Returned(msgspec.Struct, frozen=True):
    """An app on its way back: its tasks, and sentences about what does not come back."""

    tasks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def kept(
    picture: Picture, deletes: Sequence[Delete], who: str, now: float, *, data: bool
) -> tuple[str, tuple[Operation, ...]]:
    """Return the name under which a deleted app is kept, and what is written with its deletion."""
    app = picture.app
    name = f"{app.name}.{secrets.token_hex(4)}"
    versions = {
        f"{one.kind}/{one.name}": one.expect for one in deletes if one.kind in _KINDS and one.expect is not None
    }
    trash = Trash(
        app=app.name,
        host=app.spec.host or picture.site.host,
        who=who,
        deleted=now,
        until=now + KEPT,
        data=data,
        versions=versions,
        blobs=tuple(sorted({record.spec.blob for record in picture.releases.values()} - {""})),
    )
    end = task("apps.purge", app.spec, picture.tenant, app.name, trash=name)
    # In a channel of its own: it would keep the app's other tasks waiting for a week.
    later = replace(end, not_before=trash.until, channel=f"trash:{picture.tenant}/{name}")
    return name, (Put(picture.tenant, name, trash, 0), later)


async def find(store: Store, tenant: str, app: str, name: str = "") -> Record[Trash]:
    """Return what is kept of a deleted app under a name, else the newest; `NotFoundError` where there is nothing."""
    found = [one for one in await everything(store, Trash, tenant, f"{app}.") if one.spec.app == app]
    found = [one for one in found if name in {"", one.name}]
    if not found:
        raise NotFoundError(f"Nothing is kept of an app {app[:64]}: it was not deleted, or too long ago.", app=app[:64])
    return max(found, key=lambda one: one.spec.deleted)


async def undelete(store: Store, site: Site, who: str, tenant: str, app: str, name: str = "") -> Returned:
    """Bring a deleted app back: its descriptors now, its folders and instances by the tasks that are returned.

    `AlreadyExistsError` where there is an app of that name by now, `ExhaustedError` where the quotas do not suffice.
    Domains that lead elsewhere by now stay away.
    """

    async def attempt() -> Returned | AlreadyExistsError:
        record = await find(store, tenant, app, name)
        follow = task("apps.undelete", App(host=record.spec.host), tenant, app, trash=record.name)
        if await _is_there(store, tenant, app):
            if record.spec.state == "kept":
                return AlreadyExistsError(f"There is an app {app} by now: delete or rename it first.", app=app)
            await store.change(who, f"bring {app} back", [follow])  # the task before it did not end well
            return Returned((follow.id,))
        puts, notes = await _past(store, tenant, record.spec)
        spec = next(one.spec for one in puts if isinstance(one.spec, App))
        returning = Put(tenant, record.name, replace(record.spec, state="returning"), record.version)
        room = await quota.admit(store, tenant, {app: spec})
        claims = _claims(site, tenant, spec, app, puts)
        await store.change(who, f"bring {app} back", [room, returning, *puts, *claims, follow])
        return Returned((follow.id,), tuple(notes))

    done = await again(attempt)
    if isinstance(done, AlreadyExistsError):
        raise done
    return done


async def purge(store: Store, who: str, tenant: str, app: str, name: str, *, confirm: str) -> tuple[str, ...]:
    """End what is kept of a deleted app; ``confirm`` repeats the app's name. Return the task that does it."""
    if confirm != app:
        raise InvalidError("Repeat the app's name to end what is kept of it.", path="confirm")
    record = await find(store, tenant, app, name)
    if record.spec.state != "kept":
        raise ConflictError(f"{app} is on its way back.", app=app)
    end = task("apps.purge", App(host=record.spec.host), tenant, app, trash=record.name)
    await store.change(who, f"purge {name} of {app}", [Put(tenant, record.name, record.spec, record.version), end])
    return (end.id,)


async def _is_there(store: Store, tenant: str, app: str) -> bool:
    try:
        await store.get(App, tenant, app)
    except NotFoundError:
        return False
    return True


async def _past(store: Store, tenant: str, trash: Trash) -> tuple[list[Put], list[str]]:
    """Return what writes an app's descriptors as they were, and sentences about what can't be had."""
    puts: list[Put] = []
    notes = []
    for key, version in trash.versions.items():
        kind, _, name = key.partition("/")
        try:
            if kind == Domain.KIND:
                await check_free(store, tenant, name)
            spec = await store.revision(_KINDS[kind], tenant, name, version)
        except (AlreadyExistsError, NotFoundError) as error:
            if kind == App.KIND:
                raise
            notes.append(f"{kind} {name} does not come back: {error.public}")
            continue
        puts.append(Put(tenant, name, spec, 0))
    return puts, notes


def _claims(site: Site, tenant: str, spec: Spec, app: str, puts: Sequence[Put]) -> tuple[Operation, ...]:
    """Return the Routes of the domains, which nobody else may take while the folders are on their way."""
    if not isinstance(spec, App):
        return ()
    domains: list[Record[Domain]] = [
        Record(Domain.KIND, tenant, one.name, 0, 0, one.spec) for one in puts if isinstance(one.spec, Domain)
    ]
    bare = Record(App.KIND, tenant, app, 0, 0, replace(spec, live={}))
    return addresses.changes({}, addresses.routes(site, tenant, bare, {}, domains))
