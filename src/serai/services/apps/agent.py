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
from serai.cloud.descriptors import Instance
from serai.cloud.drivers import Driver, Handle
from serai.daemon.module import Context, Needs
from serai.errors import ConflictError, NotFoundError, SeraiError, UnsupportedError
from serai.services.apps import hosting, launch, logs, wake
from serai.services.apps.addresses import Site, environment_path
from serai.services.apps.desired import Known, View
from serai.services.apps.keeper import Keeper, Probe
from serai.services.apps.place import furnish, place, uid_of
from serai.services.apps.plan import WEB
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
    Told,
    decide,
    wake_at,
)
from serai.store import Delete

#: Seconds between two counts of the connections of what drains, and of what runs on demand.
DRAINING, IDLING = 0.2, 5.0
SWEEP = 30.0  # seconds that the tasks of an earlier process have to begin again


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the agent."""

    driver: Annotated[str, Meta(description="How instances are isolated.", pattern="^[a-z]+$")] = "process"
    stop_seconds: Annotated[float, Meta(description="Between SIGTERM and SIGKILL of an instance.", ge=0, le=300)] = 10.0


class Agent:
    """Reconcile this host's instances."""

    ID: ClassVar[str] = "apps.agent"
    Config: ClassVar[type[msgspec.Struct]] = AgentConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="agent", copies="one")

    def __init__(self, config: AgentConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._site = Site(ctx.host, ctx.base)
        self._keepers: dict[Key, Keeper] = {}
        self._kick = asyncio.Event()
        self._subscriptions: list[Subscription] = []
        self._writing: set[Key] = set()
        self._found: list[Handle] = []
        self._trouble = ""
        self._who = f"host:{ctx.host}"

    async def provision(self) -> None:
        """See whether the driver works, and be ready to be called."""
        self._driver: Driver = hosting.driver(self._ctx.home, self._config.driver)
        missing = [probe for probe in await self._driver.probe() if probe.required and probe.result != "ok"]
        if missing:
            raise UnsupportedError(f"{missing[0].ability}: {missing[0].result}", path="driver")
        self._view = View(self._ctx.replica, self._ctx.host)
        bus = self._ctx.bus
        self._changes = await bus.subscribe("store.change")
        handlers = {wake.SUBJECT: self._wake, logs.SUBJECT: self._logs}
        self._subscriptions = [self._changes, *[await bus.handle(subject, call) for subject, call in handlers.items()]]

    async def serve(self) -> None:
        """Reconcile until cancelled. The instances stay. An error that nobody foresaw ends it, and the worker."""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._follow())
            # An agent before us may still be at work; it lets go when its process ends.
            handles = await self._driver.recover()
            self._found = [handle for handle in handles if handle.id.startswith("app.")]
            self._tasks.create_task(self._sweep([handle for handle in handles if handle not in self._found]))
            await self._take_over()
            while True:
                self._kick.clear()
                self._turn()
                now = self._ctx.clock.monotonic()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wake_at(self._view.desired, self._seen(), now) - now):
                        await self._kick.wait()

    async def close(self) -> None:
        """Look away; safe after a partial provision."""
        for subscription in self._subscriptions:
            await subscription.close()

    def status(self) -> Mapping[str, Any]:
        """Count this host's instances by state."""
        states: dict[str, int] = {}
        for keeper in self._keepers.values():
            state = keeper.seen.told.state if keeper.seen.told else "waiting"
            states[state] = states.get(state, 0) + 1
        return {"ok": not self._trouble, "reason": self._trouble, "instances": len(self._keepers), **states}

    async def _take_over(self) -> None:
        """Adopt the instances that run, once the replica knows of them; end those that nobody wants."""
        newest = None
        while newest is None or self._view.change < newest:
            with contextlib.suppress(SeraiError):
                newest = newest or await self._ctx.store.last_change()
            self._view.refresh()
            self._adopt()
            if newest is None and self._view.change >= 0:
                # The store is away: keep up what the replica knows, and touch nothing else.
                self._turn()
            await self._ctx.clock.sleep(0.02 if newest is not None else 0.5)
        for handle in self._found:
            self._keeper(launch.key_of(handle.id)).adopt(handle, None)
        self._found = []

    def _adopt(self) -> None:
        by_id = {launch.workload_id("app", *key): key for key in self._view.known}
        for handle in [handle for handle in self._found if handle.id in by_id]:
            known = self._view.known[by_id[handle.id]]
            keeper = self._keeper(by_id[handle.id])
            keeper.adopt(handle, self._probe(known), ready=known.record.spec.state == "ready")
            self._found.remove(handle)

    async def _sweep(self, handles: list[Handle]) -> None:
        """End builds and one-off commands whose bot died, unless their task began again and did so itself."""
        await self._ctx.clock.sleep(SWEEP)
        left = await self._driver.recover()
        for handle in handles:
            if handle in left:
                await self._driver.stop(handle, grace=0)
                await self._driver.remove(handle)

    async def _follow(self) -> None:
        """Look again once the replica has what the store announced."""
        async for _, number in self._changes:
            for _ in range(200):
                self._view.refresh()
                if self._view.change >= number:
                    break
                await self._ctx.clock.sleep(0.005)
            self._kick.set()

    def _seen(self) -> dict[Key, Seen]:
        return {key: keeper.seen for key, keeper in self._keepers.items()}

    def _turn(self) -> None:
        """Look at everything once, and begin what can be done now."""
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
        keeper = self._keeper(key)
        match action:
            case Start():
                known = self._view.known.get(key)
                if known is not None:
                    keeper.begin(self._start(keeper, known))
            case Stop():
                self._ctx.log.info("stop", tenant=key[0], instance=key[1], failure=action.failure)
                keeper.begin(keeper.stop(action.failure, self._config.stop_seconds))
            case Drain():
                keeper.seen = replace(keeper.seen, drain_since=self._ctx.clock.monotonic())
            case Drop():
                keeper.begin(self._drop(key, keeper))
            case Tell():
                self._write(key, self._tell(keeper, key, action.told))
            case Forget():
                keeper.begin(self._forget(keeper, key))
            case Retire():
                self._write(key, self._retire(key))

    def _keeper(self, key: Key) -> Keeper:
        if key not in self._keepers:
            folder = self._ctx.home / "data/apps" / key[0] / key[1].partition(".")[0]
            archive = folder / "logs" / f"{key[1]}.log"
            known = self._view.known.get(key)
            restarts = known.record.spec.restarts if known else 0
            self._keepers[key] = Keeper(
                self._driver, self._ctx.clock, self._kick.set, self._tasks.create_task, archive, restarts
            )
        return self._keepers[key]

    async def _start(self, keeper: Keeper, known: Known) -> None:
        record, release = known.record, known.release
        where = place(self._ctx.home, self._site, record.tenant, release.app, uid_of(self._ctx.home, known.tenant))
        await asyncio.to_thread(furnish, where)
        workload = launch.instance(where, known.app, release, record.name, record.spec.process)
        self._ctx.log.info("start", tenant=record.tenant, instance=record.name, restarts=keeper.seen.restarts)
        await keeper.start(workload, self._probe(known))

    def _probe(self, known: Known) -> Probe | None:
        if known.record.spec.process != WEB:
            return None
        app = known.release.app
        path = next(
            (environment_path(app, name) for name, live in known.app.live.items() if live == known.release.number),
            f"/{app}/{known.release.number}/",
        )
        host = self._site.name(known.record.tenant)
        return Probe(known.release.health, known.release.port, host, path.rstrip("/"))

    async def _drop(self, key: Key, keeper: Keeper) -> None:
        await keeper.clear()
        if self._keepers.get(key) is keeper:
            del self._keepers[key]

    async def _forget(self, keeper: Keeper, key: Key) -> None:
        await keeper.clear()
        with contextlib.suppress(NotFoundError):
            record = await self._ctx.store.get(Instance, *key)
            if record.spec.wanted != "running":
                gone = Delete(Instance.KIND, *key, record.version)
                await self._ctx.store.change(self._who, "it ended as it was told to", [gone])

    def _write(self, key: Key, writing: Any) -> None:
        if key in self._writing:
            writing.close()
            return
        self._writing.add(key)
        self._tasks.create_task(self._written(key, writing))

    async def _written(self, key: Key, writing: Any) -> None:
        try:
            await writing
            self._trouble = ""
        except NotFoundError:
            pass
        except ConflictError:
            self._kick.set()
        except SeraiError as error:
            # The store is away: hosting goes on, and the next turn tells it again.
            self._trouble = f"The state of instances can't be written: {error.public}"
        finally:
            self._writing.discard(key)

    async def _tell(self, keeper: Keeper, key: Key, told: Told) -> None:
        record = await self._ctx.store.get(Instance, *key)
        spec = replace(
            record.spec, state=told.state, reason=told.reason, restarts=told.restarts, connector=told.connector
        )
        number = await self._ctx.store.put(self._who, f"it is {told.state}", *key, spec, expect=record.version)
        keeper.seen = replace(keeper.seen, told=replace(told, change=number))
        if told.state in {"failed", "unhealthy"}:
            self._ctx.log.warning("instance", tenant=key[0], instance=key[1], state=told.state, reason=told.reason)

    async def _retire(self, key: Key) -> None:
        record = await self._ctx.store.get(Instance, *key)
        spec = replace(record.spec, wanted="draining")
        await self._ctx.store.put(self._who, "nobody asks for it", *key, spec, expect=record.version)

    async def _wake(self, message: Any) -> Any:
        made = await wake.wake(self._ctx.store, self._site, self._who, wake.understand(message))
        return {"made": made}

    async def _logs(self, message: Any) -> Any:
        try:
            ask = msgspec.convert(message, logs.Ask)
        except msgspec.ValidationError as error:
            raise UnsupportedError("That is no question about logs.", detail=str(error)) from error
        return msgspec.to_builtins(await asyncio.to_thread(logs.answer, self._sources(ask), ask))

    def _sources(self, ask: logs.Ask) -> list[logs.Source]:
        running = [
            logs.Source(key[1], keeper.handle.log)
            for key, keeper in self._keepers.items()
            if keeper.handle is not None and key[0] == ask.tenant and key[1].startswith(f"{ask.app}.")
        ]
        folder = self._ctx.home / "data/apps" / ask.tenant / ask.app
        return [*running, *logs.archived(folder / "logs")]
