"""What is said of tasks: that one is new, moved or reported, and what those logged that somebody follows by themselves.

What the bus says is only when to look; what is told is read from the store. A task is told as it is now: of several
moves in a moment the last one is.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

import msgspec

from serai.daemon.module import Context
from serai.errors import NotFoundError, SeraiError
from serai.services.push.source import Source
from serai.store.tasks import FINAL, Filter, Task
from serai.tasks import Tasks, subjects

POLL = 5.0  # seconds between looks where the bus is silent
GAP = 0.02  # seconds between two looks: under load each tells what moved meanwhile
PAGE = 200
FAR = 1000  # new tasks behind which they are not told one by one
LINES = 200  # log lines that are told at once; those before them are a gap


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The data of an event ``task``."""

    id: str
    number: int
    tenant: str
    app: str
    function: str
    channel: str
    state: str
    wait: str
    run: int
    progress: float
    sentence: str


class TaskNews:
    """Follow the tasks as long as somebody follows a channel that speaks of them."""

    def __init__(self, ctx: Context, source: Source) -> None:
        self._ctx = ctx
        self._source = source
        self._tasks = Tasks(ctx.store)
        self._heard = asyncio.Event()
        self._changed: dict[str, None] = {}
        self._new = False
        self._full = False
        self._last = -1  # the number of the newest task that was told
        self._told: dict[str, tuple[object, ...]] = {}
        self._lines: dict[str, int] = {}  # by channel, the last line that was told

    async def begin(self, channel: str) -> None:
        """Note where a channel begins, before anybody is told that it does."""
        if self._last < 0 and channel.startswith(("task", "app/")):
            await self._newest()
        if channel.startswith("task/"):
            self._lines[channel] = 0
            with contextlib.suppress(NotFoundError):
                lines = await self._tasks.log(channel.split("/")[2])
                self._lines[channel] = lines[-1].line if lines else 0

    async def run(self) -> None:
        """Follow until cancelled."""
        self._source.on_begin.append(self.begin)
        async with asyncio.TaskGroup() as group:
            for subject in (subjects.NEW, subjects.CHANGED):
                group.create_task(self._listen(subject))
            group.create_task(self._follow())

    async def _listen(self, subject: str) -> None:
        while True:
            try:
                async for _, message in await self._ctx.bus.subscribe(subject):
                    self._hear(message if subject == subjects.CHANGED else None)
            except SeraiError as error:
                self._ctx.log.info("push.deaf", error=error)
            await self._ctx.clock.sleep(1.0)

    def _hear(self, names: object) -> None:
        if isinstance(names, list):
            self._changed.update((name, None) for name in names if isinstance(name, str))
            if len(names) >= subjects.MAX_CHANGED or len(self._changed) > FAR:
                self._full = True
                self._changed.clear()
        else:
            self._new = True
        self._heard.set()

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL):
                    await self._heard.wait()
            except TimeoutError:
                self._new = True
            self._heard.clear()
            changed, new, full = list(self._changed), self._new, self._full
            self._changed, self._new, self._full = {}, False, False
            try:
                if self._source.channels("task") or self._source.channels("app/"):
                    await self._look(changed, new=new, full=full)
                else:
                    self._last = -1
                    self._told.clear()
                    self._lines.clear()
            except SeraiError as error:
                self._new = self._full = True
                self._ctx.log.info("push.store_away", error=error)
            await self._ctx.clock.sleep(GAP)

    async def _look(self, changed: Iterable[str], *, new: bool, full: bool) -> None:
        single = {channel.split("/")[2]: channel for channel in self._source.channels("task/")}
        if new or full:
            await self._newest()
        if full:  # some that moved were not named
            self._source.gap([*self._source.channels("tasks/"), *self._source.channels("app/")])
        names = dict.fromkeys(changed)
        if new or full:
            names.update(dict.fromkeys(single))
        for name in names:
            await self._tell(name, single.get(name, ""))

    async def _newest(self) -> None:
        """Tell the tasks that are new."""
        found = await self._tasks.find(Filter(limit=PAGE))
        if self._last < 0:
            self._last = found[0].number if found else 0
            return
        fresh = [task for task in found if task.number > self._last]
        while len(fresh) == len(found) and found and len(fresh) < FAR:
            page = await self._tasks.find(Filter(limit=PAGE, before=fresh[-1].number))
            later = [task for task in page if task.number > self._last]
            fresh += later
            if len(later) < PAGE:
                break
        if len(fresh) >= FAR:
            self._source.gap([*self._source.channels("tasks/"), *self._source.channels("app/")])
        self._last = max(self._last, found[0].number if found else 0)
        for task in reversed(fresh[:FAR]):
            self._say(task, "")

    async def _tell(self, name: str, channel: str) -> None:
        """Tell a task as it is, and what it logged."""
        try:
            task = await self._tasks.get(name)
        except NotFoundError:
            return
        if channel:
            await self._tell_lines(name, channel)
        self._say(task, channel)

    async def _tell_lines(self, name: str, channel: str) -> None:
        if channel not in self._lines:
            return  # it is about to begin
        lines = await self._tasks.log(name, self._lines[channel])
        if lines:
            self._lines[channel] = lines[-1].line
        if len(lines) > LINES:
            self._source.gap([channel])
        for line in lines[-LINES:]:
            self._source.say(channel, "line", msgspec.json.encode(line))

    def _say(self, task: Task, channel: str) -> None:
        state = (task.state, task.wait, task.run, task.progress, task.sentence)
        if self._told.get(task.id) == state:
            return
        if task.state in FINAL:
            self._told.pop(task.id, None)
        else:
            self._told[task.id] = state
            if len(self._told) > 4 * FAR:
                del self._told[next(iter(self._told))]
        names = Told.__struct_fields__
        data = msgspec.json.encode(Told(**{name: getattr(task, name) for name in names}))
        whose = task.tenant or "-"
        for each in (channel or f"task/{whose}/{task.id}", f"tasks/{whose}", f"app/{whose}/{task.app}"):
            self._source.say(each, "task", data)
