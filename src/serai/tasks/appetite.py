"""What a bot asks for at its next exchange."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from serai.store.tasks import Want
from serai.tasks.crew import Crew
from serai.tasks.function import Registry

#: Seconds between two looks for tasks that are not short, behind many that are.
_LOOK = 0.01


class Appetite:
    """Ask for as much as there is room for.

    While short tasks come one batch after the other, others are asked for now and then only: to find one, a claim looks
    past all the short ones that wait before it.
    """

    def __init__(self, queues: Sequence[str], concurrency: int, crew: Crew, registry: Registry) -> None:
        self._queues = tuple(queues)
        self._concurrency = concurrency
        self._crew = crew
        self._registry = registry
        self._full = False  # the last exchange brought as many short tasks as there was room for
        self._look_again = 0.0  # when to ask for others, too

    def want(self, *, refresh: bool) -> Want:
        """Return what there is room for; with ``refresh`` look for parked tasks, too."""
        now, slots = monotonic(), 0
        if not self._full or now >= self._look_again:
            slots = max(0, self._concurrency - self._crew.busy)
            self._look_again = now + _LOOK
        return Want(
            queues=self._queues,
            slots=slots,
            batch=self._crew.room(),
            short=self._crew.short(),
            known=self._registry.names if refresh else frozenset(),
        )

    def fed(self, want: Want, claimed: int) -> bool:
        """Learn what an exchange brought; return whether to ask again at once, as not all was asked for."""
        held_back = self._full and not want.slots
        self._full = 0 < want.batch <= claimed
        return held_back and not claimed
