"""The cell's clock: hands back what dead bots held, inserts what schedules make due, forgets what is long over.

Several clocks may run at once: each step is one transaction that finds out whether another one was first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import msgspec
import structlog

from serai.bus import Bus
from serai.errors import ExhaustedError, SeraiError
from serai.store.allowances import allowances
from serai.store.contract import Record
from serai.store.store import Store
from serai.store.tasks import BotRow
from serai.tasks import schedule, subjects
from serai.tasks.schedule import Schedule
from serai.tasks.timing import Clock, SystemClock

T = TypeVar("T")

_WHO = "system"
_PAGE = 1000
_RECOUNT = 600.0  # seconds between two looks at all that waits, a tenth of a second for a million tasks
_STEP = 500  # tasks looked at in one transaction of forgetting


class ClockSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a clock works: seconds, but for ``keep_days``."""

    lease: float = 10.0  # a bot whose heart does not beat for that long is dead
    looks: int = 5  # within a lease
    schedules: float = 10.0  # between looks at schedules where none is due earlier
    keep_days: float = 90.0  # that finished tasks are kept


class Watch:
    """Find bots that are dead: whose beat stayed the same over several looks.

    No clock is compared with another one's, so neither a jump of the time nor two hosts' difference kills a bot, and
    a pause of the whole machine does not count.
    """

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._seen: dict[str, tuple[int, int]] = {}

    def look(self, bots: list[BotRow]) -> list[BotRow]:
        """Take what is there now; return those that have not beaten since ``looks`` looks ago."""
        seen: dict[str, tuple[int, int]] = {}
        for bot in bots:
            beat, same = self._seen.get(bot.name, (bot.beat, 0))
            seen[bot.name] = (bot.beat, same + 1 if beat == bot.beat else 1)
        self._seen = seen
        return [bot for bot in bots if seen[bot.name][1] > self._looks]


class TaskClock:
    """Run beside the bots until cancelled."""

    def __init__(
        self,
        store: Store,
        bus: Bus | None = None,
        *,
        settings: ClockSettings | None = None,
        clock: Clock | None = None,
        log: structlog.stdlib.BoundLogger | None = None,
    ) -> None:
        self.settings = settings or ClockSettings()
        self.buried = 0
        self.inserted = 0
        self._troubles: dict[str, str] = {}
        self._store = store
        self._bus = bus
        self._clock: Clock = clock or SystemClock()
        self._log: structlog.stdlib.BoundLogger = log or structlog.get_logger()
        self._watch = Watch(self.settings.looks)
        self._forgot = 0

    @property
    def trouble(self) -> str:
        """Return why something of this can't be done now, "" where all can."""
        return next(iter(self._troubles.values()), "")

    async def run(self) -> None:
        """Watch, insert and forget until cancelled."""
        every = self.settings.lease / self.settings.looks
        async with asyncio.TaskGroup() as group:
            group.create_task(self._again("reap", self.reap, lambda _: every))
            group.create_task(self._again("insert_due", self.insert_due, self._until))
            group.create_task(self._again("forget", self.forget, lambda more: 1.0 if more else 3600.0))
            group.create_task(self._again("recount", self.recount, lambda _: _RECOUNT))

    async def reap(self) -> list[str]:
        """Strike off bots that are dead; return the ids of the tasks that go back."""
        driver = self._store.driver
        back: list[str] = []
        for bot in self._watch.look(await driver.read(driver.tasks.bots)):
            ids = await driver.write(partial(self._bury, bot))
            if ids is None:
                continue
            self._log.warning("tasks.bot_died", bot=bot.name, tasks=len(ids))
            self.buried += 1
            back += ids
        if back and self._bus:
            await self._bus.publish(subjects.NEW)
            await self._bus.publish(subjects.CHANGED, back[: subjects.MAX_CHANGED])
        return back

    async def insert_due(self) -> float | None:
        """Insert a task for each schedule whose time came; return when the next is due."""
        driver, now = self._store.driver, self._clock.now()
        marks = await driver.read(driver.tasks.marks)
        upcoming: list[float] = []
        async for record in self._schedules():
            key = f"{record.tenant}/{record.name}"
            try:
                await self._insert(record, key, marks.pop(key, None), now)
                following = schedule.next_due(record.spec, now)
            except SeraiError as error:
                if error.code != "invalid":
                    raise
                self._log.warning("tasks.schedule_invalid", schedule=key, error=error)
                continue
            upcoming += [following] if following is not None else []
        for gone in marks:
            await driver.write(partial(driver.tasks.mark, schedule=gone, at=None))
        return min(upcoming, default=None)

    async def forget(self) -> bool:
        """Forget some of what is long over; return whether there is more to look at."""
        driver = self._store.driver
        before = self._clock.now() - self.settings.keep_days * 86400
        self._forgot = await driver.write(lambda tx: driver.tasks.forget(tx, self._forgot, before, _STEP))
        return self._forgot != 0

    async def recount(self) -> int:
        """Set right how many tasks of apps wait, where code that did not count worked beside; return for how many."""
        driver = self._store.driver
        found = await driver.read(driver.tasks.miscounted)
        if found:
            await driver.write(lambda tx: driver.tasks.recount(tx, found))
        wrong = [one for one in found if one.by]
        if wrong:
            self._log.info("tasks.recounted", apps=len(wrong), tasks=sum(one.by for one in wrong))
        return len(wrong)

    def _bury(self, bot: BotRow, tx: Any) -> list[str] | None:
        """Return the ids of the tasks that go back; None where the bot lives after all, or has left by itself."""
        rows = self._store.driver.tasks
        if (bot.name, bot.beat) not in {(one.name, one.beat) for one in rows.bots(tx)}:
            return None
        why = f"lease lost: no heartbeat of {bot.name} for {self.settings.lease:g} s"
        return rows.bury(tx, bot.name, bot.beat, why, who=_WHO, now=self._clock.now())

    async def _schedules(self) -> AsyncIterator[Record[Schedule]]:
        after = ""
        while page := await self._store.find(Schedule, after=after, limit=_PAGE):
            for record in page:
                yield record
            after = f"{page[-1].tenant}/{page[-1].name}"

    async def _insert(self, record: Record[Schedule], key: str, last: float | None, now: float) -> None:
        rows = self._store.driver.tasks
        if last is None:  # a new schedule begins now
            schedule.next_due(record.spec, now)
            await self._store.driver.write(lambda tx: rows.mark(tx, key, now))
            return
        if schedule.overtook(record.spec, last, now):
            self._log.warning("tasks.schedule_ahead", schedule=key, seconds=round(last - now))
            await self._store.driver.write(lambda tx: rows.mark(tx, key, now))
            return
        due = schedule.due(record.spec, last, now)
        if due is None:
            return
        task, who = schedule.new_task(record, due.time), f"schedule:{key}"
        most = await allowances(self._store, record.tenant, record.spec.app)

        def work(tx: Any) -> bool:
            # A key that is given on with its task's end can't tell that another clock was here first; the mark does.
            run = due.run and (task.unique == "ever" or rows.marks(tx).get(key) == last)
            try:
                if run:
                    rows.insert(tx, task, who=who, now=now, allowances=most)
            except ExhaustedError as error:  # it is told where people look for it, and can be run later
                rows.refuse(tx, task, who=who, why=f"it was due and not let wait: {error.public}", now=now)
            rows.mark(tx, key, due.time)
            return run

        run = await self._store.driver.write(work)
        self.inserted += run
        if run and self._bus:
            await self._bus.publish(subjects.NEW, task.queue)

    def _until(self, due: float | None) -> float:
        most = self.settings.schedules
        return most if due is None else min(most, max(0.05, due - self._clock.now()))

    async def _again(self, name: str, step: Callable[[], Awaitable[T]], pause: Callable[[T], float]) -> None:
        while True:
            try:
                seconds = pause(await step())
                self._troubles.pop(name, None)
            except SeraiError as error:  # the store is away or full: nothing is lost by waiting
                self._troubles[name] = error.public
                self._log.warning("tasks.clock_refused", error=error)
                seconds = self.settings.lease / self.settings.looks
            await self._clock.sleep(seconds)
