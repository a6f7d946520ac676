"""One run of a task that is not short: call its function, watch its deadline, stop it when asked, say how it ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from serai.store.tasks import Finish
from serai.tasks import outcome
from serai.tasks.context import TaskContext
from serai.tasks.function import TaskFunction
from serai.tasks.reason import Stop

#: Seconds more for a function that has to kill what it runs: on a busy machine that takes a while, and the end of the
#: bot's process, which is what follows, would hurt others for it.
KILLING = 30.0

#: Runs a function in a process of its own.
Isolate = Callable[[TaskFunction, TaskContext], "asyncio.Future[Any]"]


class Run:
    """A claimed task at work.

    `execute` returns how it ended. Where the function does not end ``stop_seconds`` after it was told to, it sets
    `stuck` and returns: only the end of the process ends such a function. An isolated one is killed before that.
    """

    def __init__(self, function: TaskFunction, ctx: TaskContext, isolate: Isolate, *, stop_seconds: float) -> None:
        self.function = function
        self.ctx = ctx
        self.task = ctx.task
        self.stuck = False
        self.stopped: Stop | None = None
        self._isolate = isolate
        self._patience = stop_seconds + (KILLING if function.kills else 0.0)
        self._stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def stop(self, reason: Stop) -> None:
        """Ask it to stop; the first reason counts, but for a lost lease, which outranks all others."""
        if self.stopped is None or reason == "lost":
            self.stopped = reason
        self.ctx.canceling = True
        if not self._stop.done():
            self._stop.set_result(None)

    async def execute(self) -> Finish:
        """Run the function to its end, whatever that is."""
        try:
            job = self._begin()
        except Exception as error:  # noqa: BLE001 - wrong arguments, or no process to be had
            return self._failed(error)
        await asyncio.wait({job, self._stop}, timeout=self.task.deadline, return_when=asyncio.FIRST_COMPLETED)
        if not job.done():
            if not self._stop.done():
                self.stop("late")
            await self._halt(job)
        if self.stuck:
            reason = self.stopped or "late"
            return outcome.stuck(self.task, self.function, reason, self._patience, self.ctx.clock.now())
        return self._ended(job)

    def _begin(self) -> asyncio.Future[Any]:
        if self.function.isolated:
            return self._isolate(self.function, self.ctx)
        arguments = self.function.decode(self.task.payload)
        if self.function.threaded:
            return _in_thread(self.function, self.ctx, arguments)
        return asyncio.ensure_future(_guarded(self.function, self.ctx, arguments))

    async def _halt(self, job: asyncio.Future[Any]) -> None:
        if not self.function.threaded:  # there is no way into a thread but the checkpoint
            job.cancel()
        await asyncio.wait({job}, timeout=None if self.function.isolated else self._patience)
        self.stuck = not job.done()

    def _ended(self, job: asyncio.Future[Any]) -> Finish:
        if job.cancelled():
            return self._stopped()
        error = job.exception()
        if isinstance(error, asyncio.CancelledError):  # a thread's checkpoint
            return self._stopped()
        if error is None:
            try:
                return outcome.done(self.task, job.result())
            except Exception as invalid:  # noqa: BLE001 - what is no data may fail to be encoded in any way
                return self._failed(invalid)
        if isinstance(error, outcome.KilledError):
            return self._stopped(error.public)
        return self._failed(outcome.overdue(self.task) if self._is_late(error) else error)

    def _is_late(self, error: BaseException) -> bool:
        return self.stopped == "late" and isinstance(error, TimeoutError)

    def _stopped(self, killed: str = "") -> Finish:
        if self.stopped == "cancel":
            return outcome.canceled(self.task, killed) if killed else outcome.canceled(self.task)
        if self.stopped == "late":
            return self._failed(outcome.overdue(self.task, f"; {killed}" if killed else ""))
        if self.stopped is None:
            return self._failed(outcome.cancelled_itself())
        return outcome.back(self.task, f"{outcome.DRAINED}; {killed}" if killed else outcome.DRAINED)

    def _failed(self, error: BaseException) -> Finish:
        final = self.stopped == "cancel"
        return outcome.failed(self.task, self.function, error, self.ctx.clock.now(), final=final)


async def _guarded(function: TaskFunction, ctx: TaskContext, arguments: Any) -> Any:
    try:
        return await function(ctx, arguments)
    except (Exception, asyncio.CancelledError, GeneratorExit):
        raise
    except BaseException as error:  # SystemExit in a task of asyncio ends the event loop
        raise outcome.escaped(error) from error


def _in_thread(function: TaskFunction, ctx: TaskContext, arguments: Any) -> asyncio.Future[Any]:
    """Run a plain function in a daemon thread: one that never ends must not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()

    def main() -> None:
        tell: Callable[[], None]
        try:
            tell = partial(_succeed, future, function.run(ctx, arguments))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is the task's
            tell = partial(_fail, future, error)
        except BaseException as error:  # noqa: BLE001 - SystemExit and the like
            tell = partial(_fail, future, outcome.escaped(error))
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell)

    threading.Thread(target=main, name=f"task {ctx.task.id}", daemon=True).start()
    return future


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error if not isinstance(error, StopIteration) else RuntimeError(repr(error)))
