"""Any descriptor: its kind's list, a form made from its struct, its past; made, changed, deleted and had back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from serai.api.answers import descriptor, segment
from serai.api.shapes import Descriptor, History, Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.homes import home_of
from serai.console.leaves import changed, shown
from serai.console.nav import Crumb, Nav
from serai.console.pages.kinds_history import ONE, between, crumbs_of, path_of
from serai.console.shape import Shape, action_of, all_kinds, form_of, shape
from serai.console.versions import CHANGED
from serai.console.visit import Visit
from serai.errors import ConflictError, InvalidError, NotFoundError
from serai.services.paths import PLATFORM
from serai.store import Spec

NAV = (Nav(title="Descriptors", path="/kinds", order=80),)
AT_ONCE = 50


class Confirmed(msgspec.Struct, frozen=True):
    """The name of what is to go, repeated."""

    repeat: Short


@get("/kinds")
async def kinds(visit: Visitor) -> Response[str]:
    """List the kinds that the visitor may read somewhere."""
    found = [
        (kind.KIND, (kind.__doc__ or "").partition("\n")[0])
        for kind in sorted(all_kinds(), key=lambda one: one.KIND)
        if visit.may_anywhere(action_of(kind, "read"))
    ]
    return visit.page("kinds.html", title="Descriptors", kinds=found)


@get("/kinds/{kind:str}")
async def find(visit: Visitor, kind: FromPath[str]) -> Response[str]:
    """List a kind's descriptors."""
    of, given = shape(kind), visit.request.query_params
    tenant = given.get("tenant") or _only(visit, of.kind)
    query = {"tenant": tenant, "prefix": given.get("prefix", ""), "after": given.get("after", ""), "limit": AT_ONCE}
    found = await visit.calls.read(Page, f"/v1/{segment(kind)}", query, keep=True)
    return visit.page(
        "kind.html",
        title=kind,
        crumbs=(Crumb("Descriptors", "/kinds"), Crumb(kind)),
        kind=kind,
        about=(of.kind.__doc__ or "").partition("\n")[0],
        items=found.items,
        next=found.next,
        where=tenant or "",
        prefix=given.get("prefix", ""),
        may_write=of.writable and visit.may_anywhere("apply.write"),
    )


def _only(visit: Visit, kind: type[Spec]) -> str | None:
    """Return the tenant to show where none is named: all of them to who may see all, or else somebody's first."""
    return None if visit.may(action_of(kind, "read")) else next(iter(visit.tenants()), None)


@get("/kinds/{kind:str}/new")
async def new(visit: Visitor, kind: FromPath[str]) -> Response[str]:
    """Show an empty form."""
    of, tenant = shape(kind), visit.request.query_params.get("tenant") or PLATFORM
    return _edit(visit, of, shown(of.form, of.fields, {}, tenant=tenant), tenant=tenant)


@post("/kinds/{kind:str}/new", form=form_of)
async def make(visit: Visitor, form: Filled[Any], kind: FromPath[str]) -> Response[str]:
    """Make a descriptor."""
    of, tenant = shape(kind), form.value(".tenant").removeprefix(PLATFORM)

    async def send(data: Any) -> None:
        await _apply(visit, of, tenant, data.name, changed(form, of.fields, {}), 0)

    if await form.send(send):
        return visit.go(path_of(kind, tenant, form.data.name), f"{form.data.name} is made.")
    return _edit(visit, of, form, tenant=tenant or PLATFORM)


@get(ONE)
async def show(visit: Visitor, kind: FromPath[str], name: FromPath[str]) -> Response[str]:
    """Show a descriptor: a form where it may be changed."""
    of, path = shape(kind), descriptor(kind, visit.tenant, name)
    try:
        there = await visit.calls.read(Descriptor, path, keep=True)
    except NotFoundError:
        return await _gone(visit, of, name)
    form = shown(of.form, of.fields, there.spec, version=there.version)
    return _edit(visit, of, form, tenant=visit.tenant or PLATFORM, name=name, spec=there.spec)


async def _gone(visit: Visit, of: Shape, name: str) -> Response[str]:
    """Say what became of what was here; `NotFoundError` where nothing ever was."""
    past = await visit.calls.read(History, f"{descriptor(of.kind.KIND, visit.tenant, name)}/history", {"limit": 1})
    return visit.page(
        "kind-gone.html",
        title=name,
        crumbs=crumbs_of(visit, of.kind.KIND, name),
        http_status=404,
        kind=of.kind.KIND,
        name=name,
        last=past.items[0],
        page=home_of(of.kind.KIND, visit.tenant, name),
        returns=of.kind.RETURNS and of.kind.EXPORTED is not None and visit.may("apply.write", visit.tenant),
    )


@post(ONE, form=form_of)
async def save(visit: Visitor, form: Filled[Any], kind: FromPath[str], name: FromPath[str]) -> Response[str]:
    """Change a descriptor; what somebody else changed meanwhile is shown, and not overwritten."""
    of, path = shape(kind), descriptor(kind, visit.tenant, name)
    there = await visit.calls.read(Descriptor, path)

    async def send(data: Any) -> None:
        if data.version != there.version:
            raise ConflictError(CHANGED)
        spec = changed(form, of.fields, there.spec)
        if spec != there.spec:
            await _apply(visit, of, visit.tenant, name, spec, there.version)

    if await form.send(send):
        return visit.go(path_of(kind, visit.tenant, name), f"{name} is saved.")
    theirs = None
    if form.ok or form.status == 409:
        theirs = await between(visit, path, form.data.version, there.version)
        form.fill(".version", str(there.version))
    return _edit(visit, of, form, tenant=visit.tenant or PLATFORM, name=name, spec=there.spec, theirs=theirs)


async def _apply(visit: Visit, of: Shape, tenant: str, name: str, spec: Mapping[str, Any], version: int) -> None:
    """Write a descriptor over a version of it (0: where nothing is), with all that follows."""
    body = {"items": [of.item(name, spec)], "expect": {f"{of.kind.KIND}/{name}": version}, "why": "by the console"}
    await visit.calls.call("POST", "/v1/apply", body, {"tenant": tenant or PLATFORM})


@post(f"{ONE}/delete")
async def delete(visit: Visitor, form: Filled[Confirmed], kind: FromPath[str], name: FromPath[str]) -> Response[str]:
    """Delete a descriptor whose name was repeated."""
    of, path = shape(kind), descriptor(kind, visit.tenant, name)
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"confirm": data.repeat})):
        return visit.go(path_of(kind, visit.tenant, name), f"{name} is deleted.")
    there = await visit.calls.read(Descriptor, path)
    again = shown(of.form, of.fields, there.spec, version=there.version)
    again.error, again.status = form.error or next(iter(form.errors.values()), ""), form.status
    return _edit(visit, of, again, tenant=visit.tenant or PLATFORM, name=name, spec=there.spec)


@post(f"{ONE}/undelete")
async def undelete(visit: Visitor, form: Filled[Empty], kind: FromPath[str], name: FromPath[str]) -> Response[str]:
    """Have back what was deleted."""
    query = {"tenant": visit.tenant or PLATFORM}
    body = {"kind": kind, "name": name}
    if await form.send(lambda _data: visit.calls.call("POST", "/v1/undelete", body, query)):
        return visit.go(path_of(kind, visit.tenant, name), f"{name} is back.")
    raise InvalidError(form.error or "It does not come back.")


def _edit(
    visit: Visit, of: Shape, form: Form[Any], *, tenant: str, name: str = "", spec: Any = None, theirs: Any = None
) -> Response[str]:
    kind, inside = of.kind.KIND, "" if tenant == PLATFORM else tenant
    visit.form = form
    return visit.page(
        "kind-edit.html",
        title=name or f"New {kind}",
        crumbs=crumbs_of(visit, kind, name or "New"),
        kind=kind,
        tenant=tenant,
        name=name,
        spec=spec,
        page=home_of(kind, inside, name) if name else "",
        fields=of.fields,
        derived=[(key, value) for key, value in (spec or {}).items() if key in of.kind.DERIVED],
        theirs=theirs,
        may_write=of.writable and visit.may("apply.write", inside)
        if spec is None
        else of.may_write(visit, inside, name, spec),
        may_delete=of.writable and bool(name) and visit.may(action_of(of.kind, "delete"), inside),
    )


ROUTES: list[ControllerRouterHandler] = [
    kinds, find, new, make, show, save, delete, undelete,
]  # fmt: skip
