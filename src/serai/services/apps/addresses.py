"""Which Route descriptors an app should have: pure, from its descriptors.

Each release that works answers at ``TENANT.BASE/APP/N/`` for good; the live one of "prod" at ``TENANT.BASE/APP/``, that
of another environment at ``TENANT.BASE/APP~ENVIRONMENT/``, and at the environment's domains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

import msgspec
from msgspec.structs import replace

from serai.cloud.descriptors import Route
from serai.errors import InvalidError
from serai.services.apps.descriptors import PROD, App, Domain, Release
from serai.store import Delete, Operation, Put, Record


class Site(msgspec.Struct, frozen=True):
    """Where this platform is: the host that new apps are placed on, and BASE of the platform's own host names."""

    host: str
    base: str

    def name(self, tenant: str) -> str:
        """Return the platform's own host name of a tenant."""
        return f"{tenant}.{self.base}"


def environment_path(app: str, environment: str) -> str:
    """Return where an environment answers, below the tenant's host name."""
    return f"/{app}/" if environment == PROD else f"/{app}~{environment}/"


def owned(site: Site, tenant: str, app: str) -> tuple[str, str]:
    """Return the prefixes of all names of Routes that an app has on the tenant's own host name."""
    return f"{site.name(tenant)}/{app}/", f"{site.name(tenant)}/{app}~"


def routes(
    site: Site, tenant: str, app: Record[App], releases: Mapping[int, Release], domains: Iterable[Record[Domain]]
) -> dict[str, Route]:
    """Return the Routes that an app should have, by name."""
    result: dict[str, Route] = {}
    host = site.name(tenant)
    for number, release in releases.items():
        if release.state in {"built", "live"}:
            result.update(_of_release(tenant, host, f"/{app.name}/{number}/", release))
    for environment, number in app.spec.live.items():
        if number in releases:
            result.update(_of_release(tenant, host, environment_path(app.name, environment), releases[number]))
    main = f"{host}{environment_path(app.name, PROD)}"
    if main in result:
        # What is no longer at /APP/N/ must not be taken for a path of the program's own.
        result[main] = replace(result[main], released=app.spec.next_release - 1)
    for domain in domains:
        live = releases.get(app.spec.live.get(domain.spec.environment, 0))
        if live is not None:
            result.update(_of_release(tenant, domain.name, "/", live))
        else:
            # The claim to the name stands although there is nothing to show yet.
            result[f"{domain.name}/"] = Route(tenant=tenant, app=app.name, release=0)
    return result


def _of_release(tenant: str, host: str, path: str, release: Release) -> Iterator[tuple[str, Route]]:
    route = Route(tenant=tenant, app=release.app, release=release.number, prefix=path)
    if release.processes:
        yield f"{host}{path}", route
    if release.push:
        yield f"{host}{path}.push/", replace(route, target="push")
    for url, folder in release.static.items():
        below = path + url.removeprefix("/")
        absolute = str(PurePosixPath(release.folder) / folder)
        yield f"{host}{below}", replace(route, target="static", folder=absolute, prefix=below)


def check_static(app: str, static: Mapping[str, str]) -> None:
    """Refuse static paths that no Route can express. `InvalidError` with the path."""
    for url in static:
        if not Route.NAME.match(f"{app}.example/{app}/999999999/{url.removeprefix('/')}"):
            raise InvalidError(f"The static path {url} has more than two parts.", path=f"static.paths.{url}")


def changes(existing: Mapping[str, Record[Route]], wanted: Mapping[str, Route]) -> tuple[Operation, ...]:
    """Return what turns the existing Routes into the wanted ones; a name that is somebody else's is a conflict."""
    puts = [
        Put("", name, route, existing[name].version if name in existing else 0)
        for name, route in sorted(wanted.items())
        if name not in existing or existing[name].spec != route
    ]
    deletes = [
        Delete(Route.KIND, "", name, old.version) for name, old in sorted(existing.items()) if name not in wanted
    ]
    return (*puts, *deletes)
