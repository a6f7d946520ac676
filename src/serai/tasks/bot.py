"""A bot: claims tasks, runs them, acknowledges them; drains when it is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from serai.bus import Bus
from serai.errors import InternalError, SeraiError
from serai.store.store import Store
from serai.store.tasks import Finish, Want
from serai.tasks.crew import Crew
from serai.tasks.function import Registry
from serai.tasks.herald import Herald
from serai.tasks.ledger import Ledger, is_lost
from serai.tasks.manager import Tasks
from serai.tasks.timing import Clock, SystemClock

_FLUSH = 0.5  # seconds between writing down what functions report
_AGAIN = 1.0  # seconds after the store refused


class BotSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a bot works; all times in seconds.

    ``concurrency`` tasks run at once, and beside them one batch of up to ``batch`` short ones. The lease is kept by
    heartbeats; a clock that sees none for that long gives the tasks to others.
    """

    concurrency: int = 4
    batch: int = 100
    lease: float = 10.0
    poll: float = 5.0
    stop: float = 10.0  # for a function to end after it was told to
    drain: float = 20.0  # for functions to end by themselves when the bot does
    stall: float = 60.0  # that a function may block the event loop


class Bot:
    """Run the tasks of some queues until cancelled.

    ``resources`` are offered to functions by name. `run` raises `InternalError` where a function can't be stopped,
    and ``stalled`` is called, on another thread, where one blocks the event loop for too long: in both cases the
    process has to end, so that the task can be given to another bot.
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
        log: structlog.stdlib.BoundLogger | None = None,
        stalled: Callable[[], None] = lambda: None,
    ) -> None:
        self.settings = settings or BotSettings()
        self.done = 0  # runs acknowledged, for status and metrics
        self.failed = 0
        self.trouble = ""  # why the store refused, where it does
        self._registry = registry
        self._queues = tuple(queues)
        self._clock: Clock = clock or SystemClock()
        self._log: structlog.stdlib.BoundLogger = log or structlog.get_logger()
        self._stalled = stalled
        self._wake = asyncio.Event()
        self._ledger = Ledger(store.driver, name, queues)
        self._herald = Herald(bus, queues, wake=self._wake.set, cancel=self._heard_cancel)
        tasks = Tasks(store, bus, now=self._clock.now)
        self._crew = Crew(registry, self._ended, self._wake.set, stop=self.settings.stop)
        self._crew.offer(store=store, bus=bus, tasks=tasks, clock=self._clock, resources=resources or {})
        self._lost = ""
        self._stuck: list[Finish] = []
        self._draining = False
        self._ask = False  # which tasks are to be cancelled
        self._refresh = True  # look for parked tasks at the next turn

    @property
    def running(self) -> int:
        """Return how many tasks it holds."""
        return len(self._crew.held())

    async def run(self) -> None:
        """Work until cancelled; then let what runs finish, or hand it back."""
        working = asyncio.create_task(self._work())
        helpers = [asyncio.create_task(helper) for helper in (self._flush(), *self._herald.helpers())]
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
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                    continue
                self._refresh = True
        finally:
            await self._leave()
        if self._stuck:
            raise InternalError("A task's function did not stop when it was told to: the process has to end.")

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
                self._cancel(await self._ledger.wanted())
            due = await self._exchange(self._want())
        except SeraiError as error:
            if is_lost(error):
                self._lose(error.public)
                return 0.0
            self._refused(error)
            return _AGAIN
        return self.settings.poll if due is None else max(0.0, min(self.settings.poll, due - self._clock.now()))

    def _want(self) -> Want:
        return Want(
            queues=self._queues,
            slots=max(0, self.settings.concurrency - self._crew.busy),
            batch=0 if self._crew.in_batch else self.settings.batch,
            short=self._registry.short,
            known=self._registry.names if self._refresh else frozenset(),
        )

    async def _exchange(self, want: Want) -> float | None:
        ended = {finish.number: run for finish in self._ledger.finishes if (run := self._crew.runs.get(finish.number))}
        self._ledger.notes += [note for run in ended.values() if (note := run.ctx.take_note())]
        told, got = await self._ledger.exchange(want, self._clock.now())
        self.trouble = ""
        self._refresh = self._refresh and not want.known
        moved = [task.id for task in got.claimed]
        for finish in told:
            self.done += finish.state == "done"
            self.failed += finish.state == "error"
            if run := self._crew.runs.pop(finish.number, None):
                moved.append(run.task.id)
        self._herald.tell(moved, freed=any(run.task.channel for run in ended.values()))
        for number in got.refused:
            self._log.error("tasks.run_refused", bot=self._ledger.bot, task=number)
        self._crew.start(got.claimed)
        return got.due

    def _ended(self, finish: Finish, *, stuck: bool) -> None:
        (self._stuck if stuck else self._ledger.finishes).append(finish)

    def _heard_cancel(self, identity: object) -> None:
        """Ask the store: what the bus says may be late, or not true."""
        if any(task.id == identity for task in self._crew.held()):
            self._ask = True
            self._wake.set()

    def _cancel(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            if run := self._crew.runs.get(number):
                run.stop("cancel")
        self._crew.hand_back("canceled", "canceled before it began", lambda task: task.number in numbers)

    async def _enlist(self) -> None:
        await self._ledger.enlist(
            self._clock.now(),
            lease=self.settings.lease,
            stall=self.settings.stall,
            wanted=self._cancel,
            lost=self._lose,
            stalled=self._stalled,
        )

    def _lose(self, why: str) -> None:
        self._lost = why
        self._wake.set()

    async def _give_up(self) -> None:
        """Stop all that runs: others may have it now. Then begin again under a new name."""
        self._log.error("tasks.lease_lost", bot=self._ledger.bot, why=self._lost, running=self.running)
        await self._crew.stop_all("lost")
        await self._ledger.drop()
        self._crew.runs.clear()
        self._lost = ""

    async def _leave(self) -> None:
        """Wait for what runs, acknowledge it as it ends, stop the rest, and give the lease back."""
        self._crew.hand_back("to_do", "handed back: its bot is shutting down", lambda _: True)
        give_up = asyncio.get_running_loop().time() + self.settings.drain
        while self._crew.busy_jobs and not self._lost and (left := give_up - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._crew.busy_jobs, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            await self._settle()
        await self._crew.stop_all("lost" if self._lost else "drain")
        # Last of all what can't be stopped: from here on another bot may run it, and this process is about to end.
        self._ledger.finishes += [] if self._lost else self._stuck
        await self._settle()
        with contextlib.suppress(SeraiError):  # then the lease runs out by itself
            await self._ledger.leave("its bot ended", self._clock.now())

    async def _settle(self) -> None:
        try:
            if self._ledger.bot and not self._lost:
                await self._exchange(Want(queues=()))
        except SeraiError as error:
            self._refused(error)

    def _refused(self, error: SeraiError) -> None:
        self.trouble = error.public
        self._log.warning("tasks.store_refused", bot=self._ledger.bot, error=error)

    async def _flush(self) -> None:
        """Write down progress and logs, and hand back what waits behind a slow short task."""
        while True:
            await asyncio.sleep(_FLUSH)
            self._crew.shed()
            reporting = {run.task.id: note for run in list(self._crew.runs.values()) if (note := run.ctx.take_note())}
            self._ledger.notes += reporting.values()
            if not self._ledger.notes or not self._ledger.bot:
                continue
            try:
                await self._ledger.report()
            except SeraiError as error:
                self._refused(error)
            else:
                self._herald.tell(list(reporting))
