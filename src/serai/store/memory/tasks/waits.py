"""What tasks wait for: a bot, their time, somebody who knows their function, their place in a channel, other tasks."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from serai.store.memory.tasks.rows import Memory
from serai.store.taskrows.shelf import FOLLOWED, RELEASED, Head, Look
from serai.store.tasks import LIVE, Ended, Scope, Task, Wait

_RUNS = frozenset({"is_processing", "to_cancel"})


class WaitTables(Memory):
    """Scans of the entries."""

    def ready(self, lane: int, limit: int, skip: int) -> list[tuple[int, str]]:
        """Return number and function of a lane's rows past the first ones, by priority, then number."""
        found = [entry.task for entry in self._table.entries.values() if entry.lane == lane]
        found.sort(key=lambda task: (-task.priority, task.number))
        return [(task.number, task.function) for task in found[skip : skip + limit]]

    def functions(self, lane: int, limit: int, skip: int) -> set[str]:
        """Return the functions of the rows that `ready` would return."""
        return {function for _, function in self.ready(lane, limit, skip)}

    def parked(self, function: str, limit: int) -> list[Task]:
        """Return rows that wait for somebody who knows their function."""
        return self._tasks(lambda task: task.wait == "function" and task.function == function)[:limit]

    def parked_of(self, tenant: str, app: str, limit: int) -> list[Task]:
        """Return rows of an app that wait for somebody who knows their function."""
        of = (tenant, app)
        return self._tasks(lambda task: task.wait == "function" and (task.tenant, task.app) == of)[:limit]

    def due(self, now: float, limit: int) -> list[Task]:
        """Return rows whose time has come, earliest first."""
        found = self._tasks(lambda task: task.wait == "time" and task.not_before <= now)
        return sorted(found, key=lambda task: (task.not_before, task.number))[:limit]

    def expired(self, now: float, limit: int) -> list[Task]:
        """Return rows in to_do that had to start by now."""
        found = self._tasks(lambda task: task.state == "to_do" and 0 < task.expires <= now)
        return sorted(found, key=lambda task: (task.expires, task.number))[:limit]

    def timers(self) -> tuple[float | None, float | None]:
        """Return when the next row's time comes, and when the next one expires."""
        due = [entry.task.not_before for entry in self._entries(lambda task: task.wait == "time")]
        expiring = self._entries(lambda task: task.state == "to_do" and task.expires > 0)
        return min(due, default=None), min([entry.task.expires for entry in expiring], default=None)

    def look(self, bot: str) -> Look:
        """Look whether a bot is known, and at the timers."""
        return Look(bot in self._table.bots, *self.timers())

    def held(self, bot: str) -> list[Task]:
        """Return what a bot runs."""
        return self._tasks(lambda task: task.bot == bot and task.state in _RUNS)

    def to_cancel(self, bot: str) -> list[int]:
        """Return the numbers of what a bot runs and has to stop."""
        entries = self._entries(lambda task: task.bot == bot and task.state == "to_cancel")
        return [entry.task.number for entry in entries]

    def tie_running(self, scope: Scope, name: str, ties: int) -> int:
        """Add ties to all that runs in a scope; return how many that are."""
        found = self._entries(lambda task: task.state in _RUNS and getattr(task, scope) == name)
        for entry in found:
            entry.task = msgspec.structs.replace(entry.task, ties=entry.task.ties | ties)
        return len(found)

    def release_running(self, tenant: str, app: str) -> None:
        """Tie all that runs of an app with `RELEASED`."""
        for entry in self._entries(lambda task: task.state in _RUNS and (task.tenant, task.app) == (tenant, app)):
            entry.task = msgspec.structs.replace(entry.task, ties=entry.task.ties | RELEASED)

    def children(self, parent: str, limit: int) -> list[Task]:
        """Return rows in to_do with this parent."""
        return self._tasks(lambda task: task.parent == parent and task.state == "to_do")[:limit]

    def inside(self, channel: str) -> int:
        """Count the rows inside a channel."""
        return len(self._entries(lambda task: _inside(task, channel)))

    def waiting_inside(self, channel: str) -> list[Task]:
        """Return rows inside a channel that are in to_do."""
        return self._tasks(lambda task: _inside(task, channel) and task.state == "to_do")

    def behind(self, channel: str, limit: int) -> list[Task]:
        """Return the first rows that wait for their place in a channel."""
        return self._tasks(lambda task: task.wait == "channel" and task.channel == channel)[:limit]

    def heads(self, channels: Sequence[str]) -> list[Head]:
        """Return the first row that waits for its place in each of these channels that holds nobody."""
        firsts = [task for channel in channels if not self.inside(channel) for task in self.behind(channel, 1)]
        paused = self._table.pauses
        return [
            Head(t.number, t.queue, t.tenant, t.provider, t.channel, t.not_before, t.channel in paused) for t in firsts
        ]

    def let_in(self, numbers: Sequence[int], wait: Wait, lane: int | None) -> None:
        """Set what rows wait for, and their lane."""
        for number in numbers:
            entry = self._table.entries[number]
            entry.task, entry.lane = msgspec.structs.replace(entry.task, wait=wait), lane

    def link(self, number: int, firsts: Sequence[int]) -> None:
        """Keep which rows a row comes after, in this order, and tie those with `FOLLOWED`."""
        self._table.entries[number].firsts = list(firsts)
        for first in firsts:
            entry = self._table.entries[first]
            entry.task = msgspec.structs.replace(entry.task, ties=entry.task.ties | FOLLOWED)

    def followers(self, number: int) -> list[Task]:
        """Return rows in to_do that come after a row and wait for tasks."""
        after = {entry.task.number for entry in self._table.entries.values() if number in entry.firsts}
        return self._tasks(lambda task: task.wait == "tasks" and task.number in after)

    def firsts(self, number: int) -> list[Ended]:
        """Return what a row comes after, with results and errors."""
        entries = self._table.entries
        found = [entries[first].task for first in entries[number].firsts if first in entries]
        return [Ended(task.id, task.function, task.state, task.outcome, task.failure) for task in found]


def _inside(task: Task, channel: str) -> bool:
    return task.channel == channel and task.state in LIVE and task.wait not in {"channel", "tasks"}
