"""Bots, paused channels, and how far schedules are."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.embedded.tasks.table import DUE, EXPIRES, Table
from serai.store.taskrows.shelf import Look
from serai.store.tasks import BotRow, Pause

_LOOK = (
    f"SELECT EXISTS (SELECT 1 FROM task_bot WHERE name = ?), {DUE}, {EXPIRES}, "  # noqa: S608 - constants
    "EXISTS (SELECT 1 FROM task_gate)"
)


class PeopleTables(Table):
    """The tables ``task_bot``, ``task_pause`` and ``task_mark``."""

    def add_bot(self, bot: str, queues: Sequence[str], now: float) -> bool:
        """Insert a bot; False where there is one of that name."""
        sql = "INSERT INTO task_bot (name, beat, queues, since) VALUES (?, 1, ?, ?) ON CONFLICT DO NOTHING"
        return self._cursor.execute(sql, (bot, "\n".join(queues), now)).rowcount == 1

    def look(self, bot: str) -> Look:
        """Look whether a bot is known, and at the timers."""
        known, due, expires, gated = self._cursor.execute(_LOOK, (bot,)).fetchone()
        return Look(bool(known), due, expires, bool(gated))

    def has_bot(self, bot: str) -> bool:
        """Tell whether there is a bot of that name."""
        return self._one("SELECT 1 FROM task_bot WHERE name = ?", bot) is not None

    def beat(self, bot: str) -> bool:
        """Count a bot's beat; False where there is none of that name."""
        return self._cursor.execute("UPDATE task_bot SET beat = beat + 1 WHERE name = ?", (bot,)).rowcount == 1

    def drop_bot(self, bot: str, beat: int | None) -> bool:
        """Delete a bot, where it has that beat or none is given; return whether it was there."""
        sql = "DELETE FROM task_bot WHERE name = ? AND beat = coalesce(?, beat)"
        return self._cursor.execute(sql, (bot, beat)).rowcount == 1

    def bots(self) -> list[BotRow]:
        """Return bots by name."""
        rows = self._cursor.execute("SELECT name, beat, queues, since FROM task_bot ORDER BY name").fetchall()
        return [BotRow(name, beat, tuple(queues.split("\n")), since) for name, beat, queues, since in rows]

    def is_paused(self, channel: str) -> bool:
        """Tell whether a channel is paused."""
        return self._one("SELECT 1 FROM task_pause WHERE channel = ?", channel) is not None

    def put_pause(self, pause: Pause) -> None:
        """Write or replace a pause."""
        values = (pause.channel, pause.who, pause.at, pause.why)
        self._cursor.execute("INSERT OR REPLACE INTO task_pause (channel, who, at, why) VALUES (?, ?, ?, ?)", values)

    def drop_pause(self, channel: str) -> bool:
        """Delete a pause; return whether it was there."""
        return self._cursor.execute("DELETE FROM task_pause WHERE channel = ?", (channel,)).rowcount == 1

    def pauses(self) -> list[Pause]:
        """Return pauses by channel."""
        rows = self._cursor.execute("SELECT channel, who, at, why FROM task_pause ORDER BY channel").fetchall()
        return [Pause(*row) for row in rows]

    def marks(self) -> dict[str, float]:
        """Return how far schedules were dealt with."""
        return dict(self._cursor.execute("SELECT schedule, at FROM task_mark").fetchall())

    def put_mark(self, schedule: str, at: float | None) -> None:
        """Write or, with None, delete a mark."""
        if at is None:
            self._cursor.execute("DELETE FROM task_mark WHERE schedule = ?", (schedule,))
        else:
            self._cursor.execute("INSERT OR REPLACE INTO task_mark (schedule, at) VALUES (?, ?)", (schedule, at))
