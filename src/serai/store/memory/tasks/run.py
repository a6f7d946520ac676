"""Claim, acknowledge, beat, bury."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from serai.errors import ConflictError
from serai.store.memory.tasks.table import Entry, Table, table
from serai.store.tasks import (
    MAX_LINE,
    MAX_LOG_LINES,
    MAX_LOST,
    MAX_SKIP,
    BotRow,
    Exchange,
    Finish,
    LogLine,
    Note,
    State,
    Task,
    Want,
)
from serai.store.tasks_rules import admit, settle


def enlist(state: dict[str, object], bot: str, queues: Sequence[str], *, now: float) -> None:
    """Make a bot known, so that it may claim."""
    rows = table(state)
    if bot in rows.bots:
        raise ConflictError(f"There is a bot {bot}.", bot=bot)
    rows.bots[bot] = BotRow(bot, 1, tuple(queues), now)


def beat(state: dict[str, object], bot: str) -> list[int]:
    """Tell that a bot lives; return the numbers of its tasks that are to be cancelled."""
    rows = table(state)
    rows.beat(bot)
    tasks = [entry.task for entry in list(rows.entries.values())]  # a copy: heartbeats come from another thread
    return [task.number for task in tasks if task.bot == bot and task.state == "to_cancel"]


def exchange(state: dict[str, object], bot: str, finishes: Sequence[Finish], want: Want, *, now: float) -> Exchange:
    """Acknowledge what is over and claim what comes next; counts as a beat."""
    rows = table(state)
    rows.beat(bot)
    refused = [finish.number for finish in finishes if not _finish(rows, bot, finish, now)]
    for entry in rows.entries.values():
        task = entry.task
        parked = task.wait == "function" and task.function in want.known
        if parked or (task.wait == "time" and task.not_before <= now):
            rows.await_run(entry, now)
    claimed = _claim(rows, bot, want, now)
    due = [entry.task.not_before for entry in rows.entries.values() if entry.task.wait == "time"]
    return Exchange(claimed, refused, min(due, default=None))


def note(state: dict[str, object], bot: str, notes: Sequence[Note]) -> None:
    """Keep progress and log lines of runs that the bot holds; those of others are dropped."""
    rows = table(state)
    rows.beat(bot)
    for each in notes:
        entry = rows.held(bot, each.number, each.run)
        if entry is None:
            continue
        if each.progress is not None:
            progress = min(max(each.progress, 0.0), 1.0)
            entry.task = msgspec.structs.replace(entry.task, progress=progress, sentence=each.sentence[:MAX_LINE])
        for at, text in each.lines:
            entry.lines += 1
            entry.log.append(LogLine(entry.lines, at, text[:MAX_LINE]))
        del entry.log[:-MAX_LOG_LINES]


def bury(state: dict[str, object], bot: str, beat: int | None, why: str, *, who: str, now: float) -> list[str]:
    """Strike a bot off and hand its tasks back; return their ids."""
    rows = table(state)
    if bot not in rows.bots or beat not in {None, rows.bots[bot].beat}:
        return []
    del rows.bots[bot]
    back = [entry for entry in rows.entries.values() if entry.task.bot == bot]
    for entry in back:
        lost = entry.task.lost + (beat is not None)
        entry.task = msgspec.structs.replace(entry.task, bot="", lost=lost)
        new: State = "canceled" if entry.task.state == "to_cancel" else "to_do"
        said = why
        if new == "to_do" and lost >= MAX_LOST:
            new, said = "error", f"{why}; {lost} bots died while they ran it"
            error = {"code": "internal", "public": said, "trace": ""}
            entry.task = msgspec.structs.replace(entry.task, error=error)
        _moved(rows, entry, new, who=who, why=said, now=now)
    return [entry.task.id for entry in back]


def _moved(rows: Table, entry: Entry, new: State, *, who: str, why: str, now: float) -> None:
    rows.move(entry, new, who=who, why=why, now=now)
    if new == "to_do":
        rows.await_run(entry, now)
    rows.leave(entry.task.channel, new, now)


def _finish(rows: Table, bot: str, finish: Finish, now: float) -> bool:
    entry = rows.held(bot, finish.number, finish.run)
    if entry is None:
        return False
    task = entry.task
    new = settle(task.state, finish)
    entry.task = msgspec.structs.replace(
        task,
        bot="",
        not_before=finish.not_before,
        failures=task.failures + finish.burn,
        progress=1.0 if new == "done" else task.progress,
        outcome=finish.outcome or task.outcome,
        error=msgspec.msgpack.decode(finish.error) if finish.error else task.error,
    )
    who = f"bot:{bot}"
    if finish.park and new == "to_do":
        rows.move(entry, new, who=who, why=finish.why, now=now, wait="function")
    else:
        _moved(rows, entry, new, who=who, why=finish.why, now=now)
    return True


def _claim(rows: Table, bot: str, want: Want, now: float) -> list[Task]:
    slots, batch = want.slots, want.batch
    claimed = []
    for queue in want.queues:
        ready = [e for e in rows.entries.values() if e.task.queue == queue and e.task.wait == "ready"]
        ready.sort(key=lambda entry: (-entry.task.priority, entry.rank, entry.task.number))
        for entry in ready[: slots + batch + MAX_SKIP]:
            if place := admit(entry.task.function, want, slots, batch):
                slots, batch = slots - (place == "slot"), batch - (place == "batch")
                claimed.append(_take(rows, bot, entry, now))
    return claimed


def _take(rows: Table, bot: str, entry: Entry, now: float) -> Task:
    rows.took(entry)
    rows.move(entry, "is_processing", who=f"bot:{bot}", why="", now=now)
    run = entry.task.run + 1
    entry.task = msgspec.structs.replace(entry.task, bot=bot, run=run, started=now, progress=0.0, sentence="")
    return msgspec.structs.replace(entry.task, outcome=b"")
