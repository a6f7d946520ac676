"""Read tasks."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from serai.errors import NotFoundError
from serai.store.tasks import MAX_PAGE, BotRow, Filter, LogLine, Pause, StoryLine, Task

_COLUMNS = (
    "number, id, function, tenant, app, queue, channel, priority, not_before, deadline, retries, provider, key, "
    "parent, who, created, state, wait, run, failures, lost, bot, progress, sentence, started, finished, error"
)
_FIELDS = tuple(_COLUMNS.split(", "))
#: What a statement selects for `task_of`, with arguments and without.
WHOLE = f"{_COLUMNS}, arguments"
_EQUALS = ("state", "tenant", "app", "function", "queue", "channel", "parent")


def task_of(row: Sequence[Any], *, payload: bytes = b"", outcome: bytes = b"") -> Task:
    """Return a row's values as a task."""
    values = dict(zip(_FIELDS, row, strict=False))
    error = values.pop("error")
    values["error"] = msgspec.msgpack.decode(error) if error else None
    return Task(**values, payload=payload, outcome=outcome)


def arguments(cursor: sqlite3.Cursor, number: int, inline: bytes | None) -> bytes:
    """Return a task's arguments, wherever they lie."""
    if inline is not None:
        return inline
    row = cursor.execute("SELECT arguments FROM task_payload WHERE task = ?", (number,)).fetchone()
    return row[0] if row and row[0] is not None else b""


def number_of(cursor: sqlite3.Cursor, task: str) -> int:
    """Return a task's number, or raise `NotFoundError`."""
    row = cursor.execute("SELECT number FROM task WHERE id = ?", (task,)).fetchone()
    if row is None:
        raise NotFoundError(f"There is no task {task}.", task=task)
    return int(row[0])


def get(cursor: sqlite3.Cursor, task: str) -> Task:
    """Return one task, arguments and result included."""
    number = number_of(cursor, task)
    row = cursor.execute(f"SELECT {WHOLE} FROM task WHERE number = ?", (number,)).fetchone()  # noqa: S608 - constants
    result = cursor.execute("SELECT result FROM task_payload WHERE task = ?", (number,)).fetchone()
    outcome = result[0] if result and result[0] is not None else b""
    return task_of(row, payload=arguments(cursor, number, row[-1]), outcome=outcome)


def find(cursor: sqlite3.Cursor, wanted: Filter) -> list[Task]:
    """List tasks, newest first."""
    clauses, values = ["1"], []
    for column in _EQUALS:
        if (value := getattr(wanted, column)) is not None:
            clauses.append(f"{column} = ?")
            values.append(value)
    # What a partial index says of its rows has to stand in the statement, or SQLite does not use it.
    if wanted.channel:
        clauses.append("channel <> ''")
    if wanted.parent:
        clauses.append("parent <> ''")
    if wanted.state in {"error", "canceled"}:
        clauses.append("state IN ('error', 'canceled')")
    if wanted.state in {"is_processing", "to_cancel"}:
        clauses.append("bot <> ''")
    if wanted.before is not None:
        clauses.append("number < ?")
        values.append(wanted.before)
    where = " AND ".join(clauses)
    limit = max(0, min(wanted.limit, MAX_PAGE))
    sql = f"SELECT {_COLUMNS} FROM task WHERE {where} ORDER BY number DESC LIMIT {limit}"  # noqa: S608 - constants and a number
    return [task_of(row) for row in cursor.execute(sql, values).fetchall()]


def story(cursor: sqlite3.Cursor, task: str) -> list[StoryLine]:
    """Return all transitions, oldest first."""
    number = number_of(cursor, task)
    sql = "SELECT at, who, old, new, why FROM task_story WHERE task = ? ORDER BY step"
    return [StoryLine(*row) for row in cursor.execute(sql, (number,))]


def log(cursor: sqlite3.Cursor, task: str, after: int) -> list[LogLine]:
    """Return the lines that are kept, those greater than ``after``."""
    number = number_of(cursor, task)
    sql = "SELECT line, at, text FROM task_log WHERE task = ? AND line > ? ORDER BY line"
    return [LogLine(*row) for row in cursor.execute(sql, (number, after))]


def bots(cursor: sqlite3.Cursor) -> list[BotRow]:
    """Return the bots that are enlisted, by name."""
    rows = cursor.execute("SELECT name, beat, queues, since FROM task_bot ORDER BY name")
    return [BotRow(name, beat, tuple(queues.split("\n")), since) for name, beat, queues, since in rows]


def pauses(cursor: sqlite3.Cursor) -> list[Pause]:
    """Return the paused channels, by name."""
    return [Pause(*row) for row in cursor.execute("SELECT channel, who, at, why FROM task_pause ORDER BY channel")]
