"""What tasks wait for: a bot, their time, somebody who knows their function, their place in a channel, other tasks."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.table import AT_LANE, DUE, EXPIRES, Table, storable
from serai.store.taskrows.shelf import FOLLOWED, RELEASED, Head
from serai.store.tasks import Ended, Scope, Task, Wait

#: The index's own words, so that it is used.
_INSIDE = (
    "p.channel = %s AND p.channel <> '' AND p.state IN ('to_do', 'is_processing', 'to_cancel') "
    "AND p.wait NOT IN ('channel', 'tasks')"
)
_RUNS = "p.state IN ('is_processing', 'to_cancel')"
TO_CANCEL = f"SELECT p.number FROM task_place p WHERE p.bot = %s AND {_RUNS} AND p.state = 'to_cancel' ORDER BY 1"  # noqa: S608 - constants
_TIE_RUNNING = f"UPDATE task t SET ties = t.ties | %s::int FROM task_place p WHERE p.number = t.number AND {_RUNS}"  # noqa: S608 - constants
_TIMERS = f"SELECT {DUE}, {EXPIRES}"
_HEADS = """
SELECT t.number, t.queue, t.tenant, t.provider, t.channel, t.not_before,
       EXISTS (SELECT 1 FROM task_pause s WHERE s.channel = c.name)
FROM (SELECT name COLLATE "C" AS name FROM unnest(%s::text[]) AS u (name)) c
CROSS JOIN LATERAL (
    SELECT b.number FROM task_place b WHERE b.wait = 'channel' AND b.channel = c.name ORDER BY b.number LIMIT 1
) h
JOIN task t ON t.number = h.number
WHERE NOT EXISTS (
    SELECT 1 FROM task_place p WHERE p.channel = c.name AND p.channel <> ''
           AND p.state IN ('to_do', 'is_processing', 'to_cancel') AND p.wait NOT IN ('channel', 'tasks')
)
"""
_LET_IN = f"""
WITH l AS MATERIALIZED (SELECT {AT_LANE} AS id),
p AS (UPDATE task_place SET wait = %s, lane = l.id FROM l WHERE number = ANY (%s))
UPDATE task SET wait = %s, lane = l.id FROM l WHERE number = ANY (%s)
"""  # noqa: S608 - constants
_FIRSTS = """
SELECT t.id, t.function, t.state, coalesce(p.result, ''), t.failure
FROM task_after a JOIN task t ON t.number = a.first LEFT JOIN task_payload p ON p.task = t.number
WHERE a.task = %s ORDER BY a.position
"""


class WaitTables(Table):
    """The partial indexes of ``task_place``, and the table ``task_after``."""

    def parked(self, function: str, limit: int) -> list[Task]:
        """Return rows that wait for somebody who knows their function."""
        return self._placed("p.wait = 'function' AND p.function = %s ORDER BY p.number LIMIT %s", function, limit)

    def parked_of(self, tenant: str, app: str, limit: int) -> list[Task]:
        """Return rows of an app that wait for somebody who knows their function."""
        where = "p.wait = 'function' AND t.tenant = %s AND t.app = %s ORDER BY p.number LIMIT %s"
        return self._placed(where, tenant, app, limit)

    def due(self, now: float, limit: int) -> list[Task]:
        """Return rows whose time has come, earliest first."""
        return self._placed(
            "p.wait = 'time' AND p.not_before <= %s ORDER BY p.not_before, p.number LIMIT %s", now, limit
        )

    def expired(self, now: float, limit: int) -> list[Task]:
        """Return rows in to_do that had to start by now."""
        where = "p.expires > 0 AND p.state = 'to_do' AND p.expires <= %s ORDER BY p.expires, p.number LIMIT %s"
        return self._placed(where, now, limit)

    def timers(self) -> tuple[float | None, float | None]:
        """Return when the next row's time comes, and when the next one expires."""
        [(due, expires)] = self._tx.rows(_TIMERS)
        return due, expires

    def held(self, bot: str) -> list[Task]:
        """Return what a bot runs."""
        return self._placed(f"p.bot = %s AND {_RUNS} ORDER BY p.number", bot)

    def to_cancel(self, bot: str) -> list[int]:
        """Return the numbers of what a bot runs and has to stop."""
        return [number for (number,) in self._tx.rows(TO_CANCEL, (bot,))]

    def tie_running(self, scope: Scope, name: str, ties: int) -> int:
        """Add ties to all that runs in a scope; return how many that are."""
        return self._tx.run(f"{_TIE_RUNNING} AND t.{scope} = %s", (ties, name))

    def release_running(self, tenant: str, app: str) -> None:
        """Tie all that runs of an app with `RELEASED`."""
        self._tx.run(f"{_TIE_RUNNING} AND t.tenant = %s AND t.app = %s", (RELEASED, tenant, app))

    def children(self, parent: str, limit: int) -> list[Task]:
        """Return rows in to_do with this parent."""
        return self._rows("parent = %s AND parent <> '' AND state = 'to_do' ORDER BY number LIMIT %s", parent, limit)

    def inside(self, channel: str) -> int:
        """Count the rows inside a channel."""
        return int(self._one(f"SELECT count(*) FROM task_place p WHERE {_INSIDE}", channel))  # noqa: S608 - a constant

    def waiting_inside(self, channel: str) -> list[Task]:
        """Return rows inside a channel that are in to_do."""
        return self._placed(f"{_INSIDE} AND p.state = 'to_do' ORDER BY p.number", channel)

    def behind(self, channel: str, limit: int) -> list[Task]:
        """Return the first rows that wait for their place in a channel."""
        return self._placed("p.wait = 'channel' AND p.channel = %s ORDER BY p.number LIMIT %s", channel, limit)

    def heads(self, channels: Sequence[str]) -> list[Head]:
        """Return the first row that waits for its place in each of these channels that holds nobody."""
        return [Head(*row) for row in self._tx.rows(_HEADS, ([storable(channel) for channel in channels],))]

    def let_in(self, numbers: Sequence[int], wait: Wait, lane: int | None) -> None:
        """Set what rows wait for, and their lane."""
        self._tx.later(_LET_IN, (*self._lane(lane), wait, list(numbers), wait, list(numbers)))

    def link(self, number: int, firsts: Sequence[int]) -> None:
        """Keep which rows a row comes after, in this order, and tie those with `FOLLOWED`."""
        self._tx.later(
            "INSERT INTO task_after (task, position, first) "
            "SELECT %s, n - 1, first FROM unnest(%s::bigint[]) WITH ORDINALITY f (first, n)",
            (number, list(firsts)),
        )
        self._tx.later("UPDATE task SET ties = ties | %s::int WHERE number = ANY (%s)", (FOLLOWED, list(firsts)))

    def followers(self, number: int) -> list[Task]:
        """Return rows in to_do that come after a row and wait for tasks."""
        where = "number IN (SELECT task FROM task_after WHERE first = %s) AND wait = 'tasks' ORDER BY number"
        return self._rows(where, number)

    def firsts(self, number: int) -> list[Ended]:
        """Return what a row comes after, with results and errors."""
        return [Ended(*row) for row in self._tx.rows(_FIRSTS, (number,))]
