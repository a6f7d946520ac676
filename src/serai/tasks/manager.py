"""Ask about tasks and steer them: what the API, the CLI and functions use."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, TypeVar

from serai.bus import Bus, Subscription
from serai.errors import DeadlineError
from serai.store.allowances import allowances
from serai.store.contract import Holding, NewTask, Transaction, Verb
from serai.store.store import Store
from serai.store.tasks import (
    FINAL,
    BotRow,
    Ended,
    Filter,
    Limit,
    LogLine,
    Pause,
    Provider,
    Rule,
    Scope,
    State,
    StoryLine,
    Task,
    TaskRows,
)
from serai.store.tasks_rules import check_rule
from serai.tasks import hold, subjects

T = TypeVar("T")

_POLL = 1.0  # seconds between looks where the bus tells of changes
_POLL_ALONE = 0.1  # and where there is no bus


class Tasks:
    """The tasks of a store. Errors are the store's; `NotFoundError` for an unknown id."""

    def __init__(self, store: Store, bus: Bus | None = None, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._bus = bus
        self._now = now

    async def add(self, who: str, task: NewTask, why: str = "", *, bounded: bool = False) -> str:
        """Insert one task by itself; return its id, or that of an earlier one with the same key.

        Where it is ``bounded`` and no more tasks of its app may wait, it is refused: `ExhaustedError`.
        """
        most = await allowances(self._store, task.tenant, task.app) if bounded else ()
        done = await self._store.apply(Transaction(who, why, (task,), most))
        await self._tell(subjects.NEW, task.queue)
        return done.tasks[0]

    async def add_all(self, who: str, tasks: Sequence[NewTask], why: str = "") -> list[str]:
        """Insert tasks, all or none; return their ids. See `serai.tasks.flow` for chains and groups."""
        done = await self._store.apply(Transaction(who, why, tuple(tasks)))
        for queue in {task.queue for task in tasks}:
            await self._tell(subjects.NEW, queue)
        return done.tasks

    async def get(self, task: str) -> Task:
        """Return a task, arguments and result included."""
        return await self._read(lambda rows, tx: rows.get(tx, task))

    async def find(self, wanted: Filter | None = None) -> list[Task]:
        """List tasks, newest first, without arguments and results."""
        return await self._read(lambda rows, tx: rows.find(tx, wanted or Filter()))

    async def waiting(self, tenant: str, app: str, most: int) -> int:
        """Count the tasks of an app that have not begun, or with "" of all apps of a tenant; stop at ``most``."""
        return await self._read(lambda rows, tx: rows.waiting(tx, tenant, app, most))

    async def story(self, task: str) -> list[StoryLine]:
        """Return who moved it, when and why, oldest first."""
        return await self._read(lambda rows, tx: rows.story(tx, task))

    async def log(self, task: str, after: int = 0) -> list[LogLine]:
        """Return its log lines past a number."""
        return await self._read(lambda rows, tx: rows.log(tx, task, after))

    async def results(self, task: str) -> list[Ended]:
        """Return the tasks that it comes after, with their results, in the order in which it named them."""
        return await self._read(lambda rows, tx: rows.results(tx, task))

    async def bots(self) -> list[BotRow]:
        """Return the bots that live."""
        return await self._read(lambda rows, tx: rows.bots(tx))

    async def pauses(self) -> list[Pause]:
        """Return the channels that are paused."""
        return await self._read(lambda rows, tx: rows.pauses(tx))

    async def cancel(self, who: str, task: str, why: str = "") -> State:
        """Cancel what waits, ask what runs to stop; return the new state. `ConflictError` where it is over."""
        state = await self._write(lambda rows, tx: rows.cancel(tx, task, who=who, why=why, now=self._now()))
        if state == "to_cancel":
            await self._tell(subjects.CANCEL, task)
        await self._moved(task)
        return state

    async def retry(self, who: str, task: str, why: str = "") -> None:
        """Run a task again that ended in error or was canceled; `ConflictError` for any other."""
        await self._write(lambda rows, tx: rows.retry(tx, task, who=who, why=why, now=self._now()))
        await self._moved(task)

    async def unpark(self, tenant: str, app: str) -> int:
        """Let tasks of an app go whose functions nobody knew, as its code has changed; return how many there were."""
        count = 0
        while got := await self._write(lambda rows, tx: rows.unpark(tx, tenant, app, now=self._now())):
            count += got
        if count:
            await self._tell(subjects.NEW, None)
        return count

    async def pause(self, who: str, channel: str, why: str = "") -> None:
        """Start nothing more of a channel until `resume`, across restarts."""
        await hold.put(self._store, who, why, self._hold("pause", channel))

    async def resume(self, who: str, channel: str, why: str = "") -> bool:
        """End a pause; return whether there was one."""
        if not any(one.channel == channel for one in await self.pauses()):
            return False
        await hold.end(self._store, who, why, self._hold("resume", channel))
        await self._tell(subjects.NEW, None)
        return True

    async def limit(
        self,
        who: str,
        scope: Scope,
        name: str,
        *,
        most: int | None = None,
        rate: float | None = None,
        per: float = 60.0,
        burst: float = 0.0,
        why: str = "",
    ) -> None:
        """Let at most so many tasks of a tenant, a channel or a provider run at once, or start in ``per`` seconds.

        What runs goes on. Neither of them ends the limit; a channel without one runs one task after the other. In any
        span of time at most ``burst`` (0: what comes in a second) more start than the rate gives.
        """
        rule = Rule(most=most, rate=rate, per=per, burst=burst)
        check_rule(scope, name, rule)
        act = self._hold("limit", name, scope=scope, rule=rule)
        if most is not None or rate is not None:
            await hold.put(self._store, who, why, act)
        elif any((one.scope, one.name) == (scope, name) for one in await self.limits()):
            await hold.end(self._store, who, why, act)
        await self._tell(subjects.NEW, None)

    async def limits(self) -> list[Limit]:
        """Return the limits in force."""
        return await self._read(lambda rows, tx: rows.limits(tx))

    async def providers(self) -> list[Provider]:
        """Return the providers that are or were down, or have a probe."""
        return await self._read(lambda rows, tx: rows.providers(tx))

    async def provider_down(self, who: str, name: str, why: str = "") -> None:
        """Declare a provider down: its tasks wait, and none of them tries it, until `provider_up`."""
        await hold.put(self._store, who, why, self._hold("down", name))

    async def provider_up(self, who: str, name: str, why: str = "") -> None:
        """Declare a provider up: its tasks resume, few at first."""
        if any(one.name == name and one.state == "down" for one in await self.providers()):
            await hold.end(self._store, who, why, self._hold("up", name))
        await self._tell(subjects.NEW, None)

    async def provider_probe(self, name: str, function: str) -> None:
        """Name the function that tries whether a provider is up, called with ``{"provider": name}``; "" for none."""
        await self._write(lambda rows, tx: rows.provider_probe(tx, name, function, now=self._now()))

    async def wait(self, task: str, deadline: float = 60.0) -> Task:
        """Return a task once it is over; `DeadlineError` after ``deadline`` seconds."""
        try:
            async with asyncio.timeout(deadline):
                async with contextlib.aclosing(self.follow(task)) as seen:
                    async for each in seen:
                        last = each
        except TimeoutError as error:
            raise DeadlineError("The task is not over yet.", task=task, seconds=deadline) from error
        return last

    async def follow(self, task: str) -> AsyncGenerator[Task, None]:
        """Yield a task now and after each change of its state or progress, until it is over."""
        changed = asyncio.Event()
        subscription = await self._bus.subscribe(subjects.CHANGED) if self._bus else None
        listening = asyncio.create_task(_listen(subscription, task, changed)) if subscription else None
        try:
            seen: tuple[Any, ...] = ()
            while True:
                changed.clear()
                found = await self.get(task)
                now = (found.state, found.wait, found.run, found.progress, found.sentence)
                if now != seen:
                    yield found
                seen = now
                if found.state in FINAL:
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL if subscription else _POLL_ALONE):
                        await changed.wait()
        finally:
            if listening and subscription:
                listening.cancel()
                await subscription.close()

    def _hold(self, verb: Verb, name: str, **more: Any) -> Holding:
        return Holding(verb=verb, name=name, at=self._now(), **more)

    async def _moved(self, task: str) -> None:
        await self._tell(subjects.CHANGED, [task])
        await self._tell(subjects.NEW, None)

    async def _tell(self, subject: str, message: Any) -> None:
        if self._bus:
            await self._bus.publish(subject, message)

    async def _write(self, work: Callable[[TaskRows[Any], Any], T]) -> T:
        driver = self._store.driver
        return await self._store.call("move_tasks", lambda: driver.write(lambda tx: work(driver.tasks, tx)))

    async def _read(self, work: Callable[[TaskRows[Any], Any], T]) -> T:
        driver = self._store.driver
        return await self._store.ask("tasks", lambda: driver.read(lambda tx: work(driver.tasks, tx)))


async def _listen(subscription: Subscription, task: str, changed: asyncio.Event) -> None:
    async for _, ids in subscription:
        # A full message may have left some out.
        if isinstance(ids, list) and (task in ids or len(ids) >= subjects.MAX_CHANGED):
            changed.set()
