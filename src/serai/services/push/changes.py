"""What is said of descriptors: that one changed, and which; never what it says.

The feed is read as long as somebody follows a channel that speaks of it.

Whoever hears of a change reads it from the API, where what somebody may see of it is decided.
"""

from __future__ import annotations

import asyncio

import msgspec

from serai.cloud.descriptors import Host, Instance, Route
from serai.daemon.module import Context
from serai.daemon.service import kinds_of
from serai.errors import NotFoundError, SeraiError
from serai.identity.descriptors import Tenant
from serai.identity.people import OPEN_KINDS
from serai.services.push.source import Source
from serai.store import Spec
from serai.store.codec import decode
from serai.store.contract import Change

CHANGED = "store.change"
POLL = 5.0  # seconds between looks where the bus is silent
PAGE = 500
FAR = 5000  # changes behind which it is not read what they were: too much has happened
#: Kinds of which a change may take from somebody what they may follow; a new session takes nothing.
RIGHTS = frozenset({"user", "member", "role", "token", "session", "tenant"})


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The data of an event ``change``."""

    change: int
    kind: str
    tenant: str
    name: str
    version: int
    app: str = ""
    deleted: bool = False


class Changes:
    """Follow the store's feed and say what is in it."""

    def __init__(self, ctx: Context, source: Source) -> None:
        self._ctx = ctx
        self._source = source
        kinds: tuple[type[Spec], ...] = (Tenant, Host, Instance, Route, *OPEN_KINDS, *kinds_of(ctx.services.values()))
        # What few may see has an action of its own, and is not spoken of.
        self._kinds: dict[str, type[Spec]] = {kind.KIND: kind for kind in kinds if not kind.ACTION}
        self._nudged = asyncio.Event()
        self._reached = -1  # the number of the last change that was told

    async def begin(self, _channel: str) -> None:
        """See that changes are followed, before anybody is told that they are."""
        if self._reached < 0:
            last = await self._ctx.store.last_change()
            self._reached = last if self._reached < 0 else self._reached

    async def run(self) -> None:
        """Follow until cancelled."""
        self._source.on_begin.append(self.begin)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._follow())

    async def _listen(self) -> None:
        while True:
            try:
                async for _ in await self._ctx.bus.subscribe(CHANGED):
                    self._nudged.set()
            except SeraiError as error:
                self._ctx.log.info("push.deaf", error=error)
            await self._ctx.clock.sleep(1.0)

    async def _follow(self) -> None:
        while True:
            self._nudged.clear()
            try:
                if not self._source.channels():
                    self._reached = -1  # the first who follows a channel begins anew
                elif self._reached >= 0:
                    self._reached = await self._read(self._reached)
            except SeraiError as error:
                self._ctx.log.info("push.store_away", error=error)
            try:
                async with asyncio.timeout(POLL):
                    await self._nudged.wait()
            except TimeoutError:
                continue

    async def _read(self, reached: int) -> int:
        """Say what comes after a change; return the number of the last one."""
        store, source = self._ctx.store, self._source
        while True:
            found = await store.changes(reached, PAGE)
            far = len(found) == PAGE and await store.last_change() - reached > FAR
            if far or (found and found[0].number != reached + 1):  # those between were pruned
                source.gap([each for each in source.channels() if not each.startswith(("task/", "tasks/"))])
                source.recheck()
                return await store.last_change()
            for change in found:
                await self._say(change)
            if found:
                reached = found[-1].number
            if len(found) < PAGE:
                return reached

    async def _say(self, change: Change) -> None:
        if change.kind in RIGHTS and (change.version > 1 or change.spec is None):
            self._source.recheck()
        kind = self._kinds.get(change.kind)
        if kind is None:
            return
        where = f"tenant/{change.tenant}" if change.tenant else "host"
        app = await self._app(kind, change) if self._source.channels(f"app/{change.tenant}/") else ""
        channels = [where, f"app/{change.tenant}/{app}"] if app and change.tenant else [where]
        data = msgspec.json.encode(
            Told(
                change=change.number,
                kind=change.kind,
                tenant=change.tenant,
                name=change.name,
                version=change.version,
                app=app,
                deleted=change.spec is None,
            )
        )
        for channel in channels:
            self._source.say(channel, "change", data)

    async def _app(self, kind: type[Spec], change: Change) -> str:
        """Return which app of its tenant a change is about, "" for none."""
        for spec in await self._specs(kind, change):
            app = spec.app_of(change.name) or getattr(spec, "app", "")
            if isinstance(app, str) and app:
                return app
        return ""

    async def _specs(self, kind: type[Spec], change: Change) -> list[Spec]:
        """Return what a descriptor says, or said before it was deleted."""
        if change.spec is not None:
            return [decode(kind, change.schema, change.spec)]
        try:
            return [await self._ctx.store.revision(kind, change.tenant, change.name, change.version - 1)]
        except NotFoundError:
            return []
