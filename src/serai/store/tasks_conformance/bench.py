"""An engine with a clock that is set by hand, and the calls that most promises make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from serai.errors import SeraiError
from serai.store.contract import NewTask
from serai.store.driver import Driver
from serai.store.tasks import (
    Exchange,
    Finish,
    Rule,
    Scope,
    Task,
    TaskRows,
    Want,
)

T = TypeVar("T")


def expect(condition: object, sentence: str) -> None:
    """Fail with a sentence."""
    if not condition:
        raise AssertionError(sentence)


class Bench:
    """An engine with a clock that is set by hand and the calls that most tests make."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.rows: TaskRows[Any] = driver.tasks
        self.now = 1_000_000.0

    async def do(self, work: Callable[[Any], T]) -> T:
        """Run work in a transaction."""
        return await self.driver.write(work)

    async def insert(self, function: str = "f", **fields: Any) -> str:
        """Insert a task."""
        task = NewTask(function=function, **fields)
        return await self.do(lambda tx: self.rows.insert(tx, task, who="user:x", now=self.now))

    async def enlist(self, bot: str, *queues: str) -> None:
        """Make a bot known."""
        await self.do(lambda tx: self.rows.enlist(tx, bot, queues or ("any",), now=self.now))

    async def exchange(self, bot: str, *finishes: Finish, **want: Any) -> Exchange:
        """Acknowledge, and claim up to ten tasks of "any" unless told otherwise."""
        wanted = Want(**{"queues": ("any",), "slots": 10, **want})
        return await self.do(lambda tx: self.rows.exchange(tx, bot, finishes, wanted, now=self.now))

    async def claim(self, bot: str, **want: Any) -> list[Task]:
        """Claim, and enlist the bot where it is new."""
        if bot not in [row.name for row in await self.do(self.rows.bots)]:
            await self.enlist(bot)
        return (await self.exchange(bot, **want)).claimed

    async def get(self, task: str) -> Task:
        """Read a task."""
        return await self.driver.read(lambda tx: self.rows.get(tx, task))

    async def moves(self, task: str) -> list[tuple[str, str]]:
        """Return the transitions of a task."""
        return [(line.old, line.new) for line in await self.driver.read(lambda tx: self.rows.story(tx, task))]

    async def cancel(self, task: str) -> str:
        """Ask for a task to be cancelled."""
        return await self.do(lambda tx: self.rows.cancel(tx, task, who="user:x", why="not needed", now=self.now))

    async def limit(self, scope: Scope, name: str, **rule: Any) -> None:
        """Set a limit."""
        who, why = "user:x", "too many"
        await self.do(lambda tx: self.rows.limit(tx, scope, name, Rule(**rule), who=who, why=why, now=self.now))

    async def retry(self, task: str) -> None:
        """Run a task again."""
        await self.do(lambda tx: self.rows.retry(tx, task, who="user:x", why="try again", now=self.now))

    async def bury(self, bot: str, beat: int | None) -> list[str]:
        """Strike a bot off."""
        return await self.do(lambda tx: self.rows.bury(tx, bot, beat, "it died", who="clock", now=self.now))

    async def beat_of(self, bot: str) -> int:
        """Return a bot's beat."""
        return next(row.beat for row in await self.do(self.rows.bots) if row.name == bot)

    async def refused(self, kind: type[SeraiError], work: Callable[[Any], Any]) -> None:
        """Expect an error."""
        try:
            await self.do(work)
        except kind:
            return
        raise AssertionError(f"{kind.__name__} should have been raised")


def done(task: Task, **more: Any) -> Finish:
    """Say that a task's run went well."""
    return Finish(**{"number": task.number, "run": task.run, "state": "done", **more})
