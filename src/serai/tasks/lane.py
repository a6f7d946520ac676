"""Short tasks of one bot: one after another, with no task of asyncio, timer or transaction for each."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from serai.errors import NotFoundError
from serai.store.tasks import Finish, Task
from serai.tasks import outcome
from serai.tasks.context import House, TaskContext
from serai.tasks.function import Registry, TaskFunction
from serai.tasks.pace import SLOW, Pace
from serai.tasks.reason import Ended, Stop

#: Seconds after which the event loop turns and the bot acknowledges what is done. Functions that compute are left to
#: end their batch first: beside them the store's thread would get the interpreter's lock late, with its own lock held.
_SLICE, _LONG_SLICE = 0.005, 0.02
_LOOK = 0.05  # seconds between looks at a function that awaits


#: A function that was called, its context, and what it returned to be awaited.
Pending = tuple[TaskFunction, TaskContext, Awaitable[Any]]


class Lane:
    """A queue of short tasks and the one that runs.

    Plain functions are just called; all async ones of a batch run in the lane's own asyncio task, so that one that
    ends without waiting costs a call, too. One that waits is watched: after a while what stands behind it goes back to
    others, and at its deadline it is cancelled.
    """

    def __init__(self, registry: Registry, house: House, ended: Ended, look: Callable[[], None], pace: Pace) -> None:
        self.queue: deque[Task] = deque()
        self.current: TaskContext | None = None
        self.stop_seconds = 10.0
        self.job: asyncio.Task[None] | None = None
        self._registry = registry
        self._house = house
        self._ended = ended
        self._look = look  # called when the bot should turn to us
        self._pace = pace
        self._began = 0.0  # when the current one did
        self._stopped: Stop | None = None  # why the current one was told to stop
        self._told = 0.0  # and when
        self._stuck = False
        self._turned = False  # the job has begun
        self._watch: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Work on the queue until it is empty; plain functions that compute are over when this returns."""
        if self.job is None and self.queue:
            pending = None if self._pace.waits else self._run_plain()
            if pending or self.queue:
                self.job = asyncio.create_task(self._main(pending), name="short tasks")
                self.job.add_done_callback(self._over)

    def stop(self, reason: Stop) -> None:
        """Tell the current one to stop; a lost lease outranks all other reasons."""
        if self.current is None or self.job is None:
            return
        if self._stopped is None:
            self._told = monotonic()
            self.current.canceling = True
            if self._turned:  # else it would never begin, and its task be held for ever
                self.job.cancel()
        if self._stopped is None or reason == "lost":
            self._stopped = reason

    def _run_plain(self) -> Pending | None:
        """Run plain functions at the head of the queue; return what turned out to have to be awaited."""
        queue, count = self.queue, 0
        first = self._began = monotonic()
        began = self._pace.begin()
        while queue and self._began - first < _LONG_SLICE:
            task = queue[0]
            function = self._find(task)
            if function is not None and not function.plain:
                break
            queue.popleft()
            if function is None:
                continue
            self.current = ctx = TaskContext(task, self._house)
            try:
                result = function.run(ctx, function.decode(task.payload))
                if result is not None and inspect.isawaitable(result):
                    function.plain = False
                    return function, ctx, result
                finish = outcome.done(task, result)
            except BaseException as error:  # noqa: BLE001 - a bot outlives whatever a function raises
                finish = self._failed(function, task, error)
            self._leave(task, finish)
            count += 1
        if count:
            seconds = self._began - first
            self._pace.ran(count, seconds, self._pace.busy(began, seconds))
        self._look()
        return None

    async def _main(self, pending: Pending | None) -> None:
        queue, pace, count = self.queue, self._pace, 0
        first = self._began = monotonic()
        began = self._pace.begin()
        self._tick()
        self._turned = True
        if self._stopped and self.current:  # it was told to stop meanwhile
            asyncio.get_running_loop().call_soon(self._interrupt, self.current)
        while pending or queue:
            pending = pending or self._call(queue.popleft())
            if pending is None:
                continue
            function, ctx, result = pending
            pending = None
            try:
                finish = outcome.done(ctx.task, await result)
            except BaseException as error:  # noqa: BLE001 - a bot outlives whatever a function raises
                finish = self._failed(function, ctx.task, error)
            if self._leave(ctx.task, finish):
                return
            count += 1
            if self._began - first > (_SLICE if pace.waits else _LONG_SLICE) or not queue:
                seconds = self._began - first
                pace.ran(count, seconds, pace.busy(began, seconds))
                if queue:
                    self._look()
                    await asyncio.sleep(0)
                count, began = 0, pace.begin()
                first = self._began = monotonic()

    def _interrupt(self, ctx: TaskContext) -> None:
        if self.job and self.current is ctx:
            self.job.cancel()

    def _call(self, task: Task) -> Pending | None:
        """Begin a task in the lane's own asyncio task; return what is to be awaited."""
        function = self._find(task)
        if function is None:
            return None
        self.current = ctx = TaskContext(task, self._house)
        return function, ctx, _decoded(function, ctx)

    def _leave(self, task: Task, finish: Finish) -> bool:
        """Note how the current one ended; return whether the lane has to end, too."""
        now = monotonic()
        if now - self._began > SLOW:
            self._pace.dawdled(task.function, now)
        self._began = now
        ctx, self.current = self.current, None
        lost, self._stopped = self._stopped == "lost", None
        if self._stuck:
            return True
        if not lost:
            self._ended(finish, ctx, stuck=False)
        return False

    def _failed(self, function: TaskFunction, task: Task, error: BaseException) -> Finish:
        if not isinstance(error, asyncio.CancelledError):
            return self._raised(function, task, error)
        reason = self._stopped
        if reason is None:
            return self._fail(function, task, outcome.cancelled_itself())
        if self.job:
            self.job.uncancel()
        if reason == "late":
            return self._fail(function, task, outcome.overdue(task))
        return outcome.canceled(task) if reason == "cancel" else outcome.back(task, outcome.DRAINED)

    def _raised(self, function: TaskFunction, task: Task, error: BaseException) -> Finish:
        if self._stopped and self.job:  # it was told to stop, and then failed
            self.job.uncancel()
        if self._stopped == "late" and isinstance(error, TimeoutError):
            error = outcome.overdue(task)
        return self._fail(function, task, error if isinstance(error, Exception) else outcome.escaped(error))

    def _fail(self, function: TaskFunction | None, task: Task, error: BaseException) -> Finish:
        return outcome.failed(task, function, error, self._house.clock.now(), final=self._stopped == "cancel")

    def _find(self, task: Task) -> TaskFunction | None:
        try:
            return self._registry.get(task.function)
        except NotFoundError as error:
            finish = outcome.parked(task, error.public)
        except BaseException as error:  # noqa: BLE001 - whatever a service's import raises is that task's error
            finish = self._fail(None, task, outcome.not_loaded(task, error))
        self._ended(finish, None, stuck=False)
        return None

    def _tick(self) -> None:
        """Look at a function that waits, now and then."""
        self._watch = asyncio.get_running_loop().call_later(_LOOK, self._tick)
        if (ctx := self.current) is None:
            return
        now = monotonic()
        if self.queue and now - self._began > SLOW:
            self.hand_back("it waited behind a slow task")
        if self._stopped is None and now - self._began > ctx.task.deadline:
            self.stop("late")
        if self._stopped and not self._stuck and now - self._told > self.stop_seconds:
            self._stuck = True
            function, wall = self._registry.get(ctx.task.function), self._house.clock.now()
            self._ended(outcome.stuck(ctx.task, function, self._stopped, self.stop_seconds, wall), ctx, stuck=True)
            self._look()

    def hand_back(self, why: str) -> None:
        """Give back what has not begun."""
        for task in self.queue:
            self._ended(outcome.back(task, f"handed back: {why}"), None, stuck=False)
        self.queue.clear()
        self._look()

    def withdraw(self, numbers: set[int]) -> None:
        """End what has not begun as canceled."""
        for task in [task for task in self.queue if task.number in numbers]:
            self.queue.remove(task)
            self._ended(outcome.canceled(task, "canceled before it began"), None, stuck=False)
            self._look()

    def _over(self, job: asyncio.Task[Any]) -> None:
        self.job = None
        self._turned = False
        if self._watch:
            self._watch.cancel()
        self._look()
        if not job.cancelled() and (error := job.exception()):  # our bug: but the task is not held for ever
            if self.current:
                self._leave(self.current.task, outcome.broken(self.current.task, error))
            asyncio.get_running_loop().call_exception_handler({"message": str(error), "exception": error, "task": job})


async def _decoded(function: TaskFunction, ctx: TaskContext) -> Any:
    return await function(ctx, function.decode(ctx.task.payload))
