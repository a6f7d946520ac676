"""Lanes of ready tasks, and the virtual time of their queues."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.table import Table
from serai.store.taskrows.lanes import Lane

_LANE = "l.id, l.queue, l.tenant, l.provider, l.channel, l.time, l.shut"
_OPEN = f"SELECT {_LANE} FROM task_lane l WHERE queue = %s AND shut = '' ORDER BY time, id LIMIT %s"  # noqa: S608 - constants
_REOPENED = f"""
SELECT {_LANE} FROM task_gate g JOIN task_lane l ON l.shut = g.key AND l.shut <> '' AND l.queue = %s
WHERE g.opens IS NOT NULL AND (g.opens <= %s OR g.at > %s) ORDER BY l.time, l.id LIMIT %s
"""  # noqa: S608 - constants
_FIND = "SELECT id FROM task_lane WHERE queue = %s AND tenant = %s AND provider = %s AND channel = %s"
_NEW = """
INSERT INTO task_lane (queue, tenant, provider, channel, time)
SELECT q, w, %s, %s, greatest((SELECT t.time FROM task_time t WHERE t.queue = q),
                             (SELECT max(l.time) + 1 FROM task_lane l WHERE l.queue = q AND l.tenant = w), 0)
FROM (SELECT %s::text COLLATE "C" AS q, %s::text COLLATE "C" AS w) one RETURNING id
"""
_PUT = """
UPDATE task_lane l SET time = n.time, shut = n.shut
FROM unnest(%s::bigint[], %s::double precision[], %s::text[]) n (id, time, shut) WHERE l.id = n.id
"""


class LaneTable(Table):
    """The tables ``task_lane`` and ``task_time``."""

    def lane(self, queue: str, tenant: str, provider: str, channel: str) -> int:
        """Return the id of a lane; a new one begins at its queue's time, one task behind its tenant's others.

        Who is idle there will be told.
        """
        self._tx.queues.add(queue)
        key = (queue, tenant, provider, channel)
        if key not in self._tx.lanes:
            found = self._one(_FIND, *key)
            self._tx.lanes[key] = int(self._one(_NEW, provider, channel, queue, tenant) if found is None else found)
        return self._tx.lanes[key]

    def open_lanes(self, queue: str, limit: int) -> list[Lane]:
        """Return lanes that no gate closed, by time, then id."""
        return [_lane(*row) for row in self._tx.rows(_OPEN, (queue, limit))]

    def reopened(self, queue: str, now: float, limit: int) -> list[Lane]:
        """Return closed lanes whose gate opens by now, or was written later than that: a clock went back."""
        return [_lane(*row) for row in self._tx.rows(_REOPENED, (queue, now, now, limit))]

    def siblings(self, queue: str, tenant: str) -> int:
        """Count a tenant's lanes in a queue that no gate closed."""
        sql = "SELECT count(*) FROM task_lane WHERE queue = %s AND tenant = %s AND shut = ''"
        return int(self._one(sql, queue, tenant))

    def put_lanes(self, lanes: Sequence[Lane]) -> None:
        """Write the time and the gate of lanes."""
        last = {lane.id: lane for lane in lanes}
        self._tx.run(_PUT, (list(last), [each.time for each in last.values()], [each.shut for each in last.values()]))

    def release(self, shut: str) -> None:
        """Open all lanes that a gate closed, at their queue's time at the earliest."""
        self._tx.run(
            "UPDATE task_lane l SET shut = '', time = greatest(l.time, (SELECT t.time FROM task_time t "
            "WHERE t.queue = l.queue)) WHERE shut = %s AND shut <> ''",
            (shut,),
        )

    def drop_lanes(self, lanes: Sequence[int]) -> None:
        """Delete lanes."""
        self._tx.lanes.clear()
        self._tx.run("DELETE FROM task_lane WHERE id = ANY (%s)", (list(lanes),))

    def time(self, queue: str) -> float:
        """Return the virtual time that a queue has reached; 0.0 for a new one."""
        return float(self._one("SELECT time FROM task_time WHERE queue = %s", queue) or 0.0)

    def put_time(self, queue: str, time: float) -> None:
        """Write the virtual time of a queue."""
        self._tx.run(
            "INSERT INTO task_time (queue, time) VALUES (%s, %s) "
            "ON CONFLICT (queue) DO UPDATE SET time = excluded.time",
            (queue, time),
        )


def _lane(number: int, queue: str, tenant: str, provider: str, channel: str, time: float, shut: str) -> Lane:
    return Lane(id=number, queue=queue, tenant=tenant, provider=provider, channel=channel, time=time, shut=shut)
