"""An app's settings: what its descriptor says that people choose, and the token that its repository is fetched with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import descriptor, segment
from serai.api.shapes import Descriptor, Difference
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.pages.kinds_history import between
from serai.console.places import above, at_app
from serai.console.shape import shape
from serai.console.visit import Visit
from serai.errors import ConflictError, NotFoundError
from serai.services.apps.descriptors import App
from serai.services.apps.git.token import MAX_TOKEN, USERNAME
from serai.services.apps.routes.git import TokenView

PAGE = "/tenants/{tenant:str}/apps/{app:str}/settings"
CONFLICT = 409
NAV = (Nav(title="Settings", path="/tenants/{tenant}/apps/{app}/settings", order=90, action="app.read"),)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What people choose of an app; ``version`` is the one that the form was made from."""

    tasks: Annotated[int, Meta(ge=0, le=1 << 40)]
    version: Annotated[int, Meta(ge=0)] = 0


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What a git server takes as the password of ``username``; it is never shown again."""

    host: Annotated[str, Meta(max_length=300)]
    username: Annotated[str, Meta(max_length=100)] = USERNAME
    token: Annotated[str, Meta(max_length=MAX_TOKEN, extra={"secret": True})]


@get(PAGE)
async def show(visit: Visitor) -> Response[str]:
    """Show an app's settings."""
    return await unless_gone(visit, _page(visit))


@post(PAGE)
async def save(visit: Visitor, form: Filled[Settings]) -> Response[str]:
    """Write them; what somebody else changed meanwhile is shown, and not overwritten."""
    path = descriptor(App.KIND, visit.tenant, visit.app)
    there = await visit.calls.read(Descriptor, path)

    async def send(data: Settings) -> None:
        if data.version != there.version:
            raise ConflictError("Somebody changed this app meanwhile. Look at it, then save yours, or leave it.")
        wanted = {**there.spec, "tasks": data.tasks}
        if wanted == there.spec:
            return
        item = shape(App.KIND).item(visit.app, wanted)
        body = {"items": [item], "expect": {f"{App.KIND}/{visit.app}": there.version}, "why": "by the console"}
        await visit.calls.call("POST", "/v1/apply", body, {"tenant": visit.tenant})

    if await form.send(send):
        return visit.go(_here(visit), "The settings are saved.")
    theirs = None
    if form.status == CONFLICT:
        theirs = await between(visit, path, form.data.version, there.version)
        form.fill("version", str(there.version))
    return await _page(visit, form, theirs=theirs)


@post(f"{PAGE}/token")
async def give(visit: Visitor, form: Filled[Token]) -> Response[str]:
    """Keep a deploy token, in the place of the one before."""
    if await form.send(lambda data: visit.calls.call("PUT", f"{above(visit)}/git", data)):
        return visit.go(_here(visit), f"{visit.app} is fetched from {form.result['host']} with that token.")
    return await _page(visit, token=form)


@post(f"{PAGE}/token/forget")
async def forget(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """Forget the deploy token."""
    if await form.send(lambda _data: visit.calls.call("DELETE", f"{above(visit)}/git")):
        return visit.go(_here(visit), "The deploy token is forgotten.")
    return await _page(visit, failed=form)


async def _page(
    visit: Visit,
    form: Form[Settings] | None = None,
    *,
    token: Form[Token] | None = None,
    failed: Form[Empty] | None = None,
    theirs: Difference | None = None,
) -> Response[str]:
    there, held = await asyncio.gather(
        visit.calls.read(Descriptor, descriptor(App.KIND, visit.tenant, visit.app), keep=True), _token(visit)
    )
    spec: Mapping[str, Any] = there.spec
    fault: Form[Any] = form or token or failed or Form(Empty)
    return visit.page(
        "app-settings.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Settings"),
        at=_here(visit),
        spec=spec,
        held=held,
        form=form or Form.of(Settings, tasks=spec["tasks"], version=there.version),
        token=token or Form.of(Token, host=held.host if held else "", username=held.username if held else USERNAME),
        fault=fault,
        theirs=theirs,
        whole=f"/kinds/app/{segment(visit.tenant)}/{segment(visit.app)}",
        may_write=shape(App.KIND).may_write(visit, visit.tenant, visit.app, spec),
        may_token=visit.may("app.env", visit.tenant, visit.app),
        http_status=fault.status,
    )


async def _token(visit: Visit) -> TokenView | None:
    if not visit.may("app.env", visit.tenant, visit.app):
        return None
    try:
        return await visit.calls.read(TokenView, f"{above(visit)}/git", keep=True)
    except NotFoundError:
        return None


def _here(visit: Visit) -> str:
    return f"{at_app(visit)}/settings"


ROUTES: list[ControllerRouterHandler] = [show, save, give, forget]
