"""An app that is not there any more: what became of it, and how to have it back."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

import msgspec
from litestar import Response, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import Parameters
from serai.api.shapes import Page
from serai.console.depend import Filled, Visitor
from serai.console.nav import way
from serai.console.places import above, at_app
from serai.console.visit import Visit
from serai.errors import NotFoundError

GONE = 404
MOST = 20  # deleted apps of one name that are looked at


class Back(msgspec.Struct, frozen=True, kw_only=True):
    """Which of several that were deleted; "" is the newest."""

    trash: Annotated[str, Meta(max_length=64)] = ""


async def unless_gone(visit: Visit, page: Awaitable[Response[str]]) -> Response[str]:
    """Return a page of an app; where the app is not there, what became of it."""
    try:
        return await page
    except NotFoundError:
        return await gone(visit)


async def gone(visit: Visit) -> Response[str]:
    """Say what became of an app, and offer to undo it; `NotFoundError` where nothing is known of it."""
    if not visit.may("trash.read", visit.tenant):
        raise NotFoundError("There is no such app.")
    query: Parameters = {"tenant": visit.tenant, "prefix": f"{visit.app}.", "limit": MOST}
    found = (await visit.calls.read(Page, "/v1/trash", query, keep=True)).items
    kept = [one for one in found if one.spec["what"] == "app" and one.spec["app"] == visit.app]
    if not kept:
        raise NotFoundError(f"There is no app {visit.app[:64]}.")
    return visit.page(
        "app-gone.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app),
        http_status=GONE,
        kept=max(kept, key=lambda one: one.spec["deleted"]),
        at=at_app(visit),
        may_undo=visit.may("app.delete", visit.tenant, visit.app),
    )


@post("/tenants/{tenant:str}/apps/{app:str}/undelete")
async def undelete(visit: Visitor, form: Filled[Back]) -> Response[str]:
    """Have a deleted app back."""
    if await form.send(lambda data: visit.calls.call("POST", f"{above(visit)}/undelete", {"trash": data.trash})):
        notes = " ".join(form.result["notes"])
        return visit.go(at_app(visit), f"{visit.app} comes back. {notes}".rstrip())
    return await gone(visit)


ROUTES: list[ControllerRouterHandler] = [undelete]
