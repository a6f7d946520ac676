"""A cursor, and a row's columns as a task."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from serai.store.tasks import Task

#: The columns in the order of `Task`'s fields; its arguments and its result lie elsewhere where they are large.
COLUMNS = (
    "number, id, function, tenant, app, queue, channel, priority, not_before, deadline, retries, provider, key, "
    "parent, who, created, state, wait, run, failures, lost, bot, progress, sentence, started, finished, expires, "
    "awaits, ties, options, failure"
)

#: The lane of what runs.
RUNS = -1
#: The numbers of what runs and is not to be cancelled; older code puts it into no lane.
RUNNING = (
    f"SELECT number FROM task WHERE lane = {RUNS} "  # noqa: S608 - constants
    "UNION ALL SELECT number FROM task INDEXED BY task_laneless WHERE state = 'is_processing' AND lane IS NULL"
)

#: When the next row's time comes, and when the next one expires.
DUE = "(SELECT min(not_before) FROM task WHERE wait = 'time')"
EXPIRES = "(SELECT min(expires) FROM task WHERE expires > 0 AND state = 'to_do')"


class Table:
    """What is made for each transaction."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    def _rows(self, where: str, *values: Any) -> list[Task]:
        found = self._cursor.execute(f"SELECT {COLUMNS} FROM task WHERE {where}", values)  # noqa: S608 - constants
        return [Task(*row) for row in found.fetchall()]

    def _one(self, statement: str, *values: Any) -> Any:
        """Return the first column of the first row, or None."""
        row = self._cursor.execute(statement, values).fetchone()
        return None if row is None else row[0]


def as_json(values: Sequence[int] | Sequence[str]) -> str:
    """Return values for json_each()."""
    return msgspec.json.encode(values).decode()
