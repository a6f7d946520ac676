"""What tasks wait for: a bot, their time, somebody who knows their function, their place in a channel, other tasks."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.table import Table
from serai.store.taskrows.shelf import FOLLOWED
from serai.store.tasks import Ended, Scope, Task

#: The index's own words, so that it is used.
_INSIDE = (
    "channel = %s AND channel <> '' AND state IN ('to_do', 'is_processing', 'to_cancel') "
    "AND wait NOT IN ('channel', 'tasks')"
)
_RUNS = "state IN ('is_processing', 'to_cancel')"
_READY = """
SELECT number, function, ties FROM task WHERE lane = %s ORDER BY priority DESC, number LIMIT %s OFFSET %s
"""
_FIRSTS = """
SELECT t.id, t.function, t.state, coalesce(p.result, ''), t.failure
FROM task_after a JOIN task t ON t.number = a.first LEFT JOIN task_payload p ON p.task = t.number
WHERE a.task = %s ORDER BY a.position
"""


class WaitTables(Table):
    """Partial indexes of ``task``, and the table ``task_after``."""

    def ready(self, lane: int, limit: int, skip: int = 0) -> list[tuple[int, str, int]]:
        """Return number, function and ties of a lane's rows past the first ones, by priority, then number."""
        return [(number, function, ties) for number, function, ties in self._tx.rows(_READY, (lane, limit, skip))]

    def parked(self, function: str, limit: int) -> list[Task]:
        """Return rows that wait for somebody who knows their function."""
        return self._rows("wait = 'function' AND function = %s ORDER BY number LIMIT %s", function, limit)

    def due(self, now: float, limit: int) -> list[Task]:
        """Return rows whose time has come, earliest first."""
        return self._rows("wait = 'time' AND not_before <= %s ORDER BY not_before, number LIMIT %s", now, limit)

    def expired(self, now: float, limit: int) -> list[Task]:
        """Return rows in to_do that had to start by now."""
        where = "expires > 0 AND state = 'to_do' AND expires <= %s ORDER BY expires, number LIMIT %s"
        return self._rows(where, now, limit)

    def next_due(self) -> float | None:
        """Return when the next row's time comes."""
        found = self._one("SELECT min(not_before) FROM task WHERE wait = 'time'")
        return None if found is None else float(found)

    def held(self, bot: str) -> list[Task]:
        """Return what a bot runs."""
        return self._rows(f"bot = %s AND {_RUNS} ORDER BY number", bot)

    def to_cancel(self, bot: str) -> list[int]:
        """Return the numbers of what a bot runs and has to stop."""
        sql = f"SELECT number FROM task WHERE bot = %s AND {_RUNS} AND state = 'to_cancel' ORDER BY number"  # noqa: S608 - constants
        return [number for (number,) in self._tx.rows(sql, (bot,))]

    def tie_running(self, scope: Scope, name: str, ties: int) -> int:
        """Add ties to all that runs in a scope; return how many that are."""
        sql = f"UPDATE task SET ties = ties | %s::int WHERE {_RUNS} AND {scope} = %s"  # noqa: S608 - constants
        return self._tx.run(sql, (ties, name))

    def children(self, parent: str, limit: int) -> list[Task]:
        """Return rows in to_do with this parent."""
        return self._rows("parent = %s AND parent <> '' AND state = 'to_do' ORDER BY number LIMIT %s", parent, limit)

    def inside(self, channel: str) -> int:
        """Count the rows inside a channel."""
        return int(self._one(f"SELECT count(*) FROM task WHERE {_INSIDE}", channel))  # noqa: S608 - a constant

    def waiting_inside(self, channel: str) -> list[Task]:
        """Return rows inside a channel that are in to_do."""
        return self._rows(f"{_INSIDE} AND state = 'to_do' ORDER BY number", channel)

    def behind(self, channel: str, limit: int) -> list[Task]:
        """Return the first rows that wait for their place in a channel."""
        return self._rows("wait = 'channel' AND channel = %s ORDER BY number LIMIT %s", channel, limit)

    def link(self, number: int, firsts: Sequence[int]) -> None:
        """Keep which rows a row comes after, in this order, and tie those with `FOLLOWED`."""
        self._tx.run(
            "INSERT INTO task_after (task, position, first) "
            "SELECT %s, n - 1, first FROM unnest(%s::bigint[]) WITH ORDINALITY f (first, n)",
            (number, list(firsts)),
        )
        self._tx.run("UPDATE task SET ties = ties | %s::int WHERE number = ANY (%s)", (FOLLOWED, list(firsts)))

    def followers(self, number: int) -> list[Task]:
        """Return rows in to_do that come after a row and wait for tasks."""
        where = "number IN (SELECT task FROM task_after WHERE first = %s) AND wait = 'tasks' ORDER BY number"
        return self._rows(where, number)

    def firsts(self, number: int) -> list[Ended]:
        """Return what a row comes after, with results and errors."""
        return [Ended(*row) for row in self._tx.rows(_FIRSTS, (number,))]
