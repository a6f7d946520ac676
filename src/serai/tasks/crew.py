"""The runs of one bot: long ones side by side, short ones one after another in a lane."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from serai.errors import NotFoundError
from serai.store.tasks import Finish, Task
from serai.tasks.context import TaskContext
from serai.tasks.function import Registry, TaskFunction
from serai.tasks.run import Run, Stop

_SLOW = 1.0  # seconds after which what waits behind a short task goes back
_GRACE = 1.0  # seconds that runs get beyond their own limit to say how they were stopped


class Ended(Protocol):
    """Hear how a run ended."""

    def __call__(self, finish: Finish, *, stuck: bool) -> None:
        """Take it; ``stuck``: its function still runs and can't be stopped."""
        ...


class Crew:
    """Start runs and know which there are; a run stays in ``runs`` until its bot takes it out."""

    def __init__(self, registry: Registry, ended: Ended, look: Callable[[], None], *, stop: float) -> None:
        self.runs: dict[int, Run] = {}
        self.batch: deque[Task] = deque()  # short ones that have not begun
        self._registry = registry
        self._ended = ended
        self._look = look  # called when the bot should turn to us
        self._stop = stop
        self._jobs: set[asyncio.Task[None]] = set()
        self._lane: asyncio.Task[None] | None = None
        self._began = 0.0  # when the lane's present run did
        self._offer: Mapping[str, Any] = {}

    def offer(self, **offer: Any) -> None:
        """Set what contexts are made with."""
        self._offer = offer

    @property
    def busy(self) -> int:
        """Return how many slots are taken."""
        return len(self._jobs)

    @property
    def in_batch(self) -> bool:
        """Tell whether the lane is busy."""
        return self._lane is not None

    @property
    def busy_jobs(self) -> set[asyncio.Task[None]]:
        """Return all jobs, the lane's included."""
        return self._jobs | ({self._lane} if self._lane else set())

    def held(self) -> list[Task]:
        """Return all tasks that were claimed and not taken out."""
        return [run.task for run in self.runs.values()] + list(self.batch)

    def start(self, tasks: Sequence[Task]) -> None:
        """Begin what was claimed; what can't begin ends at once."""
        short = self._registry.short
        for task in tasks:
            if task.function in short:
                self.batch.append(task)
            elif function := self._function(task):
                job = asyncio.create_task(self._run(function, task), name=f"task {task.id}")
                self._jobs.add(job)
                job.add_done_callback(self._over)
        if self.batch and self._lane is None:
            self._lane = asyncio.create_task(self._run_lane(), name="short tasks")
            self._lane.add_done_callback(self._over)

    def hand_back(self, state: Literal["to_do", "canceled"], why: str, wanted: Callable[[Task], bool]) -> None:
        """End short tasks that have not begun."""
        for task in [task for task in self.batch if wanted(task)]:
            self.batch.remove(task)
            self._ended(Finish(number=task.number, run=task.run, state=state, why=why), stuck=False)
            self._look()

    def shed(self) -> None:
        """Hand back what waits behind a short task that is not short."""
        if self.batch and time.monotonic() - self._began > _SLOW:
            self.hand_back("to_do", "handed back: it waited behind a slow task", lambda _: True)

    async def stop_all(self, reason: Stop) -> None:
        """Stop all runs and wait until they have ended or are known to be stuck."""
        self.batch.clear()
        for run in self.runs.values():
            run.stop(reason)
        if jobs := self.busy_jobs:
            await asyncio.wait(jobs, timeout=self._stop + _GRACE)

    async def _run_lane(self) -> None:
        while self.batch:
            task = self.batch.popleft()
            self._began = time.monotonic()
            if function := self._function(task):
                await self._run(function, task)

    async def _run(self, function: TaskFunction, task: Task) -> None:
        run = Run(function, TaskContext(task, **self._offer), stop_seconds=self._stop)
        self.runs[task.number] = run
        finish = await run.execute()
        if run.stopped != "lost" or run.stuck:
            self._ended(finish, stuck=run.stuck)

    def _over(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        if job is self._lane:
            self._lane = None
        self._look()  # short ones are acknowledged together, when their batch is over
        if not job.cancelled() and (error := job.exception()):  # our bug: a task would be held for ever
            asyncio.get_running_loop().call_exception_handler({"message": str(error), "exception": error, "task": job})

    def _function(self, task: Task) -> TaskFunction | None:
        """Return a task's function; park the task where nobody here knows it, fail it where loading does."""
        finish = Finish(number=task.number, run=task.run, state="to_do", park=True)
        try:
            return self._registry.get(task.function)
        except NotFoundError as error:
            finish = msgspec.structs.replace(finish, why=f"parked: {error.public}")
        except Exception as error:  # noqa: BLE001 - whatever a service's import raises is that task's error
            trace = "".join(traceback.format_exception(error)[-5:])
            blob = {"code": "internal", "public": f"{task.function} can't be loaded: {error!r}", "trace": trace}
            finish = msgspec.structs.replace(
                finish, state="error", park=False, why=blob["public"], error=msgspec.msgpack.encode(blob)
            )
        self._ended(finish, stuck=False)
        self._look()
        return None
