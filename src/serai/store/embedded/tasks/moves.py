"""What every move of a task has in common: its story, its reason to wait, its turn, and the next of its channel."""

from __future__ import annotations

import sqlite3

from serai.store.tasks import FINAL, MAX_WHY

#: Whether a row is in the index that orders a channel; the index's own words, so that SQLite uses it.
IN_CHANNEL = "channel <> '' AND state IN ('to_do', 'is_processing', 'to_cancel')"

_STORY = "INSERT INTO task_story (task, step, at, who, old, new, why) VALUES (?, ?, ?, ?, ?, ?, ?)"
_TURN = """
INSERT INTO task_flow (queue, priority, tenant, rank)
VALUES (:queue, :priority, :tenant,
        1 + coalesce((SELECT rank FROM task_turn WHERE queue = :queue AND priority = :priority), 0))
ON CONFLICT (queue, priority, tenant) DO UPDATE SET
    rank = 1 + max(rank, coalesce((SELECT rank FROM task_turn WHERE queue = :queue AND priority = :priority), 0))
RETURNING rank
"""


def tell(cursor: sqlite3.Cursor, number: int, step: int, now: float, who: str, old: str, new: str, why: str) -> None:
    """Write a line of a task's story; ``step`` counts from 1."""
    cursor.execute(_STORY, (number, step, now, who, old, new, why[:MAX_WHY]))


def turn(cursor: sqlite3.Cursor, queue: str, priority: int, tenant: str) -> int:
    """Return a tenant's next turn in a queue.

    Start-time fair queueing with tasks of cost 1: a tenant's turns follow its own last one, but never lie before
    where the queue is now. So a tenant with a million tasks takes a million turns ahead, and another's first task
    comes right after the one that runs.
    """
    key = {"queue": queue, "priority": priority, "tenant": tenant}
    (rank,) = cursor.execute(_TURN, key).fetchone()
    return int(rank)


def reason(cursor: sqlite3.Cursor, channel: str, not_before: float, now: float) -> str:
    """Return why the head of a channel, or a task without one, has to wait."""
    if channel and cursor.execute("SELECT 1 FROM task_pause WHERE channel = ?", (channel,)).fetchone():
        return "paused"
    return "time" if not_before > now else "ready"


def await_run(cursor: sqlite3.Cursor, number: int, now: float) -> None:
    """Let a task that is in to_do and first in its channel wait for what it has to; give it a turn if it has none."""
    queue, priority, tenant, channel, not_before, rank = cursor.execute(
        "SELECT queue, priority, tenant, channel, not_before, rank FROM task WHERE number = ?", (number,)
    ).fetchone()
    wait = reason(cursor, channel, not_before, now)
    if wait == "ready" and not rank:
        rank = turn(cursor, queue, priority, tenant)
    cursor.execute("UPDATE task SET wait = ?, rank = ? WHERE number = ?", (wait, rank, number))


def is_busy(cursor: sqlite3.Cursor, channel: str) -> bool:
    """Tell whether a channel has a live task."""
    found = cursor.execute(f"SELECT 1 FROM task WHERE channel = ? AND {IN_CHANNEL} LIMIT 1", (channel,))  # noqa: S608 - a constant
    return found.fetchone() is not None


def leave(cursor: sqlite3.Cursor, channel: str, new: str, now: float) -> None:
    """Let the next task of a channel come to its head, where the one before it has ended."""
    if not channel or new not in FINAL:
        return
    # The index is on (channel, number): its first row is the oldest, and all but a head wait for their channel.
    first = cursor.execute(
        f"SELECT number, wait FROM task WHERE channel = ? AND {IN_CHANNEL} ORDER BY number LIMIT 1",  # noqa: S608 - a constant
        (channel,),
    ).fetchone()
    if first and first[1] == "channel":
        await_run(cursor, first[0], now)
