"""API tokens: one's own, and those of a tenant. A new one is shown once."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import segment
from serai.api.tokens import Issued, TokenList
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.nav import Crumb, Nav
from serai.console.visit import Visit
from serai.services.paths import PLATFORM

NAV = (
    Nav(title="Tokens", path="/tenants/{tenant}/tokens", order=70, action="token.read"),
    Nav(title="Your tokens", path="/tokens", order=96),
)
DAYS = {"30": 30, "90": 90, "365": 365, "never": 0}
Lines = Annotated[str, Meta(max_length=4000)]


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token to be; ``actions``, ``kinds``, ``names`` and ``networks`` one a line, all where there is none."""

    title: Short = ""
    name: Annotated[str, Meta(max_length=63)] = ""
    tenant: Short = ""
    app: Short = ""
    actions: Lines = ""
    kinds: Lines = ""
    names: Lines = ""
    networks: Lines = ""
    days: Literal["30", "90", "365", "never"] = "90"

    def body(self, now: float) -> dict[str, object]:
        """Return it as the API takes it; ``now`` in seconds since the epoch."""
        lists = {key: getattr(self, key).split() for key in ("actions", "kinds", "names", "networks")}
        expires = now + DAYS[self.days] * 86400 if DAYS[self.days] else 0.0
        return {"title": self.title, "app": self.app, "expires": expires, **lists}


@get(["/tokens", "/tenants/{tenant:str}/tokens"])
async def tokens(visit: Visitor) -> Response[str]:
    """List one's own tokens, or those of a tenant."""
    return await _tokens(visit, Form.of(NewToken))


async def _tokens(visit: Visit, form: Form[NewToken]) -> Response[str]:
    path = "/v1/me/tokens" if visit.where is None else f"/v1/tokens/{segment(visit.where)}"
    found = await visit.calls.read(TokenList, path, keep=True)
    visit.form = form
    return visit.page(
        "tokens.html",
        title="Your tokens" if visit.where is None else "Tokens",
        crumbs=(Crumb(visit.tenant, visit.home), Crumb("Tokens")) if visit.tenant else (),
        tokens=found.items,
        own=visit.where is None,
        may_write=visit.where is None or visit.may("token.write", visit.tenant),
        may_end=visit.where is None or visit.may("token.delete", visit.tenant),
    )


@post(["/tokens", "/tenants/{tenant:str}/tokens"])
async def make(visit: Visitor, form: Filled[NewToken]) -> Response[str]:
    """Make a token and show it, this once."""

    async def send(new: NewToken) -> object:
        body = new.body(time.time())
        if visit.where is None:
            return await visit.calls.call("POST", "/v1/me/tokens", {**body, "tenant": new.tenant})
        return await visit.calls.call("POST", f"/v1/tokens/{segment(visit.where)}", {**body, "name": new.name})

    if not await form.send(send):
        return await _tokens(visit, form)
    visit.form = None
    issued = msgspec.convert(form.result, Issued)
    return visit.page("token-made.html", title="A new token", issued=issued, back=f"{visit.home}/tokens")


@post("/tenants/{tenant:str}/tokens/{name:str}/end")
async def end(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """End a tenant's token: whoever shows it is nobody from now on."""
    path = f"/v1/tokens/{segment(visit.tenant or PLATFORM)}/{segment(name)}"
    if await form.send(lambda _data: visit.calls.call("DELETE", path)):
        return visit.go(f"{visit.home}/tokens", "The token opens nothing any more.")
    return await _tokens(visit, Form.of(NewToken))


@post("/tokens/{where:str}/{name:str}/end")
async def end_own(visit: Visitor, form: Filled[Empty], where: FromPath[str], name: FromPath[str]) -> Response[str]:
    """End a token of one's own."""
    path = f"/v1/me/tokens/{segment(where)}/{segment(name)}"
    if await form.send(lambda _data: visit.calls.call("DELETE", path)):
        return visit.go("/tokens", "The token opens nothing any more.")
    return await _tokens(visit, Form.of(NewToken))


ROUTES: list[ControllerRouterHandler] = [tokens, make, end, end_own]
