"""The module that sees to it that each tenant, and each host name with a route, has a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from contextlib import suppress
from typing import Annotated, Any, ClassVar

import msgspec

from serai.cloud.descriptors import Route
from serai.daemon.module import Context, Needs
from serai.errors import SeraiError
from serai.identity.descriptors import Tenant
from serai.services.edge.names import HOST_NAME, leaf_path, own_names
from serai.services.edge.signer import sign

FOLLOWED = frozenset({Route.KIND, Tenant.KIND})
UNTIL = "edge.certificates"  # the call by which others ask until when certificates of names are valid
MOST = 1000  # names of one such call
POLL = 30.0  # seconds between two looks at the routes when nobody says that they changed
SOON = 5.0  # seconds after its start in which a host has more to do than to look how long certificates are valid

Names = Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST)]


class CertificatesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How certificates are made."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "Serai local authority"
    """The common name of the local authority, as trust stores show it."""
    renew_seconds: Annotated[float, msgspec.Meta(ge=1, le=86400)] = 3600.0
    """How often each certificate's end is looked at, in seconds."""


class CertificatesModule:
    """Follow the routes; sign what is missing or runs out."""

    ID: ClassVar[str] = "edge.certificates"
    Config: ClassVar[type[msgspec.Struct]] = CertificatesConfig
    NEEDS: ClassVar[Needs] = Needs(privilege="control", copies="one")

    def __init__(self, config: CertificatesConfig, ctx: Context) -> None:
        self._config = config
        self._ctx = ctx
        self._folder = ctx.home / "data" / "tls"
        self._names: set[str] = set()  # that have a leaf
        self._until: dict[str, float] = {}  # when those that were looked at run out
        self._recheck = 0.0  # when all of them are looked at, monotonic
        self._signing = asyncio.Lock()
        self._trouble = ""

    async def provision(self) -> None:
        """Make what the replica already asks for and is not there."""
        if (self._folder / "ca.pem").exists():
            self._names = {
                name for name in self._wanted() if HOST_NAME.match(name) and leaf_path(self._folder, name).exists()
            }
        self._recheck = self._ctx.clock.monotonic() + SOON
        await self._renew()

    async def serve(self) -> None:
        """Look at the routes whenever something changed."""
        changes = await self._ctx.bus.subscribe("replica.change")
        asked = await self._ctx.bus.handle(UNTIL, self._ends)
        try:
            while True:
                try:
                    await self._renew()
                    self._trouble = ""
                except SeraiError as error:  # the next look may find room, or a process
                    self._trouble = error.public
                    self._ctx.log.warning("certificates_wait", error=error)
                # A nudge may be lost, so the routes are looked at now and then as well.
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(POLL, max(0.0, self._recheck - self._ctx.clock.monotonic()))):
                        async for _, kinds in changes:
                            if kinds is None or not FOLLOWED.isdisjoint(kinds):
                                break
        finally:
            await asked.close()
            await changes.close()

    async def _ends(self, names: Any) -> dict[str, float]:
        wanted = msgspec.convert(names, Names)
        await self._look(self._names.intersection(wanted) - self._until.keys())
        return {name: self._until.get(name, 0.0) for name in wanted}

    async def close(self) -> None:
        """Hold nothing."""

    def status(self) -> Mapping[str, Any]:
        """Tell how many names have a certificate, and what keeps others from having one."""
        return {"ok": not self._trouble, "reason": self._trouble, "names": len(self._names)}

    async def _renew(self) -> None:
        wanted = self._wanted()
        if self._ctx.clock.monotonic() >= self._recheck:
            self._recheck = self._ctx.clock.monotonic() + self._config.renew_seconds
            self._names = set()
        await self._look(wanted - self._names)
        self._names = wanted
        self._until = {name: end for name, end in self._until.items() if name in wanted}

    def _wanted(self) -> set[str]:
        replica = self._ctx.replica
        names = {route.name.partition("/")[0] for route in replica.find(Route, "")} | {self._ctx.base}
        names.update(own_names(self._ctx.base))
        return names | {f"{tenant.name}.{self._ctx.base}" for tenant in replica.find(Tenant)}

    async def _look(self, names: Set[str]) -> None:
        """See to it that these names have fresh leaves, and note when those run out."""
        async with self._signing:
            if not names:
                return
            outcome = await sign(self._folder, self._config.title, self._ctx.clock.now(), sorted(names))
            for name in outcome.made:
                self._ctx.log.info("certificate_made", name=name)
            self._until.update(outcome.until)
