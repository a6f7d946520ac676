"""Apps: a tenant's, or everybody's; found by how their names begin, with how they do now."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.answers import Parameters
from serai.api.shapes import Descriptor, Page
from serai.console.depend import Visitor
from serai.console.nav import Nav, way
from serai.console.places import site
from serai.console.visit import Visit
from serai.errors import SeraiError
from serai.services.series.asking import Glance, Look

NAV = (
    Nav(title="Apps", path="/tenants/{tenant}/apps", order=20, action="app.read"),
    Nav(title="All apps", path="/apps", order=21, action="app.read"),
)
AT_ONCE = 50  # apps on a page
POINTS = 30  # of a curve of the last hour


@get(["/apps", "/tenants/{tenant:str}/apps"])
async def apps(visit: Visitor) -> Response[str]:
    """List a tenant's apps, or those of all tenants."""
    given = visit.request.query_params
    prefix = given.get("prefix", "").strip()
    query: Parameters = {
        "tenant": visit.where, "prefix": prefix, "after": given.get("after", ""), "limit": AT_ONCE,
    }  # fmt: skip
    found = await visit.calls.read(Page, "/v1/app", query, keep=True)
    return visit.page(
        "apps.html",
        title="All apps" if visit.where is None else "Apps",
        crumbs=way(visit.tenant) if visit.tenant else (),
        apps=found.items,
        next=found.next,
        prefix=prefix,
        looks=await _looks(visit, found.items),
        sites={f"{one.tenant}/{one.name}": site(visit, one.tenant, one.name) for one in found.items},
        channels=[f"tenant/{visit.tenant}"] if visit.tenant and visit.may("push.read", visit.tenant) else [],
        may_deploy=bool(visit.tenant) and visit.may("app.deploy", visit.tenant),
    )


async def _looks(visit: Visit, items: Sequence[Descriptor]) -> dict[str, Look]:
    """Return how apps do, by TENANT/APP; nothing where the numbers are away, since the list does without."""
    if not items or not visit.may("series.read", visit.tenant):
        return {}
    names = ",".join(f"{one.tenant}/{one.name}" for one in items)
    query: Parameters = {"apps": names, "points": POINTS, "limit": AT_ONCE, "tenant": visit.tenant or None}
    try:
        glance = await visit.calls.read(Glance, "/v1/glance", query)
    except SeraiError:
        return {}
    return {f"{one.tenant}/{one.app}": one for one in glance.items}


ROUTES: list[ControllerRouterHandler] = [apps]
