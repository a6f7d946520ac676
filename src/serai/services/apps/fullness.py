"""Data folders that outgrew their quota, where the kernel does not see to it: what they hold is measured.

A plain user can mount no volume of a fixed size, so an app's instances are stopped while its folder holds more than it
may, within seconds, and come back when it holds less or may hold more. Where volumes are mounted none ever does.

The kernel closes a volume for writing where the disk below it was full. When that has room again the app's instances
are stopped, so that nothing uses the volume, it is mended, and they come back.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from serai.daemon.module import Clock
from serai.errors import SeraiError
from serai.services.apps.desired import Owner, View
from serai.services.apps.hosting import SharedDriver

PAUSE = 3.0  # seconds between two looks
SHARE = 20  # a look at a million files takes its time: at most one part in so many is spent on looking


class Fullness:
    """Measure every few seconds; tell the view, and call ``changed`` where something else may run now."""

    def __init__(self, driver: SharedDriver, apps: Path, view: View, clock: Clock, changed: Callable[[], None]) -> None:
        self._driver = driver
        self._apps = apps
        self._view = view
        self._clock = clock
        self._changed = changed

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            begin = self._clock.monotonic()
            again = await self.look()
            spent = self._clock.monotonic() - begin
            await self._clock.sleep(PAUSE if again else max(PAUSE, SHARE * spent))

    async def look(self) -> bool:
        """Measure all folders once; return whether a volume waits to be mended."""
        used: dict[Owner, int] = {}
        closed: set[Owner] = set()
        for app in {(tenant, known.release.app) for (tenant, _), known in self._view.known.items()}:
            folder = self._apps / app[0] / app[1] / "data"
            try:
                used[app] = await self._driver.data_used(folder)
                if await self._driver.mend(folder):
                    closed.add(app)
            except (SeraiError, OSError):  # it goes away at this moment
                continue
        if self._view.measured(used, closed):
            self._changed()
        return bool(closed)
