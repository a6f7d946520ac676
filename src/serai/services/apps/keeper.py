"""One instance on this host: its handle, who waits for its end, who asks for its health; summed up in a `Seen`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from serai.cloud.drivers import Driver, Exit, Handle, Workload
from serai.daemon.module import Clock
from serai.errors import SeraiError
from serai.services.apps import logs, reconcile
from serai.services.apps.probing import Probe
from serai.services.apps.reconcile import STABLE, Key, Seen

SHOWN = 10  # instances that fail, by name
#: Seconds between two looks at a program that starts: a part of the time that it has taken already, so that it waits
#: for a look no longer than a little of that, however long it takes.
PART, FIRST_PAUSE, LONGEST_PAUSE = 0.08, 0.004, 0.25


class Keeper:
    """Look after one instance. Everything runs in one event loop; ``changed`` is called after each turn of events."""

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        changed: Callable[[], None],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        archive: Path,
        restarts: int = 0,
    ) -> None:
        self.seen = Seen(restarts=restarts)
        self.handle: Handle | None = None
        self._driver = driver
        self._clock = clock
        self._changed = changed
        self._spawn = spawn
        self._archive = archive  # where its log is kept when the workload is taken away
        self._watchers: list[asyncio.Task[None]] = []
        self._measured = 0.0

    @property
    def state(self) -> str:
        """How it is, in a word, where the store was not told yet."""
        if not self.seen.running:
            return "waiting"
        return "ready" if self.seen.good else "running"

    def begin(self, action: Coroutine[Any, Any, None]) -> None:
        """Run an action; until it is over the instance is busy."""
        self.seen = replace(self.seen, busy=True)
        self._spawn(self._run(action))

    async def _run(self, action: Coroutine[Any, Any, None]) -> None:
        try:
            await action
        except SeraiError as error:
            # What failed is tried again, like a program that crashes.
            self._fail(error.public)
            self.seen = replace(self.seen, blocked=self.seen.retry_at)
        finally:
            self.seen = replace(self.seen, busy=False)
            self._changed()

    async def start(self, workload: Workload, probe: Probe | None) -> None:
        """Start it, once what is left of an earlier run is gone."""
        await self.clear()
        if self.seen.failures:
            self.seen = replace(self.seen, restarts=self.seen.restarts + 1)
        self.adopt(await self._driver.start(workload), probe)

    def adopt(self, handle: Handle, probe: Probe | None, *, ready: bool = False) -> None:
        """Look after a workload that runs, whoever started it; with ``ready`` it goes on being so until it is not."""
        self.handle = handle
        self.seen = replace(
            self.seen,
            running=True,
            started=self._clock.monotonic(),
            good=ready or None,
            connections=None,
            idle_since=None,
            drain_since=None,
            connector=str(handle.connector),
        )
        self._watchers = [self._spawn(self._wait(handle))]
        if probe is not None:
            self._watchers.append(self._spawn(self._ask(handle, probe)))

    async def stop(self, failure: str, grace: float) -> None:
        """Stop it; with ``failure`` as a crash, which is followed by a restart."""
        self._leave()
        if self.handle is not None:
            await self._driver.stop(self.handle, grace=grace)
        self.seen = replace(self.seen, running=False, drain_since=None, idle_since=None)
        if failure:
            self._fail(failure)

    async def clear(self) -> None:
        """Keep the log of what has ended, and take the rest away."""
        if self.handle is not None:
            await asyncio.to_thread(logs.keep, self.handle.log, self._archive)
            await self._driver.remove(self.handle)
            self.handle = None

    def measure_after(self, now: float, pause: float) -> None:
        """Count its connections where that was last done ``pause`` seconds ago, to see whether it drained or idles."""
        if self.handle is not None and self.seen.running and now - self._measured >= pause:
            self._measured = now
            self._spawn(self._measure(self.handle))

    async def _measure(self, handle: Handle) -> None:
        try:
            count = await self._driver.connections(handle)
        except SeraiError:
            count = -1
        idle_since = self.seen.idle_since
        if count != 0:
            idle_since = None
        elif idle_since is None:
            idle_since = self._clock.monotonic()
        self.seen = replace(self.seen, connections=None if count < 0 else count, idle_since=idle_since)

    def _leave(self) -> None:
        for watcher in self._watchers:
            if watcher is not asyncio.current_task():
                watcher.cancel()
        self._watchers = []

    async def _wait(self, handle: Handle) -> None:
        ended = await self._driver.wait(handle)
        self._leave()
        self.seen = replace(self.seen, running=False)
        self._fail(describe(ended))
        self._changed()

    def _fail(self, reason: str) -> None:
        now = self._clock.monotonic()
        calm = self.seen.good is True and now - self.seen.started >= STABLE
        failures = 1 if calm else self.seen.failures + 1
        self.seen = replace(
            self.seen,
            failures=failures,
            reason=reason[:1000],
            retry_at=now + reconcile.wait_after(failures),
            good=None,
            drain_since=None,
            idle_since=None,
        )

    async def _ask(self, handle: Handle, probe: Probe) -> None:
        misses = 0
        while True:
            wrong = await probe.ask(handle.connector)
            if not wrong:
                misses = 0
                self._found(good=True, reason="")
            elif self.seen.good is None:
                self._found(good=None, reason=wrong)
            else:
                misses += 1
                if misses >= probe.check.failures:
                    self._found(good=False, reason=wrong)
            if self.seen.good is None:
                taken = self._clock.monotonic() - self.seen.started
                await self._clock.sleep(min(LONGEST_PAUSE, max(FIRST_PAUSE, taken * PART)))
            else:
                await self._clock.sleep(probe.check.interval)

    def _found(self, *, good: bool | None, reason: str) -> None:
        before = self.seen.good
        bad_since = self.seen.bad_since if before is False else self._clock.monotonic()
        self.seen = replace(self.seen, good=good, reason=reason[:1000], bad_since=bad_since)
        if good != before:
            self._changed()


def describe(ended: Exit) -> str:
    """Say how a program ended, as a clause."""
    if ended.reason == "out_of_memory":
        return "it used all of its memory and was killed"
    if ended.code < 0:
        return f"it was ended by signal {-ended.code}"
    if ended.reason == "lost":
        return "it is gone, nobody saw how it ended"
    return f"it exited with status {ended.code}"


def tally(keepers: Mapping[Key, Keeper]) -> dict[str, Any]:
    """Return ``instances``, how many are in each state and, where some fail, ``failing``: the first, with reasons."""
    states: dict[str, int] = {}
    failing = []
    for (tenant, name), keeper in keepers.items():
        told = keeper.seen.told
        state = told.state if told else keeper.state
        states[state] = states.get(state, 0) + 1
        if told and state in {"failed", "unhealthy"}:
            failing.append(f"{tenant}/{name}: {told.reason}")
    return {"instances": len(keepers), **states, **({"failing": failing[:SHOWN]} if failing else {})}
