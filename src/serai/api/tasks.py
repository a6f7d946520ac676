"""Tasks: insert them, list them, read their story and log, cancel and retry. What else there is stands beside."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api import tasks_rules, tasks_schedules, tasks_watch
from serai.api.depend import Aim, Caller, Ctx
from serai.api.tasks_watch import of_task
from serai.daemon.module import Context
from serai.daemon.streams import kept_alive
from serai.store.contract import Backoff, NewTask
from serai.store.tasks import State
from serai.tasks import Filter, Tasks, follow
from serai.tasks.view import Story, TaskPage, TaskView, page, steps, view

PATH = "/v1/tasks/{task:str}"
JSON_LINES = "application/jsonl"

Id = FromPath[str]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Before = Annotated[int | None, QueryParameter(ge=0, le=1 << 62)]
Why = Annotated[str, QueryParameter(max_length=500)]
Name = Annotated[str, Meta(max_length=256)]


class TaskBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task of one of the platform's functions; see `NewTask`. ``delay`` is in seconds from now."""

    function: Annotated[str, Meta(min_length=1, max_length=256)]
    arguments: dict[str, Any] = {}
    tenant: Name = ""
    app: Name = ""
    queue: Annotated[str, Meta(min_length=1, max_length=256)] = "any"
    channel: Name = ""
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    delay: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    not_before: Annotated[float, Meta(ge=0, le=1e11)] = 0.0
    deadline: Annotated[float, Meta(gt=0, le=30 * 86400)] = 600.0
    retries: Annotated[int, Meta(ge=0, le=10_000)] = 0
    provider: Name = ""
    key: Name = ""
    unique: Literal["ever", "live", "waiting"] = "ever"
    after: Annotated[tuple[Name, ...], Meta(max_length=1000)] = ()
    on_error: Literal["fail", "run"] = "fail"
    expires: Annotated[float, Meta(ge=0, le=1e11)] = 0.0
    backoff: Backoff | None = None
    parent: Name = ""


class Inserted(msgspec.Struct, frozen=True):
    """The ID of a task that was inserted, or of the earlier one with the same key."""

    id: str


class Moved(msgspec.Struct, frozen=True):
    """The state that a task is in now."""

    state: str


@get("/v1/tasks", action="task.read", summary="List tasks", operation_id="listTasks")
async def find(
    ctx: Ctx,
    target: Aim,
    *,
    tenant: FromQuery[str | None] = None,
    app: FromQuery[str | None] = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    function: FromQuery[str | None] = None,
    channel: FromQuery[str | None] = None,
    provider: FromQuery[str | None] = None,
    parent: FromQuery[str | None] = None,
    queue: FromQuery[str | None] = None,
    before: Before = None,
    limit: Limit = 100,
) -> TaskPage:
    """List tasks, newest first; without ``tenant`` those of all, for who may see all."""
    wanted = Filter(
        tenant=None if tenant is None else target.tenant, app=app, state=in_state, function=function, channel=channel,
        provider=provider, parent=parent, queue=queue, before=before, limit=limit,
    )  # fmt: skip
    return page(await Tasks(ctx.store).find(wanted), limit)


@post("/v1/tasks", action="task.insert", status_code=201, summary="Insert a task", operation_id="insertTask")
async def insert(ctx: Ctx, principal: Caller, data: JSONBody[TaskBody]) -> Inserted:
    """Insert a task of the platform's own; applications' tasks are inserted below their app.

    One that is about an app counts among those of it that wait, and is refused where no more may.
    """
    fields = msgspec.structs.asdict(data)
    delay = fields.pop("delay")
    if delay:
        fields["not_before"] = max(data.not_before, ctx.clock.now() + delay)
    return Inserted(await Tasks(ctx.store, ctx.bus).add(principal.who, NewTask(**fields), "by hand", bounded=True))


@get(PATH, action="task.read", target=of_task, summary="Show a task", operation_id="getTask")
async def show(ctx: Ctx, task: Id) -> TaskView:
    """Return a task with its arguments and its result."""
    return view(await Tasks(ctx.store).get(task), whole=True)


@get(f"{PATH}/story", action="task.read", target=of_task, summary="Show a task's story", operation_id="getStory")
async def story(ctx: Ctx, task: Id) -> Story:
    """Return who moved a task, when and why."""
    return steps(await Tasks(ctx.store).story(task))


@get(
    f"{PATH}/follow", action="task.read", target=of_task, summary="Follow a task", operation_id="followTask",
    media_type=JSON_LINES,
)  # fmt: skip
async def states(ctx: Ctx, task: Id) -> Stream:
    """Stream a task as JSON lines, now and at each change of its state or progress, until it is over."""
    await Tasks(ctx.store).get(task)
    return Stream(kept_alive(_states(Tasks(ctx.store, ctx.bus), task)), media_type=JSON_LINES)


@get(
    f"{PATH}/log", action="task.read", target=of_task, summary="Read a task's log", operation_id="getTaskLog",
    media_type=JSON_LINES,
)  # fmt: skip
async def log(
    ctx: Ctx,
    task: Id,
    after: Annotated[int, QueryParameter(ge=0, le=1 << 62)] = 0,
    forever: Annotated[bool, QueryParameter(name="follow")] = False,
) -> Stream:
    """Return what a task logged as JSON lines, and with ``follow`` what it logs until it is over."""
    await Tasks(ctx.store).get(task)
    return Stream(kept_alive(_lines(ctx, task, after, forever=forever)), media_type=JSON_LINES)


@post(
    f"{PATH}/cancel",
    action="task.cancel",
    target=of_task,
    status_code=202,
    summary="Cancel a task",
    operation_id="cancelTask",
)
async def cancel(ctx: Ctx, principal: Caller, task: Id, why: Why = "") -> Moved:
    """Cancel what waits; ask what runs to clean up and end."""
    return Moved(await Tasks(ctx.store, ctx.bus).cancel(principal.who, task, why))


@post(
    f"{PATH}/retry",
    action="task.retry",
    target=of_task,
    status_code=202,
    summary="Run a task again",
    operation_id="retryTask",
)
async def retry(ctx: Ctx, principal: Caller, task: Id, why: Why = "") -> Moved:
    """Run a task again that ended in error or was canceled."""
    tasks = Tasks(ctx.store, ctx.bus)
    await tasks.retry(principal.who, task, why)
    return Moved((await tasks.get(task)).state)


async def _states(tasks: Tasks, task: str) -> AsyncIterator[bytes]:
    async with contextlib.aclosing(tasks.follow(task)) as states:
        async for each in states:
            yield msgspec.json.encode(view(each)) + b"\n"


async def _lines(ctx: Context, task: str, after: int, *, forever: bool) -> AsyncIterator[bytes]:
    tasks = Tasks(ctx.store)
    if not forever:
        for line in await tasks.log(task, after):
            yield msgspec.json.encode(line) + b"\n"
        return
    async with contextlib.aclosing(follow.one(tasks, ctx.bus, task, after)) as news:
        async for each in news:
            for line in each.lines:
                yield msgspec.json.encode(line) + b"\n"


ROUTES: list[ControllerRouterHandler] = [
    find, insert, show, story, states, log, cancel, retry,
    *tasks_watch.ROUTES, *tasks_rules.ROUTES, *tasks_schedules.ROUTES,
]  # fmt: skip
