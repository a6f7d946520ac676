"""Read tasks."""

from __future__ import annotations

import msgspec

from serai.store.memory.tasks.table import table
from serai.store.tasks import MAX_PAGE, BotRow, Filter, LogLine, Pause, StoryLine, Task

_EQUALS = ("state", "tenant", "app", "function", "queue", "channel", "parent")


def get(state: dict[str, object], task: str) -> Task:
    """Return one task, arguments and result included."""
    return table(state).entry(task).task


def find(state: dict[str, object], wanted: Filter) -> list[Task]:
    """List tasks, newest first."""
    equals = [(field, value) for field in _EQUALS if (value := getattr(wanted, field)) is not None]
    found = [
        msgspec.structs.replace(entry.task, payload=b"", outcome=b"")
        for number, entry in reversed(table(state).entries.items())
        if (wanted.before is None or number < wanted.before)
        and all(getattr(entry.task, field) == value for field, value in equals)
    ]
    return found[: max(0, min(wanted.limit, MAX_PAGE))]


def story(state: dict[str, object], task: str) -> list[StoryLine]:
    """Return all transitions, oldest first."""
    return list(table(state).entry(task).story)


def log(state: dict[str, object], task: str, after: int) -> list[LogLine]:
    """Return the lines that are kept, those greater than ``after``."""
    return [line for line in table(state).entry(task).log if line.line > after]


def bots(state: dict[str, object]) -> list[BotRow]:
    """Return the bots that are enlisted, by name."""
    return [row for _, row in sorted(table(state).bots.items())]


def pauses(state: dict[str, object]) -> list[Pause]:
    """Return the paused channels, by name."""
    return [pause for _, pause in sorted(table(state).pauses.items())]
