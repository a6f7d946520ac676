"""Insert tasks."""

from __future__ import annotations

import sqlite3

from serai.errors import AlreadyExistsError
from serai.store.contract import NewTask
from serai.store.embedded.tasks.moves import is_busy, reason, tell, turn
from serai.store.tasks_rules import arguments_of, new_id

#: Octets of arguments that lie in the task's own row, which each of its moves rewrites.
INLINE = 2048

_INSERT = """
INSERT INTO task (id, function, arguments, tenant, app, queue, channel, priority, not_before, deadline, retries,
                  provider, key, parent, who, created, state, wait, rank)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'to_do', ?, ?)
"""


def insert(cursor: sqlite3.Cursor, task: NewTask, *, who: str, now: float) -> str:
    """Insert a task, or find the one with the same tenant and key; return its id."""
    payload = arguments_of(task)
    if task.key:
        known = cursor.execute(
            "SELECT id FROM task WHERE tenant = ? AND key = ? AND key <> ''", (task.tenant, task.key)
        ).fetchone()
        if known:
            return str(known[0])
    if task.id and cursor.execute("SELECT 1 FROM task WHERE id = ?", (task.id,)).fetchone():
        raise AlreadyExistsError(f"There is a task {task.id}.", id=task.id)
    if task.channel and is_busy(cursor, task.channel):
        wait = "channel"
    else:
        wait = reason(cursor, task.channel, task.not_before, now)
    rank = turn(cursor, task.queue, task.priority, task.tenant) if wait == "ready" else 0
    number = _write(cursor, task, payload, who, now, wait, rank)
    tell(cursor, number, 1, now, who, "", "to_do", "")
    return (
        str(cursor.execute("SELECT id FROM task WHERE number = ?", (number,)).fetchone()[0]) if not task.id else task.id
    )


def _write(cursor: sqlite3.Cursor, task: NewTask, payload: bytes, who: str, now: float, wait: str, rank: int) -> int:
    inline = payload if len(payload) <= INLINE else None
    row = (
        task.id or new_id(now),
        task.function,
        inline,
        task.tenant,
        task.app,
        task.queue,
        task.channel,
        task.priority,
        task.not_before,
        task.deadline,
        task.retries,
        task.provider,
        task.key,
        task.parent,
        who,
        now,
        wait,
        rank,
    )
    number = cursor.execute(_INSERT, row).lastrowid or 0
    if inline is None:
        cursor.execute("INSERT INTO task_payload (task, arguments) VALUES (?, ?)", (number, payload))
    return number
