"""An app's domains: host names of the tenant's own, the DNS record that each needs, and its certificate."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import segment
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form, Short
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.places import above, at_app, own_name
from serai.console.visit import Visit
from serai.errors import InvalidError
from serai.services.apps.descriptors import PROD
from serai.services.apps.views import AppView, DomainView

PAGE = "/tenants/{tenant:str}/apps/{app:str}/domains"
NAV = (Nav(title="Domains", path="/tenants/{tenant}/apps/{app}/domains", order=45, action="app.read"),)
SOON = 14 * 86400  # seconds before its end from which on a certificate should have been renewed


class NewDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A host name, and the environment that it shows."""

    host: Annotated[str, Meta(max_length=253)]
    environment: Annotated[str, Meta(max_length=24)] = PROD


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """The host name that is to lead nowhere, and the same repeated."""

    host: Annotated[str, Meta(max_length=253)]
    environment: Annotated[str, Meta(max_length=24)] = PROD
    repeat: Short


@get(PAGE)
async def show(visit: Visitor) -> Response[str]:
    """Show an app's domains."""
    return await unless_gone(visit, _page(visit))


@post(PAGE)
async def add(visit: Visitor, form: Filled[NewDomain]) -> Response[str]:
    """Let a host name lead to the app."""

    async def send(data: NewDomain) -> str:
        host = data.host.strip().rstrip(".").lower()
        if not host:
            raise InvalidError("This is needed.", path="host")
        await visit.calls.call("PUT", _path(visit, host), {"environment": data.environment})
        return host

    if await form.send(send):
        return visit.go(_here(visit), f"{form.result} leads to {visit.app}, once its DNS record does.")
    return await _page(visit, form)


@post(f"{PAGE}/remove")
async def remove(visit: Visitor, form: Filled[Removal]) -> Response[str]:
    """Let a host name lead nowhere; the form to add it again is filled already."""

    async def send(data: Removal) -> None:
        if data.repeat != data.host:
            raise InvalidError("That is not the domain's name: it still leads here.")
        await visit.calls.call("DELETE", _path(visit, data.host))

    if await form.send(send):
        host, environment = form.data.host, form.data.environment
        again = f"{_here(visit)}?host={segment(host)}&environment={segment(environment)}"
        return visit.go(again, f"{host} leads nowhere now. To undo it, add it again below.")
    return await _page(visit, form)


async def _page(visit: Visit, form: Form[NewDomain] | Form[Removal] | None = None) -> Response[str]:
    calls, path, given = visit.calls, above(visit), visit.request.query_params
    view, domains = await asyncio.gather(
        calls.read(AppView, path, keep=True), calls.read(list[DomainView], f"{path}/domains", keep=True)
    )
    fault = form if form is not None else Form(NewDomain)
    if form is None or form.kind is not NewDomain:
        values = {"host": given.get("host", ""), "environment": given.get("environment", PROD)}
        form = Form.of(NewDomain, **values)
    return visit.page(
        "app-domains.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Domains"),
        at=_here(visit),
        domains=domains,
        own=own_name(visit, visit.tenant),
        environments=[(name, name) for name in sorted({PROD, *view.live, form.value("environment") or PROD})],
        now=visit.now,
        soon=SOON,
        form=form,
        fault=fault,
        may_change=visit.may("app.domain", visit.tenant, visit.app),
        http_status=fault.status,
    )


def _path(visit: Visit, host: str) -> str:
    return f"{above(visit)}/domains/{segment(host)}"


def _here(visit: Visit) -> str:
    return f"{at_app(visit)}/domains"


ROUTES: list[ControllerRouterHandler] = [show, add, remove]
