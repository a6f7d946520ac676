"""Tasks live: server-sent events of one task with its log, or of all that a filter names."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Annotated

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from serai.api.changes import EVENTS, HEADERS
from serai.api.depend import Aim, Ctx
from serai.daemon.module import Context
from serai.daemon.streams import kept_alive
from serai.errors import NotFoundError
from serai.identity import Target
from serai.store.tasks import State
from serai.tasks import Filter, Tasks, follow
from serai.tasks.view import view

ALIVE = b": alive\n\n"  # a comment

Limit = Annotated[int, QueryParameter(ge=1, le=200)]


async def of_task(ctx: Context, parameters: Mapping[str, str]) -> Target:
    """Return whose a task is: its path does not tell.

    One that does not exist is the platform's, so that a tenant's people get the same answer as for a foreign one.
    """
    try:
        task = await Tasks(ctx.store).get(parameters["task"])
    except NotFoundError:
        return Target(kind="task", name=parameters["task"][:256])
    return Target(tenant=task.tenant, app=task.app, kind="task", name=task.id)


@get("/v1/tasks/watch", action="task.read", summary="Follow tasks", operation_id="watchTasks", media_type=EVENTS)
async def watch(
    ctx: Ctx,
    target: Aim,
    *,
    tenant: FromQuery[str | None] = None,
    app: FromQuery[str | None] = None,
    in_state: Annotated[State | None, QueryParameter(name="state")] = None,
    function: FromQuery[str | None] = None,
    channel: FromQuery[str | None] = None,
    limit: Limit = 50,
) -> Stream:
    """Stream the newest tasks, oldest first, and then each that moves, as events ``task``."""
    whose = None if tenant is None else target.tenant
    wanted = Filter(tenant=whose, app=app, state=in_state, function=function, channel=channel, limit=limit)
    events = kept_alive(_moves(ctx, wanted), sign=ALIVE)
    return Stream(_chain(await anext(events), events), media_type=EVENTS, headers=HEADERS)


@get(
    "/v1/tasks/{task:str}/watch", action="task.read", target=of_task, summary="Follow a task and its log",
    operation_id="watchTask", media_type=EVENTS,
)  # fmt: skip
async def watch_one(
    ctx: Ctx,
    task: FromPath[str],
    after: Annotated[int, QueryParameter(ge=0, le=1 << 62)] = 0,
) -> Stream:
    """Stream a task as events ``task``, and what it logs past a line as events ``line``, until it is over."""
    await Tasks(ctx.store).get(task)
    events = kept_alive(_story(ctx, task, after), sign=ALIVE)
    return Stream(_chain(await anext(events), events), media_type=EVENTS, headers=HEADERS)


async def _moves(ctx: Context, wanted: Filter) -> AsyncGenerator[bytes, None]:
    yield b": tasks\n\n"
    async with contextlib.aclosing(follow.many(Tasks(ctx.store), ctx.bus, wanted)) as news:
        async for tasks in news:
            for each in tasks:
                yield b"id: %d\nevent: task\ndata: %b\n\n" % (each.number, msgspec.json.encode(view(each)))


async def _story(ctx: Context, task: str, after: int) -> AsyncGenerator[bytes, None]:
    yield b": task\n\n"
    async with contextlib.aclosing(follow.one(Tasks(ctx.store), ctx.bus, task, after)) as news:
        async for each in news:
            for line in each.lines:
                yield b"event: line\ndata: %b\n\n" % msgspec.json.encode(line)
            yield b"event: task\ndata: %b\n\n" % msgspec.json.encode(view(each.task))
    yield b"event: end\ndata: {}\n\n"


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for each in rest:
        yield each


ROUTES: list[ControllerRouterHandler] = [watch, watch_one]
