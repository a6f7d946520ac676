"""A bot: claims tasks, runs them, acknowledges them; drains when it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

import structlog

from serai.bus import Bus
from serai.errors import InternalError, SeraiError
from serai.store.store import Store
from serai.store.tasks import Finish, Task, Want
from serai.tasks.appetite import Appetite
from serai.tasks.context import House, TaskContext
from serai.tasks.crew import Crew
from serai.tasks.farewell import Farewell
from serai.tasks.fence import Fence, NoFence
from serai.tasks.function import Registry
from serai.tasks.herald import Herald
from serai.tasks.isolation import Nursery
from serai.tasks.ledger import Ledger, is_lost, is_unknown
from serai.tasks.manager import Tasks
from serai.tasks.report import report
from serai.tasks.settings import BotSettings
from serai.tasks.timing import Clock, SystemClock

__all__ = ["Bot", "BotSettings"]

_AGAIN = 1.0  # seconds after the store refused
_BREATH = 0.005  # seconds after which the event loop turns
#: Codes of errors that are not of the store's own condition: it can make no sense of what it is told. After so many in
#: a row the bot ends, and others get what it holds; else it would hold that for ever.
_PUZZLES, _MOST_PUZZLES = frozenset({"internal", "invalid"}), 5


class Bot:
    """Run the tasks of some queues until cancelled.

    ``resources`` are offered to functions by name; isolated ones get those that are text. The ``fence`` kills the
    process before its lease can be given away: whoever gives one owns the process. `run` raises `InternalError` where
    a function can't be stopped, and ``stalled`` is called, on another thread, where one blocks the event loop for too
    long: in both cases the process has to end, so that the task can be given to another bot.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus | None,
        registry: Registry,
        *,
        queues: Sequence[str] = ("any",),
        name: str = "bot",
        settings: BotSettings | None = None,
        resources: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
        fence: Fence | None = None,
        log: structlog.stdlib.BoundLogger | None = None,
        stalled: Callable[[], None] = lambda: None,
    ) -> None:
        settings = self.settings = settings or BotSettings()
        self.done = 0  # runs acknowledged, for status and metrics
        self.failed = 0
        self.trouble = ""  # why the store refused, where it does
        self._clock: Clock = clock or SystemClock()
        self._fence: Fence = fence or NoFence()
        self._log: structlog.stdlib.BoundLogger = log or structlog.get_logger()
        self._stalled = stalled
        self._wake = asyncio.Event()
        self._stuck: list[Finish] = []
        self._ledger = Ledger(store.driver, name, queues)
        self._herald = Herald(
            store.driver, bus, queues, name=lambda: self._ledger.bot, wake=self._wake.set, cancel=self._heard_cancel
        )
        house = House(store, bus, Tasks(store, bus, now=self._clock.now), self._clock, resources or {})
        self._nursery = Nursery(house, stop=settings.stop)
        look = self._wake.set
        self._crew = Crew(
            registry, house, self._nursery.begin, self._ended, look, batch=settings.batch, stop=settings.stop
        )
        self._farewell = Farewell(
            self._crew,
            self._ledger,
            self._settle,
            self._clock,
            drain=settings.drain,
            stuck=self._stuck,
            lost=lambda: self._lost is not None,
            log=self._log,
        )
        self._appetite = Appetite(queues, settings.concurrency, self._crew, registry)
        self._held: dict[int, Task] = {}  # claimed, and not yet acknowledged
        self._lost: SeraiError | None = None
        self._draining = False
        self._ask = False  # which tasks are to be cancelled
        self._refresh = True  # look for parked tasks at the next turn
        self._breath = 0.0  # when the event loop has to turn again
        self._puzzles = 0  # errors in a row that no store should have

    @property
    def running(self) -> int:
        """Return how many tasks it holds."""
        return len(self._held)

    async def run(self) -> None:
        """Work until cancelled; then let what runs finish, or hand it back."""
        working = asyncio.create_task(self._work())
        reporting = report(self._crew, self._ledger, self._herald, self._refused)
        helpers = [asyncio.create_task(helper) for helper in (reporting, *self._herald.helpers())]
        try:
            # Not awaited itself: being cancelled here must not tear what is being written to the store.
            await asyncio.wait({working, *helpers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._draining = True
            self._wake.set()
            await asyncio.wait({working})
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
        for ended in (working, *helpers):
            if not ended.cancelled() and (error := ended.exception()):
                raise error

    async def _work(self) -> None:
        try:
            while not self._draining and not self._stuck:
                self._wake.clear()
                pause = await self._turn()
                if self._wake.is_set():
                    await self._breathe()
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                    continue
                self._refresh = True
        finally:
            try:
                await self._farewell.leave()
            finally:
                # No heartbeat outlives us: what we hold would be ours for ever. What still runs is the fence's to end.
                await self._ledger.drop(stuck=bool(self._stuck or self._crew.jobs))
                await self._nursery.close()
        if self._stuck:
            raise InternalError("A task's function did not stop when it was told to: the process has to end.")

    async def _breathe(self) -> None:
        """Let the event loop turn now and then: neither a short function nor an exchange may have done so."""
        now = monotonic()
        if now > self._breath:
            await asyncio.sleep(0)
            self._breath = now + _BREATH

    async def _turn(self) -> float:
        """Acknowledge and claim once; return the seconds after which to look again without being woken."""
        if self._lost:
            await self._give_up()
            if self._stuck:
                return 0.0
        try:
            if not self._ledger.bot:
                await self._enlist()
            if self._ask:
                self._ask = False
                self._crew.cancel(await self._ledger.wanted())
            due = await self._exchange(self._appetite.want(refresh=self._refresh))
        except SeraiError as error:
            if is_lost(error) or is_unknown(error):
                self._lose(error)
                return 0.0
            self._refused(error)
            self._puzzles += error.code in _PUZZLES
            if self._puzzles > _MOST_PUZZLES:
                raise
            return _AGAIN
        self._puzzles = 0
        return self.settings.poll if due is None else max(0.0, min(self.settings.poll, due - self._clock.now()))

    async def _exchange(self, want: Want) -> float | None:
        told, got = await self._ledger.exchange(want, self._clock.now(), alone=not self._crew.jobs)
        self.trouble = ""
        self._refresh = self._refresh and not want.known
        ended = [task for finish in told if (task := self._held.pop(finish.number, None))]
        failed = sum(finish.state == "error" for finish in told)
        self.failed += failed
        self.done += sum(finish.state == "done" for finish in told)
        for task in got.claimed:
            self._held[task.number] = task
        self._herald.tell(ended, freed=any(task.channel for task in ended))
        self._herald.tell(got.claimed)
        for number in got.refused:
            self._log.error("tasks.run_refused", bot=self._ledger.bot, task=number)
        if self._appetite.fed(want, len(got.claimed)):
            self._wake.set()
        self._crew.start(got.claimed, want.short)
        return got.due

    def _ended(self, finish: Finish, ctx: TaskContext | None, *, stuck: bool) -> None:
        if ctx is not None and (note := ctx.take_note()) is not None:
            self._ledger.notes.append(note)
        (self._stuck if stuck else self._ledger.finishes).append(finish)

    def _heard_cancel(self, identity: object) -> None:
        """Ask the store: what the bus says may be late, or not true."""
        if any(task.id == identity for task in self._held.values()):
            self._ask = True
            self._wake.set()

    async def _enlist(self) -> None:
        await self._ledger.enlist(
            self._clock.now(),
            lease=self.settings.lease,
            fence=self._fence,
            stall=self.settings.stall,
            wanted=self._crew.cancel,
            lost=self._lose,
            stalled=self._stalled,
        )

    def _lose(self, why: SeraiError) -> None:
        if is_lost(why) and self._crew.jobs:
            self._log.critical("tasks.lease_given_away", bot=self._ledger.bot, running=self.running)
            self._ledger.kill()
        self._lost = why
        self._wake.set()

    async def _give_up(self) -> None:
        """Stop all that runs: others will have it soon. Then begin again under a new name."""
        self._log.error("tasks.lease_lost", bot=self._ledger.bot, error=self._lost, running=self.running)
        await self._crew.stop_all("lost")
        await self._ledger.drop(stuck=bool(self._stuck))
        self._held.clear()
        self._lost = None

    async def _settle(self) -> None:
        try:
            if self._ledger.bot and self._lost is None:
                await self._exchange(Want(queues=()))
        except SeraiError as error:
            self._refused(error)
        except Exception as error:  # noqa: BLE001 - whatever it is: what was not told goes back with all the rest
            self._log.error("tasks.bug", bot=self._ledger.bot, exc_info=error)

    def _refused(self, error: SeraiError) -> None:
        self.trouble = error.public
        self._log.warning("tasks.store_refused", bot=self._ledger.bot, error=error)
