"""The table, and what every move of a task has in common."""

from __future__ import annotations

import msgspec

from serai.errors import ConflictError, NotFoundError
from serai.store.tasks import FINAL, LIVE, MAX_WHY, BotRow, LogLine, Pause, State, StoryLine, Task, Wait

_KEY = "tasks"


class Entry(msgspec.Struct, kw_only=True):
    """A task's row and all that hangs on it."""

    task: Task
    rank: int = 0
    story: list[StoryLine] = []
    log: list[LogLine] = []
    lines: int = 0


class Table:
    """All tasks of a store, and what else is kept about running them."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}  # by number, which grows: in order of insertion
        self.numbers: dict[str, int] = {}
        self.last = 0
        self.bots: dict[str, BotRow] = {}
        self.pauses: dict[str, Pause] = {}
        self.marks: dict[str, float] = {}
        self._flows: dict[tuple[str, int, str], int] = {}
        self._turns: dict[tuple[str, int], int] = {}

    def entry(self, task: str) -> Entry:
        """Return a task's entry, or raise `NotFoundError`."""
        if task not in self.numbers:
            raise NotFoundError(f"There is no task {task}.", task=task)
        return self.entries[self.numbers[task]]

    def held(self, bot: str, number: int, run: int) -> Entry | None:
        """Return the entry of a run that a bot holds."""
        entry = self.entries.get(number)
        return entry if entry and entry.task.bot == bot and entry.task.run == run else None

    def live(self, channel: str) -> list[Entry]:
        """Return a channel's live tasks, oldest first."""
        return [e for e in self.entries.values() if e.task.channel == channel and e.task.state in LIVE]

    def beat(self, bot: str) -> None:
        """Count a beat, or raise `ConflictError` for a bot that was struck off."""
        row = self.bots.get(bot)
        if row is None:
            raise ConflictError(f"The bot {bot} is not enlisted any more: its lease was lost.", bot=bot)
        self.bots[bot] = msgspec.structs.replace(row, beat=row.beat + 1)

    def move(self, entry: Entry, new: State, *, who: str, why: str, now: float, wait: Wait = "") -> None:
        """Change a task's state and tell it; the caller sees to what else changes."""
        task = entry.task
        entry.story.append(StoryLine(now, who, task.state, new, why[:MAX_WHY]))
        finished = now if new in FINAL else 0.0
        entry.task = msgspec.structs.replace(task, state=new, wait=wait, finished=finished)

    def await_run(self, entry: Entry, now: float) -> None:
        """Let a task that is first in its channel wait for what it has to; give it a turn if it has none."""
        task = entry.task
        wait: Wait = "time" if task.not_before > now else "ready"
        if task.channel in self.pauses:
            wait = "paused"
        if wait == "ready" and not entry.rank:
            flow = (task.queue, task.priority, task.tenant)
            turn = self._turns.get(flow[:2], 0)
            entry.rank = self._flows[flow] = 1 + max(self._flows.get(flow, 0), turn)
        entry.task = msgspec.structs.replace(task, wait=wait)

    def took(self, entry: Entry) -> None:
        """Keep where a queue is: newcomers come after it."""
        queue = (entry.task.queue, entry.task.priority)
        self._turns[queue] = max(self._turns.get(queue, 0), entry.rank)

    def leave(self, channel: str, new: State, now: float) -> None:
        """Let the next task of a channel come to its head, where the one before it has ended."""
        if channel and new in FINAL and (waiting := self.live(channel)) and waiting[0].task.wait == "channel":
            self.await_run(waiting[0], now)


def table(state: dict[str, object]) -> Table:
    """Return the table within the engine's state."""
    found = state.setdefault(_KEY, Table())
    if not isinstance(found, Table):
        raise TypeError(_KEY)
    return found
