"""Releases of an app: side by side, one with its build, two compared; put live, deleted, had back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import Parameters, descriptor, segment
from serai.api.shapes import Descriptor, Page
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Short
from serai.console.nav import Crumb, Nav, way
from serai.console.pages.app_logs import build_log, task_log
from serai.console.places import above, differing, reached
from serai.console.visit import Visit
from serai.errors import DeadlineError, InvalidError, NotFoundError, UnavailableError
from serai.services.apps.routes.release import Releases
from serai.services.apps.views import ReleaseView
from serai.store.tasks import FINAL
from serai.tasks.view import TaskPage, TaskView

ALL = "/tenants/{tenant:str}/apps/{app:str}/releases"
ONE = f"{ALL}/{{number:int}}"
NAV = (Nav(title="Releases", path="/tenants/{tenant}/apps/{app}/releases", order=10, action="app.read"),)
AT_ONCE = 25  # releases on a page
GONE = 404
BUILT = frozenset({"built", "live"})
_BUILDS = frozenset({"apps.fetch", "apps.build"})
#: What of a release is about how it came to be, and not what it is.
_CIRCUMSTANCES = frozenset(
    {
        "app",
        "number",
        "blob",
        "created",
        "who",
        "title",
        "state",
        "reason",
        "tail",
        "built",
        "prepared",
        "notes",
        "folder",
    }
)


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """Where a release is to be live."""

    environment: Annotated[str, Meta(min_length=1, max_length=64)]


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """The release's name, repeated."""

    repeat: Short


@get(ALL)
async def releases(visit: Visitor, before: FromQuery[str] = "") -> Response[str]:
    """List an app's releases, newest first."""
    query: Parameters = {"limit": AT_ONCE, "before": before or None}
    found = await visit.calls.read(Releases, f"{above(visit)}/releases", query, keep=True)
    return visit.page(
        "app-releases.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Releases"),
        at=_at(visit),
        releases=found.items,
        next=str(found.next or ""),
        channels=_channels(visit),
        may_promote=visit.may("app.promote", visit.tenant, visit.app),
    )


@get(ONE)
async def show(visit: Visitor, number: FromPath[int]) -> Response[str]:
    """Show a release: how its build went, what it is made of, and what can be done with it."""
    return await _show(visit, number)


async def _show(visit: Visit, number: int) -> Response[str]:
    name = f"{visit.app}.{number}"
    try:
        view, record, going, lines = await asyncio.gather(
            visit.calls.read(ReleaseView, f"{above(visit)}/releases/{number}", keep=True),
            visit.calls.read(Descriptor, descriptor("release", visit.tenant, name), keep=True),
            _going(visit),
            build_log(visit, number),
        )
    except NotFoundError:
        return await _gone(visit, number)
    over = view.state in {*BUILT, "failed"}
    building = None if over else next((one for one in going if one.function in _BUILDS), None)
    if building is not None:
        lines = await task_log(visit, building.id)  # the whole log is put together when it is over
    return visit.page(
        "app-release.html",
        title=visit.app,
        crumbs=_crumbs(visit, number),
        at=_at(visit),
        release=view,
        spec=record.spec,
        url=reached(visit, view.url),
        made=_made(record.spec),
        going=going,
        lines=lines,
        over=over,
        every=10 if over and not going else 2,
        channels=_channels(visit),
        told=[*_channels(visit), *([f"task/{visit.tenant}/{building.id}"] if building else [])],
        may_promote=view.state in BUILT and visit.may("app.promote", visit.tenant, visit.app),
        may_delete=over and not view.live and visit.may("app.delete", visit.tenant, visit.app),
    )


async def _going(visit: Visit) -> list[TaskView]:
    """Return the tasks of the app that are not over: deployments are in turn. None while nobody can tell."""
    if not visit.may("task.read", visit.tenant, visit.app):
        return []
    try:
        found = await visit.calls.read(TaskPage, f"{above(visit)}/tasks", {"limit": 10}, keep=True)
    except (UnavailableError, DeadlineError):
        return []
    return [task for task in reversed(found.items) if task.state not in FINAL]


def _made(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a release is, without what is the same of most."""
    return {name: value for name, value in spec.items() if name not in _CIRCUMSTANCES and value not in (None, "", {})}


@get(f"{ALL}/compare")
async def compare(visit: Visitor, old: FromQuery[int], new: FromQuery[int]) -> Response[str]:
    """Show what two releases differ in."""
    one, other = await asyncio.gather(
        *(
            visit.calls.read(Descriptor, descriptor("release", visit.tenant, f"{visit.app}.{number}"), keep=True)
            for number in (old, new)
        )
    )
    return visit.page(
        "app-compare.html",
        title=visit.app,
        crumbs=(*_crumbs(visit, old)[:-1], Crumb(f"{old} and {new}")),
        at=_at(visit),
        old=one.spec,
        new=other.spec,
        fields=differing(_made(one.spec), _made(other.spec)),
    )


async def _gone(visit: Visit, number: int) -> Response[str]:
    """Say what became of a release; `NotFoundError` where there never was one."""
    query: Parameters = {"tenant": visit.tenant, "prefix": f"{visit.app}.{number}.", "limit": 1}
    if not visit.may("trash.read", visit.tenant):
        raise NotFoundError("There is no such release.")
    found = (await visit.calls.read(Page, "/v1/trash", query, keep=True)).items
    if not found:
        raise NotFoundError(f"{visit.app[:64]} has no release {number}.")
    return visit.page(
        "app-gone.html",
        title=f"Release {number} of {visit.app}",
        crumbs=_crumbs(visit, number),
        http_status=GONE,
        kept=found[0],
        at=f"{_at(visit)}/releases/{number}",
        may_undo=visit.may("app.delete", visit.tenant, visit.app),
    )


# What is done with one:


@post(f"{ONE}/promote")
async def promote(visit: Visitor, form: Filled[Live], number: FromPath[int]) -> Response[str]:
    """Make a release live."""

    async def send(data: Live) -> Any:
        body = {"release": number, "environment": data.environment}
        return await visit.calls.call("POST", f"{above(visit)}/promote", body)

    if await form.send(send):
        return visit.go(
            f"{_at(visit)}/releases/{number}", f"Release {number} goes live in {form.data.environment} once it works."
        )
    return await _show(visit, number)


@post(f"{ONE}/delete")
async def delete(visit: Visitor, form: Filled[Delete], number: FromPath[int]) -> Response[str]:
    """Delete a release whose name was repeated."""

    async def send(data: Delete) -> Any:
        if data.repeat != f"{visit.app}.{number}":
            raise InvalidError("That is not its name: nothing was deleted.", path="repeat")
        return await visit.calls.call("DELETE", f"{above(visit)}/releases/{number}")

    if await form.send(send):
        return visit.go(f"{_at(visit)}/releases/{number}", f"Release {number} is deleted.")
    return await _show(visit, number)


@post(f"{ONE}/undelete")
async def undelete(visit: Visitor, form: Filled[Empty], number: FromPath[int]) -> Response[str]:
    """Have a deleted release back."""
    path = f"{above(visit)}/releases/{number}/undelete"
    if await form.send(lambda _: visit.calls.call("POST", path)):
        return visit.go(f"{_at(visit)}/releases/{number}", f"Release {number} comes back.")
    return await _gone(visit, number)


def _at(visit: Visit) -> str:
    return f"{visit.home}/apps/{segment(visit.app)}"


def _crumbs(visit: Visit, number: int) -> tuple[Crumb, ...]:
    above_it = way(visit.tenant, visit.app, "Releases")
    return (*above_it[:-1], Crumb("Releases", f"{_at(visit)}/releases"), Crumb(str(number)))


def _channels(visit: Visit) -> list[str]:
    may = visit.may("push.read", visit.tenant, visit.app)
    return [f"app/{visit.tenant}/{visit.app}"] if may else []


ROUTES: list[ControllerRouterHandler] = [releases, show, compare, promote, delete, undelete]
