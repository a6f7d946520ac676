"""What was said on channels lately: bounded by channel, by tenant and in all, and honest about what it lacks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from serai.services.push.channels import tenant_of
from serai.services.push.events import Event

EVENTS, OCTETS = 256, 256 << 10  # of one channel
OF_TENANT, OF_ALL = 4 << 20, 32 << 20  # octets


class Trail:
    """The end of one channel: all its events after the number ``base``."""

    __slots__ = ("base", "events", "octets")

    def __init__(self, base: int) -> None:
        self.base = base
        self.events: deque[Event] = deque()
        self.octets = 0

    @property
    def latest(self) -> int:
        """Return the number up to which this tells everything that came."""
        return self.events[-1].number if self.events else self.base

    def after(self, number: int) -> list[Event] | None:
        """Return the events after a number, oldest first; None where some of them are not known any more."""
        if number < self.base:
            return None
        return [event for event in self.events if event.number > number]

    def pop(self) -> int:
        """Forget the oldest event; return how many octets that frees."""
        event = self.events.popleft()
        weight = event.weight
        self.base = event.number
        self.octets -= weight
        return weight


class _Tenant:
    """What one tenant's channels occupy, and in which order it came."""

    __slots__ = ("count", "octets", "order")

    def __init__(self) -> None:
        self.count = 0
        self.octets = 0
        self.order: deque[tuple[str, int]] = deque()  # some of which may be forgotten already


class Past:
    """All trails of one process. Of a tenant that says too much the oldest goes first, and of no other tenant."""

    def __init__(self, *, of_tenant: int = OF_TENANT, of_all: int = OF_ALL) -> None:
        self._trails: dict[str, Trail] = {}
        self._tenants: dict[str, _Tenant] = {}
        self._of_tenant = of_tenant
        self._of_all = of_all
        self.octets = 0

    def __len__(self) -> int:
        """Return the number of channels."""
        return len(self._trails)

    def __iter__(self) -> Iterator[str]:
        """Yield the channels' names."""
        return iter(self._trails)

    def get(self, channel: str) -> Trail | None:
        """Return a channel's trail, None where none is kept."""
        return self._trails.get(channel)

    def open(self, channel: str, base: int) -> Trail:
        """Begin, or begin anew, to keep a channel's events: those after a number."""
        self.close(channel)
        trail = self._trails[channel] = Trail(base)
        return trail

    def close(self, channel: str) -> None:
        """Keep no more of a channel."""
        trail = self._trails.pop(channel, None)
        if trail is None:
            return
        name = tenant_of(channel)
        if (tenant := self._tenants.get(name)) is not None:
            tenant.octets -= trail.octets
            tenant.count -= len(trail.events)
            if not tenant.count:
                del self._tenants[name]
        self.octets -= trail.octets

    def add(self, event: Event) -> None:
        """Keep an event, where its channel is kept."""
        trail = self._trails.get(event.channel)
        if trail is None:
            return
        tenant = self._tenants.setdefault(tenant_of(event.channel), _Tenant())
        weight = event.weight
        trail.events.append(event)
        trail.octets += weight
        tenant.count += 1
        tenant.octets += weight
        self.octets += weight
        tenant.order.append((event.channel, event.number))
        while trail.octets > OCTETS or len(trail.events) > EVENTS:
            self._freed(tenant, trail.pop())
        while tenant.octets > self._of_tenant:
            self._shed(tenant)
        while self.octets > self._of_all:
            self._shed(max(self._tenants.values(), key=lambda each: each.octets))
        if len(tenant.order) > 2 * tenant.count + 64:
            tenant.order = deque(each for each in tenant.order if self._oldest(*each) is not None)

    def _shed(self, tenant: _Tenant) -> None:
        """Forget a tenant's oldest event."""
        while tenant.order:
            trail = self._oldest(*tenant.order.popleft())
            if trail is not None:
                self._freed(tenant, trail.pop())
                return

    def _oldest(self, channel: str, number: int) -> Trail | None:
        """Return the trail that still has the event of a number."""
        trail = self._trails.get(channel)
        return trail if trail is not None and trail.base < number else None

    def _freed(self, tenant: _Tenant, octets: int) -> None:
        tenant.count -= 1
        tenant.octets -= octets
        self.octets -= octets
