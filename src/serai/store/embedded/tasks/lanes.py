"""Lanes of ready tasks, and the virtual time of their queues."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.embedded.tasks.table import Table
from serai.store.taskrows.lanes import Lane

_LANE = "l.id, l.queue, l.tenant, l.provider, l.channel, l.time, l.shut"
_OPEN = f"SELECT {_LANE} FROM task_lane l WHERE queue = ? AND shut = '' ORDER BY time, id LIMIT ?"  # noqa: S608 - constants
_UNDER = f"SELECT {_LANE} FROM task_gate g JOIN task_lane l ON l.shut = g.key AND l.shut <> '' AND l.queue = ?1"  # noqa: S608
_REOPENED = f"""
{_UNDER} WHERE g.opens IS NOT NULL AND g.opens <= ?2
UNION ALL {_UNDER} WHERE g.opens IS NOT NULL AND g.at > ?2 AND g.opens > ?2 ORDER BY 6, 1 LIMIT ?3
"""


class LaneTable(Table):
    """The tables ``task_lane`` and ``task_time``."""

    def lane(self, queue: str, tenant: str, provider: str, channel: str) -> int:
        """Return the id of a lane; a new one begins at its queue's time, one task behind its tenant's others."""
        key = (queue, tenant, provider, channel)
        where = "queue = ? AND tenant = ? AND provider = ? AND channel = ?"
        found = self._one(f"SELECT id FROM task_lane WHERE {where}", *key)  # noqa: S608 - a constant
        if found is not None:
            return int(found)
        behind = self._one("SELECT max(time) + 1 FROM task_lane WHERE queue = ? AND tenant = ?", queue, tenant)
        sql = "INSERT INTO task_lane (queue, tenant, provider, channel, time) VALUES (?, ?, ?, ?, ?)"
        return self._cursor.execute(sql, (*key, max(self.time(queue), behind or 0.0))).lastrowid or 0

    def open_lanes(self, queue: str, limit: int) -> list[Lane]:
        """Return lanes that no gate closed, by time, then id."""
        return [_lane(row) for row in self._cursor.execute(_OPEN, (queue, limit)).fetchall()]

    def reopened(self, queue: str, now: float, limit: int) -> list[Lane]:
        """Return closed lanes whose gate opens by now, by time, then id."""
        return [_lane(row) for row in self._cursor.execute(_REOPENED, (queue, now, limit)).fetchall()]

    def siblings(self, queue: str, tenant: str) -> int:
        """Count a tenant's lanes in a queue that no gate closed."""
        sql = "SELECT count(*) FROM task_lane WHERE queue = ? AND tenant = ? AND shut = ''"
        return int(self._one(sql, queue, tenant))

    def put_lanes(self, lanes: Sequence[Lane]) -> None:
        """Write the time and the gate of lanes."""
        values = [(lane.time, lane.shut, lane.id) for lane in lanes]
        self._cursor.executemany("UPDATE task_lane SET time = ?, shut = ? WHERE id = ?", values)

    def release(self, shut: str) -> None:
        """Open all lanes that a gate closed, at their queue's time at the earliest."""
        self._cursor.execute(
            "UPDATE task_lane SET shut = '', time = max(time, coalesce((SELECT t.time FROM task_time t "
            "WHERE t.queue = task_lane.queue), 0)) WHERE shut = ? AND shut <> ''",
            (shut,),
        )

    def drop_lanes(self, lanes: Sequence[int]) -> None:
        """Delete lanes."""
        self._cursor.executemany("DELETE FROM task_lane WHERE id = ?", [(lane,) for lane in lanes])

    def time(self, queue: str) -> float:
        """Return the virtual time that a queue has reached; 0.0 for a new one."""
        return float(self._one("SELECT time FROM task_time WHERE queue = ?", queue) or 0.0)

    def put_time(self, queue: str, time: float) -> None:
        """Write the virtual time of a queue."""
        self._cursor.execute("INSERT OR REPLACE INTO task_time (queue, time) VALUES (?, ?)", (queue, time))


def _lane(row: tuple[int, str, str, str, str, float, str]) -> Lane:
    number, queue, tenant, provider, channel, time, shut = row
    return Lane(id=number, queue=queue, tenant=tenant, provider=provider, channel=channel, time=time, shut=shut)
