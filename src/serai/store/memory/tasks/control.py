"""What people ask for: cancel, retry, pause, resume; how far schedules are; and forgetting what is long over."""

from __future__ import annotations

import msgspec

from serai.errors import ConflictError
from serai.store.memory.tasks.table import Table, table
from serai.store.tasks import Pause, State


def cancel(state: dict[str, object], task: str, *, who: str, why: str, now: float) -> State:
    """Cancel what waits; ask for it where it runs."""
    rows = table(state)
    entry = rows.entry(task)
    old, was_head = entry.task.state, entry.task.wait != "channel"
    if old in {"to_cancel", "canceled"}:
        return old
    if old not in {"to_do", "is_processing"}:
        raise ConflictError(f"The task is over: {old}.", state=old)
    new: State = "canceled" if old == "to_do" else "to_cancel"
    rows.move(entry, new, who=who, why=why, now=now)
    if was_head:
        rows.leave(entry.task.channel, new, now)
    return new


def retry(state: dict[str, object], task: str, *, who: str, why: str, now: float) -> None:
    """Put a task that ended in error or canceled back to to_do, with all its retries."""
    rows = table(state)
    entry = rows.entry(task)
    old = entry.task.state
    if old not in {"error", "canceled"}:
        raise ConflictError(f"Only what ended in error or canceled is run again, not {old}.", state=old)
    busy = bool(entry.task.channel) and bool(rows.live(entry.task.channel))
    rows.move(entry, "to_do", who=who, why=why, now=now, wait="channel")
    entry.rank = 0
    entry.task = msgspec.structs.replace(entry.task, failures=0, lost=0, not_before=0.0, progress=0.0, sentence="")
    if not busy:
        rows.await_run(entry, now)


def pause(state: dict[str, object], channel: str, *, who: str, why: str, now: float) -> None:
    """Start nothing more of a channel; what runs goes on."""
    rows = table(state)
    rows.pauses[channel] = Pause(channel, who, now, why)
    _refresh_head(rows, channel, now)


def resume(state: dict[str, object], channel: str, *, now: float) -> bool:
    """End a pause; return whether there was one."""
    rows = table(state)
    if rows.pauses.pop(channel, None) is None:
        return False
    _refresh_head(rows, channel, now)
    return True


def marks(state: dict[str, object]) -> dict[str, float]:
    """Return how far each schedule was dealt with."""
    return dict(table(state).marks)


def mark(state: dict[str, object], schedule: str, at: float | None) -> None:
    """Keep how far a schedule was dealt with; None forgets it."""
    marks = table(state).marks
    marks.pop(schedule, None)
    if at is not None:
        marks[schedule] = at


def forget(state: dict[str, object], after: int, before: float, limit: int) -> int:
    """Look at ``limit`` tasks past a number and delete those finished before a time, with all their traces."""
    rows = table(state)
    looked = [entry for number, entry in rows.entries.items() if number > after][:limit]
    for entry in looked:
        if 0 < entry.task.finished < before:
            del rows.entries[entry.task.number]
            del rows.numbers[entry.task.id]
    return looked[-1].task.number if len(looked) == limit else 0


def _refresh_head(rows: Table, channel: str, now: float) -> None:
    for entry in rows.live(channel):
        if entry.task.wait in {"ready", "time", "paused"}:
            rows.await_run(entry, now)
