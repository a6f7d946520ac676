"""The first page: what needs attention, how this host or a tenant's apps did lately, and which apps are busiest."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.answers import Parameters
from serai.console.depend import Visitor
from serai.console.heeding import Heed, followed, heed
from serai.console.nav import Nav
from serai.console.plots import APPS, HOST, Plot, Span, choices, draw, span_of
from serai.console.tenancy import weak
from serai.console.visit import Visit
from serai.errors import SeraiError
from serai.services.paths import PLATFORM
from serai.services.series.asking import Glance

NAV = (Nav(title="Overview", path="/", order=0),)
AT_ONCE = 20  # apps on a page
POINTS = 30  # of a curve of the last hour
MOST_PLACES = 50  # that can be chosen


@get("/")
async def overview(visit: Visitor) -> Response[str]:
    """Show the host, or one of the visitor's tenants, at a glance."""
    given, part = visit.request.query_params, visit.part
    places = _places(visit)
    of = next((place for place in places if place == given.get("of")), places[0] if places else "")
    span = span_of(given.get("span", ""))
    about, matters, plots, apps = await asyncio.gather(
        visit.calls.maybe("/v1/about") if of == PLATFORM else _unasked(),
        _heed(visit) if part in {"", "attention"} else _calm(),
        _plots(visit, of, span) if not part else _nothing(),
        _busiest(visit, of) if part in {"", "apps"} else _nobody(),
    )
    tenant = "" if of in {"", PLATFORM} else of.partition("/")[0]
    return visit.page(
        "overview.html",
        title="Overview",
        about=about,
        heed=matters,
        many=len(visit.tenants()) != 1,
        heeded=followed(visit),
        places=[(_named(place), visit.with_query(of=place, after=""), place == of) for place in places[:MOST_PLACES]],
        of=of,
        spans=choices(visit, span),
        plots=plots,
        apps=apps.items,
        next=apps.next,
        there_are_apps=bool(apps.items) or (part in {"", "apps"} and await _there_are_apps(visit, of)),
        apps_path=f"/tenants/{tenant}/apps" if tenant else "/apps",
        tenant=tenant,
        channels=[f"tenant/{tenant}"] if tenant and visit.may("push.read", tenant) else [],
    )


def _places(visit: Visit) -> list[str]:
    """Return what somebody may see numbers of: the host, tenants, and apps where it is these that they were given."""
    granted = [grant for grant in (visit.principal.grants if visit.principal else ()) if grant.tenant]
    found = [PLATFORM] if visit.may("series.read") else []
    found += [
        f"{grant.tenant}/{grant.app}" if grant.app else grant.tenant
        for grant in granted
        if visit.may("series.read", grant.tenant, grant.app)
    ]
    return list(dict.fromkeys(found))


def _named(place: str) -> str:
    return "host" if place == PLATFORM else place


async def _plots(visit: Visit, of: str, span: Span) -> list[Plot]:
    return await draw(visit, of, HOST if of == PLATFORM else APPS, span) if of else []


async def _heed(visit: Visit) -> Heed:
    told = await heed(visit)
    return msgspec.structs.replace(told, matters=[*told.matters, *weak(visit)])


async def _calm() -> Heed:
    return Heed()


async def _nothing() -> list[Plot]:
    return []


async def _unasked() -> None:
    return None


async def _nobody() -> Glance:
    return Glance(items=[])


async def _busiest(visit: Visit, of: str) -> Glance:
    """Return the apps with the most requests; nothing while the numbers are away."""
    tenant, _, app = of.partition("/")
    if not of or app:
        return Glance(items=[])
    query: Parameters = {
        "order": "requests", "limit": AT_ONCE, "points": POINTS, "after": visit.request.query_params.get("after", ""),
        "tenant": None if tenant == PLATFORM else tenant,
    }  # fmt: skip
    try:
        return await visit.calls.read(Glance, "/v1/glance", query)
    except SeraiError:
        return Glance(items=[])


async def _there_are_apps(visit: Visit, of: str) -> bool:
    """Tell whether there is any app that merely did nothing lately."""
    tenant, _, app = of.partition("/")
    where = None if tenant == PLATFORM else tenant
    if app or not of or not visit.may("app.read", where or ""):
        return bool(app)
    found = await visit.calls.maybe("/v1/app", {"limit": 1, "tenant": where})
    return bool(found and found["items"])


ROUTES: list[ControllerRouterHandler] = [overview]
