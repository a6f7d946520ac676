"""Everything that the store says about one app, read together so that what follows can be computed purely."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from serai.cloud.descriptors import Instance, Route
from serai.errors import ConflictError, UnavailableError
from serai.services.apps import addresses
from serai.services.apps.addresses import Site
from serai.services.apps.descriptors import App, Domain, Release
from serai.store import Record, Spec, Store
from serai.tasks.schedule import Schedule

S = TypeVar("S", bound=Spec)
T = TypeVar("T")

#: How often a change is computed anew because somebody else's came first.
TRIES = 20
PAGE = 1000


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """An app with its releases (by number), instances and domains, and the Routes and Schedules it has."""

    site: Site
    tenant: str
    app: Record[App]
    releases: dict[int, Record[Release]]
    instances: list[Record[Instance]]
    domains: list[Record[Domain]]
    routes: dict[str, Record[Route]]
    schedules: dict[str, Record[Schedule]]

    def live(self) -> set[int]:
        """Return the numbers of the releases that some environment shows."""
        return set(self.app.spec.live.values())


async def take(store: Store, site: Site, tenant: str, app: str) -> Picture:
    """Read an app's picture. `NotFoundError` where there is no such app."""
    record = await store.get(App, tenant, app)
    domains = [domain for domain in await everything(store, Domain, tenant) if domain.spec.app == app]
    prefixes = (*addresses.owned(site, tenant, app), *(f"{domain.name}/" for domain in domains))
    routes = [route for prefix in prefixes for route in await everything(store, Route, "", prefix)]
    releases = await everything(store, Release, tenant, f"{app}.")
    schedules = await everything(store, Schedule, tenant, f"{app}.recurring.")
    return Picture(
        site=site,
        tenant=tenant,
        app=record,
        releases={release.spec.number: release for release in releases},
        instances=await everything(store, Instance, tenant, f"{app}."),
        domains=domains,
        routes={route.name: route for route in routes if route.spec.tenant == tenant and route.spec.app == app},
        schedules={schedule.name: schedule for schedule in schedules},
    )


async def everything(store: Store, kind: type[S], tenant: str | None, prefix: str = "") -> list[Record[S]]:
    """List descriptors page by page, without an end."""
    result: list[Record[S]] = []
    after = ""
    while True:
        page = await store.find(kind, tenant, prefix=prefix, after=after, limit=PAGE)
        result.extend(page)
        if len(page) < PAGE:
            return result
        after = f"{page[-1].tenant}/{page[-1].name}"


async def again(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run a read-compute-commit until nobody else's change comes between. `UnavailableError` after `TRIES`."""
    for _ in range(TRIES):
        try:
            return await attempt()
        except ConflictError:
            continue
    raise UnavailableError("Others keep changing this app; try again.")


async def revise(store: Store, who: str, why: str, record: Record[S], change: Callable[[S], S]) -> S:
    """Write a changed spec over the newest version of a descriptor, if the change makes a difference."""

    async def attempt() -> S:
        newest = await store.get(type(record.spec), record.tenant, record.name)
        spec = change(newest.spec)
        if spec != newest.spec:
            await store.put(who, why, record.tenant, record.name, spec, expect=newest.version)
        return spec

    return await again(attempt)
