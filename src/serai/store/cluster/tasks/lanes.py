"""Lanes of ready tasks, and the virtual time of their queues."""

from __future__ import annotations

from collections.abc import Sequence

from serai.store.cluster.tasks.table import Table
from serai.store.cluster.tx import Tx
from serai.store.taskrows.lanes import Lane

_LANE = "l.id, l.queue, l.tenant, l.provider, l.channel, l.time, l.shut"
#: Tasks read for that alone.
_MOST_SPARE = 1024
#: Each with its tenant's count of them, the queue's time, and the numbers and functions of its first tasks: as many as
#: it will be asked for, and where there are several, twice its share; and those among which a claim looks for another
#: sort where there are places for two.
_OPEN = f"""
WITH o AS MATERIALIZED (
    SELECT {_LANE} FROM task_lane l WHERE queue = %(queue)s AND shut = '' ORDER BY time, id LIMIT %(limit)s
), n AS MATERIALIZED (
    SELECT count(*) > 1 AS rivals,
           %(places)s * 2 / greatest(count(*), 2) + 1 + least(%(spare)s, {_MOST_SPARE} / greatest(count(*), 1)) AS each
    FROM o
),
s AS MATERIALIZED (
    SELECT tenant, count(*) FROM task_lane
    WHERE queue = %(queue)s AND shut = '' AND tenant IN (SELECT tenant FROM o) AND (SELECT rivals FROM n)
    GROUP BY tenant
)
SELECT o.*, coalesce(s.count, 1), (SELECT time FROM task_time WHERE queue = %(queue)s), n.each, f.numbers, f.functions
FROM o CROSS JOIN n LEFT JOIN s ON s.tenant = o.tenant CROSS JOIN LATERAL (
    SELECT array_agg(r.number) AS numbers, array_agg(r.function) AS functions
    FROM (SELECT number, function FROM task_place WHERE lane = o.id ORDER BY priority DESC, number
          LIMIT (SELECT each FROM n) {{}}) r
) f ORDER BY o.time, o.id
"""  # noqa: S608 - constants
OPEN = _OPEN.format("")
#: Leaves out what another one is about to take; who shares has to do with the rows that it gets so.
OPEN_SHARED = _OPEN.format("FOR UPDATE SKIP LOCKED")
READY = "SELECT number, function FROM task_place WHERE lane = %s ORDER BY priority DESC, number LIMIT %s OFFSET %s"
_TIME = "SELECT time FROM task_time WHERE queue = %s"
_SIBLINGS = "SELECT count(*) FROM task_lane WHERE queue = %s AND tenant = %s AND shut = ''"
_REOPENED = f"""
SELECT {_LANE} FROM task_gate g JOIN task_lane l ON l.shut = g.key AND l.shut <> '' AND l.queue = %s
WHERE g.opens IS NOT NULL AND (g.opens <= %s OR g.at > %s) ORDER BY l.time, l.id LIMIT %s
"""  # noqa: S608 - constants
#: Others may move them, too: in one order, so that nobody waits for one that waits for it.
MOVE = """
WITH o AS MATERIALIZED (SELECT id FROM task_lane WHERE id = ANY (%s) ORDER BY id FOR UPDATE)
UPDATE task_lane l SET time = l.time + n.step
FROM o JOIN unnest(%s::bigint[], %s::double precision[]) n (id, step) ON n.id = o.id WHERE l.id = o.id
"""
_DROP = """
DELETE FROM task_lane l USING (SELECT id FROM task_lane WHERE id {} FOR UPDATE SKIP LOCKED) o
WHERE l.id = o.id AND NOT EXISTS (SELECT 1 FROM task_place p WHERE p.lane = l.id)
"""
#: What another one is about to take stands there still. One is dropped by itself, as one task is taken.
DROP_ONE, DROP = _DROP.format("= %s"), _DROP.format("= ANY (%s)")
#: The same of any of a queue.
DROP_EMPTY = """
DELETE FROM task_lane l USING (SELECT id FROM task_lane WHERE queue = %s AND shut = '' LIMIT 2 FOR UPDATE SKIP LOCKED) o
WHERE l.id = o.id AND NOT EXISTS (SELECT 1 FROM task_place p WHERE p.lane = l.id)
"""
PUT_TIME = """
INSERT INTO task_time AS t (queue, time) VALUES (%s, %s)
ON CONFLICT (queue) DO UPDATE SET time = greatest(t.time, excluded.time)
"""
_PUT = """
UPDATE task_lane l SET time = n.time, shut = n.shut
FROM unnest(%s::bigint[], %s::double precision[], %s::text[]) n (id, time, shut) WHERE l.id = n.id
"""


class LaneTable(Table):
    """The tables ``task_lane`` and ``task_time``, and the tasks that are ready in lanes."""

    def __init__(self, tx: Tx) -> None:
        super().__init__(tx)
        self._first: dict[int, tuple[int, list[tuple[int, str]]]] = {}  # of open lanes, and how many were asked for
        self._siblings: dict[tuple[str, str], int] = {}  # as they were when the queue's lanes were read
        self._times: dict[str, float] = {}
        self._read: dict[int, float] = {}  # times of lanes

    def lane(self, queue: str, tenant: str, provider: str, channel: str) -> int:
        """Return what stands for a lane in this transaction: there it is as soon as a task stands in it.

        Who is idle there will be told.
        """
        self._tx.queues.add(queue)
        self._tx.lanes.append((queue, tenant, provider, channel))
        return len(self._tx.lanes) - 1

    def open_lanes(self, queue: str, limit: int) -> list[Lane]:
        """Return lanes that no gate closed, by time, then id."""
        lanes = []
        for *columns, siblings, time, each, numbers, functions in self._tx.rows(
            OPEN_SHARED if self._tx.shares else OPEN, self._tx.look_at(queue, limit)
        ):
            lanes.append(lane := _lane(*columns))
            self._read[lane.id] = lane.time
            self._siblings[queue, lane.tenant] = siblings
            self._times[queue] = time or 0.0
            self._first[lane.id] = each, list(zip(numbers or (), functions or (), strict=True))
        return self._seen(lanes)

    def reopened(self, queue: str, now: float, limit: int) -> list[Lane]:
        """Return closed lanes whose gate opens by now, or was written later than that: a clock went back."""
        return self._seen([_lane(*row) for row in self._tx.rows(_REOPENED, (queue, now, now, limit))])

    def siblings(self, queue: str, tenant: str) -> int:
        """Count a tenant's lanes in a queue that no gate closed."""
        if (queue, tenant) not in self._siblings:
            self._siblings[queue, tenant] = int(self._one(_SIBLINGS, queue, tenant))
        return self._siblings[queue, tenant]

    def ready(self, lane: int, limit: int, skip: int) -> list[tuple[int, str]]:
        """Return number and function of a lane's rows past the first ones, by priority, then number."""
        known = self._known(lane, limit, skip)
        if known is not None:
            return known
        return [(number, function) for number, function in self._tx.rows(READY, (lane, limit, skip))]

    def functions(self, lane: int, limit: int, skip: int) -> set[str]:
        """Return the functions of the rows that `ready` would return."""
        known = self._known(lane, limit, skip)
        if known is not None:
            return {function for _, function in known}
        sql = f"SELECT DISTINCT function FROM ({READY}) r"  # noqa: S608 - a constant
        return {function for (function,) in self._tx.rows(sql, (lane, limit, skip))}

    def put_lanes(self, lanes: Sequence[Lane]) -> None:
        """Write the time and the gate of lanes."""
        last = {lane.id: lane for lane in lanes}
        if self._tx.shares:
            steps = [lane.time - self._read[lane.id] for lane in last.values()]
            self._tx.later(MOVE, (list(last), list(last), steps))
            return
        self._tx.later(_PUT, (list(last), [each.time for each in last.values()], [each.shut for each in last.values()]))

    def release(self, shut: str) -> None:
        """Open all lanes that a gate closed, at their queue's time at the earliest."""
        self._tx.later(
            "UPDATE task_lane l SET shut = '', time = greatest(l.time, (SELECT t.time FROM task_time t "
            "WHERE t.queue = l.queue)) WHERE shut = %s AND shut <> ''",
            (shut,),
        )

    def drop_lanes(self, lanes: Sequence[int]) -> None:
        """Delete lanes, at the exchange's end and where nothing stands in them then."""
        self._tx.emptied += lanes

    def time(self, queue: str) -> float:
        """Return the virtual time that a queue has reached; 0.0 for a new one."""
        if queue not in self._times:
            self._times[queue] = float(self._one(_TIME, queue) or 0.0)
        return self._times[queue]

    def put_time(self, queue: str, time: float) -> None:
        """Write the virtual time of a queue."""
        self._times[queue] = time
        self._tx.later(PUT_TIME, (queue, time))

    def _known(self, lane: int, limit: int, skip: int) -> list[tuple[int, str]] | None:
        """Return rows that came with their lane, or None where they are others."""
        each, first = self._first.get(lane, (0, []))
        return first[skip : skip + limit] if skip + limit <= len(first) or len(first) < each else None

    def _seen(self, lanes: list[Lane]) -> list[Lane]:
        self._tx.lanes_seen += len(lanes)
        self._lanes += lanes
        return lanes


def _lane(number: int, queue: str, tenant: str, provider: str, channel: str, time: float, shut: str) -> Lane:
    return Lane(id=number, queue=queue, tenant=tenant, provider=provider, channel=channel, time=time, shut=shut)
