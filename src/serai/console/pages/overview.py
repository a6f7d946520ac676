"""The first page: this host and its apps at a glance. It is also the worked example of a page in docs/console.md."""

from __future__ import annotations

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.machine import About
from serai.api.shapes import Page
from serai.console.depend import Visitor
from serai.console.nav import Nav

NAV = (Nav(title="Overview", path="/", order=0),)
AT_ONCE = 50  # apps on a page


@get("/")
async def overview(visit: Visitor) -> Response[str]:
    """Show the host's state to who may see it, and the apps that the visitor may see."""
    calls = visit.calls
    about = await calls.read(About, "/v1/about", keep=True)
    status = await calls.maybe("/v1/status") if visit.may("host.status") else None
    after = visit.request.query_params.get("after", "")
    # All at once for who may see all; others see their own tenants', of which there are few.
    wheres: list[str | None] = [None] if visit.may("app.read") else [*visit.tenants()]
    pages = [
        await calls.read(Page, "/v1/app", {"limit": AT_ONCE, "after": after, "tenant": where}, keep=True)
        for where in wheres
        if where is None or visit.may("app.read", where)
    ]
    apps = Page([app for page in pages for app in page.items], pages[0].next if len(pages) == 1 else "")
    channels = [f"tenant/{tenant}" for tenant in visit.tenants() if visit.may("push.read", tenant)]
    return visit.page(
        "overview.html",
        title="Overview",
        about=about,
        status=status,
        apps=apps.items,
        next=apps.next,
        channels=channels,
    )


ROUTES: list[ControllerRouterHandler] = [overview]
