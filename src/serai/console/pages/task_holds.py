"""What holds tasks back: paused channels, limits, providers that are down."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from serai.api.answers import segment
from serai.api.tasks_rules import Limits, Pauses, Providers
from serai.console.depend import Filled, Visitor
from serai.console.forms import Form
from serai.console.nav import Crumb
from serai.console.visit import Visit

Name = Annotated[str, Meta(min_length=1, max_length=400)]
Why = Annotated[str, Meta(max_length=500)]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A channel or a provider, and what happens to it; ``verb`` is the button that was pressed, ``back`` its page."""

    name: Name
    verb: Literal["pause", "resume", "down", "up"]
    why: Why = ""
    back: Annotated[str, Meta(max_length=2000)] = ""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A limit; where it says neither ``most`` nor ``rate`` there is none any more. ``per`` is in seconds."""

    scope: Literal["tenant", "channel", "provider"] = "channel"
    name: Name
    most: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    rate: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    per: Annotated[float, Meta(gt=0, le=86400)] = 60
    why: Why = ""


@get(["/tasks/channels", "/tenants/{tenant:str}/tasks/channels"])
async def channels(visit: Visitor) -> Response[str]:
    """Show which channels are paused and what limits there are."""
    return await _channels(visit, Form.of(Held, verb="pause"), Form.of(Rule))


async def _channels(visit: Visit, held: Form[Held], rule: Form[Rule]) -> Response[str]:
    query = {"tenant": visit.where}
    pauses, limits = await asyncio.gather(
        visit.calls.read(Pauses, "/v1/channels", query, keep=True),
        visit.calls.read(Limits, "/v1/limits", query, keep=True),
    )
    return visit.page(
        "task-channels.html",
        title="Channels and limits",
        crumbs=crumbs(visit),
        pauses=pauses.items,
        limits=limits.items,
        held=held,
        rule=rule,
        may_pause=visit.may("channel.pause", visit.tenant),
        may_limit=visit.may("limit.write"),
    )


@post(["/tasks/channels", "/tenants/{tenant:str}/tasks/channels"])
async def hold_channel(visit: Visitor, form: Filled[Held]) -> Response[str]:
    """Pause a channel, or resume it."""
    if await form.send(lambda data: _act(visit, "channels", data)):
        said = "is paused: what runs of it goes on" if form.data.verb == "pause" else "goes on"
        return visit.go(form.data.back or f"{visit.home}/tasks/channels", f"{form.data.name} {said}.")
    return await _channels(visit, form, Form.of(Rule))


@post(["/tasks/limits", "/tenants/{tenant:str}/tasks/limits"])
async def limit(visit: Visitor, form: Filled[Rule]) -> Response[str]:
    """Set a limit, or end it."""

    async def send(data: Rule) -> None:
        path = f"/v1/limits/{data.scope}/{segment(data.name)}"
        if data.most is None and data.rate is None:
            await visit.calls.call("DELETE", path, query={"why": data.why})
            return
        body = {"most": data.most, "rate": data.rate, "per": data.per}
        await visit.calls.call("PUT", path, body, query={"why": data.why})

    if await form.send(send):
        ended = form.data.most is None and form.data.rate is None
        said = "is ended" if ended else "holds from now on"
        return visit.go(f"{visit.home}/tasks/channels", f"The limit of {form.data.name} {said}.")
    return await _channels(visit, Form.of(Held, verb="pause"), form)


@get(["/tasks/providers", "/tenants/{tenant:str}/tasks/providers"])
async def providers(visit: Visitor) -> Response[str]:
    """Show which providers are or were down."""
    return await _providers(visit, Form.of(Held, verb="down"))


async def _providers(visit: Visit, held: Form[Held]) -> Response[str]:
    found = await visit.calls.read(Providers, "/v1/providers", {"tenant": visit.where}, keep=True)
    return visit.page(
        "task-providers.html",
        title="Providers",
        crumbs=crumbs(visit),
        providers=found.items,
        held=held,
        may_declare=visit.may("provider.write", visit.tenant),
    )


@post(["/tasks/providers", "/tenants/{tenant:str}/tasks/providers"])
async def declare(visit: Visitor, form: Filled[Held]) -> Response[str]:
    """Declare a provider down, or up."""
    if await form.send(lambda data: _act(visit, "providers", data)):
        said = "is down: its tasks wait" if form.data.verb == "down" else "is up: its tasks resume, few at first"
        return visit.go(form.data.back or f"{visit.home}/tasks/providers", f"{form.data.name} {said}.")
    return await _providers(visit, form)


async def _act(visit: Visit, what: str, data: Held) -> None:
    await visit.calls.call("POST", f"/v1/{what}/{segment(data.name)}/{data.verb}", query={"why": data.why})


def crumbs(visit: Visit) -> tuple[Crumb, ...]:
    """Return the way to a page beside the list of tasks."""
    tasks = Crumb("Tasks" if visit.home else "All tasks", f"{visit.home}/tasks")
    return (Crumb(visit.tenant, visit.home), tasks) if visit.tenant else (tasks,)


ROUTES: list[ControllerRouterHandler] = [channels, hold_channel, limit, providers, declare]
