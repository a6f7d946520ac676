"""What the API offers for the tasks of an app: run a function or a command of it, list them, let them recur."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.params import FromPath, QueryParameter

from serai.daemon.module import Context
from serai.services.apps.routes.common import PATH, Aim, AppName, Caller, Ctx, Limit
from serai.services.apps.running import schedules, wishes
from serai.services.apps.running.room import room_of
from serai.store.tasks import State
from serai.tasks import Filter, Tasks
from serai.tasks.view import TaskPage, page

Before = Annotated[int | None, QueryParameter(ge=0, le=1 << 62)]
Name = FromPath[str]


class Enqueued(msgspec.Struct, frozen=True):
    """IDs of tasks, in the order of what was asked; those of earlier ones where a key was used before."""

    tasks: list[str]


class Plans(msgspec.Struct, frozen=True):
    """An app's own schedules, as it knows them."""

    items: list[dict[str, Any]]


@get(f"{PATH}/tasks", action="task.read", summary="List an app's tasks", operation_id="listAppTasks")
async def find(
    ctx: Ctx,
    target: Aim,
    app: AppName,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    before: Before = None,
    limit: Limit = 100,
) -> TaskPage:
    """List the tasks about an app, newest first: its own, and those of its deployments."""
    wanted = Filter(tenant=target.tenant, app=app, state=in_state, before=before, limit=limit)
    return page(await Tasks(ctx.store).find(wanted), limit)


@post(
    f"{PATH}/tasks", action="task.run", status_code=201, summary="Run work of an app", operation_id="runAppTasks",
    body=(wishes.Wish, wishes.Wishes),
)  # fmt: skip
async def run(request: Request[Any, Any, Any], ctx: Ctx, principal: Caller, target: Aim, app: AppName) -> Enqueued:
    """Enqueue a function or a command of an app, or ``{"items": […]}`` of them, in one transaction."""
    wanted = wishes.decode(await request.body())
    own = await schedules.owner_of(ctx, target.tenant, app)
    made = tuple(wishes.new_task(one, own, ctx.clock.now()) for one in wanted)
    done = await room_of(ctx.store).insert(principal.who, "by hand", target.tenant, app, made)
    return Enqueued(done.tasks)


@get(f"{PATH}/schedules", action="task.read", summary="List an app's schedules", operation_id="listAppSchedules")
async def plans(ctx: Ctx, target: Aim, app: AppName) -> Plans:
    """List what recurs for an app, but for what its app.toml says."""
    return Plans([_shown(ctx, one) for one in await schedules.everything(ctx, target.tenant, app)])


@put(
    f"{PATH}/schedules/{{schedule:str}}", action="task.schedule", summary="Schedule", operation_id="putAppSchedule",
    body=schedules.Plan,
)  # fmt: skip
async def plan(
    request: Request[Any, Any, Any], ctx: Ctx, principal: Caller, target: Aim, app: AppName, schedule: Name
) -> dict[str, Any]:
    """Let a function or a command of an app recur."""
    wanted = schedules.decode(await request.body())
    own = await schedules.owner_of(ctx, target.tenant, app)
    return _shown(ctx, await schedules.put(ctx, principal.who, own, schedule, wanted))


@delete(
    f"{PATH}/schedules/{{schedule:str}}", action="task.schedule", status_code=204, summary="Unschedule",
    operation_id="deleteAppSchedule",
)  # fmt: skip
async def unplan(ctx: Ctx, principal: Caller, target: Aim, app: AppName, schedule: Name) -> None:
    """Let it recur no more."""
    await schedules.delete(ctx, principal.who, target.tenant, app, schedule)


def _shown(ctx: Context, record: Any) -> dict[str, Any]:
    return schedules.shown(record, ctx.clock.now())


ROUTES = [find, run, plans, plan, unplan]
