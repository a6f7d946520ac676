"""Who gets octets next: a turn for each tenant, and never for long.

An event for thousands of clients is written to some of them at a time, so that the loop goes on with what else there
is. Tenants take turns, so that one with many clients and much to say delays its own and no others; what one tenant's
clients are to get stays in order.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Protocol

SLICE = 256  # clients that are written to at once: about 2 ms
MERGED = 65536  # octets up to which events of one channel that wait become one write
JOBS, OCTETS = 4096, 8 << 20  # that wait, of one tenant


class Parcel(Protocol):
    """What is written to clients, in the form of each kind of them."""

    @property
    def lines(self) -> bytes:
        """Return it as server-sent events."""
        ...

    @property
    def frame(self) -> bytes:
        """Return it as WebSocket frames."""
        ...


class Receiver(Protocol):
    """A client."""

    def deliver(self, parcel: Parcel) -> None:
        """Write it, unless the client has gone."""
        ...


class Plain:
    """A parcel of octets that are known."""

    __slots__ = ("frame", "lines")

    def __init__(self, lines: bytes, frame: bytes) -> None:
        self.lines = lines
        self.frame = frame


class _Several:
    """Some parcels as one."""

    __slots__ = ("_frame", "_lines", "_parcels")

    def __init__(self, parcels: Sequence[Parcel]) -> None:
        self._parcels = parcels
        self._lines = self._frame = b""

    @property
    def lines(self) -> bytes:
        if not self._lines:
            self._lines = b"".join([each.lines for each in self._parcels])
        return self._lines

    @property
    def frame(self) -> bytes:
        if not self._frame:
            self._frame = b"".join([each.frame for each in self._parcels])
        return self._frame


class _Job:
    """Parcels of one channel, on their way to who followed it when the first of them came."""

    __slots__ = ("at", "channel", "octets", "parcels", "receivers", "whole")

    def __init__(self, channel: str, parcel: Parcel, octets: int, receivers: list[Receiver]) -> None:
        self.channel = channel
        self.parcels = [parcel]
        self.octets = octets
        self.receivers = receivers
        self.at = 0
        self.whole: Parcel | None = None


class Turns:
    """Write parcels to receivers. ``overflowed`` is told the channels of a tenant of which too much waited.

    What waited is forgotten then; it is called once the write under way is over.
    """

    def __init__(self, overflowed: Callable[[list[str]], None]) -> None:
        self._queues: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._octets: dict[str, int] = {}
        self._overflowed = overflowed
        self._running = False

    @property
    def waiting(self) -> int:
        """Return how many parcels, or groups of some, are on their way."""
        return sum(map(len, self._queues.values()))

    def add(self, turn: str, channel: str, parcel: Parcel, octets: int, receivers: list[Receiver]) -> None:
        """Write a parcel of a channel to receivers, behind all that waits of the same ``turn``."""
        if not receivers:
            return
        queue = self._queues.get(turn)
        if queue is None:
            if len(receivers) <= SLICE and not self._running:
                for receiver in receivers:
                    receiver.deliver(parcel)
                return
            queue = self._queues[turn] = deque()
        self._octets[turn] = self._octets.get(turn, 0) + octets
        last = queue[-1] if queue else None
        if (
            last is not None
            and last.whole is None
            and last.channel == channel
            and last.octets + octets <= MERGED
            and last.receivers == receivers
        ):
            last.parcels.append(parcel)
            last.octets += octets
        else:
            queue.append(_Job(channel, parcel, octets, receivers))
        if len(queue) > JOBS or self._octets[turn] > OCTETS:
            self._overflow(turn, queue)
        self._start()

    def _start(self) -> None:
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        """Write to some clients of whose turn it is."""
        if not self._queues:
            self._running = False
            return
        turn, queue = next(iter(self._queues.items()))
        room = SLICE
        while queue and room > 0:
            job = queue[0]
            if job.whole is None:
                job.whole = job.parcels[0] if len(job.parcels) == 1 else _Several(job.parcels)
            parcel = job.whole
            some = job.receivers[job.at : job.at + room]
            for receiver in some:
                receiver.deliver(parcel)
            room -= len(some)
            job.at += len(some)
            if job.at >= len(job.receivers):
                queue.popleft()
                self._octets[turn] -= job.octets
        if queue:
            self._queues.move_to_end(turn)
        else:
            del self._queues[turn]
            del self._octets[turn]
        asyncio.get_running_loop().call_soon(self._step)

    def _overflow(self, turn: str, queue: deque[_Job]) -> None:
        """Forget what waits, but for the job that some have got and others not yet."""
        kept = queue[0] if queue[0].whole is not None else None
        channels = dict.fromkeys(job.channel for job in queue if job is not kept)
        queue.clear()
        if kept is not None:
            queue.append(kept)
        self._octets[turn] = kept.octets if kept is not None else 0
        asyncio.get_running_loop().call_soon(self._overflowed, list(channels))
