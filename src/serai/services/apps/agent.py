"""The host's agent: it keeps what runs here equal to the Instance descriptors of this host.

The store says what is wanted; the agent starts, asks, restarts, drains and stops, and writes back how each instance
is. What it does next is decided by `reconcile.decide` alone. An agent that dies takes nothing with it: the next one
finds all instances by `Driver.recover` and never touches a healthy one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from serai.bus import Subscription
from serai.cloud import host
from serai.cloud.drivers import Handle
from serai.daemon.module import Context, Needs
from serai.errors import SeraiError, UnsupportedError
from serai.services.apps import hosting, launch
from serai.services.apps.addresses import Site
from serai.services.apps.calls import Calls
from serai.services.apps.desired import Known, View
from serai.services.apps.fullness import Fullness
from serai.services.apps.journal import Journal
from serai.services.apps.keeper import Keeper, tally
from serai.services.apps.lookout import look_around, sweep
from serai.services.apps.probing import probe_of
from serai.services.apps.reconcile import (
    Action,
    Drain,
    Drop,
    Forget,
    Key,
    Retire,
    Seen,
    Start,
    Stop,
    Tell,
    decide,
    wake_at,
)
from serai.services.apps.shells.host import Shells
from serai.services.apps.shells.wish import ShellConfig
from serai.services.apps.usage import Meter

DRAINING, IDLING = 0.2, 5.0  # seconds between two counts of connections: of what drains, of what runs on demand
PATIENCE = 5.0  # seconds until what runs is kept up although the replica is behind the store


class AgentConfig(ShellConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the agent."""

    driver: Annotated[str, Meta(description="How instances are isolated.", pattern="^[a-z]+$")] = "process"
    stop_seconds: Annotated[float, Meta(description="Between SIGTERM and SIGKILL of an instance.", ge=0, le=300)] = 10.0
    measure_seconds: Annotated[float, Meta(description="Between measurements of what apps use.", ge=1, le=3600)] = 15.0


class Agent:
    """Reconcile this host's instances."""

    ID: ClassVar[str] = "apps.agent"
    Config: ClassVar[type[msgspec.Struct]] = AgentConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="agent", copies="one")

    def __init__(self, config: AgentConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._who = f"host:{ctx.host}"
        self._site = Site(ctx.host, ctx.base)
        self._apps = ctx.home / "data/apps"
        self._keepers: dict[Key, Keeper] = {}
        self._kick = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._found: list[Handle] = []
        self._journal: Journal | None = None
        self._halted = False

    async def provision(self) -> None:
        """See whether the driver works."""
        self._driver = hosting.driver(self._ctx.home, self._config.driver)
        self._probes = await self._driver.probe()
        if lacking := host.missing(self._probes):
            raise UnsupportedError(f"{lacking[0].ability}: {lacking[0].result}", path="driver")
        self._view = View(self._ctx.replica, self._ctx.host)
        self._shells = Shells(self._ctx, self._driver, self._config, self._keepers, self._view, self._site)

    async def serve(self) -> None:
        """Reconcile until cancelled. The instances stay. An error that nobody foresaw ends it, and the worker."""
        self._changes = await self._ctx.bus.subscribe("store.change")
        self._subscriptions.append(self._changes)
        async with asyncio.TaskGroup() as self._tasks:
            self._journal = Journal(self._ctx.store, self._who, self._ctx.log, self._tasks.create_task)
            handles = await self._driver.recover()  # an agent before us lets go when its process ends
            self._found = [handle for handle in handles if handle.id.startswith("app.")]
            others = [handle for handle in handles if handle not in self._found]
            self._tasks.create_task(sweep(self._driver, self._ctx.clock, others))
            self._tasks.create_task(self._follow())
            await self._take_over()
            meter = Meter(self._ctx.registry, self._driver, self._apps)
            calls = Calls(self._ctx.store, self._site, self._apps, self._keepers, self._driver.expect, meter)
            self._subscriptions += await calls.register(self._ctx.bus)
            self._subscriptions.append(await self._shells.begin(self._ctx.bus, self._tasks.create_task))
            seconds = self._config.measure_seconds
            self._tasks.create_task(look_around(self._ctx, meter, self._keepers, self._probes, seconds))
            fullness = Fullness(self._driver, self._apps, self._view, self._ctx.clock, self._kick.set)
            self._tasks.create_task(fullness.run())
            while True:
                self._kick.clear()
                self._turn()
                self._journal.rest()
                now = self._ctx.clock.monotonic()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wake_at(self._view.desired, self._seen(), now) - now):
                        await self._kick.wait()

    async def close(self) -> None:
        """Look away; safe after a partial provision."""
        for subscription in self._subscriptions:
            await subscription.close()

    def status(self) -> Mapping[str, Any]:
        """Count this host's instances by state, and name some that fail: those are their tenants' concern."""
        trouble = next(iter(self._view.unreadable.values()), "") or (self._journal.trouble if self._journal else "")
        return {"ok": not trouble, "reason": trouble, **tally(self._keepers)}

    async def _take_over(self) -> None:
        """Adopt the instances that run, once the replica knows of them; end those that nobody wants."""
        newest, until = None, self._ctx.clock.monotonic() + PATIENCE
        while newest is None or self._view.change < newest:
            with contextlib.suppress(SeraiError):
                newest = newest or await self._ctx.store.last_change()
            self._view.refresh()
            self._adopt()
            if self._view.change >= 0 and self._ctx.clock.monotonic() > until:
                # Store or replica are away: keep up what is known, and touch nothing else.
                self._turn()
            await self._ctx.clock.sleep(0.02 if newest is not None else 0.5)
        self._adopt()
        for handle in self._found:
            self._keeper(launch.key_of(handle.id)).adopt(handle, None)
        self._found = []

    def _adopt(self) -> None:
        by_id = {launch.workload_id("app", *key): key for key in self._view.known}
        for handle in [handle for handle in self._found if handle.id in by_id]:
            known = self._view.known[by_id[handle.id]]
            keeper = self._keeper(by_id[handle.id])
            keeper.adopt(handle, probe_of(known, self._site), ready=known.record.spec.state == "ready")
            self._found.remove(handle)

    async def _follow(self) -> None:
        """Look again once the replica has what the store announced."""
        async for _, number in self._changes:
            for _ in range(500):
                self._view.refresh()
                if self._view.change >= number:
                    break
                await self._ctx.clock.sleep(0.002)
            self._kick.set()

    async def halt(self) -> None:
        """Stop all instances of this host, and start nothing more; the next agent starts them again."""
        self._halted = True
        await self._shells.halt()
        # The driver knows them all, also those that this agent, just started, has not adopted yet.
        await asyncio.gather(*(self._end(handle) for handle in await self._driver.recover()))
        for data in sorted(self._apps.glob("*/*/data")):
            with contextlib.suppress(SeraiError):
                await self._driver.discard(data, forever=False)
        with contextlib.suppress(SeraiError):
            await self._driver.retire()

    async def _end(self, handle: Handle) -> None:
        keeper = next((keeper for keeper in self._keepers.values() if keeper.handle == handle), None)
        try:
            if keeper is not None:
                await keeper.stop("", self._config.stop_seconds)
                await keeper.clear()
            else:
                await self._driver.stop(handle, grace=self._config.stop_seconds)
                await self._driver.remove(handle)
        except SeraiError as error:  # one that can't be stopped is no reason to leave the others running
            self._ctx.log.warning("agent.halt", code=error.code, reason=error.public)

    def _seen(self) -> dict[Key, Seen]:
        return {key: keeper.seen for key, keeper in self._keepers.items()}

    def _turn(self) -> None:
        """Look at everything once, and begin what can be done now."""
        if self._halted:
            return
        self._view.refresh()
        now = self._ctx.clock.monotonic()
        for action in decide(self._view.desired, self._seen(), now):
            self._do(action)
        for key, keeper in self._keepers.items():
            want = self._view.desired.get(key)
            if want and (want.on_demand or keeper.seen.drain_since is not None):
                keeper.measure_after(now, DRAINING if keeper.seen.drain_since is not None else IDLING)

    def _do(self, action: Action) -> None:
        key = action.key
        keeper, journal = self._keeper(key), self._journal
        match action:
            case Start() if known := self._view.known.get(key):
                keeper.begin(self._start(keeper, known))
            case Stop():
                self._ctx.log.info("stop", tenant=key[0], instance=key[1], failure=action.failure)
                keeper.begin(keeper.stop(action.failure, self._config.stop_seconds))
            case Drain():
                keeper.seen = replace(keeper.seen, drain_since=self._ctx.clock.monotonic())
            case Drop():
                keeper.begin(self._drop(key, keeper))
            case Forget() if journal:
                keeper.begin(self._forget(key, keeper, journal))
            case Tell() if journal:
                journal.tell(key, keeper, action.told)
            case Retire() if journal:
                journal.retire(key)

    def _keeper(self, key: Key) -> Keeper:
        if key not in self._keepers:
            archive = self._apps / key[0] / key[1].partition(".")[0] / "logs" / f"{key[1]}.log"
            known = self._view.known.get(key)
            restarts = known.record.spec.restarts if known else 0
            self._keepers[key] = Keeper(
                self._driver, self._ctx.clock, self._kick.set, self._tasks.create_task, archive, restarts
            )
        return self._keepers[key]

    async def _start(self, keeper: Keeper, known: Known) -> None:
        record = known.record
        await self._driver.prepare(known.place(self._ctx.home, self._site), known.release.data_mb)
        workload = known.workload(self._ctx.home, self._site)
        self._ctx.log.info("start", tenant=record.tenant, instance=record.name, restarts=keeper.seen.restarts)
        await keeper.start(workload, probe_of(known, self._site))

    async def _drop(self, key: Key, keeper: Keeper) -> None:
        await keeper.clear()
        if self._keepers.get(key) is keeper:
            del self._keepers[key]

    async def _forget(self, key: Key, keeper: Keeper, journal: Journal) -> None:
        await keeper.clear()
        await journal.forget(key)
