"""Schedules: what recurs, when it is due next, and running it now."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import segment
from serai.api.tasks_schedules import Schedules, ScheduleView
from serai.console.depend import Filled, Visitor
from serai.console.forms import Empty
from serai.console.nav import Crumb
from serai.console.pages.task_holds import crumbs
from serai.console.visit import Visit
from serai.errors import DeadlineError, UnavailableError
from serai.services.paths import PLATFORM
from serai.tasks.view import TaskPage, TaskView

PATH = "/tenants/{tenant:str}/tasks/schedules/{name:str}"
LAST = 10  # tasks of a schedule that its page shows


class Returning(msgspec.Struct, frozen=True):
    """A button, and the page that it stood on."""

    back: Annotated[str, Meta(max_length=2000)] = ""


@get(["/tasks/schedules", "/tenants/{tenant:str}/tasks/schedules"])
async def schedules(visit: Visitor) -> Response[str]:
    """List what recurs."""
    query = {"tenant": visit.where, "after": visit.request.query_params.get("after", "")}
    found = await visit.calls.read(Schedules, "/v1/schedules", query, keep=True)
    return visit.page(
        "schedules.html",
        title="Schedules",
        crumbs=crumbs(visit),
        schedules=found.items,
        next=found.next,
        may_make=visit.may("apply.write", visit.tenant) and visit.may("task.schedule", visit.tenant),
    )


@get(PATH)
async def show(visit: Visitor, name: FromPath[str]) -> Response[str]:
    """Show one schedule."""
    return await _show(visit, name)


async def _show(visit: Visit, name: str) -> Response[str]:
    schedule = await visit.calls.read(ScheduleView, _api(visit, name), keep=True)
    tasks = await _tasks(visit, schedule)
    way = (*crumbs(visit), Crumb("Schedules", f"{visit.home}/tasks/schedules"), Crumb(name))
    return visit.page(
        "schedule.html",
        title=name,
        crumbs=way,
        schedule=schedule,
        tasks=tasks,
        may_run=visit.may("task.run", visit.tenant, schedule.app),
        may_pause=visit.may("task.schedule", visit.tenant, schedule.app),
        may_change=visit.may("apply.write", visit.tenant) and visit.may("task.schedule", visit.tenant, schedule.app),
    )


async def _tasks(visit: Visit, schedule: ScheduleView) -> list[TaskView] | None:
    """Return the last tasks of its function, None to somebody who may not see tasks and while nobody can tell."""
    if not visit.may("task.read", visit.tenant):
        return None
    query = {"tenant": visit.where, "function": schedule.function, "app": schedule.app or None, "limit": LAST}
    try:
        return (await visit.calls.read(TaskPage, "/v1/tasks", query, keep=True)).items
    except (UnavailableError, DeadlineError):
        return None


@post(f"{PATH}/run")
async def run(visit: Visitor, form: Filled[Empty], name: FromPath[str]) -> Response[str]:
    """Insert its task now, and show that."""
    if await form.send(lambda _data: visit.calls.call("POST", f"{_api(visit, name)}/run")):
        return visit.go(f"/tasks/{segment(form.result['id'])}", f"This is {name}, run by hand.")
    return await _show(visit, name)


@post(f"{PATH}/pause")
async def pause(visit: Visitor, form: Filled[Returning], name: FromPath[str]) -> Response[str]:
    """Insert nothing for it until it is resumed."""
    return await _set(visit, form, name, "pause", f"{name} is paused.")


@post(f"{PATH}/resume")
async def resume(visit: Visitor, form: Filled[Returning], name: FromPath[str]) -> Response[str]:
    """Let it recur again."""
    return await _set(visit, form, name, "resume", f"{name} recurs again.")


async def _set(visit: Visit, form: Filled[Returning], name: str, verb: str, said: str) -> Response[str]:
    if await form.send(lambda _data: visit.calls.call("POST", f"{_api(visit, name)}/{verb}")):
        return visit.go(form.data.back or f"{visit.home}/tasks/schedules/{segment(name)}", said)
    return await _show(visit, name)


def _api(visit: Visit, name: str) -> str:
    return f"/v1/schedules/{segment(visit.tenant or PLATFORM)}/{segment(name)}"


ROUTES: list[ControllerRouterHandler] = [schedules, show, run, pause, resume]
