"""Module ``series``: hears what is told, looks at the machine, keeps the numbers, and answers what is asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec

from serai.bus import Subscription
from serai.daemon import figures
from serai.daemon.home import Home
from serai.daemon.module import Context, Needs
from serai.errors import SeraiError
from serai.services.series import answers, asking
from serai.services.series.lately import MINUTE, MINUTES, Board
from serai.services.series.machine import Machine
from serai.services.series.platform import Platform
from serai.services.series.recorder import HOST, SEEN, Recorder
from serai.store.open import open_series
from serai.store.series import History, ladder
from serai.store.series.points import gauge, gauges_of

T = TypeVar("T")

LATE = 2  # seconds after which nobody tells of a second any more
PLATFORM_EVERY = 10.0  # seconds between two looks at the platform's own processes
ROLLED = 50  # targets that are rolled up before others may have their turn
PAUSE = 0.05  # seconds between two slices of that
REST = 60.0  # seconds for which nothing is written after the disk was full
_FORGET = 60  # seconds between two looks at who did nothing for long


class SeriesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of the numbers over time; the oldest goes first where there is no room for all."""

    max_mib: Annotated[
        int, msgspec.Meta(ge=16, le=1 << 20, description="Size on disk that all of it may take, MiB.")
    ] = 256
    seconds_hours: Annotated[int, msgspec.Meta(ge=1, le=168, description="Points of 1 s are kept so long, hours.")] = 1
    tens_hours: Annotated[int, msgspec.Meta(ge=2, le=2400, description="Points of 10 s are kept so long, hours.")] = 24
    minutes_days: Annotated[int, msgspec.Meta(ge=2, le=730, description="Points of 1 min are kept so long, days.")] = 7
    hours_days: Annotated[int, msgspec.Meta(ge=2, le=7300, description="Points of 1 h are kept so long, days.")] = 365
    max_targets: Annotated[
        int,
        msgspec.Meta(ge=100, le=1_000_000, description="Apps, and tenants, of which something is told at a time."),
    ] = 20_000


class SeriesModule:
    """Keep the numbers. The history is used by one thread of its own, all else by the event loop."""

    ID: ClassVar[str] = "series"
    Config: ClassVar[type[msgspec.Struct]] = SeriesConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="one")

    def __init__(self, config: SeriesConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._history: History | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._subscriptions: list[Subscription] = []
        self._board = Board()
        self._trouble = ""
        self._rest_until = 0.0
        self._lost = 0  # windows that could not be written
        self._octets = 0

    async def provision(self) -> None:
        """Open nothing yet: the one before may still be writing."""
        config, hour, day = self._config, 3600, 86400
        levels = ladder(
            config.seconds_hours * hour, config.tens_hours * hour, config.minutes_days * day, config.hours_days * day
        )
        self._history = open_series(Home(self._ctx.home).series, levels, config.max_mib << 20)
        self._recorder = Recorder(levels[0].span, config.max_targets)
        self._span = levels[0].span
        self._machine = Machine(self._ctx.home)
        self._platform = Platform(Home(self._ctx.home).control)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="series")

    async def serve(self) -> None:
        """Keep numbers until cancelled, then write what is held."""
        history = self._history
        if history is None:
            return
        handlers = {asking.READ: self._read, asking.GLANCE: self._glance, asking.STATE: self._state}
        bus, clock = self._ctx.bus, self._ctx.clock
        try:
            async with asyncio.TaskGroup() as group:
                self._subscriptions = [await bus.handle(name, handler) for name, handler in handlers.items()]
                heard = await bus.subscribe(figures.SUBJECT)
                self._subscriptions.append(heard)
                group.create_task(self._hear(heard))
                group.create_task(figures.each_second(clock, self._look))
                group.create_task(self._watch())
                group.create_task(self._keep(history))
        finally:
            await self._write(history, self._second() + self._span)

    async def close(self) -> None:
        """Let go of the bus and the file."""
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions = []
        if self._thread is not None and self._history is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._history.close)
            self._thread.shutdown()
            self._thread = None

    def status(self) -> Mapping[str, Any]:
        """Tell how much is kept, and why nothing is where that is so."""
        history = self._history
        if history is None:
            return {"ok": False, "reason": "not provisioned"}
        return {
            "ok": not self._trouble,
            "reason": self._trouble,
            "octets": self._octets,
            "max_octets": history.octets,
            "kept_percent": round(history.shortened * 100),
            "lost_windows": self._lost,
            "refused": self._recorder.refused,
        }

    # -- what is told -------------------------------------------------------------------------------------------------

    def _second(self) -> int:
        """Return the second that things told now are about: they are told when it is over."""
        return int(self._ctx.clock.now() - 0.5)

    async def _hear(self, heard: Subscription) -> None:
        async for _, message in heard:
            try:
                telling = msgspec.convert(message, figures.Telling)
            except msgspec.ValidationError:
                self._recorder.refused += 1
                continue
            self._recorder.hear(telling, self._second(), self._ctx.clock.monotonic())

    async def _look(self) -> None:
        second = self._second()
        sums, gauges = self._machine.look(self._ctx.clock.monotonic())
        self._recorder.add(second, HOST, {**sums, **{column: gauge(value) for column, value in gauges.items()}})
        self._recorder.add(second, SEEN, {figures.OBSERVED: 1})

    async def _watch(self) -> None:
        while True:
            told = await self._platform.look(self._ctx.clock.monotonic())
            self._recorder.add(self._second(), HOST, {column: gauge(value) for column, value in told.items()})
            self._recorder.expire(self._ctx.clock.monotonic())
            await self._ctx.clock.sleep(PLATFORM_EVERY)

    # -- what is kept -------------------------------------------------------------------------------------------------

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _keep(self, history: History) -> None:
        standing = await self._guarded(partial(self._restore, history, int(self._ctx.clock.now())))
        restored = figures.Telling(figures.AGENT, [], standing or [])
        self._recorder.hear(restored, self._second(), self._ctx.clock.monotonic())
        forgotten = 0
        while True:
            await self._ctx.clock.sleep(1.0)
            now = int(self._ctx.clock.now())
            if not await self._write(history, now - LATE):
                continue
            await self._through(partial(history.roll, now, ROLLED))
            await self._through(partial(history.trim, now))
            self._octets = await self._guarded(history.used) or self._octets
            if abs(now - forgotten) >= _FORGET:  # also where the clock was set back
                forgotten = now
                self._board.forget(now)

    async def _write(self, history: History, until: int) -> int:
        """Write what is over; return how many windows that were."""
        count = 0
        for start, points in self._recorder.take(until):
            count += 1
            self._board.window(start, points)
            if not self._may() or await self._guarded(partial(history.write, start, points)) is None:
                self._lost += 1
        return count

    async def _through(self, work: Callable[[], int]) -> None:
        """Do something in slices, between which others may have their turn, until nothing is left of it."""
        more: int | None = 1
        while more and self._may():
            more = await self._guarded(work)
            await self._ctx.clock.sleep(PAUSE if more else 0)

    def _may(self) -> bool:
        return self._ctx.clock.monotonic() >= self._rest_until

    async def _guarded(self, work: Callable[[], T]) -> T | None:
        """Do something with the history; after an error say so, and leave the disk alone for a while."""
        try:
            done = await self._in_thread(work)
        except SeraiError as error:
            if not self._trouble:
                self._ctx.log.warning("series.failed", error=error)
            self._trouble = f"Numbers are not kept: {error.public}"
            self._rest_until = self._ctx.clock.monotonic() + REST
            return None
        if self._trouble:
            self._ctx.log.info("series.recovered")
            self._trouble = ""
        return done

    def _restore(self, history: History, now: int) -> list[figures.Told]:
        """Show what was before on the board; return the gauges of apps as they stood."""
        since, lately = now - MINUTES * MINUTE, now - int(figures.BELIEVED)
        standing: list[figures.Told] = []
        for target in history.active(since, now):
            tenant, slash, app = target.partition("/")
            if slash:
                self._board.restore(target, history.read(target, 2, since, now))
                points = history.read(target, 0, lately, now).values()
                standing.append((tenant, app, {at: one[1] // one[0] for each in points for at, one in gauges_of(each)}))
        return [row for row in standing if row[2]]

    # -- what is asked ------------------------------------------------------------------------------------------------

    async def _read(self, message: Any) -> Any:
        ask, history, now = msgspec.convert(message, asking.Ask), self._history, self._ctx.clock.now()
        held = answers.held(self._recorder, ask.target)
        assert history is not None  # noqa: S101 - nothing is asked before `serve`
        return msgspec.to_builtins(await self._in_thread(lambda: answers.read(history, ask, held, now)))

    async def _glance(self, message: Any) -> Any:
        ask = msgspec.convert(message, asking.AskGlance)
        found = answers.glance(self._board, self._recorder, ask, self._span, self._ctx.clock.now())
        return msgspec.to_builtins(found)

    async def _state(self, _message: Any) -> Any:
        history = self._history
        assert history is not None  # noqa: S101 - nothing is asked before `serve`
        return msgspec.to_builtins(await self._in_thread(lambda: answers.state(history)))
