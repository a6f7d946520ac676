"""Hosts that are gone: nobody runs the tasks that wait for one, so what has to end does without it.

A host is gone once its descriptor is deleted or its key revoked, or where there never was one. One that is only away is
waited for: it has the folders. An app that was never deployed may have no host; it belongs to the one that is asked.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from serai.cloud.descriptors import Host
from serai.errors import ConflictError, InvalidError, NotFoundError
from serai.identity.hosts import HostKey
from serai.services.apps.addresses import Site
from serai.services.apps.work import Work
from serai.store import Store
from serai.store.tasks import MAX_PAGE
from serai.tasks import Filter, Tasks

_QUEUES = frozenset({"host", "work"})  # of a host's own bots, before its name


async def is_gone(store: Store, site: Site, host: str) -> bool:
    """Tell whether nobody of that name will ever run a task again."""
    if host == site.host:
        return False
    try:
        await store.get(Host, "", host)
    except (InvalidError, NotFoundError):
        return True
    try:
        return not (await store.get(HostKey, "", host)).spec.digest
    except (InvalidError, NotFoundError):
        return False  # it never had a key, so it lost none


async def living(store: Store, site: Site, host: str) -> str:
    """Return the host that a task can be left to: the one that was named, or this one where that is gone."""
    return site.host if await is_gone(store, site, host) else host


def channel(tenant: str, app: str) -> str:
    """Return the channel of what ends an app whose host is gone: tasks that wait for that host fill the app's own."""
    return f"gone:{tenant}/{app}"


async def let_go(work: Work, tasks: Tasks) -> int:
    """Cancel an app's tasks that wait for hosts that are gone; return how many there were."""
    gone: dict[str, bool] = {}
    count, before = 0, None
    wanted = Filter(state="to_do", tenant=work.tenant, app=work.app, limit=MAX_PAGE)
    while page := await tasks.find(replace(wanted, before=before)):
        for one in page:
            kind, _, host = one.queue.partition(":")
            if kind not in _QUEUES:
                continue
            if host not in gone:
                gone[host] = await is_gone(work.store, work.site, host)
            if gone[host]:
                with suppress(ConflictError):  # it is over by now
                    await tasks.cancel(work.who, one.id, "the host that it waits for is gone")
                    count += 1
        before = page[-1].number
    return count
