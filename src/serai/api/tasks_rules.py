"""What bounds tasks: paused channels, limits and rates, providers that are down, and the bots that run them.

Names of tenants' own channels and providers begin with ``TENANT/``; all others are the platform's.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.depend import Caller, Ctx
from serai.daemon.module import Context
from serai.errors import NotFoundError
from serai.identity import Target
from serai.store.tasks import Limit, Scope
from serai.tasks import Tasks

Name = FromPath[str]
Why = Annotated[str, QueryParameter(max_length=500)]
Amount = Annotated[int, Meta(ge=0, le=1_000_000)]


class PauseView(msgspec.Struct, frozen=True):
    """A channel that is paused: by whom, since when (seconds since the epoch), why."""

    channel: str
    who: str
    at: float
    why: str


class Pauses(msgspec.Struct, frozen=True):
    """All paused channels, by name."""

    items: list[PauseView]


class Paused(msgspec.Struct, frozen=True):
    """Whether a channel is paused now."""

    channel: str
    paused: bool


class RuleBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many tasks at once, and how many may start in each ``per`` seconds, ``burst`` of them at once."""

    most: Amount | None = None
    rate: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    per: Annotated[float, Meta(gt=0, le=86400)] = 60.0
    burst: Annotated[float, Meta(ge=0, le=1e9)] = 0.0


class LimitView(RuleBody, frozen=True, kw_only=True):
    """A limit in force, how many tasks run under it, and who set it, when and why."""

    scope: Literal["tenant", "channel", "provider"]
    name: str
    running: int
    who: str
    at: float
    why: str


class Limits(msgspec.Struct, frozen=True):
    """All limits in force, by scope and name."""

    items: list[LimitView]


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that is or was down, or has a probe; ``declared``: a person said so."""

    name: str
    state: Literal["up", "down", "resuming"]
    since: float
    who: str
    why: str
    declared: bool
    next_probe: float
    at_once: int
    probe: str


class Providers(msgspec.Struct, frozen=True):
    """All providers that are known to have been down, by name."""

    items: list[ProviderView]


class BotView(msgspec.Struct, frozen=True):
    """A bot that lives, the queues that it works on, and since when."""

    name: str
    queues: list[str]
    since: float


class Bots(msgspec.Struct, frozen=True):
    """All bots that live, by name."""

    items: list[BotView]


def meant(segment: str) -> str:
    """Return the name that a segment of a path stands for: these names hold slashes."""
    return urllib.parse.unquote(segment)


def owner_of(name: str) -> Target:
    """Return whose a channel or provider is by its name (``TENANT/APP/NAME``); all else is the platform's."""
    parts = name.split("/", 2)
    return Target(tenant=parts[0], app=parts[1]) if len(parts) == 3 else Target()


async def of_channel(_ctx: Context, parameters: Mapping[str, str]) -> Target:
    """Return whose the path's channel is."""
    name = meant(parameters["channel"])
    return msgspec.structs.replace(owner_of(name), kind="channel", name=name[:256])


async def of_provider(_ctx: Context, parameters: Mapping[str, str]) -> Target:
    """Return whose the path's provider is."""
    name = meant(parameters["provider"])
    return msgspec.structs.replace(owner_of(name), kind="provider", name=name[:256])


def _within(tenant: str | None, name: str) -> bool:
    """Tell whether a list that was asked for one tenant shows a name."""
    return tenant is None or owner_of(name).tenant == tenant


@get("/v1/channels", action="channel.read", summary="List paused channels", operation_id="listPauses")
async def pauses(ctx: Ctx, tenant: FromQuery[str | None] = None) -> Pauses:
    """List the channels that are paused; with ``tenant`` that one's."""
    found = await Tasks(ctx.store).pauses()
    return Pauses([PauseView(one.channel, one.who, one.at, one.why) for one in found if _within(tenant, one.channel)])


@post(
    "/v1/channels/{channel:str}/pause", action="channel.pause", target=of_channel, status_code=200,
    summary="Pause a channel", operation_id="pauseChannel",
)  # fmt: skip
async def pause(ctx: Ctx, principal: Caller, channel: Name, why: Why = "") -> Paused:
    """Start nothing more of a channel until it is resumed; what runs goes on."""
    await Tasks(ctx.store, ctx.bus).pause(principal.who, meant(channel), why)
    return Paused(meant(channel), paused=True)


@post(
    "/v1/channels/{channel:str}/resume", action="channel.pause", target=of_channel, status_code=200,
    summary="Resume a channel", operation_id="resumeChannel",
)  # fmt: skip
async def resume(ctx: Ctx, principal: Caller, channel: Name, why: Why = "") -> Paused:
    """Let a channel's tasks start again."""
    name = meant(channel)
    if not await Tasks(ctx.store, ctx.bus).resume(principal.who, name, why):
        raise NotFoundError(f"The channel {name[:200]} is not paused.", channel=name[:200])
    return Paused(name, paused=False)


@get("/v1/limits", action="limit.read", summary="List limits", operation_id="listLimits")
async def limits(ctx: Ctx, tenant: FromQuery[str | None] = None) -> Limits:
    """List the limits in force; with ``tenant`` those on it and on its own names."""
    found = await Tasks(ctx.store).limits()
    return Limits(
        [_limit(one) for one in found if _within(tenant, one.name) or (one.scope, one.name) == ("tenant", tenant)]
    )


@put("/v1/limits/{what:str}/{limit:str}", action="limit.write", summary="Set a limit", operation_id="setLimit")
async def set_limit(
    ctx: Ctx, principal: Caller, what: FromPath[Scope], limit: Name, data: JSONBody[RuleBody], why: Why = ""
) -> RuleBody:
    """Set how much of a tenant, a channel or a provider may run at most; the platform's people only."""
    rule = msgspec.structs.asdict(data)
    await Tasks(ctx.store, ctx.bus).limit(principal.who, what, meant(limit), **rule, why=why)
    return data


@delete(
    "/v1/limits/{what:str}/{limit:str}", action="limit.write", status_code=204, summary="End a limit",
    operation_id="endLimit",
)  # fmt: skip
async def end_limit(ctx: Ctx, principal: Caller, what: FromPath[Scope], limit: Name, why: Why = "") -> None:
    """End a limit."""
    await Tasks(ctx.store, ctx.bus).limit(principal.who, what, meant(limit), why=why)


@get("/v1/providers", action="provider.read", summary="List providers", operation_id="listProviders")
async def providers(ctx: Ctx, tenant: FromQuery[str | None] = None) -> Providers:
    """List the providers that are or were down; with ``tenant`` that one's."""
    found = await Tasks(ctx.store).providers()
    return Providers([ProviderView(**msgspec.structs.asdict(one)) for one in found if _within(tenant, one.name)])


@post(
    "/v1/providers/{provider:str}/down", action="provider.write", target=of_provider, status_code=200,
    summary="Declare a provider down", operation_id="declareDown",
)  # fmt: skip
async def down(ctx: Ctx, principal: Caller, provider: Name, why: Why = "") -> ProviderView:
    """Declare a provider down: its tasks wait until it is declared up."""
    tasks = Tasks(ctx.store, ctx.bus)
    await tasks.provider_down(principal.who, meant(provider), why)
    return await _provider(tasks, meant(provider))


@post(
    "/v1/providers/{provider:str}/up", action="provider.write", target=of_provider, status_code=200,
    summary="Declare a provider up", operation_id="declareUp",
)  # fmt: skip
async def up(ctx: Ctx, principal: Caller, provider: Name, why: Why = "") -> ProviderView:
    """Declare a provider up: its tasks resume, few at first."""
    tasks = Tasks(ctx.store, ctx.bus)
    await tasks.provider_up(principal.who, meant(provider), why)
    return await _provider(tasks, meant(provider))


@get("/v1/bots", action="host.status", summary="List bots", operation_id="listBots")
async def bots(ctx: Ctx) -> Bots:
    """List the bots that live."""
    return Bots([BotView(one.name, list(one.queues), one.since) for one in await Tasks(ctx.store).bots()])


def _limit(one: Limit) -> LimitView:
    told = {name: getattr(one, name) for name in ("scope", "name", "running", "who", "at", "why")}
    return LimitView(**told, **msgspec.structs.asdict(one.rule))


async def _provider(tasks: Tasks, name: str) -> ProviderView:
    for one in await tasks.providers():
        if one.name == name:
            return ProviderView(**msgspec.structs.asdict(one))
    raise NotFoundError(f"Nothing is known of a provider {name[:200]}.", provider=name[:200])


ROUTES: list[ControllerRouterHandler] = [
    pauses, pause, resume, limits, set_limit, end_limit, providers, down, up, bots,
]  # fmt: skip
