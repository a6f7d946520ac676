"""One tenant: its quotas and use, apps, people, what needs attention; changed, deleted, had back."""

from __future__ import annotations

import asyncio

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from serai.api.answers import descriptor, segment
from serai.api.shapes import Descriptor, Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form, Short
from serai.console.nav import Crumb, Nav
from serai.console.pages.tenants import Amount, deleted
from serai.console.plots import APPS, Plot, Span, choices, draw, span_of
from serai.console.tenancy import bars, gather, needs_attention
from serai.console.versions import gone, meanwhile, over
from serai.console.visit import Visit
from serai.errors import NotFoundError
from serai.services.apps.trash import Returned
from serai.services.paths import PLATFORM

NAV = (Nav(title="At a glance", path="/tenants/{tenant}", order=15, action="tenant.read"),)
HOME = "/tenants/{tenant:str}"


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """What people call a tenant, and what it may use; ``version`` is the one that the form was made from."""

    title: Short = ""
    memory_mb: Amount
    disk_mb: Amount
    processes: Amount
    tasks: Amount
    version: int


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """The name of what is to go, repeated; ``trash`` names what is kept of it."""

    repeat: Short
    trash: Short = ""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a deleted tenant, "" for the newest."""

    trash: Short = ""


@get(HOME)
async def show(visit: Visitor) -> Response[str]:
    """Show a tenant; to somebody who was given single apps of it, those."""
    if visit.where == PLATFORM:
        return visit.go("/")
    own = [] if visit.may("tenant.read", visit.tenant) else _apps_of(visit)
    if own:
        return visit.page("tenant-apps.html", title=visit.tenant, crumbs=_crumbs(visit), apps=own)
    span = span_of(visit.request.query_params.get("span", ""))
    try:
        facts, plots = await asyncio.gather(gather(visit), _plots(visit, span))
    except NotFoundError:
        return await _gone(visit)
    return visit.page(
        "tenant.html",
        title=facts.title or visit.tenant,
        crumbs=_crumbs(visit),
        facts=facts,
        bars=bars(facts),
        heed=needs_attention(visit, facts),
        channels=[f"tenant/{visit.tenant}"] if visit.may("push.read", visit.tenant) else [],
        plots=plots,
        spans=choices(visit, span),
    )


async def _plots(visit: Visit, span: Span) -> list[Plot]:
    if visit.part or not visit.may("series.read", visit.tenant):
        return []
    return await draw(visit, visit.tenant, APPS, span)


def _crumbs(visit: Visit, page: str = "") -> tuple[Crumb, ...]:
    first = Crumb("Tenants", "/tenants")
    return (first, Crumb(visit.tenant, visit.home), Crumb(page)) if page else (first, Crumb(visit.tenant))


def _apps_of(visit: Visit) -> list[str]:
    grants = visit.principal.grants if visit.principal is not None else ()
    return sorted({one.app for one in grants if one.tenant == visit.tenant and one.app})


async def _gone(visit: Visit) -> Response[str]:
    """Say what became of a tenant, and offer it back as long as it is kept."""
    kept = None
    if visit.may("trash.read"):
        found = await visit.calls.read(
            Page, "/v1/trash", {"tenant": PLATFORM, "prefix": f"{visit.tenant}.", "limit": 10}
        )
        mine = [one for one in found.items if one.spec["what"] == "tenant" and one.spec["app"] == visit.tenant]
        kept = max(mine, key=lambda one: one.spec["deleted"], default=None)
    answer: Response[str] = await gone(
        visit,
        "tenant",
        visit.tenant,
        crumbs=_crumbs(visit),
        back=f"{visit.home}/undelete" if kept is not None and visit.may("tenant.write") else "",
        until=kept.spec["until"] if kept is not None else 0.0,
        note="Its apps, data and people come back with it; tokens and invitations have ended for good."
        if kept is not None
        else "Nothing of it is kept any more.",
    )
    return answer


@get(f"{HOME}/quotas")
async def quotas(visit: Visitor) -> Response[str]:
    """Show what a tenant may use, in a form for who may change it."""
    there = await visit.calls.read(Descriptor, descriptor("tenant", visit.tenant, visit.tenant), keep=True)
    fields = {key: there.spec[key] for key in Quotas.__struct_fields__ if key in there.spec}
    return _quotas(visit, Form.of(Quotas, version=there.version, **fields))


@post(f"{HOME}/quotas")
async def save(visit: Visitor, form: Filled[Quotas]) -> Response[str]:
    """Change what a tenant may use; what somebody else changed meanwhile is shown, and not overwritten."""
    path = descriptor("tenant", visit.tenant, visit.tenant)

    async def send(data: Quotas) -> object:
        fields = {key: value for key, value in msgspec.structs.asdict(data).items() if key != "version"}
        return await visit.calls.call("PATCH", path, fields, headers=over(data.version))

    if await form.send(send):
        return visit.go(visit.home, "The quotas are saved. What runs goes on, also beyond a smaller one.")
    return _quotas(visit, form, await meanwhile(visit, form, path))


def _quotas(visit: Visit, form: Form[Quotas], theirs: object = None) -> Response[str]:
    visit.form = form
    return visit.page(
        "tenant-quotas.html",
        title="Quotas",
        crumbs=_crumbs(visit, "Quotas"),
        theirs=theirs,
        may_write=visit.may("tenant.write", visit.tenant),
        may_delete=visit.may("tenant.delete", visit.tenant),
    )


@post(f"{HOME}/delete")
async def delete(visit: Visitor, form: Filled[Confirmed]) -> Response[str]:
    """Delete a tenant whose name was repeated, with its apps and data; all of it is kept for seven days."""
    path = descriptor("tenant", visit.tenant, visit.tenant)
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"confirm": data.repeat})):
        return visit.go(visit.home, f"{visit.tenant} is deleted. It is kept for seven days.")
    there = await visit.calls.read(Descriptor, path)
    fields = {key: there.spec[key] for key in Quotas.__struct_fields__ if key in there.spec}
    again = Form.of(Quotas, version=there.version, **fields)
    again.error, again.status = form.error or next(iter(form.errors.values()), ""), form.status
    return _quotas(visit, again)


@post(f"{HOME}/undelete")
async def undelete(visit: Visitor, form: Filled[Kept]) -> Response[str]:
    """Bring a deleted tenant back."""
    path = f"/v1/tenants/{segment(visit.tenant)}/undelete"
    if await form.send(lambda data: visit.calls.call("POST", path, data)):
        told = msgspec.convert(form.result, Returned)
        return visit.go(visit.home, " ".join((f"{visit.tenant} is back; its apps follow.", *told.notes))[:500])
    return await deleted(visit)


@post(f"{HOME}/purge")
async def purge(visit: Visitor, form: Filled[Confirmed]) -> Response[str]:
    """End what is kept of a deleted tenant, for good."""
    path = f"/v1/tenants/{segment(visit.tenant)}/trash/{segment(form.value('trash'))}"
    if await form.send(lambda data: visit.calls.call("DELETE", path, query={"confirm": data.repeat})):
        return visit.go("/tenants?show=deleted", f"What was kept of {visit.tenant} goes now.")
    return await deleted(visit)


ROUTES: list[ControllerRouterHandler] = [show, quotas, save, delete, undelete, purge]
