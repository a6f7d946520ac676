"""What the agent does besides its instances: measure, say what this host can do, end what nobody looks after."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from serai.cloud import host
from serai.cloud.descriptors import Host
from serai.cloud.drivers import Driver, Handle, Probe
from serai.daemon import figures
from serai.daemon.module import Clock, Context
from serai.errors import NotFoundError, SeraiError
from serai.services.apps.keeper import Keeper
from serai.services.apps.reconcile import Key
from serai.services.apps.usage import Meter

SWEEP = 30.0  # seconds that the tasks of an earlier process have to begin again


async def look_around(
    ctx: Context, meter: Meter, keepers: Mapping[Key, Keeper], probes: Sequence[Probe], every: float
) -> None:
    """Measure ``every`` so many seconds, and describe this host once the store can be reached; never ends."""
    measured, described = 0.0, False
    changed, last = figures.Changed(ctx.clock), 0.0
    while True:
        now = ctx.clock.now()
        try:
            described = described or await _describe(ctx, probes)
        except SeraiError as error:
            ctx.log.warning("agent.store", code=error.code, reason=error.public)
        if abs(now - measured) >= every:
            measured, before, last = now, last, ctx.clock.monotonic()
            gauges = changed.fresh(await meter.measure(dict(keepers), last - before if before else 0.0))
            await figures.tell(ctx.bus, figures.AGENT, gauges=gauges)
        await ctx.clock.sleep(1.0)


async def _describe(ctx: Context, probes: Sequence[Probe]) -> bool:
    if probes:
        spec = host.describe(probes)
        try:
            same = (await ctx.store.get(Host, "", ctx.host)).spec == spec
        except NotFoundError:
            same = False
        if not same:
            await ctx.store.put(f"host:{ctx.host}", "what probes found", "", ctx.host, spec)
    return True


async def sweep(driver: Driver, clock: Clock, handles: Collection[Handle]) -> None:
    """End builds and one-off commands whose bot died, unless their task began again and did so itself."""
    await clock.sleep(SWEEP)
    left = await driver.recover()
    for handle in handles:
        if handle in left:
            await driver.stop(handle, grace=0)
            await driver.remove(handle)
