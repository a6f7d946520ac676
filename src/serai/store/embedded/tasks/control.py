"""What people ask for: cancel, retry, pause, resume; how far schedules are; and forgetting what is long over."""

from __future__ import annotations

import sqlite3
from typing import cast

from serai.errors import ConflictError
from serai.store.embedded.tasks.look import number_of
from serai.store.embedded.tasks.moves import IN_CHANNEL, await_run, is_busy, leave, tell
from serai.store.tasks import State


def cancel(cursor: sqlite3.Cursor, task: str, *, who: str, why: str, now: float) -> State:
    """Cancel what waits; ask for it where it runs."""
    number = number_of(cursor, task)
    state, wait, channel, steps = cursor.execute(
        "SELECT state, wait, channel, steps FROM task WHERE number = ?", (number,)
    ).fetchone()
    if state in {"to_cancel", "canceled"}:
        return cast("State", state)
    if state not in {"to_do", "is_processing"}:
        raise ConflictError(f"The task is over: {state}.", state=state)
    new: State = "canceled" if state == "to_do" else "to_cancel"
    finished = now if new == "canceled" else 0
    cursor.execute(
        "UPDATE task SET state = ?, wait = '', steps = ?, finished = ? WHERE number = ?",
        (new, steps + 1, finished, number),
    )
    tell(cursor, number, steps + 1, now, who, state, new, why)
    if wait != "channel":  # it was the channel's head
        leave(cursor, channel, new, now)
    return new


def retry(cursor: sqlite3.Cursor, task: str, *, who: str, why: str, now: float) -> None:
    """Put a task that ended in error or canceled back to to_do, with all its retries."""
    number = number_of(cursor, task)
    state, channel, steps = cursor.execute(
        "SELECT state, channel, steps FROM task WHERE number = ?", (number,)
    ).fetchone()
    if state not in {"error", "canceled"}:
        raise ConflictError(f"Only what ended in error or canceled is run again, not {state}.", state=state)
    busy = bool(channel) and is_busy(cursor, channel)
    cursor.execute(
        "UPDATE task SET state = 'to_do', wait = ?, steps = ?, failures = 0, lost = 0, not_before = 0, finished = 0, "
        "progress = 0, sentence = '', rank = 0 WHERE number = ?",
        ("channel" if busy else "", steps + 1, number),
    )
    tell(cursor, number, steps + 1, now, who, state, "to_do", why)
    if not busy:
        await_run(cursor, number, now)


def pause(cursor: sqlite3.Cursor, channel: str, *, who: str, why: str, now: float) -> None:
    """Start nothing more of a channel; what runs goes on."""
    cursor.execute(
        "INSERT INTO task_pause (channel, who, at, why) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET who = excluded.who, at = excluded.at, why = excluded.why",
        (channel, who, now, why),
    )
    _refresh_head(cursor, channel, now)


def resume(cursor: sqlite3.Cursor, channel: str, *, now: float) -> bool:
    """End a pause; return whether there was one."""
    if not cursor.execute("DELETE FROM task_pause WHERE channel = ?", (channel,)).rowcount:
        return False
    _refresh_head(cursor, channel, now)
    return True


def marks(cursor: sqlite3.Cursor) -> dict[str, float]:
    """Return how far each schedule was dealt with."""
    return dict(cursor.execute("SELECT schedule, at FROM task_mark").fetchall())


def mark(cursor: sqlite3.Cursor, schedule: str, at: float | None) -> None:
    """Keep how far a schedule was dealt with; None forgets it."""
    if at is None:
        cursor.execute("DELETE FROM task_mark WHERE schedule = ?", (schedule,))
    else:
        cursor.execute("INSERT OR REPLACE INTO task_mark (schedule, at) VALUES (?, ?)", (schedule, at))


def forget(cursor: sqlite3.Cursor, after: int, before: float, limit: int) -> int:
    """Look at ``limit`` tasks past a number and delete those finished before a time, with all their traces."""
    rows = cursor.execute(
        "SELECT number, finished FROM task WHERE number > ? ORDER BY number LIMIT ?", (after, limit)
    ).fetchall()
    old = [(number,) for number, finished in rows if 0 < finished < before]
    for table, column in (("task_log", "task"), ("task_story", "task"), ("task_payload", "task"), ("task", "number")):
        cursor.executemany(f"DELETE FROM {table} WHERE {column} = ?", old)  # noqa: S608 - constants
    return rows[-1][0] if len(rows) == limit else 0


def _refresh_head(cursor: sqlite3.Cursor, channel: str, now: float) -> None:
    # At most one live task of a channel does not wait for the channel: its head.
    head = cursor.execute(
        f"SELECT number FROM task WHERE channel = ? AND {IN_CHANNEL} AND wait IN ('ready', 'time', 'paused')",  # noqa: S608
        (channel,),
    ).fetchone()
    if head:
        await_run(cursor, head[0], now)
