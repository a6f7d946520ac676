"""What recurs for one app: commands of its app.toml, and schedules that it or its people made."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.answers import segment
from serai.api.shapes import Descriptor, Page
from serai.console.depend import Visitor
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.places import above
from serai.console.visit import Visit
from serai.tasks.schedule import Schedule, next_due

NAV = (Nav(title="Recurring", path="/tenants/{tenant}/apps/{app}/recurring", order=65, action="schedule.read"),)
AT_ONCE = 50


class Recurs(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as the page shows it; ``due`` in seconds since the epoch, None where it never is."""

    name: str
    whole: str
    of_release: bool
    spec: Schedule
    due: float | None


@get("/tenants/{tenant:str}/apps/{app:str}/recurring")
async def show(visit: Visitor) -> Response[str]:
    """Show what recurs for an app."""
    return await unless_gone(visit, _page(visit))


async def _page(visit: Visit) -> Response[str]:
    after = visit.request.query_params.get("after", "")
    query = {"tenant": visit.tenant, "prefix": f"{visit.app}.", "after": after, "limit": AT_ONCE}
    _, found = await asyncio.gather(
        visit.calls.get(above(visit), keep=True), visit.calls.read(Page, "/v1/schedule", query, keep=True)
    )
    return visit.page(
        "app-recurring.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Recurring"),
        schedules=[one for one in (_read(visit, each) for each in found.items) if one.spec.app == visit.app],
        next=found.next,
        others=f"{visit.home}/tasks/schedules",
        may_run=visit.may("task.run", visit.tenant, visit.app),
    )


def _read(visit: Visit, found: Descriptor) -> Recurs:
    spec = msgspec.convert(found.spec, Schedule)
    _, how, name = (*found.name.split(".", 2), "", "")[:3]
    return Recurs(
        name=name or how,
        whole=f"{visit.home}/tasks/schedules/{segment(found.name)}",
        of_release=how == "recurring",
        spec=spec,
        due=next_due(spec, visit.now),
    )


ROUTES: list[ControllerRouterHandler] = [show]
