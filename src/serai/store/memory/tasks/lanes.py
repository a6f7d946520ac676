"""Lanes, their queues' time, and gates."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from serai.store.memory.tasks.rows import Memory
from serai.store.memory.tasks.table import Closed
from serai.store.taskrows.gates import NEVER, Gate
from serai.store.taskrows.lanes import Lane
from serai.store.tasks import Scope


class LaneTables(Memory):
    """Lanes and gates by their keys; what is given out is a copy, as any engine's."""

    def lane(self, queue: str, tenant: str, provider: str, channel: str) -> int:
        """Return the id of a lane; a new one begins at its queue's time, one task behind its tenant's others."""
        key = (queue, tenant, provider, channel)
        kept = self._table
        for lane in kept.lanes.values():
            if (lane.queue, lane.tenant, lane.provider, lane.channel) == key:
                return lane.id
        # As SQLite does: one more than the greatest that is there.
        number = max(kept.lanes, default=0) + 1
        others = [lane.time + 1 for lane in kept.lanes.values() if (lane.queue, lane.tenant) == (queue, tenant)]
        time = max([self.time(queue), *others])
        kept.lanes[number] = Lane(id=number, queue=queue, tenant=tenant, provider=provider, channel=channel, time=time)
        return number

    def open_lanes(self, queue: str, limit: int) -> list[Lane]:
        """Return lanes that no gate closed, by time, then id."""
        return self._sorted(
            [lane for lane in self._table.lanes.values() if lane.queue == queue and not lane.shut], limit
        )

    def reopened(self, queue: str, now: float, limit: int) -> list[Lane]:
        """Return closed lanes whose gate opens by now, by time, then id."""
        opening = {
            c.gate.key for c in self._table.gates.values() if c.opens is not None and (c.opens <= now or c.at > now)
        }
        lanes = [lane for lane in self._table.lanes.values() if lane.queue == queue and lane.shut in opening]
        return self._sorted(lanes, limit)

    def siblings(self, queue: str, tenant: str) -> int:
        """Count a tenant's lanes in a queue that no gate closed."""
        lanes = self._table.lanes.values()
        return sum((lane.queue, lane.tenant, lane.shut) == (queue, tenant, "") for lane in lanes)

    def put_lanes(self, lanes: Sequence[Lane]) -> None:
        """Write the time and the gate of lanes."""
        for lane in lanes:
            self._table.lanes[lane.id] = msgspec.structs.replace(lane)

    def release(self, shut: str) -> None:
        """Open all lanes that a gate closed, at their queue's time at the earliest."""
        for lane in self._table.lanes.values():
            if lane.shut == shut:
                lane.shut, lane.time = "", max(lane.time, self.time(lane.queue))

    def drop_lanes(self, lanes: Sequence[int]) -> None:
        """Delete lanes."""
        for lane in lanes:
            del self._table.lanes[lane]

    def time(self, queue: str) -> float:
        """Return the virtual time that a queue has reached; 0.0 for a new one."""
        return self._table.times.get(queue, 0.0)

    def put_time(self, queue: str, time: float) -> None:
        """Write the virtual time of a queue."""
        self._table.times[queue] = time

    def has_gates(self) -> bool:
        """Tell whether there is any gate."""
        return bool(self._table.gates)

    def gate(self, scope: Scope, name: str) -> Gate | None:
        """Return a gate."""
        found = self._table.gates.get((scope, name))
        return None if found is None else msgspec.structs.replace(found.gate)

    def probed(self, number: int) -> Gate | None:
        """Return the gate whose probe a row is."""
        return next((gate for gate in self.gates() if gate.probe == number), None)

    def gates(self) -> list[Gate]:
        """Return all gates, by scope and name."""
        return [msgspec.structs.replace(closed.gate) for _, closed in sorted(self._table.gates.items())]

    def probers_due(self, now: float, limit: int) -> list[Gate]:
        """Return gates of providers that are down and have a prober that is to be called by now."""
        calls = [(gate.calls, gate.name, gate) for gate in self.gates() if gate.calls is not None]
        due = sorted((call for call in calls if call[0] <= now), key=lambda call: call[:2])
        return [gate for _, _, gate in due[:limit]]

    def put_gate(self, gate: Gate, opens: float | None, now: float) -> None:
        """Write a gate, and when it opens: that is looked at only while lanes stand under it."""
        closes = any(lane.shut == gate.key for lane in self._table.lanes.values())
        self._table.gates[gate.scope, gate.name] = Closed(msgspec.structs.replace(gate), opens if closes else None, now)

    def drop_gate(self, scope: Scope, name: str) -> None:
        """Delete a gate."""
        self._table.gates.pop((scope, name), None)

    def next_opening(self, now: float) -> float | None:
        """Return when the next gate opens after now, of those that lanes stand under, or calls its prober."""
        kept = list(self._table.gates.values())
        times = [closed.opens for closed in kept] + [closed.gate.calls for closed in kept]
        return min([time for time in times if time is not None and now < time < NEVER], default=None)

    def _sorted(self, lanes: list[Lane], limit: int) -> list[Lane]:
        lanes.sort(key=lambda lane: (lane.time, lane.id))
        return [msgspec.structs.replace(lane) for lane in lanes[:limit]]
