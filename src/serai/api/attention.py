"""What needs somebody's attention, and what to do about it: of the platform and of all services, in one answer.

Facts are gathered once for all who ask within a moment; each of them gets those that they may know of.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import msgspec
import structlog
from litestar import Router, get
from litestar.params import FromQuery

from serai.api.attention_facts import HostWatch, Watch, of_tokens
from serai.api.depend import Aim, Caller, Ctx, People
from serai.daemon.attention import Fact, Watcher
from serai.daemon.module import Context
from serai.daemon.service import Service, load
from serai.errors import SeraiError
from serai.identity import Principal, Target, allowed

MOST = 100  # facts of an answer
MOMENT = 3.0  # seconds in which the same is said to all who ask
PLACES = 64  # whose facts are kept

log = structlog.get_logger("api")


class Attention(msgspec.Struct, frozen=True):
    """What needs attention, the worst first; ``more`` says that there is more than is told."""

    items: list[Fact]
    more: bool = False


class Lookout:
    """Ask all watchers, once for all who ask at a time."""

    def __init__(self, ctx: Context, watchers: Iterable[Watcher]) -> None:
        self._ctx = ctx
        self._watchers = tuple(watchers)
        self._kept: OrderedDict[str | None, tuple[float, asyncio.Task[list[Fact]]]] = OrderedDict()

    async def look(self, tenant: str | None) -> list[Fact]:
        """Return the facts of a tenant, of the platform itself (""), or of all (None)."""
        now = self._ctx.clock.monotonic()
        kept = self._kept.get(tenant)
        if kept is None or now - kept[0] > MOMENT or now < kept[0]:
            kept = self._kept[tenant] = (now, asyncio.create_task(self._gather(tenant)))
            self._kept.move_to_end(tenant)
            while len(self._kept) > PLACES:
                self._kept.popitem(last=False)
        return await asyncio.shield(kept[1])

    async def _gather(self, tenant: str | None) -> list[Fact]:
        results = await asyncio.gather(*(watcher.look(tenant) for watcher in self._watchers), return_exceptions=True)
        found: list[Fact] = []
        for result in results:
            if isinstance(result, list):
                found += result
            elif isinstance(result, SeraiError):  # the others are told of all the same
                log.info("api.attention", reason=result.public)
                found.append(_unknown(result, tenant or ""))
            else:
                raise result
        return list(dict.fromkeys(found))  # several of them may not reach the same


def router(ctx: Context, services: Iterable[Service]) -> Router:
    """Return the route, bound to this process's watchers."""
    watchers: Sequence[Watcher] = [
        HostWatch(ctx),
        Watch(ctx),
        *(load(service.attention)(ctx) for service in services if service.attention),
    ]
    lookout = Lookout(ctx, watchers)

    @get("/v1/attention", action="attention.read", summary="See what needs attention", operation_id="attention")
    async def attention(
        ctx: Ctx, desk: People, principal: Caller, target: Aim, tenant: FromQuery[str | None] = None
    ) -> Attention:
        """Return what is not as it should be in a tenant or, without ``tenant``, anywhere, and what to do about it."""
        where = None if tenant is None else target.tenant
        tokens = of_tokens(desk.directory, principal, where, ctx.clock.now())
        found = [fact for fact in (*await lookout.look(where), *tokens) if _may_know(principal, fact)]
        found.sort(key=lambda fact: (fact.weight != "bad", -fact.since))
        return Attention(found[:MOST], len(found) > MOST)

    return Router("/", route_handlers=[attention])


def _may_know(principal: Principal, fact: Fact) -> bool:
    target = Target(tenant=fact.tenant, app=fact.app, name=fact.name)
    return allowed(principal, fact.action, target)[0]


def _unknown(error: SeraiError, tenant: str) -> Fact:
    text = f"What needs attention is not known in full: {error.public}"
    advice = "Look whether the store is there."
    return Fact(
        weight="bad", about="host", action="attention.read", tenant=tenant, text=text, advice=advice,
        command="serai status",
    )  # fmt: skip
