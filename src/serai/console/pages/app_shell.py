"""A shell inside a running instance, and those that are open."""

from __future__ import annotations

import asyncio

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from serai.api.answers import segment
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.places import above, at_app
from serai.console.visit import Visit
from serai.services.apps.descriptors import PROD
from serai.services.apps.routes.shell import Shells
from serai.services.apps.views import AppView

PAGE = "/tenants/{tenant:str}/apps/{app:str}/shell"
NAV = (Nav(title="Shell", path="/tenants/{tenant}/apps/{app}/shell", order=75, action="app.shell"),)
READY = "ready"
WEB = "web"


@get(PAGE)
async def show(visit: Visitor) -> Response[str]:
    """Show where a shell can be opened, and which are open."""
    return await unless_gone(visit, _page(visit))


@post(f"{PAGE}/{{shell:str}}/end")
async def end(visit: Visitor, form: Filled[Empty], shell: FromPath[str]) -> Response[str]:
    """End a shell, whoever's it is."""
    if await form.send(lambda _data: visit.calls.call("DELETE", f"{above(visit)}/shells/{segment(shell)}")):
        return visit.go(f"{at_app(visit)}/shell", "That shell is ended.")
    return await _page(visit)


async def _page(visit: Visit) -> Response[str]:
    calls, path = visit.calls, above(visit)
    view, shells = await asyncio.gather(
        calls.read(AppView, path, keep=True), calls.read(Shells, f"{path}/shells", keep=True)
    )
    ready = [one for one in view.instances if one.state == READY]
    wanted = visit.request.query_params.get("instance", "")
    return visit.page(
        "app-shell.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Shell"),
        at=f"{at_app(visit)}/shell",
        url=f"{path}/shells",
        instances=sorted(ready, key=lambda one: (one.release != view.live.get(PROD), one.process != WEB, one.name)),
        shows={number: name for name, number in view.live.items()},
        wanted=wanted,
        found=wanted in {one.name for one in ready},
        shells=shells.items,
        channels=[f"app/{visit.tenant}/{visit.app}"] if visit.may("push.read", visit.tenant, visit.app) else [],
    )


ROUTES: list[ControllerRouterHandler] = [show, end]
