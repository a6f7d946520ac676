"""Tasks: what runs, waits and went wrong, of a tenant or of all; and the whole story of each one."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import Parameters, segment
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form
from serai.console.nav import Crumb, Nav
from serai.console.visit import Visit
from serai.errors import SeraiError
from serai.store.tasks import FINAL, State
from serai.tasks.view import Story, TaskPage, TaskView

NAV = (
    Nav(title="Tasks", path="/tenants/{tenant}/tasks", order=30, action="task.read"),
    Nav(title="All tasks", path="/tasks", order=31, action="task.read"),
)
AT_ONCE = 50  # tasks on a page
LINES = 500  # of a log that a page shows
CHILDREN = 100
FEW = 12  # steps of a story that are shown at once
STATES: tuple[str, ...] = get_args(State)
#: What a list can be narrowed by, as the API's query has it, and how it is called.
FILTERS: Mapping[str, str] = {
    "app": "App",
    "function": "Function",
    "channel": "Channel",
    "provider": "Provider",
    "queue": "Queue",
    "parent": "Part of",
}


class Reason(msgspec.Struct, frozen=True):
    """Why somebody moves a task."""

    why: Annotated[str, Meta(max_length=500)] = ""


class Chosen(msgspec.Struct, frozen=True):
    """Tasks of a list, and what happens to each; ``back`` is the list as it was narrowed."""

    verb: Literal["cancel", "retry"]
    task: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=AT_ONCE)] = ()
    why: Annotated[str, Meta(max_length=500)] = ""
    back: Annotated[str, Meta(max_length=2000)] = ""


LISTS = ["/tasks", "/tenants/{tenant:str}/tasks"]


@get(LISTS)
async def tasks(visit: Visitor) -> Response[str]:
    """List a tenant's tasks, or those of all tenants and the platform's own."""
    return await _tasks(visit)


async def _tasks(visit: Visit) -> Response[str]:
    given = visit.request.query_params
    wanted = {name: given.get(name, "").strip() for name in (*FILTERS, "state")}
    narrowed = {name: value for name, value in wanted.items() if value}
    query: Parameters = {"tenant": visit.where, "limit": AT_ONCE, "before": given.get("before") or None, **narrowed}
    found = await visit.calls.read(TaskPage, "/v1/tasks", query, keep=True)
    return visit.page(
        "tasks.html",
        title="All tasks" if visit.where is None else "Tasks",
        crumbs=_crumbs(visit.tenant, "Tasks") if visit.tenant else (),
        tasks=found.items,
        next=str(found.next or ""),
        wanted=wanted,
        narrowed=bool(narrowed.keys() - {"state"}),
        verbs=_verbs(visit, found.items),
        filters=FILTERS,
        states=STATES,
        channels=[] if visit.where is None else [f"tasks/{visit.where}"],
    )


def _verbs(visit: Visit, found: Sequence[TaskView]) -> dict[str, str]:
    """Return what the visitor may do with tasks, by their IDs."""
    verbs = {one.id: _verb(one) for one in found}
    return {one.id: verbs[one.id] for one in found if visit.may(f"task.{verbs[one.id]}", one.tenant, one.app)}


def _verb(task: TaskView) -> str:
    """Return what can be done with a task, "" for nothing."""
    if task.state in {"error", "canceled"}:
        return "retry"
    return "cancel" if task.state in {"to_do", "is_processing"} else ""


@post(LISTS)
async def act(visit: Visitor, form: Filled[Chosen]) -> Response[str]:
    """Cancel several tasks, or run them again; what can't be done for one of them hinders no other."""
    if form.ok and not form.data.task:
        form.error, form.status = "Choose tasks first.", 400
    if await form.send(lambda chosen: asyncio.gather(*(_one(visit, chosen, name) for name in chosen.task))):
        refused = [error for error in form.result if error is not None]
        done = len(form.result) - len(refused)
        if done:
            said = "runs again" if form.data.verb == "retry" else "is canceled, or cleans up first"
            many = "run again" if form.data.verb == "retry" else "are canceled, or clean up first"
            text = f"{done} {'task' if done == 1 else 'tasks'} {said if done == 1 else many}."
            if refused:
                text += f" Not so {len(refused)}: {refused[0].public}"
            return visit.go(form.data.back or str(visit.request.scope["path"]), text[:500])
        form.refuse(refused[0])
    visit.form = Form.of(Chosen)
    visit.form.error, visit.form.status = form.error or next(iter(form.errors.values()), ""), form.status
    return await _tasks(visit)


async def _one(visit: Visit, chosen: Chosen, name: str) -> SeraiError | None:
    """Move one task; return why not. That nobody is signed in any more is for all."""
    try:
        await visit.calls.call("POST", f"/v1/tasks/{segment(name)}/{chosen.verb}", query={"why": chosen.why})
    except SeraiError as error:
        if error.fields.get("need") == "sign-in":
            raise
        return error
    return None


@get("/tasks/{task:str}")
async def show(visit: Visitor, task: FromPath[str]) -> Response[str]:
    """Show a task: how it does, why it waits, its story, its log, and the tasks that it inserted."""
    return await _show(visit, task)


async def _show(visit: Visit, name: str) -> Response[str]:
    path, calls = f"/v1/tasks/{segment(name)}", visit.calls
    task = await calls.read(TaskView, path, keep=True)
    final = task.state in FINAL
    if task.tenant:
        visit.belong(task.tenant, f"/tenants/{segment(task.tenant)}/tasks")
    family: Parameters = {"parent": task.id, "limit": CHILDREN, "tenant": task.tenant or "-"}
    story, children, lines = await asyncio.gather(
        calls.read(Story, f"{path}/story", keep=True),
        calls.read(TaskPage, "/v1/tasks", family, keep=True),
        _log(visit, path),
    )
    return visit.page(
        "task.html",
        title=task.function,
        crumbs=_crumbs(task.tenant, task.id),
        task=task,
        final=final,
        channels=[] if final else [f"task/{task.tenant or '-'}/{task.id}"],
        story=story.items,
        children=children.items,
        lines=lines,
        most=LINES,
        few=FEW,
        may_cancel=not final and task.state != "to_cancel" and visit.may("task.cancel", task.tenant, task.app),
        may_retry=task.state in {"error", "canceled"} and visit.may("task.retry", task.tenant, task.app),
        may_pause=bool(task.channel) and visit.may("channel.pause", task.tenant, task.app),
        may_declare=bool(task.provider) and visit.may("provider.write", task.tenant, task.app),
    )


async def _log(visit: Visit, path: str) -> list[Any]:
    """Return the newest lines of a task's log."""
    try:
        async with visit.calls.stream(f"{path}/log", accept="application/jsonl") as pieces:
            octets = b"".join([piece async for piece in pieces])
    except SeraiError:
        return []
    lines = octets.splitlines()
    return [msgspec.json.decode(line) for line in itertools.islice(lines, max(0, len(lines) - LINES), None) if line]


@post("/tasks/{task:str}/cancel")
async def cancel(visit: Visitor, form: Filled[Reason], task: FromPath[str]) -> Response[str]:
    """Cancel a task that waits; ask one that runs to clean up and end."""
    return await _move(visit, form, task, "cancel")


@post("/tasks/{task:str}/retry")
async def retry(visit: Visitor, form: Filled[Reason], task: FromPath[str]) -> Response[str]:
    """Run a task again."""
    return await _move(visit, form, task, "retry")


_SAID = {
    "canceled": "The task is canceled.",
    "to_cancel": "The task was asked to clean up and end.",
    "to_do": "The task runs again as soon as a bot is free.",
}


async def _move(visit: Visit, form: Filled[Reason], name: str, verb: str) -> Response[str]:
    path = f"/v1/tasks/{segment(name)}/{verb}"
    if await form.send(lambda data: visit.calls.call("POST", path, query={"why": data.why})):
        return visit.go(f"/tasks/{segment(name)}", _SAID.get(form.result["state"], "Done."))
    return await _show(visit, name)


def _crumbs(tenant: str, last: str) -> tuple[Crumb, ...]:
    if not tenant:
        return (Crumb("All tasks", "/tasks"), Crumb(last))
    home = f"/tenants/{segment(tenant)}"
    here = () if last == "Tasks" else (Crumb("Tasks", f"{home}/tasks"),)
    return (Crumb(tenant, home), *here, Crumb(last))


ROUTES: list[ControllerRouterHandler] = [tasks, act, show, cancel, retry]
