"""Releases of an app: side by side, one with its build, two compared."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Response, get
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from serai.api.answers import Parameters, descriptor
from serai.api.shapes import Descriptor, Page
from serai.console.depend import Visitor
from serai.console.nav import Crumb, Nav, way
from serai.console.pages.app_logs import build_log, task_log
from serai.console.places import above, at_app, differing, reached
from serai.console.visit import Visit
from serai.errors import DeadlineError, NotFoundError, UnavailableError
from serai.services.apps.descriptors import PROD
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


@get(ALL)
async def releases(visit: Visitor, before: FromQuery[str] = "") -> Response[str]:
    """List an app's releases, newest first."""
    query: Parameters = {"limit": AT_ONCE, "before": before or None}
    found = await visit.calls.read(Releases, f"{above(visit)}/releases", query, keep=True)
    return visit.page(
        "app-releases.html",
        title=visit.app,
        crumbs=way(visit.tenant, visit.app, "Releases"),
        at=at_app(visit),
        releases=found.items,
        next=str(found.next or ""),
        channels=_channels(visit),
        may_promote=visit.may("app.promote", visit.tenant, visit.app),
    )


@get(ONE)
async def show(visit: Visitor, number: FromPath[int]) -> Response[str]:
    """Show a release: how its build went, what it is made of, and what can be done with it."""
    return await show_one(visit, number)


async def show_one(visit: Visit, number: int) -> Response[str]:
    """Return the page of a release, with the form that was refused, where there is one."""
    name = f"{visit.app}.{number}"
    try:
        app, view, record, going, lines = await asyncio.gather(
            visit.calls.read(Descriptor, descriptor("app", visit.tenant, visit.app), keep=True),
            _view(visit, number),
            visit.calls.read(Descriptor, descriptor("release", visit.tenant, name), keep=True),
            _going(visit),
            build_log(visit, number),
        )
    except NotFoundError:
        return await gone_one(visit, number)
    over = view.state in {*BUILT, "failed"}
    building = None if over else next((one for one in going if one.function in _BUILDS), None)
    if building is not None:
        lines = await task_log(visit, building.id)  # the whole log is put together when it is over
    return visit.page(
        "app-release.html",
        title=visit.app,
        crumbs=_crumbs(visit, number),
        at=at_app(visit),
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
        before=_before(app.spec, number),
        environments=sorted({PROD, *app.spec["live"]}),
        may_logs=visit.may("app.logs", visit.tenant, visit.app),
        may_cancel=visit.may("task.cancel", visit.tenant, visit.app),
        may_promote=view.state in BUILT and visit.may("app.promote", visit.tenant, visit.app),
        may_again=over and visit.may("app.deploy", visit.tenant, visit.app),
        may_delete=over and not view.live and visit.may("app.delete", visit.tenant, visit.app),
    )


async def _view(visit: Visit, number: int) -> ReleaseView:
    return await visit.calls.read(ReleaseView, f"{above(visit)}/releases/{number}", keep=True)


def _before(app: Mapping[str, Any], number: int) -> int:
    """Return the release that one is best compared with: what visitors see, or saw before; 0 for none."""
    shown: int = app["live"].get(PROD, 0)
    past: Sequence[int] = app["before"].get(PROD, ())
    return shown if shown != number else past[-1] if past else 0


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
    names = [descriptor("release", visit.tenant, f"{visit.app}.{number}") for number in (old, new)]
    (one, other), views = await asyncio.gather(
        asyncio.gather(*(visit.calls.read(Descriptor, name, keep=True) for name in names)),
        asyncio.gather(*(_view(visit, number) for number in (old, new))),
    )
    return visit.page(
        "app-compare.html",
        title=visit.app,
        crumbs=(*_crumbs(visit, old)[:-1], Crumb(f"{old} and {new}")),
        at=at_app(visit),
        old=views[0],
        new=views[1],
        same=one.spec["blob"] == other.spec["blob"] != "",
        may_promote=visit.may("app.promote", visit.tenant, visit.app),
        fields=differing(_made(one.spec), _made(other.spec)),
    )


async def gone_one(visit: Visit, number: int) -> Response[str]:
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
        at=f"{at_app(visit)}/releases/{number}",
        may_undo=visit.may("app.delete", visit.tenant, visit.app),
    )


def _crumbs(visit: Visit, number: int) -> tuple[Crumb, ...]:
    above_it = way(visit.tenant, visit.app, "Releases")
    return (*above_it[:-1], Crumb("Releases", f"{at_app(visit)}/releases"), Crumb(str(number)))


def _channels(visit: Visit) -> list[str]:
    may = visit.may("push.read", visit.tenant, visit.app)
    return [f"app/{visit.tenant}/{visit.app}"] if may else []


ROUTES: list[ControllerRouterHandler] = [releases, show, compare]
