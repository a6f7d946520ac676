"""The runs of one bot: long ones side by side, short ones one after another in a lane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from time import monotonic

from serai.errors import NotFoundError
from serai.store.tasks import Task
from serai.tasks import outcome
from serai.tasks.context import House, TaskContext
from serai.tasks.function import Registry, TaskFunction
from serai.tasks.lane import Lane
from serai.tasks.pace import Pace
from serai.tasks.reason import Ended, Stop
from serai.tasks.run import Isolate, Run

_GRACE = 1.0  # seconds that runs get beyond their own limit to say how they were stopped


class Crew:
    """Start runs, know which there are, and stop them."""

    def __init__(
        self,
        registry: Registry,
        house: House,
        isolate: Isolate,
        ended: Ended,
        look: Callable[[], None],
        *,
        batch: int,
        stop: float,
    ) -> None:
        self.pace = Pace(batch)
        self.lane = Lane(registry, house, ended, look, self.pace)
        self.lane.stop_seconds = stop
        self._registry = registry
        self._house = house
        self._isolate = isolate
        self._ended = ended
        self._look = look  # called when the bot should turn to us
        self._stop = stop
        self._runs: dict[int, Run] = {}
        self._jobs: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> int:
        """Return how many slots are taken."""
        return len(self._jobs)

    @property
    def jobs(self) -> set[asyncio.Task[None]]:
        """Return all jobs, the lane's included."""
        return self._jobs | ({self.lane.job} if self.lane.job else set())

    def short(self) -> frozenset[str]:
        """Return the functions whose tasks are run in batches."""
        return self.pace.short(self._registry.short, monotonic())

    def room(self) -> int:
        """Return how many more short tasks the lane can take: a batch, or half of one while it waits with the other."""
        batch, waiting = self.pace.batch, len(self.lane.queue)
        if self.lane.job and not self.pace.waits:
            return 0
        return batch - waiting if waiting <= batch // 2 else 0

    def start(self, tasks: Sequence[Task], short: frozenset[str]) -> None:
        """Begin what was claimed; what can't begin ends at once."""
        for task in tasks:
            if task.function in short:
                self.lane.queue.append(task)
            elif function := self._function(task):
                job = asyncio.create_task(self._run(function, task), name=f"task {task.id}")
                self._jobs.add(job)
                job.add_done_callback(self._over)
        self.lane.start()

    def contexts(self) -> list[TaskContext]:
        """Return the contexts of all that run."""
        return [run.ctx for run in self._runs.values()] + ([self.lane.current] if self.lane.current else [])

    def cancel(self, numbers: Collection[int]) -> None:
        """Tell those that run to stop, and end those that have not begun."""
        wanted = set(numbers)
        for number in wanted & self._runs.keys():
            self._runs[number].stop("cancel")
        if self.lane.current and self.lane.current.task.number in wanted:
            self.lane.stop("cancel")
        self.lane.withdraw(wanted)

    async def stop_all(self, reason: Stop) -> None:
        """Stop all runs and wait until they have ended or are known to be stuck."""
        self.lane.queue.clear()
        self.lane.stop(reason)
        for run in self._runs.values():
            run.stop(reason)
        if jobs := self.jobs:
            await asyncio.wait(jobs, timeout=self._stop + _GRACE)

    async def _run(self, function: TaskFunction, task: Task) -> None:
        run = Run(function, TaskContext(task, self._house), self._isolate, stop_seconds=self._stop)
        self._runs[task.number] = run
        bug: Exception | None = None
        try:
            finish = await run.execute()
        except Exception as error:  # noqa: BLE001 - ours, and raised below: but the task is not held for ever
            finish, bug = outcome.broken(task, error), error
        finally:
            # One whose lease was lost may end while the same task runs here again.
            if self._runs.get(task.number) is run:
                del self._runs[task.number]
        if run.stopped != "lost" or run.stuck:
            self._ended(finish, run.ctx, stuck=run.stuck)
        if bug is not None:
            raise bug

    def _over(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._look()
        if not job.cancelled() and (error := job.exception()):  # our bug
            asyncio.get_running_loop().call_exception_handler({"message": str(error), "exception": error, "task": job})

    def _function(self, task: Task) -> TaskFunction | None:
        """Return a task's function; park the task where nobody here knows it, fail it where loading does."""
        try:
            return self._registry.get(task.function)
        except NotFoundError as error:
            finish = outcome.parked(task, error.public)
        except BaseException as error:  # noqa: BLE001 - whatever a service's import raises is that task's error
            now = self._house.clock.now()
            finish = outcome.failed(task, None, outcome.not_loaded(task, error), now, final=True)
        self._ended(finish, None, stuck=False)
        self._look()
        return None
