"""One app: what is live, where it answers, what runs, how it does; and what is done to it as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import Parameters, descriptor, segment
from serai.api.shapes import Descriptor
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty, Form, Short
from serai.console.nav import Nav, way
from serai.console.pages.app_gone import unless_gone
from serai.console.places import above, reached
from serai.console.visit import Visit
from serai.errors import DeadlineError, InvalidError, NotFoundError, SeraiError, UnavailableError
from serai.services.apps.routes.app import Usages
from serai.services.apps.usage import InstanceUsage
from serai.services.apps.views import AppView
from serai.services.series.asking import Glance, Look
from serai.store.tasks import FINAL
from serai.tasks.view import TaskPage, TaskView

APP = "/tenants/{tenant:str}/apps/{app:str}"
NAV = (Nav(title="App", path="/tenants/{tenant}/apps/{app}", order=0, action="app.read"),)
TASKS = 8  # of the newest that a page shows
SPANS: Mapping[str, int] = {"hour": 3600, "day": 86400, "week": 604800}  # seconds that plots go back
WEB = "web"

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How many instances of a kind of process there are to be."""

    process: Name
    count: Annotated[int, Meta(ge=0, le=100)]


class Promote(msgspec.Struct, frozen=True, kw_only=True):
    """A release, and where it is to be live."""

    release: Annotated[int, Meta(ge=1, le=999_999_999)]
    environment: Name


class Back(msgspec.Struct, frozen=True, kw_only=True):
    """The environment that is to show what it showed before."""

    environment: Name


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """The name of the app, repeated, and whether its data dies, too."""

    repeat: Short
    data: bool = False


@get(APP)
async def show(visit: Visitor) -> Response[str]:
    """Show an app; one that was deleted says so, and how to have it back."""
    return await unless_gone(visit, page(visit))


async def page(visit: Visit) -> Response[str]:
    """Return the page of an app, with the form that was refused, where there is one."""
    calls, path, tenant, app = visit.calls, above(visit), visit.tenant, visit.app
    span = visit.request.query_params.get("span", "")
    view, record, tasks, look, uses = await asyncio.gather(
        calls.read(AppView, path, keep=True),
        calls.read(Descriptor, descriptor("app", tenant, app), keep=True),
        _tasks(visit),
        _look(visit),
        _uses(visit),
    )
    live = await asyncio.gather(*(_release(visit, number) for number in sorted(set(view.live.values()))))
    releases = {one["number"]: one for one in live if one is not None}
    return visit.page(
        "app-page.html",
        title=app,
        crumbs=way(tenant, app),
        at=f"{visit.home}/apps/{segment(app)}",
        app=view,
        urls={name: reached(visit, url) for name, url in view.urls.items()},
        before={name: past[-1] for name, past in record.spec["before"].items() if past},
        releases=releases,
        processes=(processes := _processes(view, releases.values())),
        stopped=not any(processes.values()),
        going=[task for task in tasks if task.state not in FINAL],
        tasks=tasks,
        look=look,
        uses=uses,
        span=span if span in SPANS else "hour",
        seconds=SPANS.get(span, SPANS["hour"]),
        spans=list(SPANS),
        of=f"{tenant}/{app}",
        channels=[f"app/{tenant}/{app}"] if visit.may("push.read", tenant, app) else [],
        may={verb: visit.may(f"app.{verb}", tenant, app) for verb in VERBS},
    )


VERBS = ("deploy", "scale", "promote", "rollback", "delete", "logs", "shell")


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


async def _release(visit: Visit, number: int) -> Mapping[str, Any] | None:
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


# What is done to it:


@post(f"{APP}/scale")
async def scale(visit: Visitor, form: Filled[Scale]) -> Response[str]:
    """Say how many instances of a process run."""
    return await _done(visit, form, "scale", lambda data: f"{data.count} of {data.process} from now on.")


@post(f"{APP}/promote")
async def promote(visit: Visitor, form: Filled[Promote]) -> Response[str]:
    """Make a release live."""
    return await _done(
        visit, form, "promote", lambda data: f"Release {data.release} goes live in {data.environment} once it works."
    )


@post(f"{APP}/rollback")
async def rollback(visit: Visitor, form: Filled[Back]) -> Response[str]:
    """Go back to the release that was live before."""
    return await _done(
        visit, form, "rollback", lambda data: f"{data.environment} goes back to release {form.result['release']}."
    )


@post(f"{APP}/restart")
async def restart(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """Renew the instances one after the other."""
    return await _done(visit, form, "restart", lambda _: "The instances are renewed one after the other.")


@post(f"{APP}/stop")
async def stop(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """Let none of its processes run."""
    return await _scaled(visit, form, "is stopped: its visitors are told to come again.", start=False)


@post(f"{APP}/start")
async def start(visit: Visitor, form: Filled[Empty]) -> Response[str]:
    """Let as many of its processes run as its live releases say."""
    return await _scaled(visit, form, "starts.", start=True)


async def _scaled(visit: Visit, form: Form[Empty], said: str, *, start: bool) -> Response[str]:
    async def send(_data: Empty) -> None:
        view = await visit.calls.read(AppView, above(visit))
        live = [await _release(visit, number) for number in sorted(set(view.live.values()))]
        for name, process in {name: one for spec in live if spec for name, one in spec["processes"].items()}.items():
            count = max(1, process["count"]) if start else 0
            await visit.calls.call("POST", f"{above(visit)}/scale", {"process": name, "count": count})

    if await form.send(send):
        return visit.go(f"{visit.home}/apps/{segment(visit.app)}", f"{visit.app} {said}")
    return await page(visit)


async def _done(
    visit: Visit, form: Form[Any], verb: Literal["scale", "promote", "rollback", "restart"], said: Any
) -> Response[str]:
    body = None if verb == "restart" else form.data if form.ok else None
    if await form.send(lambda _: visit.calls.call("POST", f"{above(visit)}/{verb}", body)):
        return visit.go(f"{visit.home}/apps/{segment(visit.app)}", said(form.data))
    return await page(visit)


@post(f"{APP}/delete")
async def delete(visit: Visitor, form: Filled[Delete]) -> Response[str]:
    """Delete an app whose name was repeated; it can be had back for a week."""

    async def send(data: Delete) -> None:
        if data.repeat != visit.app:
            raise InvalidError("That is not its name: nothing was deleted.", path="repeat")
        await visit.calls.call("DELETE", above(visit), query={"confirm": data.repeat, "data": data.data})

    if await form.send(send):
        return visit.go(f"{visit.home}/apps/{segment(visit.app)}", f"{visit.app} is deleted.")
    return await page(visit)


ROUTES: list[ControllerRouterHandler] = [show, scale, promote, rollback, restart, stop, start, delete]
