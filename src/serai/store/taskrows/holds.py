"""What an engine brings about lanes, gates and counts; part of `serai.store.taskrows.shelf.Shelf`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from serai.store.taskrows.gates import Gate
from serai.store.taskrows.lanes import Lane
from serai.store.tasks import Miscount, Scope


class Holds(Protocol):
    """Statements over lanes, gates and counts."""

    def lane(self, queue: str, tenant: str, provider: str, channel: str) -> int:
        """Return the id of a lane; a new one begins at its queue's time, one task behind its tenant's others."""
        ...

    def open_lanes(self, queue: str, limit: int) -> list[Lane]:
        """Return lanes that no gate closed, by time, then id."""
        ...

    def reopened(self, queue: str, now: float, limit: int) -> list[Lane]:
        """Return closed lanes whose gate opens by now, or was written later than that: a clock went back."""
        ...

    def siblings(self, queue: str, tenant: str) -> int:
        """Count a tenant's lanes in a queue that no gate closed."""
        ...

    def put_lanes(self, lanes: Sequence[Lane]) -> None:
        """Write the time and the gate of lanes."""
        ...

    def release(self, shut: str) -> None:
        """Open all lanes that a gate closed, at their queue's time at the earliest."""
        ...

    def drop_lanes(self, lanes: Sequence[int]) -> None:
        """Delete lanes."""
        ...

    def time(self, queue: str) -> float:
        """Return the virtual time that a queue has reached; 0.0 for a new one."""
        ...

    def put_time(self, queue: str, time: float) -> None:
        """Write the virtual time of a queue."""
        ...

    def has_gates(self) -> bool:
        """Tell whether there is any gate."""
        ...

    def gate(self, scope: Scope, name: str) -> Gate | None:
        """Return a gate."""
        ...

    def probed(self, number: int) -> Gate | None:
        """Return the gate whose probe a row is."""
        ...

    def gates(self) -> list[Gate]:
        """Return all gates, by scope and name."""
        ...

    def probers_due(self, now: float, limit: int) -> list[Gate]:
        """Return gates of providers that are down and have a prober that is to be called by now."""
        ...

    def put_gate(self, gate: Gate, opens: float | None, now: float) -> None:
        """Write a gate, and when it opens: that is looked at only while lanes stand under it, see `reopened`."""
        ...

    def drop_gate(self, scope: Scope, name: str) -> None:
        """Delete a gate."""
        ...

    def next_opening(self, now: float) -> float | None:
        """Return when the next gate opens after now, of those that lanes stand under, or calls its prober."""
        ...

    def waiting(self, tenant: str, app: str) -> int:
        """Return how many rows in to_do were counted of an app, or with "" of all apps of a tenant."""
        ...

    def count(self, changes: Sequence[tuple[str, str, int]]) -> None:
        """Add to what was counted of apps: tenant, app, by how many."""
        ...

    def miscounted(self) -> list[Miscount]:
        """Look at all rows; return of which apps what was counted is not what there is."""
        ...

    def recount(self, found: Sequence[Miscount]) -> None:
        """Set right what was miscounted, once: where nobody set it right meanwhile. What was rightly 0 is forgotten."""
        ...
