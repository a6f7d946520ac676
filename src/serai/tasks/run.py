"""One run of a task: call its function, watch its deadline, stop it when asked, and say how it ended."""

from __future__ import annotations

import asyncio
import random
import traceback
from typing import Any, Literal

import msgspec

from serai.errors import DeadlineError, InternalError, SeraiError
from serai.store.tasks import Finish
from serai.store.tasks_rules import encode
from serai.tasks.context import TaskContext
from serai.tasks.function import TaskFunction

#: Why a run is stopped from outside; "lost": its lease is gone and nobody will listen.
Stop = Literal["cancel", "drain", "lost"]

#: What a second run can't change.
_FINAL_CODES = frozenset({"invalid", "denied", "not_found", "already_exists", "unsupported"})
_TRACE_LINES = 30
_TRACE_CHARACTERS = 6000
_jitter = random.SystemRandom()


class Run:
    """A claimed task at work.

    `execute` returns how it ended. Where the function does not end ``stop_seconds`` after it was told to, it sets
    `stuck` and returns: only the end of the process ends such a function.
    """

    def __init__(self, function: TaskFunction, ctx: TaskContext, *, stop_seconds: float) -> None:
        self.function = function
        self.ctx = ctx
        self.task = ctx.task
        self.stuck = False
        self.stopped: Stop | None = None
        self._stop_seconds = stop_seconds
        self._stop: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def stop(self, reason: Stop) -> None:
        """Ask it to stop; a cancel outranks a drain, and a lost lease both."""
        if self.stopped is None or reason == "lost":
            self.stopped = reason
        self.ctx.canceling = True
        if not self._stop.done():
            self._stop.set_result(None)

    async def execute(self) -> Finish:
        """Run the function to its end, whatever that is."""
        try:
            arguments = self.function.decode(self.task.payload)
        except SeraiError as error:
            return self._failed(error)
        job = asyncio.ensure_future(self.function(self.ctx, arguments))
        late = not await self._watch(job)
        if not job.done():
            self.stuck = True
            return self._stuck(late=late)
        return self._ended(job, late=late)

    async def _watch(self, job: asyncio.Future[Any]) -> bool:
        """Wait for the end or tell it to come; return whether it stayed within its deadline."""
        await asyncio.wait({job, self._stop}, timeout=self.task.deadline, return_when=asyncio.FIRST_COMPLETED)
        if job.done():
            return True
        self.ctx.canceling = True
        job.cancel()
        await asyncio.wait({job}, timeout=self._stop_seconds)
        return self._stop.done()

    def _ended(self, job: asyncio.Future[Any], *, late: bool) -> Finish:
        if job.cancelled():
            if late:
                return self._failed(self._deadline())
            return self._stopped()
        error = job.exception()
        if error is None:
            try:
                result = job.result()
                return self._finish("done", outcome=b"" if result is None else encode(result, "result"))
            except SeraiError as invalid:
                return self._failed(invalid)
        return self._failed(self._deadline() if late and isinstance(error, TimeoutError) else error)

    def _stopped(self) -> Finish:
        if self.stopped == "cancel":
            return self._finish("canceled", why="it stopped when it was asked to")
        if self.stopped is None:
            return self._failed(InternalError("The function cancelled itself."))
        return self._finish("to_do", why="handed back: its bot is shutting down")

    def _stuck(self, *, late: bool) -> Finish:
        why = f"it did not stop within {self._stop_seconds:g} s; its bot's process is ended"
        if self.stopped == "cancel":
            return self._finish("canceled", why=why)
        if late:
            return self._failed(DeadlineError(f"The task ran longer than its {self.task.deadline:g} s; {why}."))
        return self._finish("to_do", why=why)

    def _failed(self, error: BaseException) -> Finish:
        """Repeat it, or give up: the tail of the traceback goes into the story, an expected error without one."""
        code = error.code if isinstance(error, SeraiError) else "internal"
        public = error.public if isinstance(error, SeraiError) else f"{type(error).__name__}: {error}"
        trace = "" if isinstance(error, SeraiError) and code != "internal" else _tail(error)
        blob = msgspec.msgpack.encode({"code": code, "public": public[:_TRACE_CHARACTERS], "trace": trace})
        why = f"{code}: {public}\n{trace}".strip()
        task = self.task
        if self.stopped == "cancel" or code in _FINAL_CODES or task.failures >= task.retries:
            return self._finish("error", why=why, error=blob)
        delay = self.function.delay(task.failures, _jitter.random())
        return self._finish(
            "to_do",
            why=f"retry {task.failures + 1} of {task.retries} in {delay:.1f} s; {why}",
            error=blob,
            not_before=self.ctx.clock.now() + delay,
            burn=True,
        )

    def _deadline(self) -> DeadlineError:
        return DeadlineError(f"The task ran longer than its {self.task.deadline:g} s.")

    def _finish(
        self,
        state: Literal["done", "error", "canceled", "to_do"],
        *,
        why: str = "",
        outcome: bytes = b"",
        error: bytes = b"",
        not_before: float = 0.0,
        burn: bool = False,
    ) -> Finish:
        return Finish(
            number=self.task.number,
            run=self.task.run,
            state=state,
            why=why,
            outcome=outcome,
            error=error,
            not_before=not_before,
            burn=burn,
        )


def _tail(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(lines[-_TRACE_LINES:])[-_TRACE_CHARACTERS:]
