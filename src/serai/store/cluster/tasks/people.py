"""Bots, paused channels, and how far schedules are."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.table import DUE, EXPIRES, Table, storable
from serai.store.taskrows.shelf import Look
from serai.store.tasks import BotRow, Pause

_PAUSE = """
INSERT INTO task_pause (channel, who, at, why) VALUES (%s, %s, %s, %s)
ON CONFLICT (channel) DO UPDATE SET who = excluded.who, at = excluded.at, why = excluded.why
"""
_MARK = """
INSERT INTO task_mark (schedule, at) VALUES (%s, %s) ON CONFLICT (schedule) DO UPDATE SET at = excluded.at
"""

BEAT = "UPDATE task_bot SET beat = beat + 1 WHERE name = %s"
LOOK = (
    f"SELECT EXISTS (SELECT 1 FROM task_bot WHERE name = %s), {DUE}, {EXPIRES}, "  # noqa: S608 - constants
    "EXISTS (SELECT 1 FROM task_gate)"
)


class PeopleTables(Table):
    """The tables ``task_bot``, ``task_pause`` and ``task_mark``."""

    def add_bot(self, bot: str, queues: Sequence[str], now: float) -> bool:
        """Insert a bot; False where there is one of that name."""
        sql = "INSERT INTO task_bot (name, beat, queues, since) VALUES (%s, 1, %s, %s) ON CONFLICT DO NOTHING"
        return self._tx.run(sql, (bot, "\n".join(queues), now)) == 1

    def look(self, bot: str) -> Look:
        """Look whether a bot is known, at the timers, and whether there are gates."""
        [row] = self._tx.rows(LOOK, (bot,))
        return Look(*row)

    def has_bot(self, bot: str) -> bool:
        """Tell whether there is a bot of that name."""
        return self._one("SELECT 1 FROM task_bot WHERE name = %s", bot) is not None

    def beat(self, bot: str) -> bool:
        """Count a bot's beat; False where there is none of that name."""
        return self._tx.run(BEAT, (bot,)) == 1

    def drop_bot(self, bot: str, beat: int | None) -> bool:
        """Delete a bot, where it has that beat or none is given; return whether it was there."""
        sql = "DELETE FROM task_bot WHERE name = %s AND beat = coalesce(%s::bigint, beat)"
        return self._tx.run(sql, (bot, beat)) == 1

    def bots(self) -> list[BotRow]:
        """Return bots by name."""
        rows = self._tx.rows("SELECT name, beat, queues, since FROM task_bot ORDER BY name")
        return [BotRow(name, beat, tuple(queues.split("\n")), since) for name, beat, queues, since in rows]

    def is_paused(self, channel: str) -> bool:
        """Tell whether a channel is paused."""
        return self._one("SELECT 1 FROM task_pause WHERE channel = %s", channel) is not None

    def put_pause(self, pause: Pause) -> None:
        """Write or replace a pause."""
        self._tx.later(_PAUSE, (pause.channel, pause.who, pause.at, storable(pause.why)))

    def drop_pause(self, channel: str) -> bool:
        """Delete a pause; return whether it was there."""
        return self._tx.run("DELETE FROM task_pause WHERE channel = %s", (channel,)) == 1

    def pauses(self) -> list[Pause]:
        """Return pauses by channel."""
        return [Pause(*row) for row in self._tx.rows("SELECT channel, who, at, why FROM task_pause ORDER BY channel")]

    def marks(self) -> dict[str, float]:
        """Return how far schedules were dealt with."""
        return dict(self._tx.rows("SELECT schedule, at FROM task_mark"))

    def put_mark(self, schedule: str, at: float | None) -> None:
        """Write or, with None, delete a mark."""
        if at is None:
            self._tx.later("DELETE FROM task_mark WHERE schedule = %s", (schedule,))
        else:
            self._tx.later(_MARK, (schedule, at))
