"""What the agent answers on the bus: `apps.wake` (the edge), `apps.logs` and `apps.usage` (the API)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from serai.bus import Bus, Subscription
from serai.errors import InvalidError
from serai.services.apps import logs, usage, wake
from serai.services.apps.addresses import Site
from serai.services.apps.checks import check_name
from serai.services.apps.descriptors import APP_NAME
from serai.services.apps.keeper import Keeper
from serai.services.apps.reconcile import Key
from serai.services.apps.usage import Meter
from serai.store import Store


class Calls:
    """Answer calls about the instances of one host; ``expect`` is called where one is likely to be started."""

    def __init__(
        self,
        store: Store,
        site: Site,
        apps: Path,
        keepers: Mapping[Key, Keeper],
        expect: Callable[[], None],
        meter: Meter,
    ) -> None:
        self._store = store
        self._site = site
        self._apps = apps
        self._keepers = keepers
        self._expect = expect
        self._meter = meter

    async def register(self, bus: Bus) -> list[Subscription]:
        """Begin to answer."""
        return [
            await bus.handle(wake.SUBJECT, self.on_wake),
            await bus.handle(logs.SUBJECT, self.on_logs),
            await bus.handle(usage.SUBJECT, self.on_usage),
        ]

    async def on_wake(self, message: Any) -> Any:
        """See to it that a release has an instance: ``{"made": whether one was made}``."""
        wish = wake.understand(message)
        self._expect()  # most wishes are for what has to be started
        return {"made": await wake.wake(self._store, self._site, f"host:{self._site.host}", wish)}

    async def on_logs(self, message: Any) -> Any:
        """Return pieces of an app's logs; see `serai.services.apps.log_stream`."""
        try:
            ask = msgspec.convert(message, logs.Ask)
        except msgspec.ValidationError as error:
            raise InvalidError("That is no question about logs.", detail=str(error)) from error
        for path, name in (("tenant", ask.tenant), ("app", ask.app)):
            # They become a path here.
            check_name(path, APP_NAME, name)
        return msgspec.to_builtins(await asyncio.to_thread(logs.answer, self._sources(ask), ask))

    async def on_usage(self, message: Any) -> Any:
        """Return what each instance of an app used lately: `serai.services.apps.usage.InstanceUsage`."""
        try:
            ask = msgspec.convert(message, usage.Ask)
        except msgspec.ValidationError as error:
            raise InvalidError("That is no question about usage.", detail=str(error)) from error
        return msgspec.to_builtins(self._meter.instances(ask.tenant, ask.app))

    def _sources(self, ask: logs.Ask) -> list[logs.Source]:
        running = [
            logs.Source(key[1], keeper.handle.log)
            for key, keeper in self._keepers.items()
            if keeper.handle is not None and key[0] == ask.tenant and key[1].startswith(f"{ask.app}.")
        ]
        here = {source.name for source in running}
        kept = logs.archived(self._apps / ask.tenant / ask.app / "logs")
        # Of an instance that runs, what its earlier runs wrote comes under a name of its own.
        return [*running, *(logs.Source(one.name + logs.BEFORE, one.file) if one.name in here else one for one in kept)]
