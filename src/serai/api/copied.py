"""What this host's own copy of the descriptors says: the last known state, also while the store is away."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
from litestar import Router, get

from serai.cloud.descriptors import Host, Instance, Route
from serai.daemon.module import Context
from serai.errors import SeraiError

BREATH = 500  # records after which others get their turn
FEW = 50  # instances that are named


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """An instance as it was last known."""

    tenant: str
    name: str
    host: str
    state: str
    reason: str


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """The store and this host's copy of it.

    ``store`` is "" where the store answers, else why it does not; ``change`` is the number of the last change in the
    copy (null: there is no copy yet), ``behind`` how many the store has more, null while it is away. ``instances`` are
    counted by state, and the first of those that should run and are not ready are named in ``ill``.
    """

    store: str
    change: int | None
    behind: int | None
    hosts: list[str]
    routes: int
    instances: dict[str, int]
    ill: list[Running]


class _Copy:
    """Count what is in the copy, once for each state of it."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._held: tuple[int, Copied] | None = None
        self._turn = asyncio.Lock()

    async def look(self) -> Copied:
        """Return what the copy says, and how far it is behind."""
        last, reason = await self._last()
        try:
            change = self._ctx.replica.change()
            async with self._turn:
                if self._held is None or self._held[0] != change:
                    self._held = (change, await self._count(change))
                copied = self._held[1]
        except SeraiError:
            return Copied(store=reason, change=None, behind=None, hosts=[], routes=0, instances={}, ill=[])
        behind = None if last is None else max(0, last - change)
        return msgspec.structs.replace(copied, store=reason, behind=behind)

    async def _last(self) -> tuple[int | None, str]:
        try:
            return await self._ctx.store.last_change(), ""
        except SeraiError as error:
            return None, error.public

    async def _count(self, change: int) -> Copied:
        replica, states, ill = self._ctx.replica, Counter[str](), list[Running]()
        for number, one in enumerate(replica.find(Instance)):
            states[one.spec.state] += 1
            if one.spec.wanted == "running" and one.spec.state != "ready" and len(ill) < FEW:
                spec = one.spec
                ill.append(
                    Running(tenant=one.tenant, name=one.name, host=spec.host, state=spec.state, reason=spec.reason)
                )
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
        routes = 0
        for routes, _ in enumerate(replica.find(Route), start=1):
            if routes % BREATH == 0:
                await asyncio.sleep(0)
        hosts = [one.name for one in replica.find(Host)]
        return Copied(store="", change=change, behind=None, hosts=hosts, routes=routes, instances=dict(states), ill=ill)


def router(ctx: Context) -> Router:
    """Return the route, bound to this process's copy."""
    copy = _Copy(ctx)

    @get("/v1/replica", action="host.status", summary="Show the last known state", operation_id="replica")
    async def replica() -> Copied:
        """Return what this host's copy of the descriptors says, and whether the store that it follows answers."""
        return await copy.look()

    return Router("/", route_handlers=[replica])
