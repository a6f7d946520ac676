"""Deleted apps and releases, kept for a week: what brings one back, and what takes it away for good.

The descriptors' last versions are in the store's history; a `Trash` says which. An app's folders are moved aside on its
host, each by one rename, so that neither a kill nor a full disk leaves a half of one; a release's folder stays where it
is. Data that is kept counts against the tenant's quota. A task that is inserted with the deletion ends it all when the
week is over. Of tenants see `departing` and `returning`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Sequence

import msgspec
from msgspec.structs import replace

from serai.errors import AlreadyExistsError, ConflictError, InvalidError, NotFoundError, SeraiError
from serai.services.apps import addresses, hosts, quota
from serai.services.apps.addresses import Site
from serai.services.apps.checks import check_number
from serai.services.apps.descriptors import App, Domain, Release, Trash
from serai.services.apps.domains import check_free
from serai.services.apps.git.token import GitToken
from serai.services.apps.picture import Picture, again, everything, take
from serai.services.apps.rollout import task
from serai.services.apps.variables import Variables
from serai.store import Delete, Operation, Put, Record, Spec, Store
from serai.tasks.schedule import Schedule

KEPT = 7 * 86400.0  # seconds

_KINDS: dict[str, type[Spec]] = {
    kind.KIND: kind for kind in (App, Release, Domain, Variables, GitToken, Schedule, Trash)
}


class Returned(msgspec.Struct, frozen=True):
    """Something on its way back: its tasks, and sentences about what does not come back."""

    tasks: tuple[str, ...]
    notes: tuple[str, ...] = ()


def kept(
    picture: Picture,
    deletes: Sequence[Delete],
    who: str,
    now: float,
    *,
    host: str,
    data: bool,
    blobs: Collection[str] = (),
) -> tuple[str, tuple[Operation, ...]]:
    """Return the name under which a deleted app is kept on a host, and what is written with its deletion."""
    app = picture.app
    name = name_of(app.name)
    versions = {
        f"{one.kind}/{one.name}": one.expect for one in deletes if one.kind in _KINDS and one.expect is not None
    }
    trash = Trash(
        app=app.name,
        host=host,
        who=who,
        deleted=now,
        until=now + KEPT,
        data=data,
        versions=versions,
        blobs=tuple(sorted({*blobs, *(record.spec.blob for record in picture.releases.values())} - {""})),
        disk_mb=_room(picture) if data else 0,  # until it was measured
    )
    return name, written(picture.tenant, name, trash)


def kept_release(picture: Picture, record: Record[Release], who: str, now: float, host: str) -> tuple[Operation, ...]:
    """Return what is written with the deletion of a single release, which is kept on a host."""
    trash = Trash(
        what="release",
        app=picture.app.name,
        host=host,
        who=who,
        deleted=now,
        until=now + KEPT,
        data=False,
        versions={f"{Release.KIND}/{record.name}": record.version},
        blobs=(record.spec.blob,) if record.spec.blob else (),
    )
    return written(picture.tenant, name_of(record.name), trash)


def name_of(what: str) -> str:
    """Return a new name for something that is kept."""
    return f"{what}.{secrets.token_hex(4)}"


def written(tenant: str, name: str, trash: Trash) -> tuple[Operation, ...]:
    """Return what is written where something is kept: that it is, and what ends it in time."""
    end = task("apps.purge", App(host=trash.host), tenant, trash.app, trash=name)
    # In a channel of its own: it would keep the app's other tasks waiting for a week.
    later = replace(end, not_before=trash.until, channel=f"trash:{tenant}/{name}")
    return Put(tenant, name, trash, 0), later


def _room(picture: Picture) -> int:
    return max((one.spec.data_mb for one in picture.releases.values() if one.spec.processes), default=0)


async def find(store: Store, tenant: str, app: str, name: str = "", what: str = "app") -> Record[Trash]:
    """Return what is kept of a deleted app (tenant, release ``APP.NUMBER``) under a name, else the newest.

    `NotFoundError` where there is nothing.
    """
    found = [one for one in await everything(store, Trash, tenant, f"{app}.") if one.spec.what == what]
    found = [one for one in found if one.name.rpartition(".")[0] == app and name in {"", one.name}]
    if not found:
        raise NotFoundError(f"Nothing is kept of {what} {app[:64]}: it was not deleted, or too long ago.", app=app[:64])
    return max(found, key=lambda one: one.spec.deleted)


async def undelete(store: Store, site: Site, who: str, tenant: str, app: str, name: str = "") -> Returned:
    """Bring a deleted app back: its descriptors now, its folders and instances by the tasks that are returned.

    `AlreadyExistsError` where there is an app of that name by now, `ExhaustedError` where the quotas do not suffice,
    `ConflictError` where its folders are on a host that is gone. Domains that lead elsewhere by now stay away.
    """

    async def attempt() -> Returned | SeraiError:
        record = await find(store, tenant, app, name)
        if await hosts.is_gone(store, site, record.spec.host):
            return ConflictError(f"What is kept of {app} is on the host {record.spec.host}, which is gone.")
        follow = task("apps.undelete", App(host=record.spec.host), tenant, app, trash=record.name)
        if await _is_there(store, tenant, app):
            if record.spec.state == "kept":
                return AlreadyExistsError(f"There is an app {app} by now: delete or rename it first.", app=app)
            await store.change(who, f"bring {app} back", [follow])  # the task before it did not end well
            return Returned((follow.id,))
        puts, notes = await _past(store, site, tenant, record.spec)
        spec = next(one.spec for one in puts if isinstance(one.spec, App))
        returning = Put(tenant, record.name, replace(record.spec, state="returning"), record.version)
        releases = [one.spec for one in puts if isinstance(one.spec, Release)]
        room = await quota.admit(store, tenant, {}, coming={record.name: (spec, releases)})
        claims = _claims(site, tenant, spec, app, puts)
        await store.change(who, f"bring {app} back", [room, returning, *puts, *claims, follow])
        return Returned((follow.id,), tuple(notes))

    done = await again(attempt)
    if isinstance(done, SeraiError):
        raise done
    return done


async def undelete_release(store: Store, site: Site, who: str, tenant: str, app: str, number: int) -> Returned:
    """Bring a deleted release back: it answers at its own URL again.

    `AlreadyExistsError` where it is there, `NotFoundError` where nothing is kept of it, or its app is gone.
    """
    check_number(number)

    async def attempt() -> Returned | AlreadyExistsError:
        picture = await take(store, site, tenant, app)
        if number in picture.releases:
            return AlreadyExistsError(f"{app} has a release {number}.", release=number)
        record = await find(store, tenant, f"{app}.{number}", what="release")
        name = f"{app}.{number}"
        version = record.spec.versions[f"{Release.KIND}/{name}"]
        spec = await store.revision(Release, tenant, name, version)
        releases = {one: held.spec for one, held in picture.releases.items()} | {number: spec}
        wanted = addresses.routes(site, tenant, picture.app, releases, picture.domains)
        operations = [
            Put(tenant, app, picture.app.spec, picture.app.version),  # as it is: nobody deletes it at this moment
            Put(tenant, name, spec, 0),
            Delete(Trash.KIND, tenant, record.name, record.version),
            *addresses.changes(picture.routes, wanted),
        ]
        await store.change(who, f"bring release {number} of {app} back", operations)
        return Returned(())

    done = await again(attempt)
    if isinstance(done, AlreadyExistsError):
        raise done
    return done


async def purge(
    store: Store, site: Site, who: str, tenant: str, app: str, name: str, *, confirm: str
) -> tuple[str, ...]:
    """End what is kept of a deleted app; ``confirm`` repeats the app's name. Return the task that does it."""
    if confirm != app:
        raise InvalidError("Repeat the app's name to end what is kept of it.", path="confirm")
    record = await _named(store, tenant, app, name)
    if record.spec.state != "kept":
        raise ConflictError(f"{app} is on its way back.", app=app)
    host = await hosts.living(store, site, record.spec.host)
    end = task("apps.purge", App(host=host), tenant, app, trash=name)
    if host != record.spec.host:
        end = replace(end, channel=hosts.channel(tenant, app))
    await store.change(who, f"purge {name} of {app}", [Put(tenant, record.name, record.spec, record.version), end])
    return (end.id,)


async def _named(store: Store, tenant: str, app: str, name: str) -> Record[Trash]:
    record = await store.get(Trash, tenant, name)
    if record.spec.app != app or record.spec.what == "tenant":  # which is the platform's people's
        raise NotFoundError(f"Nothing is kept of {app[:64]} under that name.", app=app[:64])
    return record


async def _is_there(store: Store, tenant: str, app: str) -> bool:
    try:
        await store.get(App, tenant, app)
    except NotFoundError:
        return False
    return True


async def _past(store: Store, site: Site, tenant: str, trash: Trash) -> tuple[list[Put], list[str]]:
    """Return what writes an app's descriptors as they were, and sentences about what can't be had."""
    puts: list[Put] = []
    notes = []
    for key, version in trash.versions.items():
        kind, _, name = key.partition("/")
        try:
            if kind == Domain.KIND:
                await check_free(store, tenant, name)
            spec = await store.revision(_KINDS[kind], tenant, name, version)
            if isinstance(spec, Trash) and spec.until <= time.time():
                continue
        except (AlreadyExistsError, NotFoundError) as error:
            if kind == App.KIND:
                raise
            notes.append(f"{kind} {name} does not come back: {error.public}")
            continue
        if isinstance(spec, App) and await hosts.is_gone(store, site, spec.host):
            if spec.host:
                notes.append(f"Its host {spec.host} is gone, with its releases' files and its data: deploy it anew.")
            spec = replace(spec, host=site.host)
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
