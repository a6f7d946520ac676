"""What recurs for an application: schedules that it, or its people, made. What its app.toml says is not among them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from serai.daemon.module import Context
from serai.errors import ExhaustedError, InvalidError
from serai.services.apps.descriptors import App
from serai.services.apps.running import wishes
from serai.services.apps.running.wishes import Owner, Wish, Work
from serai.store import Delete, Record
from serai.tasks.schedule import Schedule, next_due

MAX_SCHEDULES = 200  # of one application


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task that recurs: at the times that ``when`` names (cron, or ``every 5m``) in the time zone."""

    when: Annotated[str, Meta(max_length=256)]
    zone: Annotated[str, Meta(max_length=64)] = "UTC"
    missed: Literal["once", "never"] = "once"
    busy: Literal["wait", "skip"] = "wait"
    paused: bool = False
    call: str = ""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    argv: tuple[str, ...] = ()
    arguments: Any = None
    release: Annotated[int, Meta(ge=0, le=999_999_999)] = 0
    channel: Annotated[str, Meta(max_length=200)] = ""
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    deadline: Annotated[float, Meta(gt=0, le=wishes.MAX_DEADLINE)] = 600.0
    retries: Annotated[int, Meta(ge=0, le=1000)] = 0
    provider: Annotated[str, Meta(max_length=200)] = ""
    backoff: wishes.Repeat | None = None


async def owner_of(ctx: Context, tenant: str, app: str) -> Owner:
    """Return whose work it is, and the host where an application's data is; `NotFoundError` where there is none."""
    return Owner(tenant, app, (await ctx.store.get(App, tenant, app)).spec.host or ctx.host)


def prefix_of(app: str) -> str:
    """Return how the names of an application's own schedules begin."""
    return f"{app}.task."


def decode(body: bytes) -> Plan:
    """Return what a body says, or raise `InvalidError`."""
    try:
        return msgspec.convert(wishes.parse(body), Plan)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidError(f"{error}.", path="$") from None


async def everything(ctx: Context, tenant: str, app: str) -> list[Record[Schedule]]:
    """Return an application's schedules."""
    return await ctx.store.find(Schedule, tenant, prefix=prefix_of(app), limit=MAX_SCHEDULES)


async def get(ctx: Context, tenant: str, app: str, name: str) -> Record[Schedule]:
    """Return one, or raise `NotFoundError`."""
    return await ctx.store.get(Schedule, tenant, prefix_of(app) + name)


async def put(ctx: Context, who: str, own: Owner, name: str, plan: Plan) -> Record[Schedule]:
    """Write one, new or not."""
    whole = prefix_of(own.app) + name
    if not Schedule.NAME.fullmatch(whole) or "." in name:
        raise InvalidError("A schedule's name has letters, digits, - and _.", path="name")
    spec = _spec(plan, own)
    spec.check()
    known = {one.name for one in await everything(ctx, own.tenant, own.app)}
    if len(known) >= MAX_SCHEDULES and whole not in known:
        raise ExhaustedError(f"An application has at most {MAX_SCHEDULES} schedules.")
    await ctx.store.put(who, f"let {name} of {own.app} recur", own.tenant, whole, spec)
    return await get(ctx, own.tenant, own.app, name)


async def delete(ctx: Context, who: str, tenant: str, app: str, name: str) -> None:
    """Take one away."""
    record = await get(ctx, tenant, app, name)
    gone = Delete(Schedule.KIND, tenant, record.name)
    await ctx.store.change(who, f"let {name} of {app} recur no more", (gone,))


def shown(record: Record[Schedule], now: float) -> dict[str, Any]:
    """Return one as its application knows it; ``next`` is in seconds since the epoch."""
    spec = record.spec
    names = ("when", "zone", "missed", "busy", "paused", "priority", "deadline", "retries")
    return {
        "name": record.name.removeprefix(prefix_of(spec.app)),
        **{name: getattr(spec, name) for name in names},
        **msgspec.structs.asdict(wishes.arguments_of(spec.arguments)),
        "channel": Owner(record.tenant, spec.app, "").plain(spec.channel),
        "provider": Owner(record.tenant, spec.app, "").plain(spec.provider),
        "next": next_due(spec, now),
    }


def _spec(plan: Plan, own: Owner) -> Schedule:
    wishes.check(Wish(call=plan.call, args=plan.args, kwargs=plan.kwargs, argv=plan.argv, arguments=plan.arguments))
    work = Work(
        call=plan.call, args=plan.args, kwargs=plan.kwargs, argv=plan.argv, arguments=plan.arguments,
        release=plan.release,
    )  # fmt: skip
    return Schedule(
        when=plan.when,
        zone=plan.zone,
        missed=plan.missed,
        busy=plan.busy,
        paused=plan.paused,
        function=wishes.listed(plan.call, plan.argv),
        arguments=msgspec.to_builtins(work),
        app=own.app,
        queue=wishes.queue_of(own.host),
        channel=own.own(plan.channel),
        priority=plan.priority,
        deadline=plan.deadline,
        retries=plan.retries,
        provider=own.own(plan.provider),
        backoff=wishes.backoff_of(plan.backoff),
    )
