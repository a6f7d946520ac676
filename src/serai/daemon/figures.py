"""What is counted and measured while time passes: the numbers of columns, and how modules tell theirs.

Who counts tells what is new, once a second, over the bus; nobody is asked, and what nobody uses costs nothing. Whoever
keeps them (the module ``series``) may be away: what is told meanwhile is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Annotated

import msgspec

from serai.bus import Bus
from serai.daemon.module import Clock
from serai.errors import SeraiError
from serai.store.series import GAUGES

SUBJECT = "series.told"
AGENT = "agent"  # the source of what apps use
MAX_VALUE = 1 << 48
MAX_ROWS = 1000  # of one message

#: Seconds after which gauges that stay as they are are told again, and after which they are no longer believed.
AGAIN, BELIEVED = 60.0, 150.0

# Sums. Requests by the first digit of their status; 0 is for those whose client left before there was one.
REQUESTS = 0
RECEIVED, SENT, LATENCY = 6, 7, 8  # octets of bodies in and of answers out; microseconds of all requests
DISK_READ, DISK_WRITTEN, NET_IN, NET_OUT = 9, 10, 11, 12  # octets
OBSERVED = 13  # seconds for which somebody kept numbers
#: Requests by latency: bucket N holds those below 2**N / 16000 seconds, and not in an earlier one.
BUCKETS, BUCKET_COUNT = 64, 64

# Gauges, of an app, of all of a tenant's (their sum) and, MACHINE further on, of the machine itself.
CPU, MEMORY, PROCESSES, INSTANCES, RESTARTS, DATA = range(GAUGES, GAUGES + 6)  # thousandths of a core, octets, …
MACHINE = 16
(MACHINE_CPU, MACHINE_MEMORY, CORES, LOAD, MEMORY_TOTAL, SWAP, DISK_USED, DISK_TOTAL) = range(
    GAUGES + MACHINE, GAUGES + MACHINE + 8
)
(PLATFORM_MEMORY, PLATFORM_WORKERS, TASKS_RUNNING, TASKS_DONE, TASKS_FAILED, API_REQUESTS, CONNECTIONS, HELD) = range(
    GAUGES + 2 * MACHINE, GAUGES + 2 * MACHINE + 8
)

Column = Annotated[int, msgspec.Meta(ge=0, lt=GAUGES * 2)]
Value = Annotated[int, msgspec.Meta(ge=0, le=MAX_VALUE)]
Name = Annotated[str, msgspec.Meta(max_length=63)]
Told = tuple[Name, Name, dict[Column, Value]]  # tenant, app, column to value


class Telling(msgspec.Struct, array_like=True):
    """What one source tells: what was added to sums since it last told, and how gauges stand.

    ``source`` is a name of its own. Tenant "" is the host; a gauge that is not told again is taken to be as it was, for
    `BELIEVED` seconds, and a row of gauges without any takes the source's earlier ones back.
    """

    source: Annotated[str, msgspec.Meta(max_length=64)]
    sums: Annotated[list[Told], msgspec.Meta(max_length=MAX_ROWS)]
    gauges: Annotated[list[Told], msgspec.Meta(max_length=MAX_ROWS)]


def parted(source: str, sums: Sequence[Told], gauges: Sequence[Told]) -> Iterator[Telling]:
    """Yield messages, none larger than the bus takes."""
    for at in range(0, max(len(sums), len(gauges)), MAX_ROWS):
        yield Telling(source, list(sums[at : at + MAX_ROWS]), list(gauges[at : at + MAX_ROWS]))


async def tell(bus: Bus, source: str, sums: Sequence[Told] = (), gauges: Sequence[Told] = ()) -> None:
    """Tell what is new; nobody may be there to hear it."""
    try:
        for message in parted(source, sums, gauges):
            await bus.publish(SUBJECT, msgspec.to_builtins(message, str_keys=False))
    except SeraiError:
        return  # a gap in a plot


class Changed:
    """Of gauges that are measured again and again, those worth telling: what changed, and now and then all of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str], tuple[float, dict[int, int]]] = {}

    def fresh(self, measured: Mapping[tuple[str, str], dict[int, int]]) -> list[Told]:
        """Return rows by tenant and app; without gauges for those that are no longer there."""
        now = self._clock.monotonic()
        rows: list[Told] = [(*key, {}) for key in self._told.keys() - measured.keys()]
        for key, values in measured.items():
            when, before = self._told.get(key, (-AGAIN, {}))
            if now - when >= AGAIN or _differs(before, values):
                rows.append((*key, values))
                self._told[key] = (now, values)
        for tenant, app, values in rows:
            if not values:
                self._told.pop((tenant, app), None)
        return rows


def _differs(before: Mapping[int, int], values: Mapping[int, int]) -> bool:
    """Tell whether a plot would show a difference."""
    return before.keys() != values.keys() or any(abs(value - before[at]) * 100 > value for at, value in values.items())


async def each_second(clock: Clock, work: Callable[[], Awaitable[None]]) -> None:
    """Do ``work`` at each whole second of the clock, so that what several tell belongs to the same one; never ends."""
    while True:
        await clock.sleep(1.0 - clock.now() % 1.0)
        await work()
