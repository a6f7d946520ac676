"""What tasks leave behind, bots, paused channels, how far schedules are, and how many tasks of apps wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from serai.store.memory.tasks.rows import Memory
from serai.store.tasks import MAX_LOG_LINES, BotRow, LogLine, Miscount, Pause, StoryLine


class PeopleTables(Memory):
    """Stories, logs, bots, pauses, marks, counts."""

    def tell(self, number: int, lines: Sequence[StoryLine]) -> None:
        """Write lines to the end of a story."""
        self._table.entries[number].story += lines

    def told(self, number: int) -> list[StoryLine]:
        """Return the lines of a story that were written, oldest first."""
        return list(self._table.entries[number].story)

    def log(self, number: int, lines: Sequence[tuple[float, str]]) -> None:
        """Write log lines, and drop the oldest beyond `MAX_LOG_LINES`."""
        entry = self._table.entries[number]
        for at, text in lines:
            entry.lines += 1
            entry.log.append(LogLine(entry.lines, at, text))
        del entry.log[:-MAX_LOG_LINES]

    def logged(self, number: int, after: int) -> list[LogLine]:
        """Return log lines greater than ``after``."""
        return [line for line in self._table.entries[number].log if line.line > after]

    def forget(self, after: int, before: float, limit: int) -> int:
        """Look at ``limit`` tasks past a number and delete those finished before a time, with all their traces."""
        looked = [entry.task for number, entry in self._table.entries.items() if number > after][:limit]
        for task in looked:
            if 0 < task.finished < before:
                del self._table.entries[task.number]
                del self._table.numbers[task.id]
        return looked[-1].number if len(looked) == limit else 0

    def add_bot(self, bot: str, queues: Sequence[str], now: float) -> bool:
        """Insert a bot; False where there is one of that name."""
        fresh = bot not in self._table.bots
        if fresh:
            self._table.bots[bot] = BotRow(bot, 1, tuple(queues), now)
        return fresh

    def has_bot(self, bot: str) -> bool:
        """Tell whether there is a bot of that name."""
        return bot in self._table.bots

    def beat(self, bot: str) -> bool:
        """Count a bot's beat; False where there is none of that name."""
        row = self._table.bots.get(bot)
        if row is not None:
            self._table.bots[bot] = msgspec.structs.replace(row, beat=row.beat + 1)
        return row is not None

    def drop_bot(self, bot: str, beat: int | None) -> bool:
        """Delete a bot, where it has that beat or none is given; return whether it was there."""
        row = self._table.bots.get(bot)
        found = row is not None and beat in {None, row.beat}
        if found:
            del self._table.bots[bot]
        return found

    def bots(self) -> list[BotRow]:
        """Return bots by name."""
        return [row for _, row in sorted(self._table.bots.items())]

    def is_paused(self, channel: str) -> bool:
        """Tell whether a channel is paused."""
        return channel in self._table.pauses

    def put_pause(self, pause: Pause) -> None:
        """Write or replace a pause."""
        self._table.pauses[pause.channel] = pause

    def drop_pause(self, channel: str) -> bool:
        """Delete a pause; return whether it was there."""
        return self._table.pauses.pop(channel, None) is not None

    def pauses(self) -> list[Pause]:
        """Return pauses by channel."""
        return [pause for _, pause in sorted(self._table.pauses.items())]

    def marks(self) -> dict[str, float]:
        """Return how far schedules were dealt with."""
        return dict(self._table.marks)

    def put_mark(self, schedule: str, at: float | None) -> None:
        """Write or, with None, delete a mark."""
        self._table.marks.pop(schedule, None)
        if at is not None:
            self._table.marks[schedule] = at

    def waiting(self, tenant: str, app: str) -> int:
        """Return how many rows in to_do were counted of an app, or with "" of all apps of a tenant."""
        of = ((whose, waiting) for whose, waiting in self._table.counts.items() if whose[0] == tenant)
        return sum(waiting for whose, waiting in of if app in {"", whose[1]})

    def count(self, changes: Sequence[tuple[str, str, int]]) -> None:
        """Add to what was counted of apps."""
        for tenant, app, by in changes:
            self._table.counts[tenant, app] = self._table.counts.get((tenant, app), 0) + by

    def miscounted(self) -> list[Miscount]:
        """Look at all rows; return of which apps what was counted is not what there is."""
        waiting = self._tasks(lambda task: task.state == "to_do" and task.app != "")
        there = Counter((task.tenant, task.app) for task in waiting)
        wrong = Counter(there)
        wrong.subtract(self._table.counts)
        return [Miscount(*whose, by, 0) for whose, by in sorted(wrong.items()) if by or not there[whose]]

    def recount(self, found: Sequence[Miscount]) -> None:
        """Set right what was miscounted; forget what was 0."""
        self.count([(one.tenant, one.app, one.by) for one in found])
        self._table.counts = {whose: waiting for whose, waiting in self._table.counts.items() if waiting}
