"""Rows of tasks: insert, read, change, start and end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from serai.store.memory.tasks.table import Entry, Table, table
from serai.store.taskrows.shelf import GATED, LOOSE, Done
from serai.store.tasks import MAX_PAGE, Filter, Task

_EQUALS = ("state", "tenant", "app", "function", "queue", "channel", "parent", "provider")


class Memory:
    """What is made for each transaction."""

    def __init__(self, state: dict[str, object]) -> None:
        self._table: Table = table(state)

    def _entries(self, wanted: Callable[[Task], bool]) -> list[Entry]:
        entries = list(self._table.entries.values())  # a copy: heartbeats come from another thread
        return [entry for entry in entries if wanted(entry.task)]

    def _tasks(self, wanted: Callable[[Task], bool]) -> list[Task]:
        return [_bare(entry.task) for entry in self._entries(wanted)]


class RowTable(Memory):
    """The entries themselves."""

    def add(self, task: Task, *, lane: int | None, lock: str | None) -> int:
        """Insert a row and its arguments; return its number."""
        kept = self._table
        kept.last += 1
        kept.numbers[task.id] = kept.last
        fresh = msgspec.structs.replace(task, number=kept.last)
        kept.entries[kept.last] = Entry(task=fresh, lane=lane, lock=lock)
        return kept.last

    def append(self, task: Task, *, lane: int | None, lock: str | None) -> None:
        """Insert a row and its arguments."""
        self.add(task, lane=lane, lock=lock)

    def number(self, task: str) -> int | None:
        """Return the number of an id."""
        return self._table.numbers.get(task)

    def holder(self, tenant: str, lock: str) -> str | None:
        """Return the id of the task that holds a key."""
        entries = self._table.entries.values()
        return next((e.task.id for e in entries if e.lock == lock and e.task.tenant == tenant), None)

    def task(self, number: int) -> Task | None:
        """Return a row."""
        entry = self._table.entries.get(number)
        return None if entry is None else _bare(entry.task)

    def whole(self, number: int) -> Task | None:
        """Return a row with its arguments and its result."""
        entry = self._table.entries.get(number)
        return None if entry is None else entry.task

    def find(self, wanted: Filter) -> list[Task]:
        """List rows, newest first."""
        equals = [(field, value) for field in _EQUALS if (value := getattr(wanted, field)) is not None]
        found = self._tasks(
            lambda task: (
                (wanted.before is None or task.number < wanted.before)
                and all(getattr(task, field) == value for field, value in equals)
            )
        )
        return found[::-1][: max(0, min(wanted.limit, MAX_PAGE))]

    def change(self, number: int, **columns: Any) -> None:
        """Set columns of a row."""
        entry = self._table.entries[number]
        for own in ("lane", "lock"):
            if own in columns:
                setattr(entry, own, columns.pop(own))
        entry.task = msgspec.structs.replace(entry.task, **columns)

    def take(self, numbers: Sequence[int], bot: str, now: float, ties: int) -> list[Task]:
        """Start rows; return them in the order of their numbers' list, arguments included."""
        taken = []
        for number in numbers:
            task = self._table.entries[number].task
            self.change(
                number,
                state="is_processing",
                wait="",
                lane=None,
                bot=bot,
                run=task.run + 1,
                started=now,
                progress=0.0,
                sentence="",
                ties=task.ties | ties,
            )
            taken.append(msgspec.structs.replace(self._table.entries[number].task, outcome=b""))
        return taken

    def finish(self, bot: str, run: int, numbers: Sequence[int], now: float) -> list[Done]:
        """End those of the rows well that a bot holds in this run, with no ties but `LOOSE` ones; `GATED` goes."""
        ended = []
        for number in numbers:
            entry = self._table.entries.get(number)
            task = entry.task if entry else None
            if task and (task.bot, task.run, task.state) == (bot, run, "is_processing") and not task.ties & ~LOOSE:
                ended.append(Done(number, task.ties, task.tenant, task.provider, task.channel))
                self.change(number, state="done", finished=now, progress=1.0, ties=task.ties & ~GATED)
        return ended

    def keep(self, results: Sequence[tuple[int, bytes]]) -> None:
        """Write results of rows."""
        for number, outcome in results:
            self.change(number, outcome=outcome)


def _bare(task: Task) -> Task:
    return msgspec.structs.replace(task, payload=b"", outcome=b"")
