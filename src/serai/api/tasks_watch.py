"""Tasks live: server-sent events of one task with its log, or of all that a filter names."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from serai.api.changes import EVENTS, HEADERS, HEARTBEAT
from serai.api.depend import Aim, Ctx
from serai.daemon.module import Context
from serai.errors import NotFoundError
from serai.identity import Target
from serai.store.tasks import State
from serai.tasks import Filter, Tasks, follow
from serai.tasks.view import view

LOOK = 0.5  # seconds between looks whether this process is being replaced

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


async def _guarded(request: Request[Any, Any, Any], events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """Yield events as they come, a sign of life where none come for long.

    They end as this process does, or as soon as who asked may follow no more. The next event is made when the client
    has taken the last one: a slow one costs one event, and no memory.
    """
    nudge, still = request.app.state.get("nudge"), request.scope["state"]["still"]
    async with contextlib.aclosing(events):
        while True:
            coming = asyncio.ensure_future(anext(events, None))
            silent = 0.0
            while not coming.done():
                await asyncio.wait({coming}, timeout=LOOK)
                silent += LOOK
                if (nudge is not None and nudge.closed) or still() is None:
                    coming.cancel()
                    await asyncio.wait({coming})
                    return
                if silent >= HEARTBEAT and not coming.done():
                    silent = 0.0
                    yield b": alive\n\n"
            event = coming.result()
            if event is None:
                return
            yield event


@get("/v1/tasks/watch", action="task.read", summary="Follow tasks", operation_id="watchTasks", media_type=EVENTS)
async def watch(
    request: Request[Any, Any, Any],
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
    events = _guarded(request, _moves(ctx, wanted))
    return Stream(_chain(await anext(events), events), media_type=EVENTS, headers=HEADERS)


@get(
    "/v1/tasks/{task:str}/watch", action="task.read", target=of_task, summary="Follow a task and its log",
    operation_id="watchTask", media_type=EVENTS,
)  # fmt: skip
async def watch_one(
    request: Request[Any, Any, Any],
    ctx: Ctx,
    task: FromPath[str],
    after: Annotated[int, QueryParameter(ge=0, le=1 << 62)] = 0,
) -> Stream:
    """Stream a task as events ``task``, and what it logs past a line as events ``line``, until it is over."""
    await Tasks(ctx.store).get(task)
    events = _guarded(request, _story(ctx, task, after))
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
