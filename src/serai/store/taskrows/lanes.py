"""Who is next: lanes of waiting tasks, and how a claim is shared between them.

A lane holds the ready tasks of one queue that pass the same gates: of one tenant and provider, and of a channel that
has a rate. It exists while it holds any. Each has its own virtual time (start-time fair queueing; Goyal, Vin and Cheng
1996): the smallest is next, and a task that is taken moves it ahead by the number of lanes that its tenant has in the
queue. So tenants get equal shares, however many tasks and lanes they have, and a newcomer begins where the queue is.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import msgspec

#: Lanes that one claim looks at in a queue.
MAX_LANES = 512


class Lane(msgspec.Struct, kw_only=True):
    """One lane; ``shut`` is the key of the gate that closed it."""

    id: int
    queue: str
    tenant: str
    provider: str
    channel: str
    time: float
    shut: str = ""


class Turn(msgspec.Struct):
    """A lane's turn: it is at ``time``, may give ``room`` tasks, and each of them moves it ahead by ``step``."""

    time: float
    step: float
    room: int


def share(turns: Sequence[Turn], places: int) -> list[int]:
    """Return how many places each lane gets: always the one with the smallest time, until places or rooms are full."""
    given = [0] * len(turns)
    heap = [(turn.time, index) for index, turn in enumerate(turns) if turn.room > 0]
    heapq.heapify(heap)
    while heap and places > 0:
        time, index = heap[0]
        turn = turns[index]
        if len(heap) == 1:
            given[index] += min(places, turn.room - given[index])
            break
        given[index] += 1
        places -= 1
        if given[index] < turn.room:
            heapq.heapreplace(heap, (time + turn.step, index))
        else:
            heapq.heappop(heap)
    return given
