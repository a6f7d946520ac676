"""Schedules: what recurs, when it is due next, and running it now."""

from __future__ import annotations

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from serai.api.answers import segment
from serai.api.tasks_schedules import Schedules, ScheduleView
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty
from serai.console.nav import Crumb
from serai.console.pages.task_holds import crumbs
from serai.console.visit import Visit
from serai.services.paths import PLATFORM

PATH = "/tenants/{tenant:str}/tasks/schedules/{name:str}"


@get(["/tasks/schedules", "/tenants/{tenant:str}/tasks/schedules"])
async def schedules(visit: Visitor) -> Response[str]:
    """List what recurs."""
    query = {"tenant": visit.where, "after": visit.request.query_params.get("after", "")}
    found = await visit.calls.read(Schedules, "/v1/schedules", query, keep=True)
    return visit.page("schedules.html", title="Schedules", crumbs=crumbs(visit), schedules=found.items, next=found.next)


@get(PATH)
async def show(visit: Visitor, name: FromPath[str]) -> Response[str]:
    """Show one schedule."""
    return await _show(visit, name)


async def _show(visit: Visit, name: str) -> Response[str]:
    schedule = await visit.calls.read(ScheduleView, _api(visit, name), keep=True)
    way = (*crumbs(visit), Crumb("Schedules", f"{visit.home}/tasks/schedules"), Crumb(name))
    return visit.page(
        "schedule.html",
        title=name,
        crumbs=way,
        schedule=schedule,
        may_run=visit.may("task.run", visit.tenant, schedule.app),
        may_pause=visit.may("task.schedule", visit.tenant, schedule.app),
    )


@post(f"{PATH}/run")
async def run(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """Insert its task now, and show that."""
    if await form.send(lambda _data: visit.calls.call("POST", f"{_api(visit, name)}/run")):
        return visit.go(f"/tasks/{segment(form.result['id'])}", f"This is {name}, run by hand.")
    return await _show(visit, name)


@post(f"{PATH}/pause")
async def pause(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """Insert nothing for it until it is resumed."""
    return await _set(visit, form, name, "pause", f"{name} is paused.")


@post(f"{PATH}/resume")
async def resume(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """Let it recur again."""
    return await _set(visit, form, name, "resume", f"{name} recurs again.")


async def _set(visit: Visit, form: Filled[Empty], name: str, verb: str, said: str) -> Response[str]:
    if await form.send(lambda _data: visit.calls.call("POST", f"{_api(visit, name)}/{verb}")):
        return visit.go(f"{visit.home}/tasks/schedules/{segment(name)}", said)
    return await _show(visit, name)


def _api(visit: Visit, name: str) -> str:
    return f"/v1/schedules/{segment(visit.tenant or PLATFORM)}/{segment(name)}"


ROUTES: list[ControllerRouterHandler] = [schedules, show, run, pause, resume]
