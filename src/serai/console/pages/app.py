"""One app: what is live, where it answers, what runs, how it does; and what is done to it as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from serai.api.answers import Parameters, descriptor, segment
from serai.api.shapes import Descriptor
from serai.console.depend import Visitor
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.places import above, reached
from serai.console.plots import APPS, Plot, Span, choices, draw, span_of
from serai.console.visit import Visit
from serai.errors import DeadlineError, NotFoundError, SeraiError, UnavailableError
from serai.services.apps.routes.app import Usages
from serai.services.apps.usage import InstanceUsage
from serai.services.apps.views import AppView
from serai.services.series.asking import Glance, Look
from serai.store.tasks import FINAL
from serai.tasks.view import TaskPage, TaskView

APP = "/tenants/{tenant:str}/apps/{app:str}"
NAV = (Nav(title="App", path="/tenants/{tenant}/apps/{app}", order=0, action="app.read"),)
TASKS = 8  # of the newest that a page shows
WEB = "web"


@get(APP)
async def show(visit: Visitor) -> Response[str]:
    """Show an app; one that was deleted says so, and how to have it back."""
    return await unless_gone(visit, page(visit))


async def page(visit: Visit) -> Response[str]:
    """Return the page of an app, with the form that was refused, where there is one."""
    calls, path, tenant, app = visit.calls, above(visit), visit.tenant, visit.app
    span = span_of(visit.request.query_params.get("span", ""))
    view, record, tasks, look, uses, plots = await asyncio.gather(
        calls.read(AppView, path, keep=True),
        calls.read(Descriptor, descriptor("app", tenant, app), keep=True),
        _tasks(visit),
        _look(visit),
        _uses(visit),
        _plots(visit, span),
    )
    newest = record.spec["next_release"] - 1
    numbers = {newest, *view.live.values()} - {0}
    found = await asyncio.gather(*(read_release(visit, number) for number in sorted(numbers)))
    releases = {one["number"]: one for one in found if one is not None}
    processes = _processes(view, [one for number, one in releases.items() if number in view.live.values()])
    last = releases.get(newest)
    return visit.page(
        "app-page.html",
        title=app,
        crumbs=way(tenant, app),
        at=f"{visit.home}/apps/{segment(app)}",
        app=view,
        urls={name: reached(visit, url) for name, url in view.urls.items()},
        before={name: past[-1] for name, past in record.spec["before"].items() if past},
        releases=releases,
        failed=last if last is not None and last["state"] == "failed" else None,
        processes=processes,
        stopped=bool(processes) and not any(processes.values()),
        state=_state(view, processes),
        going=[task for task in reversed(tasks) if task.state not in FINAL],
        tasks=tasks,
        look=look,
        uses=uses,
        plots=plots,
        spans=choices(visit, span),
        channels=[f"app/{tenant}/{app}"] if visit.may("push.read", tenant, app) else [],
        may={verb: visit.may(f"app.{verb}", tenant, app) for verb in VERBS},
        may_tasks=visit.may("task.read", tenant, app),
        may_cancel=visit.may("task.cancel", tenant, app),
    )


def _state(view: AppView, processes: Mapping[str, int]) -> tuple[str, str]:
    """Return how an app is in a word or two, and the tone of that."""
    if not view.live:
        return "not live", "off"
    if not processes:
        return "live", "good"
    if not any(processes.values()):
        return "stopped", "off"
    mine = [one for one in view.instances if one.release in view.live.values() and one.wanted == "running"]
    ready = sum(one.state == "ready" for one in mine)
    if not ready:
        return "none ready", "bad"
    if ready < len(mine):
        return f"{ready} of {len(mine)} ready", "warn"
    serving = sum(one.process == WEB for one in mine)  # the numbers over time count these
    return f"{serving or ready} running", "good"


VERBS = ("deploy", "scale", "promote", "rollback", "delete", "logs", "shell")


async def _plots(visit: Visit, span: Span) -> list[Plot]:
    """Return how the app did lately; a part that is got anew does without."""
    if visit.part or not visit.may("series.read", visit.tenant, visit.app):
        return []
    return await draw(visit, f"{visit.tenant}/{visit.app}", APPS, span)


async def _tasks(visit: Visit) -> list[TaskView]:
    """Return the last tasks; none while the store is away, where nobody looked before."""
    if not visit.may("task.read", visit.tenant, visit.app):
        return []
    try:
        return (await visit.calls.read(TaskPage, f"{above(visit)}/tasks", {"limit": TASKS}, keep=True)).items
    except (UnavailableError, DeadlineError):
        return []


async def _look(visit: Visit) -> Look | None:
    if not visit.may("series.read", visit.tenant):
        return None
    query: Parameters = {"apps": visit.app, "tenant": visit.tenant, "points": 1}
    try:
        return next(iter((await visit.calls.read(Glance, "/v1/glance", query)).items), None)
    except SeraiError:
        return None  # the page does without


async def _uses(visit: Visit) -> dict[str, InstanceUsage]:
    """Return what instances use, by name; nothing while their host is away."""
    try:
        found = await visit.calls.read(Usages, f"{above(visit)}/usage")
    except (UnavailableError, DeadlineError):
        return {}
    return {one.name: one for one in found.items}


async def read_release(visit: Visit, number: int) -> Mapping[str, Any] | None:
    """Return a release, None where it is gone at this moment."""
    try:
        found = await visit.calls.read(
            Descriptor, descriptor("release", visit.tenant, f"{visit.app}.{number}"), keep=True
        )
    except NotFoundError:
        return None
    spec: Mapping[str, Any] = found.spec
    return spec


def _processes(view: AppView, releases: Any) -> dict[str, int]:
    """Return how many instances there are to be of each kind of process that can be scaled."""
    named = {name: process["count"] for spec in releases for name, process in spec["processes"].items()}
    return {name: view.scale.get(name, count) for name, count in sorted(named.items(), key=lambda one: one[0] != WEB)}


ROUTES: list[ControllerRouterHandler] = [show]
