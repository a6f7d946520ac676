"""What a tenant's apps may use together: memory and processes of their instances, and room for their data.

Live releases count with all instances that they should have, releases that are awake on demand with one. Data of
deleted apps counts as long as it is kept. The surge of a switch, when old and new instances run side by side, does not
count. It is asked before anything is wanted, so what
runs is never taken away.

The sum over all apps is a descriptor, `Need`, that is written with each change that needs more: of two changes that
were computed side by side the second one's expected version does not hold, so that it is computed anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from serai.errors import ExhaustedError, NotFoundError
from serai.identity.descriptors import Tenant
from serai.services.apps import plan
from serai.services.apps.descriptors import App, Need, Release, Trash
from serai.services.apps.picture import everything
from serai.store import Put, Store

#: Field of `Need` and of `Tenant`, and how a person reads it.
_WORDS = {"memory_mb": "{} MiB of memory", "processes": "{} processes", "disk_mb": "{} MiB for data"}


def need(app: App, releases: Iterable[Release]) -> Need:
    """Return what an app needs for these releases, those that are live and those that are awake."""
    memory = processes = disk = 0
    live = set(app.live.values())
    for release in releases:
        # All releases share one data folder, which is as large as the largest wants it.
        disk = max(disk, release.data_mb if release.processes else 0)
        for name, process in release.processes.items():
            count = plan.count(app, release, name) if release.number in live else int(name == plan.WEB)
            memory += count * process.memory_mb
            processes += count * process.processes
    return Need(memory_mb=memory, processes=processes, disk_mb=disk)


def check(needed: Need, tenant: Tenant, kept: int = 0) -> None:
    """Refuse what the tenant's quotas do not allow. `ExhaustedError` names the first that does not suffice.

    ``kept``: MiB of ``needed`` that deleted apps take.
    """
    for field, words in _WORDS.items():
        wanted, allowed = getattr(needed, field), getattr(tenant, field)
        if wanted > allowed:
            raise ExhaustedError(
                f"That needs {words.format(wanted)}; the tenant may use {allowed}."
                + (f" Deleted apps take {kept}: see its trash." if kept and field == "disk_mb" else ""),
                quota=field,
                needed=wanted,
                allowed=allowed,
            )


async def admit(
    store: Store,
    tenant: str,
    changed: Mapping[str, App],
    awake: Mapping[str, Collection[int]] | None = None,
    *,
    coming: Mapping[str, tuple[App, Collection[Release]]] | None = None,
) -> Put:
    """Refuse (`ExhaustedError`) what would be too much with some apps changed, and some of their releases awake.

    ``coming`` are deleted apps that come back with their releases, by what they are kept as.
    The change must be committed with the operation that is returned, or somebody else's may come between.
    """
    version, total = await _version(store, tenant), Need()
    back = coming or {}
    for app, releases in back.values():
        total += need(app, [one for one in releases if one.number in app.live.values()])
    trash = await everything(store, Trash, tenant)
    kept = sum(one.spec.disk_mb for one in trash if one.spec.state == "kept" and one.name not in back)
    total += Need(disk_mb=kept)
    for record in await everything(store, App, tenant):
        app = changed.get(record.name, record.spec)
        numbers = {*app.live.values(), *(awake or {}).get(record.name, ())}
        total += need(app, [spec for number in numbers if (spec := await _release(store, tenant, record.name, number))])
    check(total, (await store.get(Tenant, tenant, tenant)).spec, kept)
    return Put(tenant, tenant, total, version)


async def _version(store: Store, tenant: str) -> int:
    try:
        return (await store.get(Need, tenant, tenant)).version
    except NotFoundError:
        return 0


async def _release(store: Store, tenant: str, app: str, number: int) -> Release | None:
    try:
        return (await store.get(Release, tenant, f"{app}.{number}")).spec
    except NotFoundError:
        # Deleted a moment ago, with its app.
        return None
