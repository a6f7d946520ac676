"""Host names of a tenant's own: who has one, and where it leads. The functions behind the API; see `actions`."""

from __future__ import annotations

from serai.cloud.descriptors import Route
from serai.errors import AlreadyExistsError, DeniedError, InvalidError
from serai.services.apps import addresses
from serai.services.apps.addresses import Site
from serai.services.apps.checks import check_host_name, check_name
from serai.services.apps.descriptors import ENVIRONMENT, PROD, Domain
from serai.services.apps.picture import Picture, again, take
from serai.store import Delete, Operation, Put, Record, Store

MAX_DOMAINS = 100  # of one app


async def add(store: Store, site: Site, who: str, tenant: str, host: str, app: str, environment: str = PROD) -> None:
    """Let a host name lead to an app.

    `AlreadyExistsError` where any tenant has that name; `DeniedError` for names below BASE that are not below the
    tenant's own.
    """
    check_domain(site, tenant, host, environment)
    own = site.name(tenant)

    async def attempt() -> None:
        picture = await take(store, site, tenant, app)
        if len(picture.domains) >= MAX_DOMAINS:
            raise InvalidError(f"An app has at most {MAX_DOMAINS} domains.", path="host")
        await check_free(store, tenant, host)
        domain = Record(Domain.KIND, tenant, host, 0, 0, Domain(app=app, environment=environment))
        releases = {number: record.spec for number, record in picture.releases.items()}
        wanted = addresses.routes(site, tenant, picture.app, releases, [domain])
        puts = [Put("", name, route, 0) for name, route in wanted.items() if name.startswith(f"{host}/")]
        if host == own:
            puts = [put for put in puts if put.name not in picture.routes]
        await store.change(who, f"lead {host} to {app}", [Put(tenant, host, domain.spec, 0), *puts])

    await again(attempt)


def check_domain(site: Site, tenant: str, host: str, environment: str) -> None:
    """Refuse what is no host name or environment, and (`DeniedError`) names of the platform or a neighbour."""
    check_host_name(host)
    check_name("environment", ENVIRONMENT, environment)
    if f".{host}".endswith(f".{site.base}") and not f".{host}".endswith(f".{site.name(tenant)}"):
        raise DeniedError("That name belongs to the platform.", host=host)


async def check_free(store: Store, tenant: str, host: str) -> None:
    """Raise `AlreadyExistsError` where a host name leads somewhere, or anything below it to another tenant."""
    taken = await store.find(Route, "", prefix=f"{host}/", limit=1000)
    if any(route.name == f"{host}/" or route.spec.tenant != tenant for route in taken):
        raise AlreadyExistsError(f"{host} leads somewhere already.", host=host)


async def remove(store: Store, site: Site, who: str, tenant: str, host: str) -> None:
    """Let a host name lead nowhere; somebody else may take it."""

    async def attempt() -> None:
        domain = await store.get(Domain, tenant, host)
        picture = await take(store, site, tenant, domain.spec.app)
        rest = [other for other in picture.domains if other.name != host]
        await store.change(
            who,
            f"lead {host} nowhere",
            [Delete(Domain.KIND, tenant, host, domain.version), *_routes(picture, rest)],
        )

    await again(attempt)


def _routes(picture: Picture, domains: list[Record[Domain]]) -> tuple[Operation, ...]:
    releases = {number: record.spec for number, record in picture.releases.items()}
    wanted = addresses.routes(picture.site, picture.tenant, picture.app, releases, domains)
    return addresses.changes(picture.routes, wanted)
