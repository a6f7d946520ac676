"""The module that sees to it that each tenant, and each host name with a route, has a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar

import msgspec

from serai.cloud.descriptors import Route
from serai.daemon.module import Context, Needs
from serai.identity.descriptors import Tenant
from serai.services.edge.names import own_names

FOLLOWED = frozenset({Route.KIND, Tenant.KIND})
UNTIL = "edge.certificates"  # the call by which others ask until when certificates of names are valid
MOST = 1000  # names of one such call
POLL = 30.0  # seconds between two looks at the routes when nobody says that they changed


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
        # Only the worker that signs pays for the library that does.
        from serai.services.edge.authority import Authority  # noqa: PLC0415

        self._config = config
        self._ctx = ctx
        self._folder = ctx.home / "data" / "tls"
        self._authority = Authority(self._folder, config.title)
        self._names: set[str] = set()  # whose leaves were fresh when last looked at
        self._recheck = 0.0

    async def provision(self) -> None:
        """Open the authority, and make what the replica already asks for."""
        self._authority.open(self._now())
        self._renew()

    async def serve(self) -> None:
        """Look at the routes whenever something changed."""
        changes = await self._ctx.bus.subscribe("replica.change")
        asked = await self._ctx.bus.handle(UNTIL, self._until)
        try:
            while True:
                self._renew()
                # A nudge may be lost, so the routes are looked at now and then as well.
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL):
                        async for _, kinds in changes:
                            if kinds is None or not FOLLOWED.isdisjoint(kinds):
                                break
        finally:
            await asked.close()
            await changes.close()

    async def _until(self, names: Any) -> dict[str, float]:
        wanted = msgspec.convert(names, Names)
        return {name: self._authority.until(name) for name in wanted}

    async def close(self) -> None:
        """Hold nothing."""

    def status(self) -> Mapping[str, Any]:
        """Tell how many names have a certificate."""
        return {"ok": True, "reason": "", "names": len(self._names)}

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._ctx.clock.now(), UTC)

    def _renew(self) -> None:
        now = self._now()
        if self._ctx.clock.monotonic() >= self._recheck:
            self._recheck = self._ctx.clock.monotonic() + self._config.renew_seconds
            self._names = set()
        replica = self._ctx.replica
        wanted = {route.name.partition("/")[0] for route in replica.find(Route, "")} | {self._ctx.base}
        wanted.update(own_names(self._ctx.base))
        wanted |= {f"{tenant.name}.{self._ctx.base}" for tenant in replica.find(Tenant)}
        for name in sorted(wanted - self._names):
            if self._authority.ensure(name, now):
                self._ctx.log.info("certificate_made", name=name)
        self._names = wanted
