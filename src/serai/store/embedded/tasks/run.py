"""Claim, acknowledge, beat, bury: the statements that bots live by."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from serai.errors import ConflictError
from serai.store.embedded.tasks.look import WHOLE, arguments, task_of
from serai.store.embedded.tasks.moves import await_run, leave, tell
from serai.store.tasks import (
    FINAL,
    MAX_DUE,
    MAX_LINE,
    MAX_LOG_LINES,
    MAX_LOST,
    MAX_SKIP,
    Exchange,
    Finish,
    Note,
    Task,
    Want,
)
from serai.store.tasks_rules import admit, settle

_FINISH = """
UPDATE task SET state = ?, wait = ?, not_before = ?, steps = ?, failures = failures + ?, bot = '', finished = ?,
                progress = ?, error = coalesce(?, error)
WHERE number = ?
"""
_CLAIM = """
UPDATE task SET state = 'is_processing', wait = '', bot = ?, run = run + 1, steps = steps + 1, started = ?,
                progress = 0, sentence = ''
WHERE number = ? RETURNING steps
"""
_READY = f"""
SELECT {WHOLE} FROM task WHERE queue = ? AND wait = 'ready' ORDER BY priority DESC, rank, number LIMIT ?
"""  # noqa: S608 - constants
_TURNED = """
INSERT INTO task_turn (queue, priority, rank)
SELECT queue, priority, max(rank) FROM task WHERE number IN (SELECT value FROM json_each(?)) GROUP BY queue, priority
ON CONFLICT (queue, priority) DO UPDATE SET rank = max(rank, excluded.rank)
"""


def enlist(cursor: sqlite3.Cursor, bot: str, queues: Sequence[str], *, now: float) -> None:
    """Make a bot known, so that it may claim."""
    sql = "INSERT INTO task_bot (name, beat, queues, since) VALUES (?, 1, ?, ?)"
    try:
        cursor.execute(sql, (bot, "\n".join(queues), now))
    except sqlite3.IntegrityError as error:
        raise ConflictError(f"There is a bot {bot}.", bot=bot) from error


def beat(cursor: sqlite3.Cursor, bot: str) -> list[int]:
    """Tell that a bot lives; return the numbers of its tasks that are to be cancelled."""
    _beat(cursor, bot)
    held = cursor.execute("SELECT number FROM task WHERE bot = ? AND bot <> '' AND state = 'to_cancel'", (bot,))
    return [number for (number,) in held]


def exchange(cursor: sqlite3.Cursor, bot: str, finishes: Sequence[Finish], want: Want, *, now: float) -> Exchange:
    """Acknowledge what is over and claim what comes next; counts as a beat."""
    _beat(cursor, bot)
    refused = [finish.number for finish in finishes if not _finish(cursor, bot, finish, now)]
    for function in want.known:
        parked = "SELECT number FROM task WHERE wait = 'function' AND function = ? LIMIT ?"
        for (number,) in cursor.execute(parked, (function, MAX_DUE)).fetchall():
            await_run(cursor, number, now)
    due = "SELECT number FROM task WHERE wait = 'time' AND not_before <= ? ORDER BY not_before LIMIT ?"
    for (number,) in cursor.execute(due, (now, MAX_DUE)).fetchall():
        await_run(cursor, number, now)
    claimed = _claim(cursor, bot, want, now)
    (next_due,) = cursor.execute("SELECT min(not_before) FROM task WHERE wait = 'time'").fetchone()
    return Exchange(claimed, refused, next_due)


def note(cursor: sqlite3.Cursor, bot: str, notes: Sequence[Note]) -> None:
    """Keep progress and log lines of runs that the bot holds; those of others are dropped."""
    _beat(cursor, bot)
    for each in notes:
        held = (each.number, bot, each.run)
        row = cursor.execute("SELECT lines FROM task WHERE number = ? AND bot = ? AND run = ?", held).fetchone()
        if row is None:
            continue
        if each.progress is not None:
            progress = (min(max(each.progress, 0.0), 1.0), each.sentence[:MAX_LINE], each.number)
            cursor.execute("UPDATE task SET progress = ?, sentence = ? WHERE number = ?", progress)
        if each.lines:
            _log(cursor, each, int(row[0]))


def bury(cursor: sqlite3.Cursor, bot: str, beat: int | None, why: str, *, who: str, now: float) -> list[str]:
    """Strike a bot off and hand its tasks back; return their ids."""
    sql = "DELETE FROM task_bot WHERE name = ? AND beat = coalesce(?, beat)"
    if not cursor.execute(sql, (bot, beat)).rowcount:
        return []
    held = cursor.execute(
        "SELECT number, id, state, channel, steps, lost FROM task WHERE bot = ? AND bot <> ''", (bot,)
    ).fetchall()
    for number, _, state, channel, steps, lost in held:
        lost_now = lost + (beat is not None)
        new, said = ("canceled", why) if state == "to_cancel" else ("to_do", why)
        if new == "to_do" and lost_now >= MAX_LOST:
            new, said = "error", f"{why}; {lost_now} bots died while they ran it"
        error = msgspec.msgpack.encode({"code": "internal", "public": said, "trace": ""}) if new == "error" else None
        cursor.execute(
            "UPDATE task SET state = ?, bot = '', lost = ?, steps = ?, finished = ?, error = coalesce(?, error) "
            "WHERE number = ?",
            (new, lost_now, steps + 1, now if new in FINAL else 0, error, number),
        )
        tell(cursor, number, steps + 1, now, who, state, new, said)
        if new == "to_do":
            await_run(cursor, number, now)
        leave(cursor, channel, new, now)
    return [task for _, task, *_ in held]


def _beat(cursor: sqlite3.Cursor, bot: str) -> None:
    if not cursor.execute("UPDATE task_bot SET beat = beat + 1 WHERE name = ?", (bot,)).rowcount:
        raise ConflictError(f"The bot {bot} is not enlisted any more: its lease was lost.", bot=bot)


def _finish(cursor: sqlite3.Cursor, bot: str, finish: Finish, now: float) -> bool:
    row = cursor.execute(
        "SELECT state, channel, steps, progress FROM task WHERE number = ? AND bot = ? AND run = ?",
        (finish.number, bot, finish.run),
    ).fetchone()
    if row is None:
        return False
    state, channel, steps, progress = row
    new = settle(state, finish)
    values = (
        new,
        "function" if new == "to_do" and finish.park else "",
        finish.not_before,
        steps + 1,
        finish.burn,
        now if new in FINAL else 0,
        1.0 if new == "done" else progress,
        finish.error or None,
        finish.number,
    )
    cursor.execute(_FINISH, values)
    tell(cursor, finish.number, steps + 1, now, f"bot:{bot}", state, new, finish.why)
    if finish.outcome:
        cursor.execute(
            "INSERT INTO task_payload (task, result) VALUES (?, ?) ON CONFLICT DO UPDATE SET result = excluded.result",
            (finish.number, finish.outcome),
        )
    if new == "to_do" and not finish.park:
        await_run(cursor, finish.number, now)
    leave(cursor, channel, new, now)
    return True


def _claim(cursor: sqlite3.Cursor, bot: str, want: Want, now: float) -> list[Task]:
    slots, batch = want.slots, want.batch
    taken: list[tuple[Any, ...]] = []
    for queue in want.queues:
        if slots + batch:
            for row in cursor.execute(_READY, (queue, slots + batch + MAX_SKIP)):
                place = admit(row[2], want, slots, batch)
                slots, batch = slots - (place == "slot"), batch - (place == "batch")
                if place:
                    taken.append(row)
                if not slots + batch:
                    break
    if not taken:
        return []
    cursor.execute(_TURNED, (msgspec.json.encode([row[0] for row in taken]).decode(),))
    return [_take(cursor, bot, row, now) for row in taken]


def _take(cursor: sqlite3.Cursor, bot: str, row: tuple[Any, ...], now: float) -> Task:
    number = row[0]
    (steps,) = cursor.execute(_CLAIM, (bot, now, number)).fetchone()
    tell(cursor, number, steps, now, f"bot:{bot}", "to_do", "is_processing", "")
    task = task_of(row, payload=arguments(cursor, number, row[-1]))
    changed = {"state": "is_processing", "wait": "", "bot": bot, "started": now, "progress": 0.0, "sentence": ""}
    return msgspec.structs.replace(task, run=task.run + 1, **changed)


def _log(cursor: sqlite3.Cursor, each: Note, line: int) -> None:
    rows = [(each.number, line + index, at, text[:MAX_LINE]) for index, (at, text) in enumerate(each.lines, 1)]
    cursor.executemany("INSERT INTO task_log (task, line, at, text) VALUES (?, ?, ?, ?)", rows)
    last = line + len(rows)
    cursor.execute("UPDATE task SET lines = ? WHERE number = ?", (last, each.number))
    cursor.execute("DELETE FROM task_log WHERE task = ? AND line <= ?", (each.number, last - MAX_LOG_LINES))
