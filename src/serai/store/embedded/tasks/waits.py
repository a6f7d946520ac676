"""What tasks wait for: a bot, their time, somebody who knows their function, their place in a channel, other tasks."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.embedded.tasks.table import COLUMNS, DUE, EXPIRES, RUNNING, Table, as_json
from serai.store.taskrows.shelf import FOLLOWED, RELEASED, Head
from serai.store.tasks import Ended, Scope, Task, Wait

#: The index's own words, so that SQLite uses it.
_INSIDE = (
    "channel = ? AND channel <> '' AND state IN ('to_do', 'is_processing', 'to_cancel') "
    "AND wait NOT IN ('channel', 'tasks')"
)
_READY = "SELECT number, function FROM task WHERE lane = ? ORDER BY priority DESC, number LIMIT ? OFFSET ?"
_TIE = "UPDATE task SET ties = ties | ? WHERE number = ?"
_TIMERS = f"SELECT {DUE}, {EXPIRES}"
#: By the index of those behind: its entries end with the number.
_HEADS = """
SELECT t.number, t.queue, t.tenant, t.provider, t.channel, t.not_before,
       EXISTS (SELECT 1 FROM task_pause AS p WHERE p.channel = j.value)
FROM json_each(?) AS j CROSS JOIN task AS t
WHERE t.number = (SELECT min(b.number) FROM task AS b WHERE b.wait = 'channel' AND b.channel = j.value)
      AND NOT EXISTS (
          SELECT 1 FROM task AS i INDEXED BY task_inside
          WHERE i.channel = j.value AND i.channel <> '' AND i.state IN ('to_do', 'is_processing', 'to_cancel')
                AND i.wait NOT IN ('channel', 'tasks')
      )
"""
_LET_IN = "UPDATE task SET wait = ?, lane = ? WHERE number IN (SELECT value FROM json_each(?))"
#: The numbers of all that runs.
_UNDER_WAY = f"{RUNNING} UNION ALL SELECT number FROM task INDEXED BY task_to_cancel WHERE state = 'to_cancel'"  # noqa: S608 - constants
_RELEASE = f"UPDATE task SET ties = ties | ? WHERE number IN ({_UNDER_WAY}) AND +tenant = ? AND +app = ?"  # noqa: S608 - constants


class WaitTables(Table):
    """Partial indexes of ``task``, and the table ``task_after``."""

    def ready(self, lane: int, limit: int, skip: int) -> list[tuple[int, str]]:
        """Return number and function of a lane's rows past the first ones, by priority, then number."""
        return self._cursor.execute(_READY, (lane, limit, skip)).fetchall()

    def functions(self, lane: int, limit: int, skip: int) -> set[str]:
        """Return the functions of the rows that `ready` would return."""
        sql = f"SELECT DISTINCT function FROM ({_READY})"  # noqa: S608 - a constant
        return {function for (function,) in self._cursor.execute(sql, (lane, limit, skip))}

    def parked(self, function: str, limit: int) -> list[Task]:
        """Return rows that wait for somebody who knows their function."""
        return self._rows("wait = 'function' AND function = ? ORDER BY number LIMIT ?", function, limit)

    def parked_of(self, tenant: str, app: str, limit: int) -> list[Task]:
        """Return rows of an app that wait for somebody who knows their function."""
        where = "wait = 'function' AND tenant = ? AND app = ? ORDER BY number LIMIT ?"
        # The tenant's own index holds all that it ever had.
        found = self._cursor.execute(
            f"SELECT {COLUMNS} FROM task INDEXED BY task_parked WHERE {where}",  # noqa: S608 - constants
            (tenant, app, limit),
        )
        return [Task(*row) for row in found.fetchall()]

    def due(self, now: float, limit: int) -> list[Task]:
        """Return rows whose time has come, earliest first."""
        return self._rows("wait = 'time' AND not_before <= ? ORDER BY not_before, number LIMIT ?", now, limit)

    def expired(self, now: float, limit: int) -> list[Task]:
        """Return rows in to_do that had to start by now."""
        where = "expires > 0 AND state = 'to_do' AND expires <= ? ORDER BY expires, number LIMIT ?"
        return self._rows(where, now, limit)

    def timers(self) -> tuple[float | None, float | None]:
        """Return when the next row's time comes, and when the next one expires."""
        due, expires = self._cursor.execute(_TIMERS).fetchone()
        return due, expires

    def held(self, bot: str) -> list[Task]:
        """Return what a bot runs."""
        return self._rows(f"number IN ({_UNDER_WAY}) AND bot = ? ORDER BY number", bot)

    def to_cancel(self, bot: str) -> list[int]:
        """Return the numbers of what a bot runs and has to stop."""
        sql = "SELECT number FROM task WHERE bot = ? AND state = 'to_cancel' ORDER BY number"
        return [number for (number,) in self._cursor.execute(sql, (bot,))]

    def tie_running(self, scope: Scope, name: str, ties: int) -> int:
        """Add ties to all that runs in a scope; return how many that are."""
        # By number: the scope's own index holds all that ever was. A plus keeps SQLite from it.
        sql = f"SELECT number FROM task WHERE number IN ({_UNDER_WAY}) AND +{scope} = ?"  # noqa: S608 - constants
        found = self._cursor.execute(sql, (name,)).fetchall()
        self._cursor.executemany(_TIE, [(ties, number) for (number,) in found])
        return len(found)

    def release_running(self, tenant: str, app: str) -> None:
        """Tie all that runs of an app with `RELEASED`."""
        self._cursor.execute(_RELEASE, (RELEASED, tenant, app))

    def children(self, parent: str, limit: int) -> list[Task]:
        """Return rows in to_do with this parent."""
        return self._rows("parent = ? AND parent <> '' AND state = 'to_do' ORDER BY number LIMIT ?", parent, limit)

    def inside(self, channel: str) -> int:
        """Count the rows inside a channel."""
        return int(self._one(f"SELECT count(*) FROM task INDEXED BY task_inside WHERE {_INSIDE}", channel))  # noqa: S608 - a constant

    def waiting_inside(self, channel: str) -> list[Task]:
        """Return rows inside a channel that are in to_do."""
        return self._rows(f"{_INSIDE} AND state = 'to_do' ORDER BY number", channel)

    def behind(self, channel: str, limit: int) -> list[Task]:
        """Return the first rows that wait for their place in a channel."""
        return self._rows("wait = 'channel' AND channel = ? ORDER BY number LIMIT ?", channel, limit)

    def heads(self, channels: Sequence[str]) -> list[Head]:
        """Return the first row that waits for its place in each of these channels that holds nobody."""
        found = self._cursor.execute(_HEADS, (as_json(channels),)).fetchall()
        return [Head(*row) for row in found]

    def let_in(self, numbers: Sequence[int], wait: Wait, lane: int | None) -> None:
        """Set what rows wait for, and their lane."""
        self._cursor.execute(_LET_IN, (wait, lane, as_json(numbers)))

    def link(self, number: int, firsts: Sequence[int]) -> None:
        """Keep which rows a row comes after, in this order, and tie those with `FOLLOWED`."""
        rows = [(number, position, first) for position, first in enumerate(firsts)]
        self._cursor.executemany("INSERT INTO task_after (task, position, first) VALUES (?, ?, ?)", rows)
        self._cursor.executemany(_TIE, [(FOLLOWED, first) for first in firsts])

    def followers(self, number: int) -> list[Task]:
        """Return rows in to_do that come after a row and wait for tasks."""
        where = "number IN (SELECT task FROM task_after WHERE first = ?) AND wait = 'tasks' ORDER BY number"
        return self._rows(where, number)

    def firsts(self, number: int) -> list[Ended]:
        """Return what a row comes after, with results and errors."""
        found = self._cursor.execute(
            "SELECT t.id, t.function, t.state, coalesce(p.result, x''), t.failure FROM task_after a "
            "JOIN task t ON t.number = a.first LEFT JOIN task_payload p ON p.task = t.number "
            "WHERE a.task = ? ORDER BY a.position",
            (number,),
        )
        return [Ended(*row) for row in found.fetchall()]
