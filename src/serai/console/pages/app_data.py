"""An app's data, and what was deleted of the app and can be had back."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import Parameters, segment
from serai.api.shapes import Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.places import above, at_app
from serai.console.visit import Visit
from serai.errors import InvalidError, NotFoundError, SeraiError
from serai.services.apps.descriptors import Release
from serai.services.apps.views import AppView
from serai.services.series.asking import Glance, Look

PAGE = "/tenants/{tenant:str}/apps/{app:str}/data"
NAV = (Nav(title="Data", path="/tenants/{tenant}/apps/{app}/data", order=70, action="app.read"),)
AT_ONCE = 50


class Returning(msgspec.Struct, frozen=True):
    """The number of a release that is to come back."""

    number: Annotated[int, Meta(ge=1, le=999_999_999)]


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What of the kept things is to end now, and the app's name repeated."""

    trash: Annotated[str, Meta(max_length=64)]
    repeat: Short


@get(PAGE)
async def show(visit: Visitor) -> Response[str]:
    """Show how much data there is, and what is kept of what was deleted."""
    return await unless_gone(visit, _page(visit))


@post(f"{PAGE}/undelete")
async def undelete(visit: Visitor, form: Filled[Returning]) -> Response[str]:
    """Have a deleted release back."""
    path = f"{above(visit)}/releases"
    if await form.send(lambda data: visit.calls.call("POST", f"{path}/{data.number}/undelete")):
        return visit.go(_here(visit), f"Release {form.data.number} is back: it answers at its own address.")
    return await _page(visit, form)


@post(f"{PAGE}/purge")
async def purge(visit: Visitor, form: Filled[Ending]) -> Response[str]:
    """End what is kept of something at once."""

    async def send(data: Ending) -> None:
        if data.repeat != visit.app:
            raise InvalidError("That is not the app's name: it is still kept.")
        await visit.calls.call("DELETE", f"{above(visit)}/trash/{segment(data.trash)}", query={"confirm": data.repeat})

    if await form.send(send):
        return visit.go(_here(visit), "It ends now: in a moment it is kept no more.")
    return await _page(visit, form)


async def _page(visit: Visit, form: Form[Any] | None = None) -> Response[str]:
    tenant, app, given = visit.tenant, visit.app, visit.request.query_params
    query: Parameters = {"tenant": tenant, "prefix": f"{app}.", "limit": AT_ONCE, "after": given.get("after", "")}
    view, look, trash = await asyncio.gather(
        visit.calls.read(AppView, above(visit), keep=True), _look(visit), _trash(visit, query)
    )
    release = await _live(visit, view)
    fault = form or Form(Empty)
    return visit.page(
        "app-data.html",
        title=app,
        crumbs=way(tenant, app, "Data"),
        at=_here(visit),
        size=look.data if look is not None else None,
        quota=release.data_mb << 20 if release is not None and release.processes else 0,
        kept=[one for one in trash.items if one.spec["app"] == app],
        next=trash.next,
        ready=next((one.name for one in view.instances if one.state == "ready"), ""),
        may_end=visit.may("app.delete", tenant, app),
        may_shell=visit.may("app.shell", tenant, app),
        fault=fault,
        http_status=fault.status,
    )


async def _trash(visit: Visit, query: Parameters) -> Page:
    if not visit.may("trash.read", visit.tenant):
        return Page([])
    return await visit.calls.read(Page, "/v1/trash", query, keep=True)


async def _look(visit: Visit) -> Look | None:
    """Return how the app does; None where the numbers are away: the page does without."""
    if not visit.may("series.read", visit.tenant):
        return None
    query: Parameters = {"apps": f"{visit.tenant}/{visit.app}", "tenant": visit.tenant, "points": 1}
    try:
        return next(iter((await visit.calls.read(Glance, "/v1/glance", query)).items), None)
    except SeraiError:
        return None


async def _live(visit: Visit, view: AppView) -> Release | None:
    """Return the newest release that is live somewhere."""
    number = max(view.live.values(), default=0)
    if not number or not visit.may("release.read", visit.tenant, visit.app):
        return None
    path = f"/v1/release/{segment(visit.tenant)}/{segment(f'{visit.app}.{number}')}"
    try:
        return msgspec.convert((await visit.calls.get(path, keep=True))["spec"], Release)
    except NotFoundError:
        return None


def _here(visit: Visit) -> str:
    return f"{at_app(visit)}/data"


ROUTES: list[ControllerRouterHandler] = [show, undelete, purge]
