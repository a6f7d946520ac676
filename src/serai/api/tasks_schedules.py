"""Schedules beyond their descriptors: when they are due next, and running one now."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.types import ControllerRouterHandler

from serai.api.depend import Aim, Caller, Ctx
from serai.daemon.module import Context
from serai.store import Record
from serai.tasks import Tasks
from serai.tasks.schedule import Schedule, new_task, next_due


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule; ``next`` is in seconds since the epoch, null where it is paused or never due."""

    tenant: str
    name: str
    when: str
    zone: str
    missed: str
    busy: str
    paused: bool
    function: str
    app: str
    channel: str
    next: float | None
    arguments: dict[str, Any]
    version: int


class Schedules(msgspec.Struct, frozen=True):
    """Schedules by tenant and name; ``next`` goes into ``after`` of the next page, empty on the last."""

    items: list[ScheduleView]
    next: str = ""


class Inserted(msgspec.Struct, frozen=True):
    """The ID of the task."""

    id: str


def shown(record: Record[Schedule], now: float) -> ScheduleView:
    """Return a schedule as the API shows it."""
    spec = record.spec
    plain = {
        name: getattr(spec, name) for name in ("when", "zone", "missed", "busy", "paused", "function", "app", "channel")
    }
    return ScheduleView(
        tenant=record.tenant,
        name=record.name,
        **plain,
        next=next_due(spec, now),
        arguments=spec.arguments,
        version=record.version,
    )


@get("/v1/schedules", action="schedule.read", summary="List schedules", operation_id="listSchedules")
async def find(ctx: Ctx, target: Aim, tenant: FromQuery[str | None] = None, after: FromQuery[str] = "") -> Schedules:
    """List schedules with the time at which each is due next; without ``tenant`` all, for who may see all."""
    limit = 200
    whose = None if tenant is None else target.tenant
    records = await ctx.store.find(Schedule, whose, after=after, limit=limit)
    last = records[-1] if len(records) == limit else None
    now = ctx.clock.now()
    return Schedules([shown(one, now) for one in records], f"{last.tenant}/{last.name}" if last else "")


@get("/v1/schedules/{tenant:str}/{name:str}", action="schedule.read", summary="Show", operation_id="showSchedule")
async def show(ctx: Ctx, target: Aim, name: FromPath[str]) -> ScheduleView:
    """Show a schedule with the time at which it is due next."""
    return shown(await ctx.store.get(Schedule, target.tenant, name), ctx.clock.now())


@post(
    "/v1/schedules/{tenant:str}/{name:str}/run", action="task.run", status_code=201, summary="Run a schedule now",
    operation_id="runSchedule",
)  # fmt: skip
async def run(ctx: Ctx, principal: Caller, target: Aim, name: FromPath[str]) -> Inserted:
    """Insert its task now, whatever the time; when it is due it runs all the same."""
    record = await ctx.store.get(Schedule, target.tenant, name)
    task = msgspec.structs.replace(new_task(record, 0.0), key="")
    why = f"by hand, of the schedule {name}"
    return Inserted(await Tasks(ctx.store, ctx.bus).add(principal.who, task, why, bounded=True))


@post(
    "/v1/schedules/{tenant:str}/{name:str}/pause", action="task.schedule", status_code=200, summary="Pause a schedule",
    operation_id="pauseSchedule",
)  # fmt: skip
async def pause(ctx: Ctx, principal: Caller, target: Aim, name: FromPath[str]) -> ScheduleView:
    """Insert nothing for it until it is resumed; times that pass meanwhile are not made up for."""
    return await _set(ctx, principal.who, target.tenant, name, paused=True)


@post(
    "/v1/schedules/{tenant:str}/{name:str}/resume", action="task.schedule", status_code=200,
    summary="Resume a schedule", operation_id="resumeSchedule",
)  # fmt: skip
async def resume(ctx: Ctx, principal: Caller, target: Aim, name: FromPath[str]) -> ScheduleView:
    """Let it recur again."""
    return await _set(ctx, principal.who, target.tenant, name, paused=False)


async def _set(ctx: Context, who: str, tenant: str, name: str, *, paused: bool) -> ScheduleView:
    record = await ctx.store.get(Schedule, tenant, name)
    spec = msgspec.structs.replace(record.spec, paused=paused)
    await ctx.store.put(who, "pause" if paused else "resume", tenant, name, spec, expect=record.version)
    return shown(await ctx.store.get(Schedule, tenant, name), ctx.clock.now())


ROUTES: list[ControllerRouterHandler] = [find, show, run, pause, resume]
