"""Apps as people see them: what is live, where it answers, how its instances do. Read from the store, never written."""

from __future__ import annotations

import msgspec

from serai.cloud.descriptors import Instance
from serai.errors import NotFoundError
from serai.services.apps import variables
from serai.services.apps.addresses import Site, environment_path
from serai.services.apps.descriptors import PROD, App, Domain, Release
from serai.services.apps.git.source import Source
from serai.services.apps.variables import Variables
from serai.store import Record, Store
from serai.store.contract import Seals


class DomainView(msgspec.Struct, frozen=True, kw_only=True):
    """A host name of a tenant's own.

    ``certified`` is when its certificate runs out, in seconds since the epoch; 0 while there is none yet, null where
    that is not known now.
    """

    host: str
    environment: str
    certified: float | None = None


class InstanceView(msgspec.Struct, frozen=True, kw_only=True):
    """A running copy."""

    name: str
    release: int
    process: str
    host: str
    wanted: str
    state: str
    reason: str
    restarts: int


class ReleaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A release; ``live`` names the environments that show it, ``created`` is in seconds since the epoch."""

    number: int
    state: str
    reason: str
    tail: str
    created: float
    who: str
    title: str
    git: Source | None
    recipe: str
    runtime: str
    notes: tuple[str, ...]
    live: list[str]
    url: str


class AppSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An app in a list; ``urls`` are environment to URL, ``variables`` names without values."""

    name: str
    tenant: str
    host: str
    live: dict[str, int]
    urls: dict[str, str]
    scale: dict[str, int]
    variables: list[str]


class AppView(AppSummary, frozen=True, kw_only=True):
    """An app with all that is its own."""

    domains: list[DomainView] = []
    instances: list[InstanceView] = []


class Apps(msgspec.Struct, frozen=True):
    """One page of a tenant's apps; ``next`` is empty on the last."""

    items: list[AppSummary]
    next: str = ""


def url(site: Site, tenant: str, app: str, environment: str = PROD) -> str:
    """Return where an environment answers, without the port that a plain user's platform has."""
    return f"https://{site.name(tenant)}{environment_path(app, environment)}"


def release_url(site: Site, tenant: str, app: str, number: int) -> str:
    """Return where a release answers for good."""
    return f"https://{site.name(tenant)}/{app}/{number}/"


async def apps(store: Store, site: Site, tenant: str, after: str, limit: int) -> Apps:
    """Return one page of a tenant's apps."""
    start = f"{tenant}/{after}" if after else ""
    records = await store.find(App, tenant, after=start, limit=limit)
    # They have their apps' names, and not every app has some: one page of them covers one page of apps.
    told = {one.name: one.spec for one in await store.find(Variables, tenant, after=start, limit=limit)}
    views = [_summary(site, record, told.get(record.name, Variables())) for record in records]
    return Apps(views, records[-1].name if len(records) == limit else "")


async def app(store: Store, site: Site, tenant: str, name: str) -> AppView:
    """Return one app with its instances and domains."""
    record = await store.get(App, tenant, name)
    instances = await store.find(Instance, tenant, prefix=f"{name}.")
    domains = [one for one in await store.find(Domain, tenant) if one.spec.app == name]
    summary = _summary(site, record, (await variables.stored(store, tenant, name))[0])
    return AppView(
        **msgspec.structs.asdict(summary),
        domains=[DomainView(host=one.name, environment=one.spec.environment) for one in domains],
        instances=[_instance(one) for one in instances],
    )


async def variables_of(store: Store, seals: Seals, tenant: str, app: str) -> dict[str, str | None]:
    """Return variables by name: those that were set to be shown with their values, None for the others."""
    spec, _ = await variables.stored(store, tenant, app)
    return {name: spec.open(seals, tenant, app, name) if name in spec.shown else None for name in sorted(spec.values)}


async def releases(
    store: Store, site: Site, tenant: str, name: str, before: int | None = None, limit: int = 1000
) -> tuple[list[ReleaseView], bool]:
    """Return one page of an app's releases, newest first, and whether there are more."""
    parent = await store.get(App, tenant, name)
    records = await store.find(Release, tenant, prefix=f"{name}.")
    older = [record.spec for record in records if before is None or record.spec.number < before]
    newest = sorted(older, key=lambda spec: -spec.number)
    return [release(site, tenant, parent.spec, spec) for spec in newest[:limit]], len(newest) > limit


def release(site: Site, tenant: str, parent: App, spec: Release) -> ReleaseView:
    """Return one release as people see it."""
    return ReleaseView(
        number=spec.number,
        state=spec.state,
        reason=spec.reason,
        tail=spec.tail,
        created=spec.created,
        who=spec.who,
        title=spec.title,
        git=spec.git,
        recipe=spec.recipe,
        runtime=spec.runtime,
        notes=spec.notes,
        live=sorted(name for name, number in parent.live.items() if number == spec.number),
        url=release_url(site, tenant, spec.app, spec.number),
    )


async def check_domain(store: Store, tenant: str, app: str, host: str) -> None:
    """Raise `NotFoundError` where a host name does not lead to this app."""
    if (await store.get(Domain, tenant, host)).spec.app != app:
        raise NotFoundError(f"{host} does not lead to {app}.", host=host)


def _summary(site: Site, record: Record[App], told: Variables) -> AppSummary:
    spec = record.spec
    return AppSummary(
        name=record.name,
        tenant=record.tenant,
        host=spec.host,
        live=spec.live,
        urls={name: url(site, record.tenant, record.name, name) for name in spec.live},
        scale=spec.scale,
        variables=sorted(told.values),
    )


def _instance(record: Record[Instance]) -> InstanceView:
    spec = record.spec
    return InstanceView(
        name=record.name,
        release=spec.release,
        process=spec.process,
        host=spec.host,
        wanted=spec.wanted,
        state=spec.state,
        reason=spec.reason,
        restarts=spec.restarts,
    )
