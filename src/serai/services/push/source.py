"""The source of all events of a cell: numbers them, keeps what was said lately, and tells the workers.

A source lives as long as its process. What the one before it knew is lost: workers see another life, and tell their
clients to load anew what they show.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from serai.bus import Bus
from serai.errors import InvalidError, SeraiError
from serai.services.push import tickets, wire
from serai.services.push.channels import check_event, check_own, own, tenant_of
from serai.services.push.config import SourceConfig
from serai.services.push.events import MAX_DATA, Event, Mark
from serai.services.push.past import Past
from serai.services.push.rates import Rates

MOST_PENDING = 20_000  # events that wait for the bus; beyond that they are gaps


class Source:
    """Say things on channels that somebody follows; on others nothing is said, and nothing is kept."""

    def __init__(
        self, bus: Bus, config: SourceConfig, life: int, key: bytes, now: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._bus = bus
        self._config = config
        self._key = key
        self._now = now
        self._wall = wall
        self.life = life
        self.number = 0
        self.past = Past()
        self._until: dict[str, float] = {}  # when a channel is forgotten, in monotonic seconds
        self._platform: dict[str, None] = {}  # those of them that are no application's
        self._channels: dict[str, int] = {}  # how many each tenant has
        self._events = Rates(config.events_per_second, 2 * config.events_per_second)
        self._octets = Rates(config.octets_per_second, 4 * config.octets_per_second)
        self._pending: list[wire.Said] = []
        self._gaps: dict[str, None] = {}
        self._recheck = False
        self._told = 0  # the last number that went to the bus
        self._news = asyncio.Event()
        #: Awaited with a channel that nobody followed so far, before it is said to be known: from then on nothing of it
        #: may be left out.
        self.on_begin: list[Callable[[str], Awaitable[None]]] = []

    def followed(self, channel: str) -> bool:
        """Tell whether somebody follows a channel, or did a moment ago."""
        return channel in self._until

    def channels(self, prefix: str = "") -> list[str]:
        """Return the platform's channels that are followed, of those whose names begin so."""
        return [channel for channel in self._platform if channel.startswith(prefix)]

    def say(self, channel: str, name: str, data: bytes) -> str:
        """Say something; return its ID, "" where nobody follows the channel. ``data`` is JSON without line ends."""
        if channel not in self._until:
            return ""
        if len(self._pending) >= MOST_PENDING:
            self.gap([channel])
            return ""
        self.number += 1
        mark = Mark(self.life, self.number)
        self.past.add(Event(mark, channel, name, data))
        self._pending.append(wire.Said(self.number, channel, name, data))
        self._news.set()
        return str(mark)

    def gap(self, channels: Iterable[str]) -> None:
        """Say that there was something on these channels that can't be told."""
        for channel in channels:
            if channel in self._until:
                self.number += 1
                self.past.open(channel, self.number)
                self._gaps[channel] = None
                self._news.set()

    def recheck(self) -> None:
        """Let workers ask again what their clients may follow."""
        self._recheck = True
        self._news.set()

    async def follow(self, message: Any) -> Any:
        """Answer a worker."""
        asked = wire.told(message, wire.Follow)
        refused = [channel for channel in asked.channels if not await self._begin(channel)]
        after = asked.after if asked.life == self.life else 0
        said: list[wire.Said] = []
        bases: dict[str, int] = {}
        room = wire.BATCH_OCTETS
        for channel in asked.channels:
            trail = self.past.get(channel)
            if trail is None:
                continue
            bases[channel] = trail.base
            for event in reversed(trail.after(max(after, trail.base)) or ()):
                room -= len(event.data) + len(channel) + 64
                if room < 0:
                    bases[channel] = event.number
                    break
                said.append(wire.Said(event.number, channel, event.name, event.data))
        said.sort(key=lambda one: one.number)
        return wire.plain(wire.Followed(self.life, self.number, said, bases, refused, self._key))

    async def publish(self, message: Any) -> Any:
        """Say what an application says."""
        asked = wire.told(message, wire.Publish)
        channel, name = check_own(asked.channel), check_event(asked.event)
        if len(asked.data) > MAX_DATA:
            raise InvalidError(f"An event has at most {MAX_DATA} octets.", path="data")
        if b"\n" in asked.data or b"\r" in asked.data:
            raise InvalidError("An event's data is JSON in one line.", path="data")
        now = self._now()
        self._events.take(asked.tenant, 1, now)
        self._octets.take(asked.tenant, len(asked.data), now)
        return self.say(own(asked.tenant, asked.app, channel), name, asked.data)

    async def ticket(self, message: Any) -> Any:
        """Sign a ticket for an application."""
        asked = wire.told(message, wire.Ticket)
        if not 1 <= asked.seconds <= tickets.MAX_SECONDS:
            raise InvalidError(f"A ticket holds for 1 to {tickets.MAX_SECONDS:.0f} seconds.", path="seconds")
        self._events.take(asked.tenant, 1, self._now())
        return tickets.issue(self._key, asked.tenant, asked.app, asked.channels, self._wall() + asked.seconds)

    async def run(self) -> None:
        """Tell the workers what is new, and every `wire.BEAT` seconds that we live, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wire.BEAT):
                    await self._news.wait()
            self._news.clear()
            pending, self._pending = self._pending, []
            gaps, self._gaps = list(self._gaps), {}
            recheck, self._recheck = self._recheck, False
            reached = self.number
            batches = list(_batches(pending)) or [[]]
            for said in batches[:-1]:
                await self._tell(said, said[-1].number)
            await self._tell(batches[-1], reached, gaps, recheck=recheck)
            self._forget()

    async def _tell(
        self, said: list[wire.Said], number: int, gaps: Sequence[str] = (), *, recheck: bool = False
    ) -> None:
        """Publish; who misses it sees that from the next."""
        batch = wire.Batch(self.life, self._told, number, said, list(gaps), recheck)
        self._told = number
        with contextlib.suppress(SeraiError):
            await self._bus.publish(wire.FEED, wire.plain(batch))

    async def _begin(self, channel: str) -> bool:
        """Note that somebody follows a channel; return False where it can't be followed now."""
        new = channel not in self._until
        if not self._keep(channel):
            return False
        if new and not channel.startswith("own/"):
            try:
                for begin in self.on_begin:
                    await begin(channel)
            except SeraiError:
                self._drop(channel)
                return False
        return True

    def _keep(self, channel: str) -> bool:
        """Note that somebody follows a channel; return False where there are too many."""
        if channel not in self._until:
            tenant = tenant_of(channel)
            if self._channels.get(tenant, 0) >= self._config.channels_each or len(self._until) >= self._config.channels:
                return False
            self._channels[tenant] = self._channels.get(tenant, 0) + 1
            self.past.open(channel, self.number)
            if not channel.startswith("own/"):
                self._platform[channel] = None
        self._until[channel] = self._now() + wire.KEEP
        return True

    def _forget(self) -> None:
        now = self._now()
        for channel in [channel for channel, until in self._until.items() if until < now]:
            self._drop(channel)

    def _drop(self, channel: str) -> None:
        if self._until.pop(channel, None) is None:
            return
        self.past.close(channel)
        self._platform.pop(channel, None)
        tenant = tenant_of(channel)
        self._channels[tenant] -= 1
        if not self._channels[tenant]:
            del self._channels[tenant]


def _batches(pending: list[wire.Said]) -> Iterable[list[wire.Said]]:
    """Cut what is to be told into messages that the bus takes."""
    batch: list[wire.Said] = []
    octets = 0
    for said in pending:
        octets += len(said.data) + len(said.channel) + len(said.name) + 16
        batch.append(said)
        if octets >= wire.BATCH_OCTETS:
            yield batch
            batch, octets = [], 0
    if batch:
        yield batch
