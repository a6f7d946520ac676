"""Tenants: all of them to operators, to others their own; made, found, and those that are deleted."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import segment
from serai.api.shapes import Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form
from serai.console.nav import Crumb, Nav
from serai.console.visit import Visit
from serai.errors import DeniedError
from serai.services.paths import PLATFORM

NAV = (Nav(title="Tenants", path="/tenants", order=10, action="tenant.read", anywhere=True),)
AT_ONCE = 50  # tenants on a page

Amount = Annotated[int, Meta(ge=1, le=1 << 40)]


class NewTenant(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant to be: its name, which stays, and what it may use; memory and disk in MiB."""

    name: Annotated[str, Meta(max_length=64)]
    title: Annotated[str, Meta(max_length=200)] = ""
    memory_mb: Amount = 16384
    disk_mb: Amount = 32768
    processes: Amount = 4096
    tasks: Amount = 1_000_000


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant in a list; ``roles`` are the visitor's own there."""

    name: str
    title: str = ""
    memory_mb: int = 0
    disk_mb: int = 0
    roles: str = ""


@get("/tenants")
async def tenants(visit: Visitor) -> Response[str]:
    """List tenants, or, with ``show=deleted``, those that are deleted."""
    if visit.request.query_params.get("show") == "deleted":
        return await deleted(visit)
    return await _tenants(visit, Form.of(NewTenant))


@post("/tenants")
async def create(visit: Visitor, form: Filled[NewTenant]) -> Response[str]:
    """Make a tenant."""
    if await form.send(lambda new: visit.calls.call("POST", "/v1/tenants", new)):
        name = form.data.name
        return visit.go(f"/tenants/{segment(name)}", f"The tenant {name} is made. Invite who is to own it.")
    return await _tenants(visit, form)


async def _tenants(visit: Visit, form: Form[NewTenant]) -> Response[str]:
    given = visit.request.query_params
    prefix, after = given.get("prefix", "").strip(), given.get("after", "")
    if visit.may("tenant.read"):
        query = {"prefix": prefix, "after": after, "limit": AT_ONCE}
        found = await visit.calls.read(Page, "/v1/tenant", query, keep=True)
        rows, following = [_row(one.name, one.spec) for one in found.items], found.next
    else:
        own = [name for name in visit.tenants() if name.startswith(prefix) and name > after]
        rows = [Row(name=name, roles=roles_of(visit, name)) for name in own[:AT_ONCE]]
        following = own[AT_ONCE - 1] if len(own) > AT_ONCE else ""
    visit.form = form
    return visit.page(
        "tenants.html",
        title="Tenants",
        rows=rows,
        next=following,
        prefix=prefix,
        all=visit.may("tenant.read"),
        may_write=visit.may("tenant.write"),
        may_undo=visit.may("trash.read"),
    )


async def deleted(visit: Visit) -> Response[str]:
    """Show the tenants that are deleted and kept; with what was refused, where something was."""
    if not visit.may("trash.read"):
        raise DeniedError(visit.form.error if visit.form is not None else "Only operators see deleted tenants.")
    query = {"tenant": PLATFORM, "after": visit.request.query_params.get("after", ""), "limit": AT_ONCE}
    found = await visit.calls.read(Page, "/v1/trash", query, keep=True)
    return visit.page(
        "tenants-deleted.html",
        title="Deleted tenants",
        crumbs=(Crumb("Tenants", "/tenants"), Crumb("Deleted")),
        items=[one for one in found.items if one.spec["what"] == "tenant"],
        next=found.next,
        may_write=visit.may("tenant.write"),
        may_end=visit.may("tenant.delete"),
    )


def _row(name: str, spec: dict[str, object]) -> Row:
    return msgspec.convert({**spec, "name": name}, Row)


def roles_of(visit: Visit, tenant: str) -> str:
    """Return what the visitor is in a tenant, as a person reads it."""
    grants = visit.principal.grants if visit.principal is not None else ()
    found = [one.role + (f" of {one.app}" if one.app else "") for one in grants if one.tenant == tenant]
    return ", ".join(sorted(found))


ROUTES: list[ControllerRouterHandler] = [tenants, create]
