"""The past of any descriptor: who wrote what, how versions differ, and going back to one."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from serai.api.answers import descriptor, segment
from serai.api.shapes import Difference, History
from serai.console.depend import Filled, Visitor
from serai.console.nav import Crumb
from serai.console.shape import action_of, shape
from serai.console.visit import Visit
from serai.errors import SeraiError
from serai.services.paths import PLATFORM

REVISIONS = 100
ONE = "/kinds/{kind:str}/{tenant:str}/{name:str}"


class Past(msgspec.Struct, frozen=True):
    """A version to go back to."""

    version: int


@get(f"{ONE}/history")
async def history(visit: Visitor, kind: FromPath[str], name: FromPath[str]) -> Response[str]:
    """Show who wrote what, when and why, and how two versions differ."""
    return await _history(visit, kind, name)


async def _history(visit: Visit, kind: str, name: str) -> Response[str]:
    of, path, given = shape(kind), descriptor(kind, visit.tenant, name), visit.request.query_params
    past = await visit.calls.read(History, f"{path}/history", {"limit": REVISIONS}, keep=True)
    versions = [one.version for one in past.items]
    new = int(given["new"]) if given.get("new", "").isdecimal() else versions[0]
    old = int(given["old"]) if given.get("old", "").isdecimal() else next((one for one in versions if one < new), 0)
    told = await between(visit, path, old, new) if 0 < old != new else None
    return visit.page(
        "kind-history.html",
        title=f"History of {name}",
        crumbs=(*crumbs_of(visit, kind, name)[:-1], Crumb(name, path_of(kind, visit.tenant, name)), Crumb("History")),
        kind=kind,
        name=name,
        past=past.items,
        old=old,
        new=new,
        diff=told,
        may_write=of.writable and visit.may(action_of(of.kind, "write"), visit.tenant),
    )


@post(f"{ONE}/restore")
async def restore(visit: Visitor, form: Filled[Past], kind: FromPath[str], name: FromPath[str]) -> Response[str]:
    """Write an old version as the newest."""
    path = f"{descriptor(kind, visit.tenant, name)}/restore"
    if await form.send(lambda data: visit.calls.call("POST", path, query={"version": data.version})):
        return visit.go(path_of(kind, visit.tenant, name), f"{name} is as it was in version {form.data.version}.")
    return await _history(visit, kind, name)


async def between(visit: Visit, path: str, old: int, new: int) -> Difference | None:
    """Return what others changed since somebody's form was made; None where that can't be told any more."""
    try:
        return await visit.calls.read(Difference, f"{path}/diff", {"old": old, "new": new})
    except SeraiError:
        return None


def crumbs_of(visit: Visit, kind: str, last: str) -> tuple[Crumb, ...]:
    """Return the way to a descriptor."""
    query = f"?tenant={segment(visit.tenant)}" if visit.tenant else ""
    return (Crumb("Descriptors", "/kinds"), Crumb(kind, f"/kinds/{segment(kind)}{query}"), Crumb(last))


def path_of(kind: str, tenant: str, name: str) -> str:
    """Return the page of a descriptor."""
    return f"/kinds/{segment(kind)}/{segment(tenant or PLATFORM)}/{segment(name)}"


ROUTES: list[ControllerRouterHandler] = [history, restore]
