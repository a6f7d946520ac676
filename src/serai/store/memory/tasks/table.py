"""All that is kept about tasks."""

from __future__ import annotations

import msgspec

from serai.store.taskrows.gates import Gate
from serai.store.taskrows.lanes import Lane
from serai.store.tasks import BotRow, LogLine, Pause, StoryLine, Task

_KEY = "tasks"


class Entry(msgspec.Struct, kw_only=True):
    """A task's row and all that hangs on it."""

    task: Task
    lane: int | None = None
    lock: str | None = None
    firsts: list[int] = []
    story: list[StoryLine] = []
    log: list[LogLine] = []
    lines: int = 0


class Closed(msgspec.Struct):
    """A gate as it was written, and when it opens, where lanes stand under it."""

    gate: Gate
    opens: float | None
    at: float


class Table(msgspec.Struct):
    """All tasks of a store, and what else is kept about running them."""

    entries: dict[int, Entry] = {}  # by number, which grows: in order of insertion
    numbers: dict[str, int] = {}
    last: int = 0
    bots: dict[str, BotRow] = {}
    pauses: dict[str, Pause] = {}
    marks: dict[str, float] = {}
    lanes: dict[int, Lane] = {}
    times: dict[str, float] = {}
    gates: dict[tuple[str, str], Closed] = {}
    counts: dict[tuple[str, str], int] = {}


def table(state: dict[str, object]) -> Table:
    """Return the table within the engine's state."""
    found = state.setdefault(_KEY, Table())
    if not isinstance(found, Table):
        raise TypeError(_KEY)
    return found
