"""Tasks: list them, follow them, read their story and log, cancel and retry."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from serai.api.depend import Aim, Caller, Ctx
from serai.daemon.module import Context
from serai.identity import Target
from serai.store.tasks import FINAL, State
from serai.tasks import Filter, Task, Tasks

PATH = "/v1/tasks/{task:str}"
POLL = 0.5  # seconds between looks at a log that is followed
JSON_LINES = "application/jsonl"

Id = FromPath[str]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Before = Annotated[int | None, QueryParameter(ge=0, le=1 << 62)]
Why = Annotated[str, QueryParameter(max_length=500)]


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """A task as the API shows it; times in seconds since the epoch, 0 for «not yet»."""

    number: int
    id: str
    function: str
    tenant: str
    app: str
    queue: str
    channel: str
    parent: str
    who: str
    created: float
    started: float
    finished: float
    state: State
    wait: str
    run: int
    failures: int
    lost: int
    progress: float
    sentence: str
    error: dict[str, Any] | None
    arguments: dict[str, Any] | None = None
    result: Any = None


class TaskPage(msgspec.Struct, frozen=True):
    """Tasks, newest first; ``next`` goes into ``before`` of the next page, 0 on the last."""

    items: list[TaskView]
    next: int = 0


class Step(msgspec.Struct, frozen=True):
    """One transition: when, by whom, from and to which state, why."""

    at: float
    who: str
    old: str
    new: str
    why: str


class Story(msgspec.Struct, frozen=True):
    """All transitions, oldest first."""

    items: list[Step]


class Moved(msgspec.Struct, frozen=True):
    """The state that a task is in now."""

    state: str


def view(task: Task, *, whole: bool = False) -> TaskView:
    """Return a task as the API shows it; a trace of our own code is for the log, not for the asker."""
    error = {key: value for key, value in (task.error or {}).items() if key != "trace"} or None
    plain = {
        name: getattr(task, name) for name in TaskView.__struct_fields__ if name not in {"error", "arguments", "result"}
    }
    arguments = task.arguments if whole else None
    return TaskView(**plain, error=error, arguments=arguments, result=task.result if whole else None)


async def of_task(ctx: Context, parameters: Mapping[str, str]) -> Target:
    """Return whose a task is: its path does not tell."""
    task = await Tasks(ctx.store).get(parameters["task"])
    return Target(tenant=task.tenant, app=task.app, kind="task", name=task.id)


@get("/v1/tasks", action="task.read", summary="List tasks", operation_id="listTasks")
async def find(
    ctx: Ctx,
    target: Aim,
    tenant: FromQuery[str | None] = None,
    app: FromQuery[str | None] = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    function: FromQuery[str | None] = None,
    before: Before = None,
    limit: Limit = 100,
) -> TaskPage:
    """List tasks, newest first; without ``tenant`` those of all, for who may see all."""
    whose = None if tenant is None else target.tenant
    wanted = Filter(tenant=whose, app=app, state=in_state, function=function, before=before, limit=limit)
    found = await Tasks(ctx.store).find(wanted)
    return TaskPage([view(task) for task in found], found[-1].number if len(found) == limit else 0)


@get(PATH, action="task.read", target=of_task, summary="Show a task", operation_id="getTask")
async def show(ctx: Ctx, task: Id) -> TaskView:
    """Return a task with its arguments and its result."""
    return view(await Tasks(ctx.store).get(task), whole=True)


@get(f"{PATH}/story", action="task.read", target=of_task, summary="Show a task's story", operation_id="getStory")
async def story(ctx: Ctx, task: Id) -> Story:
    """Return who moved a task, when and why."""
    return Story([Step(one.at, one.who, one.old, one.new, one.why) for one in await Tasks(ctx.store).story(task)])


@get(f"{PATH}/follow", action="task.read", target=of_task, summary="Follow a task", operation_id="followTask")
async def follow(ctx: Ctx, task: Id) -> Stream:
    """Stream a task as JSON lines, now and at each change of its state or progress, until it is over."""
    return Stream(_states(Tasks(ctx.store, ctx.bus), task), media_type=JSON_LINES)


@get(f"{PATH}/log", action="task.read", target=of_task, summary="Read a task's log", operation_id="getTaskLog")
async def log(
    ctx: Ctx,
    task: Id,
    after: Annotated[int, QueryParameter(ge=0, le=1 << 62)] = 0,
    forever: Annotated[bool, QueryParameter(name="follow")] = False,
) -> Stream:
    """Return what a task logged as JSON lines, and with ``follow`` what it logs until it is over."""
    return Stream(_lines(ctx, task, after, forever=forever), media_type=JSON_LINES)


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
    while True:
        over = not forever or (await tasks.get(task)).state in FINAL
        for line in await tasks.log(task, after):
            after = line.line
            yield msgspec.json.encode({"line": line.line, "at": line.at, "text": line.text}) + b"\n"
        if over:
            return
        await ctx.clock.sleep(POLL)


ROUTES: list[ControllerRouterHandler] = [find, show, story, follow, log, cancel, retry]
